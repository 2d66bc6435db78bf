"""The embedded server's directory: who holds it, which engine wrote it, and where its socket stands."""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.errors import ServerError

_SOCKET_PATH_MAX = 100
"""Bytes; the system's limit is 108 on Linux and 104 on macOS, the end mark included."""
_DYING = 15.0
"""Seconds to wait for the server of a memp that is dead already."""

UNKNOWN = "unknown"


class Marker(BaseModel):
    """Which engine wrote a directory; kept in its `engine.json`."""

    model_config = ConfigDict(frozen=True)

    engine: str
    version: str
    module_version: str | None
    """None without the search module, UNKNOWN until the server has told."""


class Holder(BaseModel):
    """Who holds a directory; kept in its lock file."""

    pid: int
    url: str


def prepare(directory: Path) -> Path:
    """Makes the directory, closed to other users, and returns it in absolute form. Raises ServerError where that can't be done."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise ServerError(f"The data directory {directory} can't be used: {error.strerror}. Choose another with --data-dir.") from None
    return directory.absolute()


def socket_directory(directory: Path) -> Path:
    """The data directory itself or, where a socket's path in it would be too long, a private one of fixed name among the temporary files.

    Raises ServerError where another user has taken that name.
    """
    if len(os.fsencode(socket_path(directory))) < _SOCKET_PATH_MAX:
        return directory
    short = Path(tempfile.gettempdir()) / f"memp-{os.geteuid()}-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:8]}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ServerError(f"{short} is needed for the server's socket, but is not a directory of yours alone. Remove it.")
    if len(os.fsencode(socket_path(short))) >= _SOCKET_PATH_MAX:
        raise ServerError(f"No directory is short enough for a socket: set TMPDIR to one shorter than {tempfile.gettempdir()}.")
    return short


def socket_path(directory: Path) -> Path:
    """The socket within its directory."""
    return directory / "valkey.sock"


@contextmanager
def held(descriptor: int, url: str) -> Generator[None]:
    """Writes into a lock file taken by `take_lock` who holds it, and frees it at the end."""
    try:
        os.pwrite(descriptor, Holder(pid=os.getpid(), url=url).model_dump_json().encode(), 0)
        yield
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


async def take_lock(directory: Path) -> int:
    """An open descriptor that holds the directory's lock for as long as it or a copy of it (the server's) is open.

    Raises ServerError that names the process which holds it. Where that one is dead, its server is just
    stopping and is waited for.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with anyio.move_on_after(_DYING):
            while not _try_lock(descriptor):
                holder = _holder(descriptor)
                if holder is not None and _alive(holder.pid):
                    break
                await anyio.sleep(0.02)
            else:
                os.ftruncate(descriptor, 0)
                return descriptor
        raise _in_use(directory, _holder(descriptor))
    except BaseException:
        os.close(descriptor)
        raise


def check_marker(directory: Path, ours: Marker) -> None:
    """Refuses with ServerError a directory that the engine `ours` can't open, and marks it as ours otherwise.

    An engine opens what an older version of it has written; never what another engine or a newer version has, and,
    once the search module has stored an index in it, never without that module. Where the module's version is not known
    yet, a mark that has it is left alone.
    """
    found = _read_marker(directory)
    if found is not None:
        problem = _mismatch(found, ours)
        if problem:
            raise ServerError(
                f"The data directory {directory} can't be opened: {problem}. Choose another with --data-dir; to take the memory "
                "along, run `memp memory export` where that engine is installed and `memp memory import` here."
            )
    if found is None or ours.module_version != UNKNOWN:
        fresh = directory / "engine.json.new"
        fresh.write_text(ours.model_dump_json() + "\n")
        fresh.replace(directory / "engine.json")


def _read_marker(directory: Path) -> Marker | None:
    path = directory / "engine.json"
    try:
        return Marker.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        if (directory / "appendonlydir").exists() or (directory / "dump.rdb").exists():
            return Marker(engine="unknown engine", version="0", module_version=None)
        return None
    except ValidationError:
        raise ServerError(f"{path} is damaged: it must hold engine, version and module_version. Choose another --data-dir.") from None


def _mismatch(found: Marker, ours: Marker) -> str | None:
    if found.engine != ours.engine:
        return f"it was written by {found.engine} {found.version}, and this is {ours.engine} {ours.version}"
    if _number(found.version) > _number(ours.version):
        return f"it was written by {found.engine} {found.version}, which is newer than this {ours.version}"
    if found.module_version and not ours.module_version:
        return f"it was written with the search module {found.module_version}, which is not installed here"
    if _number(found.module_version) > _number(ours.module_version) > ():
        return f"it was written with the search module {found.module_version}, which is newer than this {ours.module_version}"
    return None


def _number(version: str | None) -> tuple[int, ...]:
    parts = (version or "").split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def running(directory: Path) -> str | None:
    """The address of the server that another process runs on this directory; None where there is none."""
    try:
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        holder = None if _try_lock(descriptor) else _holder(descriptor)
        return holder.url if holder and _alive(holder.pid) else None
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> Holder | None:
    try:
        return Holder.model_validate(json.loads(os.pread(descriptor, 4096, 0)))
    except ValueError:
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _in_use(directory: Path, holder: Holder | None) -> ServerError:
    if holder is None:
        return ServerError(f"The data directory {directory} is in use. Wait a moment, or choose another with --data-dir.")
    if not _alive(holder.pid):
        return ServerError(f"The server of the dead process {holder.pid} still runs on the data directory {directory}: stop it first.")
    return ServerError(
        f"The data directory {directory} is in use by process {holder.pid}. To use the same server set REDIS_URL={holder.url}; "
        "for a server of its own choose another with --data-dir."
    )


def socket_url(path: Path) -> str:
    """The address by which clients reach the socket."""
    return f"unix://{quote(str(path))}"
