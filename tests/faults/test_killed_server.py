"""A server that is killed under load, again and again, and starts on its append-only file."""

import signal
from collections import Counter
from pathlib import Path

import anyio
import pytest

from memory.read import read_procedures
from runtime.bus.namespace import Namespace
from runtime.events import Progress
from runtime.tasks import open_tasks
from tests.faults.scene import LEARNING, Scene, own_scene, progressed, room, slowly
from tests.faults.servers import kill_server
from tests.support import dead_letters, until

pytestmark = pytest.mark.timeout(240)

TASKS = 60
POISONED = (7, 31)
HELD = 10
"""Tasks of which some are held when the server goes."""


async def recovery(url: str, namespace: Namespace) -> float:
    """Kill the server; the seconds until the worker has committed and the curator has applied something since."""
    before = await namespace.progress()
    began = anyio.current_time()
    await kill_server(url)

    def gone_on(now: Progress) -> bool:
        return now.committed > before.committed and now.applied > before.applied

    await until(namespace.progress, gone_on, seconds=30)
    return anyio.current_time() - began


async def applied(namespace: Namespace, count: int) -> None:
    await progressed(namespace, lambda now: now.applied >= count)


async def assert_each_once(playing: Scene) -> None:
    """Every task is committed and applied, or dead-lettered; each once."""
    namespace = playing.namespace
    progress = await namespace.progress()
    letters = await dead_letters(namespace)
    assert sorted(letter.task or "" for letter in letters) == sorted(f"t{index}" for index in POISONED)
    assert {letter.deliveries for letter in letters} == {3}
    learned = TASKS - len(POISONED)
    assert (progress.submitted, progress.committed, progress.dead, progress.applied) == (TASKS, learned, len(POISONED), learned)
    procedures = await read_procedures(namespace.client, namespace.keys)
    sources = Counter(source for procedure in procedures for source in procedure.sources)
    assert sources == {f"1:t{index}": 1 for index in range(TASKS) if index not in POISONED}
    assert await namespace.client.xlen(namespace.keys.changes) == learned
    assert await namespace.client.xlen(namespace.keys.tasks) == await namespace.client.xlen(namespace.keys.trajectories) == 0


async def test_server_killed_under_load_costs_seconds_and_nothing_else(namespace_name: str, household: Path, tmp_path: Path) -> None:
    async with own_scene(namespace_name, household, tmp_path, slowly(0.05)) as playing:
        namespace, url = playing.namespace, playing.url
        await playing.start("worker", MEMP_SLOTS="4")
        await playing.start(*LEARNING)
        await playing.at_work(1)
        tasks = [room(index, length=8, **({"poison": "raise"} if index in POISONED else {})) for index in range(TASKS)]
        await namespace.submit_tasks(tasks[:40])
        seconds: list[float] = []
        for due in (4, 16, 28):
            await applied(namespace, due)
            async with open_tasks() as meanwhile:
                meanwhile.start_soon(namespace.submit_tasks, tasks[40:])  # again each time: they are added once
                seconds.append(await recovery(url, namespace))
        await playing.settled(TASKS)
        await applied(namespace, TASKS - len(POISONED))
        await assert_each_once(playing)
        assert max(seconds) <= 10, seconds
        assert all(process.returncode is None for process in playing.processes.values())
        print("recovered in", [round(each, 2) for each in seconds], "s")


async def test_worker_and_curator_terminated_while_the_server_is_away_end_and_leave_what_they_held(
    namespace_name: str, household: Path, tmp_path: Path
) -> None:
    async with own_scene(namespace_name, household, tmp_path, slowly(0.05)) as playing:
        namespace, url = playing.namespace, playing.url
        first = [await playing.start("worker", MEMP_SLOTS="4"), await playing.start(*LEARNING)]
        await namespace.submit_tasks([room(index, length=10) for index in range(HELD)])
        await applied(namespace, 1)
        await until(namespace.in_flight)
        await kill_server(url)
        for process in first:
            process.send_signal(signal.SIGTERM)
        with anyio.fail_after(20):
            for process in first:
                assert await process.wait() == 0
        await playing.start("worker", MEMP_SLOTS="6")
        await playing.start(*LEARNING)
        await applied(namespace, HELD)
        assert (await namespace.progress()).committed == HELD
        assert await dead_letters(namespace) == []
