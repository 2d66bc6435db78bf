"""A server of a test's own, which it may kill, empty and fill."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.streams.text import TextReceiveStream

from runtime.bus.scripts import Client
from runtime.server import connect


@asynccontextmanager
async def own_server(directory: Path, *flags: str) -> AsyncGenerator[str]:
    """The address of an embedded server that is started again whenever it dies, as in a run."""
    command = [sys.executable, "-m", "tests.serve", str(directory), *flags]
    async with await anyio.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield (await TextReceiveStream(process.stdout).receive()).strip()
        finally:
            await process.stdin.aclose()
            with anyio.CancelScope(shield=True):
                await process.wait()


async def kill_server(url: str) -> None:
    """SIGKILL to the server itself."""
    os.kill(await _pid(url), signal.SIGKILL)


@asynccontextmanager
async def stopped_server(url: str) -> AsyncGenerator[None]:
    """A server that takes connections and answers nothing, for the time of the block."""
    pid = await _pid(url)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _pid(url: str) -> int:
    async with connect(url) as client:
        return int((await client.info("server"))["process_id"])


async def used_memory(client: Client) -> int:
    """Bytes."""
    return int((await client.info("memory"))["used_memory"])
