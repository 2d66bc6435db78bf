"""What an episode asks of the server: one write per step, which does not keep the step waiting."""

from redis.asyncio import Redis

from runtime.config import Settings
from tests.events import task
from tests.support import scripted, settings
from tests.workers.scripted_env import ScriptedPool
from tests.workers.test_episode_worker import acting, running, settled, working

PERIODICAL = {"xreadgroup", "xautoclaim", "xinfo|groups", "xlen", "hget", "hgetall", "hmget", "info", "ping", "hello", "client|setinfo"}
"""What a worker and this test (whether it is settled) ask from time to time, however many steps are played meanwhile."""
INSIDE = {"xpending", "hsetnx"}
"""What the journal's script calls."""


async def calls(client: Redis) -> int:
    """Commands so far, but for those."""
    found: dict[str, dict[str, int]] = await client.info("commandstats")
    names = {name: name.removeprefix("cmdstat_") for name in found}
    return sum(found[name]["calls"] for name, command in names.items() if command not in PERIODICAL | INSIDE)


async def asked_in_an_episode_of(steps: int, url: str, name: str, over: Settings) -> int:
    pool = ScriptedPool(length=steps)
    async with working(url, name, over, pool.as_pool()) as (worker, memory):
        spec = task(0).spec.model_copy(update={"max_steps": steps})
        await memory.namespace.submit_tasks([task(0).model_copy(update={"spec": spec})])
        before = await calls(memory.namespace.client)
        async with running(worker.pump()):
            await settled(memory.namespace, 1)
            return await calls(memory.namespace.client) - before


async def test_step_costs_one_call_of_the_server(server_url: str, namespace_name: str) -> None:
    async with scripted(acting) as model:
        over = settings(model.base_url)
        asked = [await asked_in_an_episode_of(each, server_url, f"{namespace_name}-{at}", over) for at, each in enumerate((2, 2, 32))]
    assert asked[2] - asked[1] == 30, "the first one loads scripts; with many at once, their steps share round trips besides"
