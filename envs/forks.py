"""The worker's end of its fork server: asks for environment processes, and learns what became of them."""

import os
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from subprocess import DEVNULL
from typing import Any

import anyio
import structlog
from anyio.abc import Process

from envs import wire
from envs.link import Link
from runtime.config import Settings
from runtime.errors import EnvError

log = structlog.get_logger()

CLOSE_TIMEOUT = 3.0
"""Seconds that a process may take to end once it is told to; then it is killed."""
_STDERR = 2
_KEPT_BACK = {"redis_url", "api_key", "base_url", "embedding_api_key", "embedding_base_url"}
_SECRETS = {"REDIS_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "EMBEDDING_MODEL_KEY", "EMBEDDING_MODEL_BASE_URL"}
"""Variables that no environment needs: what it does, and prints when it fails, is other people's code."""


class Child:
    """A process that the fork server makes, or has made; `end` is the worker's end of its socket."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.pid: int | None = None
        """None until it is forked."""
        self.ended = anyio.Event()
        """Nothing more will be learned of it: it has ended, or its server has."""
        self.fate = "the process that forks it failed"
        """How it ended, as far as that is known."""

    def kill(self) -> None:
        """Kill it; only while its socket is open, for after that its number may be another's."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def learn(self, message: dict[str, Any]) -> None:
        """Take what the server says of it."""
        if "pid" in message:
            self.pid, self.fate = message["pid"], "it ended"
        elif "status" in message:
            status = message["status"]
            self.fate = f"it was killed by signal {-status}" if status < 0 else f"it ended with status {status}"
            self.ended.set()
        else:
            self.fate = f"it can't be started: {message['error']}"
            self.ended.set()


class Forks:
    """A fork server, as the worker sees it. Requests may be sent at once; they wait in the socket until it is up."""

    def __init__(self, settings: Settings) -> None:
        """The settings are what environments are made with; keys and addresses of others stay here."""
        self._settings = settings.model_dump(mode="json", exclude=_KEPT_BACK)
        ours, self._theirs = socket.socketpair()
        self._link = Link(ours)
        self._process: Process | None = None
        self._children: dict[int, Child] = {}
        self._asked = deque[tuple[dict[str, Any], socket.socket]]()
        self._forked = 0
        self.dead = False
        """Whether another one must be used from now on."""
        self.ended = anyio.Event()

    def fork(self, name: str, nice: int) -> Child:
        """Ask for a process of environment `name`, lower in priority by `nice`; EnvError where it has no socket to give it."""
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise EnvError(f"an environment process can't be started ({error}): raise the limit of open files") from error
        self._forked += 1
        child = self._children[self._forked] = Child(ours)
        self._asked.append(({"id": self._forked, "env": name, "nice": nice, "settings": self._settings}, theirs))
        if len(self._asked) == 1:
            self._ask()
        return child

    def _ask(self) -> None:
        # One at a time: a message that the socket has no room for could not take a descriptor along.
        request, theirs = self._asked[0]
        self._link.send(request, (theirs.fileno(),))

    async def run(self) -> None:
        """Start the server and listen to it until it ends; it can't outlive this."""
        try:
            await self._start()
            await self._link.run(self._take)
        except OSError as error:
            log.error("env_fork_server_unstartable", error=str(error))
        finally:
            self.dead = True
            self._link.close()
            for end in (self._theirs, *(theirs for _, theirs in self._asked)):
                end.close()
            with anyio.CancelScope(shield=True):
                await self._reap()
            for child in self._children.values():
                child.ended.set()
            self.ended.set()

    async def _start(self) -> None:
        # With the worker's own import path, as its environments may be found there only; and without the threads that
        # numerical libraries start on import, which a fork would not copy.
        code = f"import sys; sys.path[:] = {sys.path!r}; from envs.fork_server import main; main({self._theirs.fileno()})"
        self._process = await anyio.open_process(
            [sys.executable, "-c", code],
            stdin=DEVNULL,
            stdout=_STDERR,  # What a library prints must not be taken for the worker's own output.
            stderr=None,
            pass_fds=[self._theirs.fileno()],
            env={name: value for name, value in os.environ.items() if name not in _SECRETS} | {"OMP_NUM_THREADS": "1"},
        )
        self._theirs.close()

    def _take(self, message: dict[str, Any]) -> None:
        wire.check_notice(message)
        child = self._children.get(message["id"])
        if child is None:
            raise wire.Garbled("a message of no process that is alive")
        child.learn(message)
        if "status" not in message:
            self._asked.popleft()[1].close()
            if self._asked:
                self._ask()
        if child.ended.is_set():
            del self._children[message["id"]]

    async def _reap(self) -> None:
        if self._process is None:
            return
        with anyio.move_on_after(CLOSE_TIMEOUT):
            await self._process.wait()
        self.kill()
        await self._process.aclose()

    def kill(self) -> None:
        """Kill the server itself, where it hangs; what it has forked goes on."""
        self.dead = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def end(self) -> None:
        """Let the server end, and take with it what is left of its processes."""
        self.dead = True
        self._link.finish()
        await self.ended.wait()
