"""`python -m MODULE` as a process of its own, forked from one that has imported what ours import: a start costs milliseconds, not seconds.

The process has its own number, environment and output, and is killed, stopped and awaited as any. One thing is not as in life: all of
them share one seed of hashes and one import of the modules, so that what depends on either is the same in each. A request whose
variables of Python itself (`PYTHONHASHSEED`, say) are others than the test process's starts anew, and has its own of both.

Each test process has one such parent. It ends with its test process, and takes with it what it has forked, and all below that.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType
from typing import Any, BinaryIO

import anyio
import psutil
from anyio.abc import Process

COMMAND = "bin.memp"
_IMPORTED = (
    *(f"bin.{name}" for name in ("dead", "drain", "generated", "inspect", "migrate", "processes", "run", "travelplanner", "warm")),
    *("workers.processes", "experiments.driver", "experiments.live", "memory.transfer", "runtime.server", "uvloop"),
    *("envs.alfworld_env", "envs.travelplanner", "tests.faults.poison_env"),
)
"""What `memp` and `tests.serve` import, at the start and as they go; not `bin.memp`, which is run."""
_LARGEST = 1 << 17
"""Bytes of a request, most of which are the environment."""
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of Linux: orphans below a process become its children."""


class Forked(Process):
    """One process; its standard streams are what it was given."""

    def __init__(self, told: socket.socket, pid: int) -> None:
        self._told = told
        self._pid = pid
        self._code: int | None = None

    @property
    def stdin(self) -> None:
        return None

    @property
    def stdout(self) -> None:
        return None

    @property
    def stderr(self) -> None:
        return None

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def returncode(self) -> int | None:
        if self._code is None:
            try:
                said = self._told.recv(64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            self._told.close()
            self._code = int(said or -signal.SIGKILL)  # nothing: its parent has gone, and it with that
        return self._code

    async def wait(self) -> int:
        while self.returncode is None:
            await anyio.wait_readable(self._told)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, signal: int) -> None:
        if self.returncode is None:
            os.kill(self._pid, signal)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def aclose(self) -> None:
        self.kill()
        with anyio.CancelScope(shield=True):
            await self.wait()


async def fork(*arguments: str, env: Mapping[str, str], output: int, stdin: int | None = None, module: str = COMMAND) -> Forked:
    """Start `python -m module arguments`; `output` and `stdin` (None: it is empty) are open files, which stay the caller's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = json.dumps({"module": module, "arguments": arguments, "env": dict(env)}).encode()
    assert len(request) < _LARGEST
    with theirs:
        socket.send_fds(_parent(), [request], [theirs.fileno(), output, *(() if stdin is None else (stdin,))])
    with anyio.CancelScope(shield=True):  # it is there, and has to be ended by whoever asked for it
        await anyio.wait_readable(ours)
    return Forked(ours, int(ours.recv(64)))


async def output_of(*arguments: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and all output of one `memp` command."""
    with pipe() as (said, saying):
        process = await fork(*arguments, env=env, output=saying.fileno())
        saying.close()
        try:
            output = await anyio.to_thread.run_sync(said.read, abandon_on_cancel=True)
            return await process.wait(), output.decode()
        finally:
            await process.aclose()


@contextmanager
def pipe() -> Generator[tuple[BinaryIO, BinaryIO]]:
    """A pipe's two ends, to read from and to write to."""
    reading, writing = os.pipe()
    with open(reading, "rb") as first, open(writing, "wb") as last:
        yield first, last


@cache
def _parent() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    single = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS")}  # a fork copies no threads
    command = [sys.executable, "-m", "tests.forking", str(theirs.fileno())]
    with theirs:
        own: Any = {"start_new_session": True, "stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        parent = subprocess.Popen(command, pass_fds=[theirs.fileno()], env={**os.environ, **single}, **own)

    def end() -> None:
        ours.close()
        parent.wait()

    atexit.register(end)
    return ours


def _hear(number: int, frame: FrameType | None) -> None:
    """Ignoring the signal would not wake anybody."""


class _Parent:
    """Forks on request, and tells what became of whom."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, socket.socket] = {}
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._ready = selectors.DefaultSelector()
        self._ready.register(control, selectors.EVENT_READ)
        self._ready.register(self._woken, selectors.EVENT_READ)

    def run(self) -> str | None:
        """In the parent None, once the test process is gone; in each child the module that it is to run."""
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _hear)
        while True:
            if any(key.fileobj is self._woken for key, _ in self._ready.select()):
                self._reap()
                continue
            data, fds, _, _ = socket.recv_fds(self._control, _LARGEST, 3)
            if not data:
                return self._end()
            if module := self._fork(json.loads(data), fds):
                return module

    def _fork(self, request: dict[str, Any], fds: list[int]) -> str | None:
        told, *streams = fds
        if pid := os.fork():
            self._children[pid] = socket.socket(fileno=told)
            self._tell(self._children[pid], pid)
            for each in streams:
                os.close(each)
            return None
        os.close(told)
        self._become(request, *streams)
        return request["module"]

    def _become(self, request: dict[str, Any], output: int, stdin: int = 0) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._ready, self._control, self._woken, self._wake, *self._children.values()):
            end.close()
        for given, stream in ((stdin, 0), (output, 1), (output, 2)):
            os.dup2(given, stream)
        os.closerange(3, max(stdin, output) + 1)
        known = _of_interpreter(os.environ)
        os.environ.clear()
        os.environ.update(request["env"])
        if _of_interpreter(os.environ) != known:
            os.execv(sys.executable, [sys.executable, "-m", request["module"], *request["arguments"]])
        sys.argv = [request["module"], *request["arguments"]]

    def _reap(self) -> None:
        self._woken.recv(4096)
        with suppress(ChildProcessError):  # none is left
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if told := self._children.pop(pid, None):  # None: one of them has left it behind
                    with told:
                        self._tell(told, os.waitstatus_to_exitcode(status))

    def _tell(self, told: socket.socket, number: int) -> None:
        with suppress(ConnectionError):  # whoever asked for it has dropped it
            told.send(str(number).encode(), socket.MSG_NOSIGNAL)

    def _end(self) -> None:
        """SIGKILL to all below, in whatever session they are, until none is left: those orphaned by it come up to this process."""
        while below := psutil.Process().children(recursive=True):
            for each in below:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            os.waitpid(-1, 0)


def _of_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    """What is read when Python itself starts: where this differs, it has to."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def main() -> None:
    """Serve the test process at the other end of the socket whose number is given."""
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1)
    if module := _Parent(socket.socket(fileno=int(sys.argv[1]))).run():
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
