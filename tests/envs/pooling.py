"""What the tests of the pool share: episodes of the toy environment, alone and in a pool."""

from collections.abc import Callable
from typing import Any

import anyio

from envs.pool import EnvPool, PooledEnv
from runtime.config import Settings
from tests.envs.toy_env import ToyEnv

TOY = ToyEnv.__module__
DEADLINE = 60.0


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition of the world outside, which tells nobody when it comes true."""
    with anyio.fail_after(DEADLINE):
        while not condition():  # noqa: ASYNC110 (no event of ours)
            await anyio.sleep(0.005)


def settings(processes: int = 1, **values: Any) -> Settings:
    given: dict[str, Any] = {"travelplanner_data": None, **values}  # the toy's data folder, whatever the tester's own is
    return Settings(env_processes=processes, **given)


def actions(number: int) -> list[str]:
    return [f"do {number}.{step}" for step in range(number % 5 + 1)]


def alone(number: int) -> list[Any]:
    """What episode `number` is told without any pool."""
    env = ToyEnv()
    return [env.reset({"name": f"room {number}"}), *(env.step(action) for action in actions(number))]


async def play(env: PooledEnv, number: int) -> list[Any]:
    """What it is told by the pool."""
    return [await env.reset({"name": f"room {number}"}), *[await env.step(action) for action in actions(number)]]


async def play_many(pool: EnvPool, numbers: range) -> dict[int, list[Any]]:
    """Many episodes at once, each in an environment of its own."""
    told: dict[int, list[Any]] = {}

    async def episode(number: int) -> None:
        async with pool.env(TOY) as env:
            told[number] = await play(env, number)

    async with anyio.create_task_group() as tasks:
        for number in numbers:
            tasks.start_soon(episode, number)
    return told
