"""A curator that is told to end: what can end in its grace does, the rest is given back, and no delivery is spent."""

import signal
from pathlib import Path

import anyio

from tests.events import task, trajectory
from tests.faults.curation import Curation, curation
from tests.support import until

GRACE = 5.0
"""Seconds that the pump gives to what is in hand."""
LEASE = {"MEMP_LEASE": "60"}
"""Nothing is taken over because of its age."""


async def test_curator_terminated_gives_back_after_its_grace_what_it_builds_and_the_next_asks_nothing_twice(
    server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    async with curation(server_url, namespace_name, tmp_path) as works:
        works.teacher.held = {"facts"}  # the builder's answer stands in the journal by then
        ended = await works.start("--facts", **LEASE)
        await works.at_work(1)
        await works.memory.namespace.submit_trajectories([trajectory(task(0))])
        await works.requested("facts", 1)
        ended.send_signal(signal.SIGTERM)
        began = anyio.current_time()

        # Released is what counts as idle for a whole lease: the next sweep takes it.
        [left] = await until(works.pending, lambda held: held[0]["time_since_delivered"] >= 60_000)
        seconds = anyio.current_time() - began
        assert GRACE - 0.2 < seconds < GRACE + 1
        assert left["times_delivered"] == 0, "the sweep that takes it counts it as the first delivery again"
        assert await ended.wait() == 0

        works.teacher.held = set()
        await works.start("--facts", **LEASE)
        await works.applied(1)
        assert works.teacher.repeated() == {"facts": 1}, "only the call that was under way"
        assert (await works.learned(), len(await works.memory.ids())) == ({"1:task-0": 1}, 1)
        print(f"released after {seconds:.2f} s")


async def test_curator_terminated_applies_what_ends_in_its_grace_and_claims_no_more(
    server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    async with curation(server_url, namespace_name, tmp_path) as works:
        works.teacher.held = {"builder"}
        ended = await works.start(MEMP_CURATOR_SLOTS="2", **LEASE)
        await works.at_work(1)
        played = [trajectory(task(index, goal=f"put a mug in shelf {index}.")) for index in range(4)]
        await works.memory.namespace.submit_trajectories(played)
        await works.requested("builder", 2)
        ended.send_signal(signal.SIGTERM)
        await until(lambda: stopping(works))
        works.teacher.held = set()
        with anyio.fail_after(GRACE):
            assert await ended.wait() == 0
        assert await works.learned() == {"1:task-0": 1, "1:task-1": 1}
        assert (await works.pending(), await works.waiting()) == ([], 2), "the other two wait for another curator"
        assert await works.consumers() == [], "none is left in the group for the next to wonder about"


async def stopping(works: Curation) -> bool:
    return "stopping" in works.playing.logs("curator")
