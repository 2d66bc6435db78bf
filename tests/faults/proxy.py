"""A proxy between a client and a real server that loses replies: what was asked is done, and nobody hears of it."""

import secrets
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream


class Proxy:
    """`url` serves as the server's own. `lose` and `stall` arm it."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url).path
        self._folder = tempfile.TemporaryDirectory(prefix="mp")
        self._path = Path(self._folder.name) / secrets.token_hex(3)
        self.url = f"unix://{self._path}"
        self.lost = 0
        """Replies that were lost so far."""
        self.stalled = anyio.Event()
        """Set once a request is kept back."""
        self._let_go = anyio.Event()
        self._word = b""
        self._to_lose = 0
        self._stall = b""

    def lose(self, replies: int, word: bytes = b"EVALSHA") -> None:
        """Lose the next replies to requests that contain `word`, and the connection with each of them."""
        self._to_lose, self._word = replies, word

    def stall(self, word: bytes) -> None:
        """Keep the script calls that contain `word`, and what follows them, from the server from here on (b"": no more)."""
        self._stall, self.stalled = word, anyio.Event()

    def let_go(self) -> None:
        """Send on what is kept back, however late."""
        self._stall = b""
        self._let_go.set()

    async def _serve(self, client: ByteStream) -> None:
        """Carry one connection until either end closes it or a reply is lost."""
        try:
            async with client, await anyio.connect_unix(self._server) as server, anyio.create_task_group() as tasks:
                losing = anyio.Event()
                tasks.start_soon(self._requests, client, server, losing, tasks.cancel_scope)
                tasks.start_soon(self._replies, server, client, losing, tasks.cancel_scope)
        except OSError:
            return

    async def _requests(self, client: ByteStream, server: ByteStream, losing: anyio.Event, scope: anyio.CancelScope) -> None:
        try:
            while True:
                request = await client.receive()
                if self._to_lose and self._word in request:
                    self._to_lose -= 1
                    losing.set()
                if self._stall and self._stall in request:
                    earlier, request = _split(request, self._stall)
                    await server.send(earlier)
                    self.stalled.set()
                    await self._let_go.wait()
                await server.send(request)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            scope.cancel()

    async def _replies(self, server: ByteStream, client: ByteStream, losing: anyio.Event, scope: anyio.CancelScope) -> None:
        try:
            while True:
                reply = await server.receive()
                if losing.is_set():
                    self.lost += 1
                    scope.cancel()
                    return
                await client.send(reply)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            scope.cancel()

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Proxy"]:
        """At work for the time of the block."""
        listener = await anyio.create_unix_listener(self._path)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._serve)
            yield self
            tasks.cancel_scope.cancel()
        self._folder.cleanup()


def _split(request: bytes, word: bytes) -> tuple[bytes, bytes]:
    """What stands before the script call that holds `word` (others share its round trip), and the rest."""
    call = request.rfind(b"EVALSHA", 0, request.index(word))
    start = max(0, request.rfind(b"*", 0, max(0, call)))
    return request[:start], request[start:]
