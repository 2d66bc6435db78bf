"""The official database as one SQLite file below the cache folder, built once from the csv files and opened read-only.

    <cache>/travelplanner/<hash of the data folder's path>/<hash of its files and of our tables>.sqlite

A file with its name is complete: it is written beside its place and moved there. One builder works at a time, the others
wait for it. The seal beside it holds its size, its time and its checksum: where size or time say that somebody else has
written to it, its checksum decides whether it is built anew.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog

from envs.travelplanner.building import AGAIN, Progress, build
from envs.travelplanner.tables import FILES
from runtime.errors import DataError

log = structlog.get_logger()

_SOURCES = ("tables.py", "building.py")
"""The modules that decide what a file holds."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


class Database:
    """An open database, for the thread that opened it; also a context manager, which closes it.

    `connection` is read-only; tables are in the order of the files (rowid): flights, accommodations, restaurants,
    attractions, distances (see `envs.travelplanner.tables`), cities(city, state), and city_names(name).
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        # Nobody writes to it once it is there, so no reader needs locks.
        self.connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
        self.whole: frozenset[tuple[str, str]] = frozenset(self.rows("SELECT in_table, in_column FROM whole"))
        """(table, column) of the number columns that hold whole numbers without a gap in the file."""
        self.city_names: tuple[str, ...] = tuple(name for (name,) in self.rows("SELECT name FROM city_names ORDER BY rowid"))
        """The cities that tools accept, in the order of the file."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query; DataError where the file is damaged, which is then built anew when it is opened next."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except UnicodeEncodeError:
            return []  # A lone surrogate, which models do write, is in no table.
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                raise
            _seal_of(self.file).unlink(missing_ok=True)
            raise DataError(f"{self.file} can't be read ({error}): start again, and it is built anew") from error

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_database(folder: Path, cache: Path, progress: Progress | None = None) -> Database:
    """The database of a data folder, in the official layout; built where it is not in the cache yet.

    For the official four million flights that takes about a minute of CPU, 200 MiB of memory and 600 MB of disk;
    `progress` is called as it goes on. DataError where a file is missing or can't be used, or the cache can't be
    written.
    """
    file = _place(folder, cache)
    try:
        if not _intact(file):
            with _alone(file.parent):
                if not _intact(file) and not _unchanged(file):
                    _make(folder, file, progress or _silent)
        return Database(file)
    except OSError as error:
        raise DataError(f"the cache {file.parent} can't be used ({error.strerror}): choose another folder with MEMP_DATA_DIR") from error


def is_built(folder: Path, cache: Path) -> bool:
    """Whether the database of a data folder is in the cache. DataError where a file is missing."""
    return _intact(_place(folder, cache))


def _silent(stage: str, done: int, total: int) -> None:
    del stage, done, total


def _place(folder: Path, cache: Path) -> Path:
    """Where the database of a folder, as its files are now, is kept."""
    folder = folder.absolute()
    lacking = [name for name in FILES if not ((folder / name).is_file() and os.access(folder / name, os.R_OK))]
    if lacking:
        raise DataError(f"{folder} has no file to read as {', '.join(lacking)}: {AGAIN}, and set MEMP_TRAVELPLANNER_DATA to its folder")
    stats = [(folder / name).stat() for name in FILES]
    key = hashlib.sha256(repr([(stat.st_size, stat.st_mtime_ns) for stat in stats]).encode())
    for name in _SOURCES:
        key.update(Path(__file__).with_name(name).read_bytes())
    where = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return cache / "travelplanner" / where / f"{key.hexdigest()[:16]}.sqlite"


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Wait until no other process builds in this folder; the lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(folder: Path, file: Path, progress: Progress) -> None:
    """Build the file and put it in its place; what was built from older files of the folder, or half built, leaves."""
    log.info("travelplanner_database_building", folder=str(folder), file=str(file))
    part = file.with_suffix(".part")
    for old in file.parent.iterdir():
        if old.suffix in (".part", ".sqlite", ".seal"):
            old.unlink()
    try:
        build(folder, part, progress)
        checksum = _checksum(part)
        os.replace(part, file)
    except sqlite3.Error as error:
        raise DataError(
            f"the database can't be written to {file.parent} ({error}): make room, or choose another with MEMP_DATA_DIR"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    _seal(file, checksum)


class _Seal(NamedTuple):
    size: int
    time: int
    checksum: str


def _seal_of(file: Path) -> Path:
    return file.with_suffix(".seal")


def _sealed(file: Path) -> _Seal | None:
    try:
        return _Seal(**json.loads(_seal_of(file).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _seal(file: Path, checksum: str) -> None:
    stat = file.stat()
    part = file.with_suffix(".seal.part")
    part.write_text(json.dumps(_Seal(stat.st_size, stat.st_mtime_ns, checksum)._asdict()))
    os.replace(part, _seal_of(file))


def _intact(file: Path) -> bool:
    """Whether the file is there, and nobody has written to it since it was sealed."""
    seal = _sealed(file)
    try:
        stat = file.stat()
    except FileNotFoundError:
        return False
    return seal is not None and (stat.st_size, stat.st_mtime_ns) == (seal.size, seal.time)


def _unchanged(file: Path) -> bool:
    """Whether a file that is newer than its seal holds the same still, as after a copy; then it is sealed again."""
    seal = _sealed(file)
    if seal is None or not file.is_file() or _checksum(file) != seal.checksum:
        return False
    _seal(file, seal.checksum)
    return True


def _checksum(file: Path) -> str:
    """The hash of a file's content, once it is on the disk for good."""
    with file.open("rb") as content:
        os.fsync(content.fileno())
        return hashlib.file_digest(content, "blake2b").hexdigest()
