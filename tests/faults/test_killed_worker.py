"""A worker that is killed: at every step of an episode, before and after the model's answer, before and after the commit."""

from pathlib import Path

import anyio
import psutil

from runtime.bus.namespace import Namespace
from tests.faults.proxy import Proxy
from tests.faults.scene import LEASE, Player, Scene, pid_of, scene, task_of, the_game
from tests.support import until


async def kill_holder(playing: Scene) -> float:
    """SIGKILL to the worker that has the task; the seconds until another has it."""
    holder = await playing.holder()
    assert holder
    psutil.Process(pid_of(holder)).kill()
    began = anyio.current_time()
    await until(playing.holder, lambda now: now != holder)
    return anyio.current_time() - began


async def journaled(playing: Scene, answers: int, task: str) -> None:
    """Wait until so many answers stand in the task's journal."""

    async def count() -> int:
        fields: list[bytes] = await playing.namespace.client.hkeys(playing.namespace.keys.journal(1, task))
        return sum(field.startswith(b"agent:") for field in fields)

    await until(count, lambda found: found >= answers)


async def finished(playing: Scene, index: int) -> None:
    """The task has one trajectory, won, and is off its stream."""

    async def settled() -> int:
        return (await playing.namespace.progress()).settled

    await until(settled, lambda count: count == index + 1)
    [last] = [each for each in await playing.trajectories() if each.task.index == index]
    assert last.success
    assert last.attempt == 2
    assert await playing.namespace.client.xlen(playing.namespace.keys.tasks) == 0


async def test_worker_killed_at_any_step_is_followed_within_a_lease_and_a_half_and_no_answer_is_asked_twice(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    game, walkthrough = the_game(household)
    player = Player(walkthrough)
    async with scene(namespace, server_url, household, tmp_path, player.reply) as playing:
        await playing.start("worker")
        for index, (step, answered) in enumerate((step, answered) for step in range(len(walkthrough)) for answered in (False, True)):
            await playing.start("worker")
            await playing.at_work(2)
            player.asked.clear()
            # Before the answer: the request of this step is under way. After it: the next one's is.
            player.held = step + answered
            if player.held == len(walkthrough):
                break
            await namespace.submit_tasks([task_of(game, index)])
            await until(lambda: _asked(player))
            await journaled(playing, player.held, f"t{index}")
            seconds = await kill_holder(playing)
            player.held = None
            await finished(playing, index)
            assert seconds <= 1.5 * LEASE, f"step {step}"
            repeated = {at for at, times in player.asked.items() if times > 1}
            assert repeated == {step + answered}, "an answer that stood in the journal was asked again"


async def _asked(player: Player) -> bool:
    return player.asked[player.held or 0] > 0


async def test_worker_killed_before_its_commit_arrives_leaves_it_to_the_next(
    server_url: str, namespace: Namespace, household: Path, tmp_path: Path
) -> None:
    game, walkthrough = the_game(household)
    player = Player(walkthrough)
    async with Proxy(server_url).serving() as proxy, scene(namespace, proxy.url, household, tmp_path, player.reply) as playing:
        await playing.start("worker")
        await playing.at_work(1)
        proxy.stall(b'"outcome":"finished"')
        await namespace.submit_tasks([task_of(game, 0)])
        await proxy.stalled.wait()
        await playing.start("worker", REDIS_URL=server_url)
        await playing.at_work(2)
        await kill_holder(playing)
        await finished(playing, 0)
        assert set(player.asked.values()) == {1}, "the whole episode stood in the journal"


async def test_worker_killed_before_it_hears_of_its_commit_has_committed(
    server_url: str, namespace: Namespace, household: Path, tmp_path: Path
) -> None:
    game, walkthrough = the_game(household)
    player = Player(walkthrough)
    async with Proxy(server_url).serving() as proxy, scene(namespace, proxy.url, household, tmp_path, player.reply) as playing:
        worker = await playing.start("worker")
        await playing.at_work(1)
        proxy.lose(1, b'"outcome":"finished"')
        await namespace.submit_tasks([task_of(game, 0)])
        await until(lambda: _lost(proxy))
        worker.kill()
        await playing.start("worker", REDIS_URL=server_url)
        await playing.at_work(1)
        [only] = await playing.trajectories()
        assert only.attempt == 1
        assert (await namespace.progress()).committed == 1
        assert await namespace.client.xlen(namespace.keys.tasks) == 0


async def _lost(proxy: Proxy) -> int:
    return proxy.lost
