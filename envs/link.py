"""The worker's end of a socket to one of its own processes: messages out at once, messages in as they come."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import anyio
import structlog

from envs import wire

log = structlog.get_logger()

_CHUNK = 1 << 16


class Link:
    """One end of a socket pair. A socket's own calls cost the event loop a third of what a stream object's do."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._frames = wire.Frames()
        self._unsent = bytearray()
        self._held = anyio.Event()
        self.broken = False
        """Whether the other end is closed: its process has ended."""

    def send(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        """Send without waiting; what there is no room for follows when there is. To a process that has ended, it is lost."""
        data = wire.pack(message)
        if not self._unsent:
            data = data[self._try(data, fds) :]
        if data:
            self._unsent += data
            self._held.set()

    def _try(self, data: bytes | bytearray, fds: tuple[int, ...] = ()) -> int:
        # The number of bytes that are dealt with.
        try:
            return socket.send_fds(self._end, [data], fds) if fds else self._end.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # It has ended; the reader sees that too, and tells.

    async def run(self, take: Callable[[dict[str, Any]], None]) -> None:
        """Give each message that comes to `take`, until the other process has ended, or what comes can't be understood: `take`
        raises `wire.Garbled` for a message that it can't."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._flush)
            loop.add_reader(self._end, self._read, take, over)  # a task that waits for each message anew costs twice as much
            try:
                await over
            finally:
                loop.remove_reader(self._end)
            tasks.cancel_scope.cancel()

    def _read(self, take: Callable[[dict[str, Any]], None], over: asyncio.Future[None]) -> None:
        if over.done():
            return
        try:
            data = self._end.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.broken = not data
        try:
            for message in self._frames.feed(data):
                take(message)
        except wire.Garbled as error:
            # Something in that process has written to its socket. That process is killed for it, and this one goes on.
            log.error("env_message_garbled", reason=str(error))
            over.set_result(None)
        except Exception as error:  # the loop would only log it
            over.set_exception(error)
        else:
            if self.broken:
                over.set_result(None)

    async def _flush(self) -> None:
        while True:
            await self._held.wait()
            await anyio.wait_writable(self._end)
            del self._unsent[: self._try(self._unsent)]
            if not self._unsent:
                self._held = anyio.Event()

    def finish(self) -> None:
        """Tell the other process that no more will come: it ends then."""
        try:
            self._end.shutdown(socket.SHUT_WR)
        except OSError:
            self.broken = True  # It was faster.

    def close(self) -> None:
        """Give the socket back; only after `run`."""
        self._end.close()
