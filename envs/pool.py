"""The pool of environment processes: few processes, many environments in each, and no episode lost to a crash."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from types import TracebackType
from typing import Any, Literal, Self

import anyio
import structlog
from anyio.abc import TaskGroup

from envs import wire
from envs.channel import Channel, Crashed
from envs.forks import Forks
from runtime.config import Settings
from runtime.env import StepResult
from runtime.errors import EnvCrashed, EnvError, MempError

log = structlog.get_logger()

MAX_CRASHES = 3
"""Crashes under one episode's own requests after which it is given up."""
NICE = {"play": 5, "suspect": 5, "prepare": 10}
"""By how much processes yield: those that play to the worker, which all episodes wait for, and preparation to all."""

Role = Literal["play", "suspect", "prepare"]
"""What a process is for: episodes; those under which one has crashed, so that they crash no others again; preparation."""


class EnvPool:
    """Environment processes of one worker, started as they are needed, each forked from the same server process.

    At most `Settings.env_processes` host episodes, and one each hosts suspects and prepares games; those that retire are
    not counted. Nothing else needs a bound: an episode has one environment, and an environment one request under way.
    """

    def __init__(self, settings: Settings, tasks: TaskGroup) -> None:
        self._settings, self._tasks = settings, tasks
        self._forks: Forks | None = None
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

    def pids(self, role: Role = "play") -> list[int]:
        """Ids of the processes that run now."""
        return [channel.pid for channel in self._channels if channel.role == role and channel.usable and channel.pid is not None]

    def attach(self, name: str, key: int, role: Role = "play") -> Channel:
        """The process with the fewest live environments, a new one where all have some and another is allowed."""
        self._channels = [channel for channel in self._channels if not channel.ended.is_set()]
        able = [channel for channel in self._channels if channel.role == role and channel.usable and not channel.retiring]
        channel = min(able, key=lambda channel: len(channel.live), default=None)
        if channel is None or (channel.live and role == "play" and len(able) < self._settings.env_processes):
            channel = self._start(name, role)
        channel.live.add(key)
        return channel

    def _start(self, name: str, role: Role) -> Channel:
        if self._forks is None or self._forks.dead:
            self._forks = Forks(self._settings)
            self._tasks.start_soon(self._forks.run)
        settings = self._settings
        channel = Channel(self._forks, name, role, settings.env_timeout, settings.env_memory, NICE[role])
        self._channels.append(channel)
        self._tasks.start_soon(channel.run)
        return channel

    async def prepare(self, name: str, game: dict[str, Any]) -> None:
        """Have a game prepared where no step waits for it. Raises nothing: what goes wrong is for the reset to meet."""
        key, crash = next(self._keys), None
        while crash is None or not crash.blamed:
            channel = None
            try:
                channel = self.attach(name, key, "prepare")
                await channel.request({"op": "prepare", "key": key, "env": name, "game": game}, load=True)
                return
            except Crashed as crashed:
                crash = crashed
            except MempError:
                return
            finally:
                if channel is not None:
                    channel.release(key)
        log.warning("env_prepare_failed", env=name, reason=str(crash))

    async def _end(self) -> None:
        async with anyio.create_task_group() as tasks:
            for channel in self._channels:
                tasks.start_soon(channel.end)
        if self._forks is not None:
            await self._forks.end()


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
        return wire.read_result(await self._ask({"op": "step", "key": self._key, "action": action}))

    async def answer(self, text: str) -> StepResult:
        """Give a model's answer to what the last result asked."""
        return wire.read_result(await self._ask({"op": "answer", "key": self._key, "text": text}))

    async def _ask(self, request: dict[str, Any]) -> Any:
        while True:
            try:
                answer = await self._answer(await self._attached(), request)
                self._played.append((request, answer))
                return answer
            except Crashed as crash:
                self._count(crash)
            except anyio.get_cancelled_exc_class():
                # Whether it was done is not known: who goes on after this goes on from what is known, in a fresh place.
                self._detach()
                raise

    async def _answer(self, channel: Channel, request: dict[str, Any]) -> Any:
        if request["op"] != "reset":
            return await channel.request(request)
        answer = await channel.request(request, load=True)
        if answer is None:  # The game is not prepared.
            await self._pool.prepare(self._name, request["game"])
            answer = await channel.request({**request, "anyway": True}, load=True)
        return answer

    def _count(self, crash: Crashed) -> None:
        self._crashes += crash.blamed
        if self._crashes >= MAX_CRASHES:
            raise EnvCrashed(f"the environment's process died {self._crashes} times on this episode: {crash}; its errors are on stderr")

    async def _attached(self) -> Channel:
        if self._channel is None or not self._channel.usable:
            self._detach()
            self._channel = self._pool.attach(self._name, self._key, "suspect" if self._crashes else "play")
            await self._replay(self._channel)
        return self._channel

    async def _replay(self, channel: Channel) -> None:
        if self._played:
            requests, told = zip(*self._played, strict=True)
            answers = [await self._answer(channel, requests[0]), *await channel.requests(requests[1:])]
            if answers != list(told):
                raise EnvError("the environment answered differently when the episode was played again after a crash")
            log.info("env_recovered", env=self._name, replayed=len(told))
