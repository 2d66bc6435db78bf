"""Curators that are slower than the workers: the workers wait at the high-water mark, nobody's memory grows, and nothing is lost."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil

from runtime.keys import CURATORS, WORKERS
from tests.faults.curation import Curation, curation
from tests.faults.scene import room

HIGH_WATER, SLOTS, WORKER_COUNT, TASKS = 4, 2, 2, 30
FLOOD = 500_000
"""Bytes of each trajectory: what a process kept of them would show."""
BLOCKED = 3.0
"""Seconds for which the workers are watched while they may not claim."""
MIB = 1 << 20


class Longest:
    """The greatest length of the trajectory stream so far."""

    def __init__(self) -> None:
        self.length = 0

    async def watch(self, works: Curation) -> None:
        while True:
            self.length = max(self.length, await works.waiting())
            await anyio.sleep(0.002)


@asynccontextmanager
async def watched(works: Curation) -> AsyncGenerator[Longest]:
    longest = Longest()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(longest.watch, works)
        yield longest
        tasks.cancel_scope.cancel()


async def still(works: Curation) -> tuple[int, int]:
    """Wait until the workers hold nothing and the number of trajectories stands; it, and that of the tasks left."""
    namespace, seen, since = works.memory.namespace, -1, anyio.current_time()
    with anyio.fail_after(60):
        while True:
            now = (await namespace.progress()).committed
            if now != seen or await namespace.in_flight() or now < HIGH_WATER:
                seen, since = now, anyio.current_time()
            if anyio.current_time() - since > 1.0:
                return seen, await namespace.client.xlen(namespace.keys.tasks)
            await anyio.sleep(0.02)


def resident(works: Curation) -> dict[int, int]:
    """Bytes of each process with its children."""
    found: dict[int, int] = {}
    for pid in works.playing.processes:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        found[pid] = sum(each.memory_info().rss for each in family)
    return found


async def flat(works: Curation) -> dict[int, float]:
    """MiB by which each process grew while it was blocked."""
    before = resident(works)
    await anyio.sleep(BLOCKED)
    return {pid: (after - before[pid]) / MIB for pid, after in resident(works).items()}


async def test_curators_slow_keep_workers_at_the_high_water_mark_with_memory_flat_and_all_goes_on_after(
    server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    async with curation(server_url, namespace_name, tmp_path) as works, watched(works) as longest:
        namespace = works.memory.namespace
        works.teacher.held = {"builder"}
        await works.start(MEMP_CURATOR_SLOTS="2")
        await works.at_work(1)
        for _ in range(WORKER_COUNT):
            await works.playing.start("worker", MEMP_HIGH_WATER=str(HIGH_WATER), MEMP_SLOTS=str(SLOTS))
        await works.playing.at_work(WORKER_COUNT)
        await namespace.submit_tasks([room(index, flood=FLOOD) for index in range(TASKS)])

        committed, left = await still(works)
        assert committed + left == TASKS
        assert await namespace.client.xlen(namespace.keys.trajectories) == committed
        assert (await namespace.client.xpending(namespace.keys.tasks, WORKERS))["pending"] == 0, "commits never wait"
        assert HIGH_WATER <= longest.length <= HIGH_WATER + SLOTS * WORKER_COUNT
        assert (await namespace.client.xpending(namespace.keys.trajectories, CURATORS))["pending"] == 2, "no more than it has slots"
        grown = await flat(works)
        assert max(grown.values()) < 5, grown
        assert (await namespace.progress()).committed == committed, "none was claimed meanwhile"

        works.teacher.held = set()
        await works.applied(TASKS)
        assert longest.length <= HIGH_WATER + SLOTS * WORKER_COUNT
        assert await works.learned() == {f"1:t{index}": 1 for index in range(TASKS)}
        print(f"stream at most {longest.length}; grown while blocked, MiB: {[round(each, 1) for each in grown.values()]}")
