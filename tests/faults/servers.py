"""A server of a test's own, which it may kill, empty and fill."""

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from runtime.bus.scripts import Client
from runtime.server import connect
from tests.forking import fork, pipe


@asynccontextmanager
async def own_server(directory: Path, *flags: str) -> AsyncGenerator[str]:
    """The address of an embedded server that is started again whenever it dies, as in a run."""
    with pipe() as (said, saying), pipe() as (told, telling):
        given = {"output": saying.fileno(), "stdin": told.fileno()}
        process = await fork(str(directory), *flags, module="tests.serve", env=os.environ, **given)
        saying.close()
        told.close()
        try:
            yield (await anyio.to_thread.run_sync(said.readline)).decode().strip()
        finally:
            telling.close()
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
