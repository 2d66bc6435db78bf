"""The worker's end of one environment process: requests out, answers back, and what its death means for whom."""

import math
import os
import sys
from collections.abc import Mapping
from subprocess import PIPE
from typing import Any

import anyio
import orjson
import structlog
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from envs import wire
from runtime import errors

log = structlog.get_logger()

START_TIMEOUT = 120.0
"""Seconds that a process may take to import its environment."""
CLOSE_TIMEOUT = 3.0
"""Seconds that a process may take to end after its input has; then it is killed."""


class Crashed(Exception):
    """The process died under a request. `blamed` tells whether it was this one that it was working on."""

    def __init__(self, reason: str, blamed: bool) -> None:
        super().__init__(reason)
        self.blamed = blamed


class _Call:
    """One request that awaits its answer; `outcome` is the answer or a Crashed."""

    def __init__(self) -> None:
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
    """One environment process, started and watched by `run`. Requests may be sent at once; they wait until it is ready."""

    def __init__(self, name: str, environ: Mapping[str, str], timeout: float) -> None:
        """`name` is the environment to prepare, `environ` the process's variables, `timeout` seconds for one request."""
        self._name, self._environ, self._timeout = name, environ, timeout
        self._hello = _Call()
        # In the order in which the process works on them. Unbounded, but each environment has at most one request out.
        self._pending: dict[int, _Call] = {0: self._hello}
        self._out, self._outgoing = anyio.create_memory_object_stream[bytes](math.inf)
        self._sent = 0
        self._progress = anyio.current_time()
        self._process: Process | None = None
        self.live: set[int] = set()
        """Keys of the environments that are in use."""
        self.dead: str | None = None
        """Why it died; None while it may be used."""
        self.ended = anyio.Event()

    @property
    def pid(self) -> int | None:
        """The process's id, None before it is started."""
        return self._process.pid if self._process else None

    async def request(self, message: dict[str, Any]) -> Any:
        """Send a request and await its result; raises what the environment raised, or Crashed."""
        await self._settled(self._hello)
        self._hello.result()
        if self.dead is not None:
            raise Crashed(self.dead, blamed=False)
        call = self._send(message)
        await self._settled(call)
        return call.result()

    def _send(self, message: dict[str, Any]) -> _Call:
        self._sent += 1
        if not self._pending:
            self._progress = anyio.current_time()
        call = self._pending[self._sent] = _Call()
        self._out.send_nowait(wire.pack({**message, "id": self._sent}))
        return call

    def release(self, key: int) -> None:
        """Give back one environment: its place in the process serves another episode."""
        self.live.discard(key)
        if self.dead is None:
            self._out.send_nowait(wire.pack({"op": "close", "key": key}))

    async def _settled(self, call: _Call) -> None:
        # It works on one request after the other: hung is who has answered nobody for the time that one may take.
        while not call.done.is_set():
            patience = self._timeout if self._hello.done.is_set() else max(START_TIMEOUT, self._timeout)
            with anyio.CancelScope(deadline=self._progress + patience):
                await call.done.wait()
            if not call.done.is_set() and anyio.current_time() >= self._progress + patience:
                self._die(f"it hung for {patience:g} s")

    def _die(self, reason: str) -> None:
        if self.dead is not None:
            return
        self.dead = reason
        ready = self._hello.done.is_set()
        for place, call in enumerate(self._pending.values()):
            call.settle(Crashed(reason, blamed=place == 0 or not ready))
        self._pending.clear()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        log.warning("env_process_died", pid=self.pid, reason=reason, live=len(self.live))

    async def run(self) -> None:
        """Start the process and carry messages until it ends; whatever ends this, no process is left behind."""
        try:
            command = [sys.executable, "-m", "envs.process", self._name]
            self._process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=None, env=self._environ)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write, self._process)
                await self._read(self._process)
                tasks.cancel_scope.cancel()
        except OSError as error:
            self._die(f"it can't be started: {error}")
        finally:
            with anyio.CancelScope(shield=True):
                await self._reap()
            self.ended.set()

    async def _write(self, process: Process) -> None:
        assert process.stdin is not None  # noqa: S101 (PIPE was asked for)
        try:
            async for data in self._outgoing:
                await process.stdin.send(data)
            await process.stdin.aclose()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # It died; the reader tells why.

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 (PIPE was asked for)
        stream = BufferedByteReceiveStream(process.stdout)
        try:
            while True:
                (length,) = wire.LENGTH.unpack(await stream.receive_exactly(wire.LENGTH.size))
                self._take(orjson.loads(await stream.receive_exactly(length)))
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
            await process.wait()

    def _take(self, answer: dict[str, Any]) -> None:
        self._progress = anyio.current_time()
        call = self._pending.pop(answer["id"], None)
        if call is not None:
            call.settle(answer)

    async def _reap(self) -> None:
        process = self._process
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.aclose()
            code = process.returncode or 0
            self._die(f"it was killed by signal {-code}" if code < 0 else f"it ended with status {code}")
        self._out.close()
        self._outgoing.close()

    async def end(self) -> None:
        """Let the process end by itself, as it does when its input ends; kill it where it does not."""
        self.dead = self.dead or "the pool is closed"
        self._out.close()
        with anyio.move_on_after(CLOSE_TIMEOUT):
            await self.ended.wait()
        if self._process is not None and not self.ended.is_set():
            self._process.kill()
            await self.ended.wait()


def environment(variables: Mapping[str, object | None]) -> dict[str, str]:
    """This process's variables, with those given set, or unset where None."""
    merged = {name: value for name, value in os.environ.items() if name not in variables}
    return merged | {name: str(value) for name, value in variables.items() if value is not None}
