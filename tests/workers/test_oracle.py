"""The oracle: whoever answers with a game's walkthrough wins it, through prompt, parser, pool and engine."""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from envs.local import GameTask
from envs.pool import EnvPool
from envs.registry import describe, games
from runtime.config import Settings
from runtime.events import EpisodeSpec, Role, Usage
from runtime.loop import Agent, Episode
from runtime.model.llm import Completion, Message, Sampling

DATA = os.environ.get("ALFWORLD_DATA")


class Oracle:
    """Answers each step with the next command of one walkthrough, wrapped in what models wrap around it."""

    def __init__(self, walkthrough: list[str]) -> None:
        self._commands = iter(walkthrough)

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion:
        text = f"**Thought:** the walkthrough says so\n```\nAction: {next(self._commands)}\n```"
        return Completion(text=text, model=sampling.model, usage=Usage())


@asynccontextmanager
async def _pool(data: str) -> AsyncGenerator[EnvPool]:
    async with EnvPool.open(Settings(alfworld_data=Path(data), env_processes=2)) as pool:
        yield pool


async def _play(pool: EnvPool, data: str, each: GameTask, results: dict[str, tuple[bool, int, int]]) -> None:
    walkthrough: list[str] = json.loads(await (anyio.Path(data) / each.game["path"]).read_text())["walkthrough"]
    episode = Episode()
    async with pool.env("alfworld") as env:
        agent = Agent(Oracle(walkthrough), describe("alfworld"), EpisodeSpec(model="oracle", max_steps=100))
        await agent.play(env, each.game, "", episode)
    results[each.game["path"]] = (episode.success, len(episode.steps), len(walkthrough))


@pytest.mark.skipif(DATA is None, reason="ALFWORLD_DATA is not set: the real games are not here")
@pytest.mark.timeout(600)
async def test_oracle_on_every_real_dev_game_wins_in_the_walkthroughs_number_of_steps() -> None:
    data = DATA or ""
    found = games("alfworld", "dev", Settings(alfworld_data=Path(data)))
    results: dict[str, tuple[bool, int, int]] = {}
    limiter = anyio.CapacityLimiter(8)
    async with _pool(data) as pool, anyio.create_task_group() as tasks:

        async def play(each: GameTask) -> None:
            async with limiter:
                await _play(pool, data, each, results)

        for each in found:
            tasks.start_soon(play, each)
    assert len(found) == len(results) == 140
    assert {path: result for path, result in results.items() if result != (True, result[2], result[2])} == {}
