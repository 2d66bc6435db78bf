"""TravelPlanner in an environment process: a crash in the middle of its model calls costs no answer."""

import json
import os
import signal
from pathlib import Path

from envs import registry
from envs.pool import EnvPool, PooledEnv
from runtime.config import Settings
from runtime.env import StepResult
from tests.travelplanner.test_env import PLAN, known_plan

ACTIONS = ("AccommodationSearch[{city}]", "NotebookWrite[rooms]", "go\nnorth", "Planner[plan it]")


async def played(env: PooledEnv, settings: Settings, pool: EnvPool | None = None) -> list[StepResult]:
    """The results of one episode; with a pool, its process is killed before each of the last two."""
    game, plan = registry.games("travelplanner", "validation", settings)[0], known_plan(1)
    await env.reset(game.game)
    told = [await env.step(action.format(city=plan[1]["current_city"])) for action in ACTIONS]
    for answer in (PLAN, "no JSON", json.dumps({"plan": plan})):
        if pool and answer != PLAN:
            os.kill((pool.pids("suspect") or pool.pids())[0], signal.SIGKILL)
        told.append(await env.answer(answer))
    return told


async def test_process_that_dies_between_its_model_calls_costs_no_answer(country: Path, tmp_path: Path) -> None:
    settings = Settings(travelplanner_data=country, data_dir=tmp_path, env_processes=1)
    async with EnvPool.open(settings) as pool:
        async with pool.env("travelplanner") as env:
            undisturbed = await played(env, settings)
        async with pool.env("travelplanner") as env:
            assert await played(env, settings, pool) == undisturbed
    assert [result.ask and result.ask.role for result in undisturbed] == [None] * 3 + ["planner", "conversion", "conversion", None]
    assert undisturbed[-1].reward == 1.0
    assert undisturbed[-1].judgement is not None
    assert undisturbed[1].masks
