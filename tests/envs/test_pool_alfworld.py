"""ALFWorld in the pool: the same answers as without one, and clear words where it can't be played."""

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from envs import registry
from envs.local import GameTask
from envs.pool import EnvPool
from runtime.config import EngineKind, Settings
from runtime.errors import DataError
from tests.envs.conftest import walkthrough


async def test_pool_alfworld_games_are_told_as_without_a_pool(settings: Settings, generated: list[GameTask]) -> None:
    told: dict[str, list[Any]] = {}

    async def episode(task: GameTask) -> None:
        async with pool.env("alfworld") as env:
            told[task.goal] = [await env.reset(task.game), *[await env.step(command) for command in walkthrough(task, settings)]]

    async with EnvPool.open(settings) as pool, anyio.create_task_group() as tasks:
        for task in generated[:4]:
            tasks.start_soon(episode, task)
    alone = registry.make("alfworld", settings)
    for task in generated[:4]:
        assert told[task.goal] == [alone.reset(task.game), *(alone.step(command) for command in walkthrough(task, settings))]


async def test_pool_missing_alfworld_data_is_the_users_error(tmp_path: Path) -> None:
    async with EnvPool.open(Settings(alfworld_data=tmp_path, env_processes=1)) as pool, pool.env("alfworld") as env:
        with pytest.raises(DataError, match=r"has no folder json_2.1.1"):
            await env.reset({})


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize(("engine", "planner"), [("fast", False), ("stock", True)])
async def test_pool_plays_on_the_engine_of_the_settings(
    settings: Settings, generated: list[GameTask], engine: EngineKind, planner: bool
) -> None:
    async with EnvPool.open(settings.model_copy(update={"engine": engine})) as pool, pool.env("alfworld") as env:
        await env.reset(generated[0].game)
        mapped = await anyio.Path(f"/proc/{pool.pids()[0]}/maps").read_text()
    assert ("libdownward" in mapped) == planner
