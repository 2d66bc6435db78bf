"""A worker that is told to end: what can end in its grace does, the rest is given back, and no delivery is spent."""

import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from runtime.bus.namespace import Namespace
from runtime.keys import WORKERS
from tests.faults.scene import Scene, acting, own_scene, room, scene
from tests.faults.servers import stopped_server
from tests.support import until

pytestmark = pytest.mark.timeout(240)

GRACE = 5.0
"""Seconds that the pump gives to what is in hand."""


async def holding(messages: list[dict[str, str]]) -> str:
    """No answer for room 1."""
    if "You are in room 1." in messages[1]["content"]:
        await anyio.sleep_forever()
    return acting(messages)


async def pending(playing: Scene) -> list[dict[str, Any]]:
    return await playing.namespace.client.xpending_range(playing.namespace.keys.tasks, WORKERS, "-", "+", 10)


async def asked(playing: Scene) -> int:
    return len(playing.model.chats)


async def test_worker_terminated_gives_back_after_its_grace_what_has_not_ended_and_spends_no_delivery(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    async with scene(namespace, server_url, household, tmp_path, holding) as playing:
        long = {"MEMP_SLOTS": "2", "MEMP_LEASE": "60"}
        worker = await playing.start("worker", **long)
        await playing.at_work(1)
        await namespace.submit_tasks([room(1)])
        await until(lambda: asked(playing))
        worker.send_signal(signal.SIGTERM)
        began = anyio.current_time()

        # Released is what counts as idle for a whole lease: the next sweep takes it.
        await until(lambda: pending(playing), lambda found: found[0]["time_since_delivered"] >= 60_000)
        seconds = anyio.current_time() - began
        assert GRACE - 0.2 < seconds < GRACE + 1
        [left] = await pending(playing)
        assert left["times_delivered"] == 0, "the sweep that takes it counts it as the first delivery again"
        assert await worker.wait() == 0

        playing.model.reply = acting
        await playing.start("worker", **long)
        await playing.settled(1)
        [played] = await playing.trajectories()
        assert (played.attempt, played.success) == (1, True)
        print(f"released after {seconds:.2f} s")


async def test_worker_terminated_commits_what_ends_in_its_grace_and_claims_no_more(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    go = anyio.Event()

    async def waiting(messages: list[dict[str, str]]) -> str:
        await go.wait()
        return acting(messages)

    async with scene(namespace, server_url, household, tmp_path, waiting) as playing:
        worker = await playing.start("worker", MEMP_SLOTS="2")
        await playing.at_work(1)
        await namespace.submit_tasks([room(index) for index in range(4)])
        await until(lambda: asked(playing), lambda count: count == 2)
        worker.send_signal(signal.SIGTERM)
        await until(lambda: logged(playing, "stopping"))
        go.set()
        with anyio.fail_after(GRACE):
            assert await worker.wait() == 0
        assert len(await playing.trajectories()) == 2
        assert await pending(playing) == []
        assert await namespace.client.xlen(namespace.keys.tasks) == 2, "the other two wait for another worker"


async def test_worker_terminated_while_the_server_answers_nothing_begins_its_grace_at_once(
    namespace_name: str, household: Path, tmp_path: Path
) -> None:
    async with own_scene(namespace_name, household, tmp_path, holding, "--no-module") as playing:
        namespace, url = playing.namespace, playing.url
        worker = await playing.start("worker", MEMP_SLOTS="2", MEMP_LEASE="60")
        await playing.at_work(1)
        await namespace.submit_tasks([room(1)])
        await until(lambda: asked(playing))
        async with stopped_server(url):
            worker.send_signal(signal.SIGTERM)
            with anyio.move_on_after(GRACE + 1):
                await worker.wait()
        # Its call for more is answered only now: the grace must not begin with that.
        with anyio.fail_after(GRACE - 1):
            assert await worker.wait() == 0
        [left] = await pending(playing)
        assert (left["times_delivered"], left["time_since_delivered"] >= 60_000) == (0, True)


async def logged(playing: Scene, word: str) -> bool:
    return word in playing.logs("worker")
