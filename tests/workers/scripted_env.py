"""An environment for error paths, in place of the pool: it counts what was asked of it, and fails where it is told to."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from envs.pool import EnvPool
from runtime.env import Env, StepResult

Failure = Callable[[int, int], Exception | None]
"""From (number of this episode's start, actions so far) to what is raised then; both count from 1, 0 actions being the reset."""


class ScriptedPool:
    """Episodes that are won by the `length`-th action."""

    def __init__(self, length: int = 3, failure: Failure = lambda start, actions: None) -> None:
        self.length, self.failure = length, failure
        self.starts = 0

    def as_pool(self) -> EnvPool:
        return cast(EnvPool, self)

    @asynccontextmanager
    async def env(self, name: str) -> AsyncGenerator[Env]:
        self.starts += 1
        yield ScriptedEnv(self, self.starts)


class ScriptedEnv:
    """One episode of a `ScriptedPool`."""

    def __init__(self, pool: ScriptedPool, start: int) -> None:
        self._pool, self._start = pool, start
        self._actions = 0

    async def reset(self, game: dict[str, Any]) -> str:
        self._fail()
        return "You are in the middle of a room. Your task is to: put a mug in shelf."

    async def step(self, action: str) -> StepResult:
        self._actions += 1
        self._fail()
        won = self._actions == self._pool.length
        return StepResult(f"You did this: {action}.", float(won), won, {})

    async def answer(self, text: str) -> StepResult:
        raise AssertionError(text)

    def _fail(self) -> None:
        error = self._pool.failure(self._start, self._actions)
        if error is not None:
            raise error
