"""Servers of somebody else's, configured as a test wants them, and a TLS end in front of one."""

import socket
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from runtime.server.process import find_binary, find_module
from tests.support import until


@asynccontextmanager
async def valkey(directory: Path, *lines: str, search: bool = True) -> AsyncGenerator[Path]:
    """A server with an append-only file in `directory`; gives its socket."""
    path = directory / "v.sock"
    module = find_module() if search else None
    given = ["port 0", f'unixsocket "{path}"', f'dir "{directory}"', "appendonly yes", "appendfsync always", 'save ""']
    given += [f'loadmodule "{module}"'] if module else []
    with (directory / "server.log").open("wb") as log:
        process = await anyio.open_process([str(find_binary()), "-"], stdout=log, stderr=subprocess.STDOUT)
    try:
        assert process.stdin
        await process.stdin.send("\n".join([*given, *lines, ""]).encode())
        await process.stdin.aclose()
        await until(lambda: _listens(path))
        yield path
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()


async def _listens(path: Path) -> bool:
    """The socket is there a moment before anybody listens at it."""
    try:
        async with await anyio.connect_unix(path):
            return True
    except OSError:
        return False


def quoted(text: str) -> str:
    """Text as a server's configuration takes it, whatever it holds."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in text.encode()) + '"'


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate of one's own making for 127.0.0.1, which is its own authority, and its key."""
    directory.mkdir(exist_ok=True)
    shown, key = directory / f"{name}.crt", directory / f"{name}.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    make += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", str(shown), "-keyout", str(key)]
    subprocess.run(make, check=True, capture_output=True)
    return shown, key


@asynccontextmanager
async def tls_end(server: Path, shown: Path, key: Path) -> AsyncGenerator[int]:
    """A port of this machine that speaks TLS in front of a server's socket."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown, key)

    async def serve(client: ByteStream) -> None:
        try:
            async with client, await anyio.connect_unix(server) as behind, anyio.create_task_group() as tasks:
                tasks.start_soon(_carry, client, behind, tasks.cancel_scope)
                tasks.start_soon(_carry, behind, client, tasks.cancel_scope)
        except OSError:
            return

    [plain] = (await anyio.create_tcp_listener(local_host="127.0.0.1")).listeners
    async with TLSListener(plain, context, standard_compatible=False) as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield plain.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def _carry(source: ByteStream, target: ByteStream, scope: anyio.CancelScope) -> None:
    try:
        while True:
            await target.send(await source.receive())
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        scope.cancel()
