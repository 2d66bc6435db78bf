"""The history of a memory: its changes stream, and files of it (JSON lines: a `ChangesHeader`, then a `CommittedChange` per line)."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import orjson
from pydantic import ValidationError

from memory.lines import numbered_lines, parse_line, replacing
from memory.procedure import ChangesHeader, CommittedChange
from memory.store import fits, stored_embedding
from runtime.bus.namespace import Namespace
from runtime.bus.scripts import patiently
from runtime.errors import DataError, UsageError
from runtime.events import unreadable

WRITER = "memp memory changes"
CHUNK = 50
"""Entries per round trip: one of an import holds as many procedures, with their vectors."""


class Archived(NamedTuple):
    """Versions of memory that a file holds the changes to, and how many entries were taken off the stream."""

    first: int
    last: int
    trimmed: int


@dataclass(frozen=True)
class History:
    """Changes in order of version: those of the files first, then what the stream of `namespace` adds; get one with `open_history`."""

    header: ChangesHeader
    files: tuple[Path, ...]
    namespace: Namespace | None

    async def changes(self, until: int | None = None) -> AsyncGenerator[CommittedChange]:
        """All, from version 1 on, up to version `until`. Raises `DataError` where some are missing."""
        reached, entry = 0, ""
        for path in self.files:
            for change in read_changes(path)[1]:
                if reached < change.version <= (until or change.version):  # files may overlap
                    _expect(reached, change, path)
                    yield change
                    reached, entry = change.version, change.entry
        if self.namespace is None or reached == until:
            return
        async with aclosing(streamed(self.namespace, entry)) as stream:
            async for change in stream:
                _expect(reached, change, f"the stream of {self.namespace.keys.namespace}")
                yield change
                reached = change.version
                if reached == until:
                    return


async def open_history(files: tuple[Path, ...], namespace: Namespace | None) -> History:
    """Raises `DataError` for files that are not of one memory, `UsageError` where there is no history at all."""
    headers = [(str(path), read_changes(path)[0]) for path in files]
    if namespace is not None:
        headers.append(("the stream", await _header(namespace)))
    if not headers:
        raise UsageError("a history is needed: files that `memp memory changes` wrote (--changes), or another namespace (--into)")
    (first, header), *others = headers
    for name, other in others:
        if other != header:
            raise DataError(f"{name} holds changes of {other.told}, {first} those of {header.told}: give the history of one memory")
    return History(header, files, namespace)


async def archive_changes(namespace: Namespace, path: Path, *, trim: bool = False) -> Archived:
    """Write the changes stream to a file; one that is there already is continued, and replaced once the new one is whole.

    With `trim` what the file holds is then taken off the stream. Raises `DataError` where the file is of another memory (also of
    an earlier one of that name), or changes between its last and the stream's first are missing; `UsageError` for a namespace
    without changes.
    """
    header, first, reached, entry = await _header(namespace), 0, 0, ""
    with replacing(path) as file:
        file.write(header.model_dump_json() + "\n")
        for change in _kept(path, header):
            file.write(change.model_dump_json() + "\n")
            first, reached, entry = first or change.version, change.version, change.entry
        if reached:
            await _check_same(namespace, path, entry)
        async for change in streamed(namespace, entry):
            _expect(reached or change.version - 1, change, f"the stream of {namespace.keys.namespace}")
            file.write(change.model_dump_json() + "\n")
            first, reached, entry = first or change.version, change.version, change.entry
        if not reached:
            raise UsageError(f"{namespace.keys.namespace} has no changes: nothing has been learned under that name")
    return Archived(first, reached, await _trim(namespace, path) if trim else 0)


async def export_history(namespace: Namespace, path: Path) -> bool:
    """Write all changes since the first to a file (one that is there is continued). False, and no file, where the stream has none, or
    not all of them any more."""
    try:
        whole = (await archive_changes(namespace, path)).first == 1
    except (DataError, UsageError):
        whole = False
    if not whole:
        await anyio.Path(path).unlink(missing_ok=True)
    return whole


async def read_entry(namespace: Namespace, entry: str) -> CommittedChange | None:
    """This entry of the changes stream; None where it has none of that id."""
    found: Any = await patiently(lambda: namespace.client.xrange(namespace.keys.changes, entry, entry))
    return _committed(namespace, entry, found[0][1]) if found else None


def read_changes(path: Path) -> tuple[ChangesHeader, Iterator[CommittedChange]]:
    """A file of changes, read as one goes on. Raises `DataError`, which names the line, for what is none."""
    lines = numbered_lines(path)
    number, line = next(lines, (0, ""))
    if not number:
        raise DataError(f"{path} is empty; expected a file that `{WRITER}` wrote")
    header = parse_line(ChangesHeader, path, number, line, WRITER)
    return header, _parsed(lines, path, header)


def _parsed(lines: Iterator[tuple[int, str]], path: Path, header: ChangesHeader) -> Iterator[CommittedChange]:
    reached = None
    for number, line in lines:
        change = parse_line(CommittedChange, path, number, line, WRITER)
        _expect(change.version - 1 if reached is None else reached, change, f"{path}, line {number}")
        _check_vectors(change, header.dimension, f"{path}, line {number}")
        yield change
        reached = change.version


def _kept(path: Path, header: ChangesHeader) -> Iterator[CommittedChange]:
    """What a file that is to be continued holds already."""
    if not path.exists():
        return
    found, changes = read_changes(path)
    if found != header:
        raise DataError(f"{path} holds changes of {found.told}, not of {header.told}: choose another file")
    yield from changes


async def _check_same(namespace: Namespace, path: Path, last: str) -> None:
    """What the stream holds up to the file's last entry must stand in the file.

    Where it does not, the server was emptied and its clock set back: a new memory of that name has entries with older ids.
    """
    client, stream = namespace.client, namespace.keys.changes
    oldest: Any = await patiently(lambda: client.xrange(stream, "-", last, count=1))
    newest: Any = await patiently(lambda: client.xrevrange(stream, last, "-", count=1))
    ends = {entry.decode(): _committed(namespace, entry.decode(), fields) for entry, fields in [*oldest, *newest]}
    filed = {change.entry: change for change in read_changes(path)[1] if change.entry in ends} if ends else {}
    for entry, change in ends.items():
        if filed.get(entry) != change:
            raise DataError(
                f"entry {entry} of {stream} (change {change.version}) is not in {path}, though older than its last, {last}: the file "
                "holds an earlier memory of that name; choose another file"
            )


async def _trim(namespace: Namespace, path: Path) -> int:
    """Take off the stream what the file holds, once it has been read back."""
    *_, last = read_changes(path)[1]
    milliseconds, number = last.entry.split("-")
    after = f"{milliseconds}-{int(number) + 1}"
    return await patiently(lambda: namespace.client.xtrim(namespace.keys.changes, minid=after, approximate=False))


async def _header(namespace: Namespace) -> ChangesHeader:
    embedding = await stored_embedding(namespace)
    if embedding is None:
        raise UsageError(f"{namespace.keys.namespace} has no memory: no run with memory has been played under that name")
    return ChangesHeader(namespace=namespace.keys.namespace, epoch=namespace.epoch, embedding_model=embedding[0], dimension=embedding[1])


async def streamed(namespace: Namespace, after: str = "") -> AsyncGenerator[CommittedChange]:
    """The stream's entries after this one ('': all), up to what is the last one now."""
    client, stream = namespace.client, namespace.keys.changes
    newest: Any = await patiently(lambda: client.xrevrange(stream, count=1))
    while newest:
        start = f"({after}" if after else "-"
        entries: Any = await patiently(lambda start=start: client.xrange(stream, start, newest[0][0], count=CHUNK))
        for entry, fields in entries:
            yield _committed(namespace, entry.decode(), fields)
        if len(entries) < CHUNK:
            return
        after = entries[-1][0].decode()


