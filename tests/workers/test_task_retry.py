"""A task that died and is put back: a worker plays it as any other, and memory learns from it once."""

from envs.pool import EnvPool
from runtime.bus.dead import read_letters, retry
from runtime.errors import EnvError
from tests.events import task
from tests.support import dead_letters, running, scripted, settings
from tests.workers.scripted_env import ScriptedPool
from tests.workers.test_episode_worker import LEASE, acting, settled, trajectories, working


def broken_at_first(starts: int) -> tuple[ScriptedPool, EnvPool]:
    """An environment that can't be played the first so many times."""
    pool = ScriptedPool(failure=lambda start, _: EnvError("the game is broken") if start <= starts else None)
    return pool, pool.as_pool()


async def test_dead_task_put_back_is_played_again_and_committed_once(server_url: str, namespace_name: str) -> None:
    scripted_pool, pool = broken_at_first(2)
    async with (
        scripted(acting) as model,
        working(server_url, namespace_name, settings(model.base_url, lease=LEASE, max_deliveries=2), pool) as (worker, memory),
    ):
        namespace = memory.namespace
        await namespace.submit_tasks([task(0)])
        async with running(worker.pump()):
            await settled(namespace, 1)
            [letter] = [letter async for letter in read_letters(namespace)]
            await retry(namespace, letter)
            await settled(namespace, 1)
        progress = await namespace.progress()
        assert (progress.submitted, progress.committed, progress.dead) == (1, 1, 0)
        [played] = await trajectories(namespace)
        assert (played.success, played.attempt, scripted_pool.starts) == (True, 1, 3)
        assert await dead_letters(namespace) == []
