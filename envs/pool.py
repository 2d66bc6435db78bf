"""The pool of environment processes: few processes, many environments in each, and no episode lost to a crash."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from types import TracebackType
from typing import Any, Self

import anyio
import structlog
from anyio.abc import TaskGroup

from envs.channel import Channel, Crashed, environment
from runtime.config import Settings
from runtime.env import StepResult
from runtime.errors import EnvCrashed, EnvError

log = structlog.get_logger()

MAX_CRASHES = 3
"""Crashes under one episode's own requests after which it is given up."""


class EnvPool:
    """Environment processes of one worker, at most `Settings.env_processes`, started as they are needed."""

    def __init__(self, settings: Settings, tasks: TaskGroup) -> None:
        self._settings, self._tasks = settings, tasks
        self._channels: list[Channel] = []
        self._keys = count(1)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncGenerator["EnvPool"]:
        """Own the processes for the time of a block; none is left when it ends."""
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            pool = cls(settings, tasks)
            try:
                yield pool
            except Exception as error:  # Raised behind the task group, which would wrap it in an ExceptionGroup.
                failure = error
            finally:
                with anyio.CancelScope(shield=True):
                    await pool._end()
        if failure is not None:
            raise failure

    def env(self, name: str) -> "PooledEnv":
        """An environment for one episode: `async with pool.env("alfworld") as env`."""
        return PooledEnv(self, name, next(self._keys))

    def pids(self) -> list[int]:
        """Ids of the processes that run now."""
        return [channel.pid for channel in self._channels if channel.dead is None and channel.pid is not None]

    def attach(self, name: str, key: int) -> Channel:
        """The process with the fewest live environments, a new one where all have some and another is allowed."""
        self._channels = [channel for channel in self._channels if channel.dead is None]
        channel = min(self._channels, key=lambda channel: len(channel.live), default=None)
        if channel is None or (channel.live and len(self._channels) < self._settings.env_processes):
            channel = self._start(name)
        channel.live.add(key)
        return channel

    def _start(self, name: str) -> Channel:
        settings = self._settings
        data = {"ALFWORLD_DATA": settings.alfworld_data, "MEMP_TRAVELPLANNER_DATA": settings.travelplanner_data}
        channel = Channel(name, environment(data), settings.env_timeout)
        self._channels.append(channel)
        self._tasks.start_soon(channel.run)
        return channel

    async def _end(self) -> None:
        async with anyio.create_task_group() as tasks:
            for channel in self._channels:
                tasks.start_soon(channel.end)


class PooledEnv:
    """One episode's environment in some process of the pool; satisfies `runtime.env.Env`.

    All that was asked and answered is kept: where the process dies, the episode is played again in another one up to
    here, the answers are compared, and it goes on. Both methods raise `EnvError` for a game that can't be played, and
    `EnvCrashed` when this episode's own requests have crashed or hung its process for the third time.
    """

    def __init__(self, pool: EnvPool, name: str, key: int) -> None:
        self._pool, self._name, self._key = pool, name, key
        self._channel: Channel | None = None
        self._played: list[tuple[dict[str, Any], Any]] = []
        self._crashes = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._detach()

    def _detach(self) -> None:
        if self._channel is not None:
            self._channel.release(self._key)
            self._channel = None

    async def reset(self, game: dict[str, Any]) -> str:
        """Start a game; returns the first observation."""
        self._played, self._crashes = [], 0
        return str(await self._ask({"op": "reset", "key": self._key, "env": self._name, "game": game}))

    async def step(self, action: str) -> StepResult:
        """Do one action in the game under way."""
        return StepResult(*await self._ask({"op": "step", "key": self._key, "action": action}))

    async def _ask(self, request: dict[str, Any]) -> Any:
        while True:
            try:
                answer = await (await self._attached()).request(request)
                self._played.append((request, answer))
                return answer
            except Crashed as crash:
                self._count(crash)
            except anyio.get_cancelled_exc_class():
                # Whether it was done is not known: who goes on after this goes on from what is known, in a fresh place.
                self._detach()
                raise

    def _count(self, crash: Crashed) -> None:
        self._crashes += crash.blamed
        if self._crashes >= MAX_CRASHES:
            raise EnvCrashed(f"the environment's process died {self._crashes} times on this episode: {crash}; its errors are on stderr")

    async def _attached(self) -> Channel:
        if self._channel is None or self._channel.dead is not None:
            self._channel = self._pool.attach(self._name, self._key)
            await self._replay(self._channel)
        return self._channel

    async def _replay(self, channel: Channel) -> None:
        for request, answer in self._played:
            if await channel.request(request) != answer:
                raise EnvError("the environment answered differently when the episode was played again after a crash")
        if self._played:
            log.info("env_recovered", env=self._name, replayed=len(self._played))
