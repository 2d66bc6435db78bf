"""What an environment's process sends that is no message: its own process goes, and the worker plays on."""

import pytest

from envs.pool import EnvPool
from runtime.config import Settings
from runtime.errors import EnvCrashed, EnvError
from tests.security import odd_env

NAME = odd_env.__name__


async def test_environment_that_answers_with_no_json_fails_its_own_episode_only() -> None:
    async with EnvPool.open(Settings(env_processes=1)) as pool, pool.env(NAME) as odd, pool.env(NAME) as other:
        await other.reset({})
        await odd.reset({"odd": "object"})
        [process] = pool.pids()
        with pytest.raises(EnvError, match="what is not JSON"):
            await odd.step("look")
        assert (await other.step("look")).observation == "You see."
        assert pool.pids() == [process]


@pytest.mark.parametrize("odd", ["garbage", "endless", "shape"])
async def test_process_that_writes_garbage_to_its_worker_is_replaced_and_blamed(odd: str) -> None:
    async with EnvPool.open(Settings(env_processes=1)) as pool:
        async with pool.env(NAME) as env:
            await env.reset({"odd": odd})
            with pytest.raises(EnvCrashed):
                await env.step("look")
        async with pool.env(NAME) as env:
            assert await env.reset({}) == "You are in a room."
            assert (await env.step("look")).observation == "You see."
