"""The worker's end of one environment process: requests out, answers back, and what its death means for whom."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

import anyio
import structlog

from envs import wire
from envs.forks import CLOSE_TIMEOUT, Forks
from envs.link import Link
from runtime import errors

log = structlog.get_logger()

START_TIMEOUT = 120.0
"""Seconds until a process must be ready; the first one waits for the import of its environment."""
LOADS = 2
"""Resets in a process's hands at once, the others wait here: a step, sent at once, waits for these at most, and no reset
waits for steps that were asked for later. One would leave the process idle while the worker learns of its end."""


class Crashed(Exception):
    """The process died under a request. `blamed` tells whether it was this one that it was working on."""

    def __init__(self, reason: str, blamed: bool) -> None:
        super().__init__(reason)
        self.blamed = blamed


class _Call:
    """One request that awaits its answer; `outcome` is the answer or a Crashed."""

    def __init__(self, load: bool = False) -> None:
        self.load = load
        self.done = anyio.Event()
        self.outcome: dict[str, Any] | Crashed = {}

    def settle(self, outcome: dict[str, Any] | Crashed) -> None:
        self.outcome = outcome
        self.done.set()

    def result(self) -> Any:
        """The answer's result; raises the error that it carries, as the class that was raised over there, or Crashed."""
        if isinstance(self.outcome, Crashed):
            raise self.outcome
        if "error" in self.outcome:
            name, message = self.outcome["error"]
            raise getattr(errors, name, errors.EnvError)(message)
        return self.outcome["result"]


class Channel:
    """One environment process, watched by `run`. Requests may be sent at once; they wait until it is ready."""

    def __init__(self, forks: Forks, name: str, role: str, timeout: float, memory: int, nice: int) -> None:
        """`name` is the environment to make, `timeout` seconds for one request, `memory` the MiB from which it retires."""
        self.role, self._timeout, self._memory = role, timeout, memory
        self._forks, self._child = forks, forks.fork(name, nice)
        self._link = Link(self._child.end)
        self._hello = _Call()
        # In the order in which the process works on them. Unbounded, but each environment has at most one request out, or its replay.
        self._pending: dict[int, _Call] = {0: self._hello}
        self._sent, self._progress = 0, monotonic()
        self._loading = 0
        self._loads: dict[int, tuple[dict[str, Any], _Call]] = {}
        self._scope = anyio.CancelScope()
        self.live: set[int] = set()
        """Keys of the environments that are in use."""
        self.retiring = False
        """Whether it takes no new environments, and ends with those it has."""
        self.dead: str | None = None
        """Why it died; None while it may be used."""
        self.ended = anyio.Event()

    @property
    def pid(self) -> int | None:
        """The process's id, None before it is forked."""
        return self._child.pid

    @property
    def usable(self) -> bool:
        """Whether it can be asked."""
        return self.dead is None and not self._link.broken

    async def request(self, message: dict[str, Any], load: bool = False) -> Any:
        """Send a request, a `load` when its turn comes, and await its result; raises what the environment raised, or Crashed."""
        if not self._hello.done.is_set():
            await self._hello.done.wait()
        call = self._post(message, load)
        await call.done.wait()
        return call.result()

    async def requests(self, messages: Sequence[dict[str, Any]]) -> list[Any]:
        """The results of requests that are all known in advance: none waits in the worker for the answer to the one before."""
        calls = [self._post(message) for message in messages]
        for call in calls:
            await call.done.wait()
        return [call.result() for call in calls]

    def _post(self, message: dict[str, Any], load: bool = False) -> _Call:
        self._hello.result()
        if not self.usable:
            raise Crashed(self.dead or self._child.fate, blamed=False)
        call = _Call(load)
        if load and self._loading >= LOADS:
            self._loads[message["key"]] = (message, call)
        else:
            self._send(message, call)
        return call

    def _send(self, message: dict[str, Any], call: _Call) -> None:
        self._sent += 1
        if not self._pending:
            self._progress = monotonic()
        self._pending[self._sent] = call
        self._loading += call.load
        self._link.send({**message, "id": self._sent})

    def release(self, key: int) -> None:
        """Give back one environment: its place in the process serves another episode."""
        self.live.discard(key)
        self._loads.pop(key, None)
        if self.dead is None and self.retiring and not self.live:
            self.dead = "it is replaced"
            self._link.finish()
        elif self.dead is None:
            self._link.send({"op": "close", "key": key})

    def _take(self, answer: dict[str, Any]) -> None:
        wire.check_answer(answer)
        self._progress = monotonic()
        call = self._pending.pop(answer["id"], None)
        if call is None:
            return  # It came too late.
        if answer.get("memory", 0) >= self._memory and not self.retiring:
            self.retiring = True
            log.info("env_process_retires", pid=self.pid, mib=answer["memory"], live=len(self.live))
        if call.load:
            self._loading -= 1
            if self._loads:
                self._send(*self._loads.pop(next(iter(self._loads))))
        if call is self._hello and "error" in answer:
            self.retiring = True  # It can play nothing; the next environment finds out whether another one can.
        call.settle(answer)

    async def _watch(self) -> None:
        # It works on one request after the other: hung is who has answered nobody for the time that one may take.
        with anyio.move_on_after(START_TIMEOUT):
            await self._hello.done.wait()
        if not self._hello.done.is_set():
            if self.pid is None:
                self._forks.kill()  # It hangs at the import.
            self._die(f"it was not ready in {START_TIMEOUT:g} s")
            self._kill()
        while self.dead is None:
            left = (self._progress if self._pending else monotonic()) + self._timeout - monotonic()
            if left > 0:
                await anyio.sleep(left)
            else:
                self._die(f"it hung for {self._timeout:g} s")
                self._kill()
        with anyio.move_on_after(CLOSE_TIMEOUT):  # One that retires may hang, too, over what nobody waits for any more.
            await self._child.ended.wait()
        self._kill()

    def _die(self, reason: str) -> None:
        if self.dead is None:
            self.dead = reason
            log.warning("env_process_died", pid=self.pid, reason=reason, live=len(self.live))
        ready = self._hello.done.is_set()
        for place, call in enumerate([*self._pending.values(), *(call for _, call in self._loads.values())]):
            call.settle(Crashed(reason, blamed=place == 0 or not ready))
        self._pending.clear()
        self._loads.clear()

    def _kill(self) -> None:
        if not self._link.broken:
            self._child.kill()

    async def run(self) -> None:
        """Carry messages until the process ends; whatever ends this, the process is not left behind."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._watch)
                    await self._link.run(self._take)
                    tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._reap()
            self.ended.set()

    async def _reap(self) -> None:
        self._kill()
        self._link.close()
        if self._child.pid is not None:  # Otherwise it ends as soon as it is forked.
            with anyio.move_on_after(CLOSE_TIMEOUT):
                await self._child.ended.wait()
        self._die(self._child.fate)

    async def end(self) -> None:
        """Let the process end by itself, as it does when its input ends; kill it where it does not."""
        self.dead = self.dead or "the pool is closed"
        self._link.finish()
        with anyio.move_on_after(CLOSE_TIMEOUT):
            await self.ended.wait()
        self._scope.cancel()
        await self.ended.wait()