def _committed(namespace: Namespace, entry: str, fields: dict[bytes, bytes]) -> CommittedChange:
    try:
        decided = {"entry": entry, "version": int(fields[b"version"]), "deprecated": orjson.loads(fields[b"deprecated"])}
        return CommittedChange.model_validate_json(orjson.dumps({**decided, "event": orjson.loads(fields[b"event"])}))
    except ValidationError as error:
        raise DataError(f"entry {entry} of {namespace.keys.changes} can't be read: {unreadable(error)}") from None
    except (KeyError, TypeError, ValueError) as error:  # TypeError: nested too deeply
        raise DataError(f"entry {entry} of {namespace.keys.changes} can't be read: {error!r}") from None


def _expect(reached: int, change: CommittedChange, where: Path | str) -> None:
    if change.version > reached + 1:
        raise DataError(
            f"{where}: entry {change.entry} is change {change.version}, and the last one before it {reached}: changes {reached + 1} to "
            f"{change.version - 1} are missing; if they were archived, give their file with --changes, before all others"
        )
    if change.version <= reached:
        raise DataError(f"{where}: entry {change.entry} is change {change.version}, after {reached}: this is another memory's history")


def _check_vectors(change: CommittedChange, dimension: int, where: str) -> None:
    for new in (write.new for write in change.event.writes if write.new):
        for vector in (new.vector, *(fact.vector for fact in new.facts)):
            if vector is None or not fits(vector, dimension):
                raise DataError(f"{where}: a vector that is not base64 of {dimension} float32 numbers")
