"""The process that environment processes are forked from: it imports their libraries once, for all of them.

Started by `envs.forks`, it obeys its worker over one socket. A request is `{"id", "env", "nice", "settings"}` and comes
with the socket of the new process; it is told of in `{"id", "pid"}` or `{"id", "error"}`, and in `{"id", "status"}` once
it has ended (as `Popen.returncode` puts it). It ends with its worker, and takes with it what it has forked.

It has one thread and makes no environment itself: threads and engines don't survive a fork.
"""

import gc
import os
import selectors
import signal
import socket
import traceback
from collections import deque
from types import FrameType
from typing import Any, NoReturn

from envs import process, registry, wire

_CHUNK = 1 << 16
_MAX_FDS = 16


def _hear(number: int, frame: FrameType | None) -> None:
    """Ignoring the signal would not wake anybody."""


class ForkServer:
    """Forks on request and tells what became of whom; `run` returns when the worker is gone."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._frames, self._fds = wire.Frames(), deque[int]()
        self._children: dict[int, int] = {}
        self._imported: set[str] = set()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._ready = selectors.DefaultSelector()
        self._ready.register(control, selectors.EVENT_READ)
        self._ready.register(self._woken, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the control socket ends."""
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _hear)
        try:
            while all(self._reap() if key.fileobj is self._woken else self._obey() for key, _ in self._ready.select()):
                pass
        except ConnectionError:
            pass  # The worker died while it was told something.
        finally:
            for pid in self._children:
                os.kill(pid, signal.SIGKILL)
            for pid in self._children:
                os.waitpid(pid, 0)

    def _obey(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, _CHUNK, _MAX_FDS)
        self._fds.extend(fds)
        for request in self._frames.feed(data):
            self._fork(request, self._fds.popleft())
        return bool(data)

    def _fork(self, request: dict[str, Any], fd: int) -> None:
        self._import(request["env"])
        try:
            pid = os.fork()
        except OSError as error:
            self._tell({"id": request["id"], "error": str(error)})
        else:
            if pid == 0:
                self._become(request, fd)
            self._children[pid] = request["id"]
            self._tell({"id": request["id"], "pid": pid})
        finally:
            os.close(fd)

    def _import(self, name: str) -> None:
        if name not in self._imported:
            self._imported.add(name)
            registry.preload(name)
            # Collecting cycles among all that the libraries have loaded costs 30 times the p95 of a step and frees next to
            # nothing; it would also copy every page that the forked processes share.
            gc.collect()
            gc.freeze()

    def _become(self, request: dict[str, Any], fd: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._ready.close()
            for end in (self._control, self._woken, self._wake):
                end.close()  # The worker must see the server's end close when the server dies,
            for other in self._fds:
                os.close(other)  # and another process's when that one does.
            os.set_inheritable(fd, False)
            os.nice(request["nice"])
            process.run(socket.socket(fileno=fd), request["env"], request["settings"])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)  # Whatever happens, a child must not come back as a second server.

    def _reap(self) -> bool:
        self._woken.recv(_CHUNK)
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid in self._children:
                self._tell({"id": self._children.pop(pid), "status": os.waitstatus_to_exitcode(status)})
        return True

    def _tell(self, message: dict[str, Any]) -> None:
        self._control.sendall(wire.pack(message))


def main(fd: int) -> NoReturn:
    """Serve the worker at the other end of socket `fd`. Ctrl-C and SIGTERM are the worker's to handle: it may want to drain."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.disable()
    ForkServer(socket.socket(fileno=fd)).run()
    os._exit(0)
