"""A worker that stands still for longer than its lease, and goes on as if nothing had happened."""

import signal
from collections import Counter
from pathlib import Path

import anyio
import pytest

from runtime.bus.namespace import Namespace
from tests.faults.proxy import Proxy
from tests.faults.scene import LEASE, acting, room, scene, step_of
from tests.support import until

pytestmark = pytest.mark.timeout(240)


async def test_zombie_that_commits_late_is_refused_and_the_others_trajectory_stands(
    server_url: str, namespace: Namespace, household: Path, tmp_path: Path
) -> None:
    async with Proxy(server_url).serving() as proxy, scene(namespace, proxy.url, household, tmp_path, acting) as playing:
        zombie = await playing.start("worker")
        await playing.at_work(1)
        proxy.stall(b'"outcome":"finished"')
        await namespace.submit_tasks([room(0)])
        await proxy.stalled.wait()  # its commit is on the way
        holder = await playing.holder()
        zombie.send_signal(signal.SIGSTOP)
        stopped = anyio.current_time()
        await playing.start("worker", REDIS_URL=server_url)
        await playing.settled(1)
        assert anyio.current_time() - stopped > LEASE / 2
        [stands] = await playing.trajectories()
        assert (stands.attempt, stands.success) == (2, True)
        assert stands.worker != holder

        proxy.let_go()
        zombie.send_signal(signal.SIGCONT)

        async def refused() -> bool:
            return "work_dropped" in playing.logs("worker") or "lease_lost" in playing.logs("worker")

        await until(refused)
        # The zombie is whole: the next task is played by either, once.
        await namespace.submit_tasks([room(1)])
        await playing.settled(2)
        assert [each.task.index for each in await playing.trajectories()] == [0, 1]
        assert (await playing.trajectories())[0] == stands
        assert (await namespace.progress()).committed == 2


async def test_zombie_that_writes_to_the_journal_is_refused_and_the_heirs_answers_stand(
    server_url: str, namespace: Namespace, household: Path, tmp_path: Path
) -> None:
    asked: Counter[int] = Counter()
    heirs = anyio.Event()

    async def telling(messages: list[dict[str, str]]) -> str:
        """Every answer differs; the second answer to step 1, the heir's, waits."""
        step = step_of(messages)
        asked[step] += 1
        if step == 1 and asked[step] == 2:
            await heirs.wait()
        return f"Thought: answer {asked[step]} to step {step}.\nAction: do {asked[step]}.{step}"

    async with Proxy(server_url).serving() as proxy, scene(namespace, proxy.url, household, tmp_path, telling) as playing:
        journal = namespace.keys.journal(1, "t0")
        zombie = await playing.start("worker")
        await playing.at_work(1)
        proxy.stall(b"answer 1 to step 1")
        await namespace.submit_tasks([room(0)])
        await proxy.stalled.wait()  # what it writes down is on the way
        zombie.send_signal(signal.SIGSTOP)
        await playing.start("worker", REDIS_URL=server_url)

        async def heir_asks() -> bool:
            return asked[1] == 2

        await until(heir_asks)
        before = await namespace.client.hgetall(journal)
        proxy.let_go()
        zombie.send_signal(signal.SIGCONT)

        async def dropped() -> bool:
            return "work_dropped" in playing.logs("worker") or "lease_lost" in playing.logs("worker")

        await until(dropped)
        assert await namespace.client.hgetall(journal) == before
        heirs.set()
        await playing.settled(1)
        [stands] = await playing.trajectories()
        assert [step.action for step in stands.steps] == ["do 1.0", "do 2.1", "do 1.2"]
        assert stands.attempt == 2
        assert asked == {0: 1, 1: 2, 2: 1}
