"""The history of a memory as files: archived, continued, taken off the stream, and read again with every line checked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import orjson
import pytest

from memory.changes import Archived, archive_changes, export_history, open_history, read_changes
from memory.fold import fingerprint, rebuild
from memory.local_index import LocalIndex
from memory.store import Memory
from runtime.bus.namespace import Namespace, open_namespace
from runtime.errors import DataError, UsageError
from tests.memory.changes import fact, new, put, revise, vector
from tests.support import DIMENSION, Place, opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "changes.jsonl"


def text_of(path: Path) -> str:
    return path.read_text(encoding="latin-1")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="latin-1")


async def length(memory: Memory) -> int:
    return await memory.namespace.client.xlen(memory.namespace.keys.changes)


async def another(memory: Memory) -> Namespace:
    return await open_namespace(memory.namespace.client, f"{memory.namespace.keys.namespace}-copy")


async def rebuilt(memory: Memory, *files: Path, stream: bool = True) -> bool:
    """Whether the files (and the stream) make the same memory elsewhere."""
    history = await open_history(files, memory.namespace if stream else None)
    return await rebuild(history, await another(memory), search=False, exact_up_to=1000) == await fingerprint(memory.namespace)


async def grow(memory: Memory, first: int, last: int) -> None:
    """Changes of which each adds a procedure."""
    for number in range(first, last + 1):
        await put(memory, new(f"p{number:03}"))


async def test_archive_holds_every_change_and_leaves_the_stream_alone(memory: Memory, file: Path) -> None:
    await grow(memory, 1, 120)
    assert await archive_changes(memory.namespace, file) == Archived(1, 120, 0)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert await length(memory) == 120
    assert await rebuilt(memory, file, stream=False)


async def test_archive_that_trims_is_continued_and_rebuilds_with_what_the_stream_adds(memory: Memory, file: Path) -> None:
    await grow(memory, 1, 5)
    assert await archive_changes(memory.namespace, file, trim=True) == Archived(1, 5, 5)
    assert await archive_changes(memory.namespace, file, trim=True) == Archived(1, 5, 0)
    await grow(memory, 6, 8)
    assert await archive_changes(memory.namespace, file) == Archived(1, 8, 0)
    assert await archive_changes(memory.namespace, file, trim=True) == Archived(1, 8, 3)
    await grow(memory, 9, 10)
    assert await length(memory) == 2
    assert await rebuilt(memory, file)


async def test_rebuild_reads_several_files_that_may_overlap(memory: Memory, file: Path) -> None:
    later, last = file.with_name("later.jsonl"), file.with_name("last.jsonl")
    await grow(memory, 1, 4)
    await archive_changes(memory.namespace, file)
    await grow(memory, 5, 6)
    assert await archive_changes(memory.namespace, later, trim=True) == Archived(1, 6, 6)
    await grow(memory, 7, 8)
    assert await archive_changes(memory.namespace, last, trim=True) == Archived(7, 8, 2)
    assert await rebuilt(memory, file, later, last, stream=False)


async def test_rebuild_where_changes_are_missing_names_their_versions_and_writes_nothing(memory: Memory, file: Path) -> None:
    later = file.with_name("later.jsonl")
    await grow(memory, 1, 3)
    await archive_changes(memory.namespace, file, trim=True)
    await grow(memory, 4, 5)
    await archive_changes(memory.namespace, later, trim=True)
    await grow(memory, 6, 6)
    for files, missing in (((), "1 to 5"), ((file,), "4 to 5"), ((later,), "1 to 3"), ((later, file), "1 to 3")):
        with pytest.raises(DataError, match=f"changes {missing} are missing; if they were archived, give their file with --changes"):
            await rebuilt(memory, *files)
    assert (await (await another(memory)).progress()).version == 0
    assert await rebuilt(memory, file, later)


async def test_archive_over_changes_that_went_elsewhere_is_refused_and_the_file_kept(memory: Memory, file: Path) -> None:
    await grow(memory, 1, 3)
    await archive_changes(memory.namespace, file, trim=True)
    await grow(memory, 4, 5)
    await archive_changes(memory.namespace, file.with_name("other.jsonl"), trim=True)
    await grow(memory, 6, 6)
    before = text_of(file)
    with pytest.raises(DataError, match="changes 4 to 5 are missing"):
        await archive_changes(memory.namespace, file, trim=True)
    assert (text_of(file), await length(memory)) == (before, 1)


async def test_archive_of_another_memory_is_neither_continued_nor_mixed(memory: Memory, server_url: str, file: Path) -> None:
    await grow(memory, 1, 2)
    name = memory.namespace.keys.namespace
    async with opened(Place(server_url, search=False), f"{name}-other") as other:
        await grow(other, 1, 3)
        await archive_changes(other.namespace, file)
        with pytest.raises(DataError, match=f"holds changes of {name}-other .*, not of {name} .*: choose another file"):
            await archive_changes(memory.namespace, file, trim=True)
        with pytest.raises(DataError, match="give the history of one memory"):
            await rebuilt(memory, file)
    assert await length(memory) == 2


@pytest.mark.parametrize("trim", [True, False])
async def test_archive_over_a_younger_memory_of_older_entries_is_refused(memory: Memory, file: Path, trim: bool) -> None:
    await grow(memory, 1, 3)
    await archive_changes(memory.namespace, file)
    client, stream = memory.namespace.client, memory.namespace.keys.changes
    entries: list[Any] = await client.xrange(stream)
    await client.delete(stream)
    for number, (_, fields) in enumerate(entries[:2], 1):
        await client.xadd(stream, fields, id=f"1-{number}")
    before = text_of(file)
    with pytest.raises(DataError, match=r"entry 1-1 of .* \(change 1\) is not in .*: the file holds an earlier memory"):
        await archive_changes(memory.namespace, file, trim=trim)
    assert (text_of(file), await length(memory)) == (before, 2)


async def test_archive_of_nothing_and_to_nowhere_says_so(memory: Memory, namespace: Namespace, file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no changes: nothing has been learned"):
        await archive_changes(memory.namespace, file)
    with pytest.raises(UsageError, match="has no memory"):
        await archive_changes(await open_namespace(namespace.client, f"{namespace.keys.namespace}-none"), file)
    await grow(memory, 1, 1)
    (tmp_path / "plain").write_text("a file")
    with pytest.raises(UsageError, match="can't be written"):
        await archive_changes(memory.namespace, tmp_path / "plain" / "changes.jsonl", trim=True)
    assert await length(memory) == 1
    with pytest.raises(UsageError, match="a history is needed"):
        await open_history((), None)


async def test_local_index_behind_a_trim_between_two_changes_misses_nothing(memory: Memory, file: Path) -> None:
    index = LocalIndex(memory.namespace.client, memory.namespace.keys)
    await grow(memory, 1, 1)
    assert len((await index.nearest(vector(1), 9, "alfworld")).hits) == 1
    await grow(memory, 2, 3)
    await archive_changes(memory.namespace, file, trim=True)
    await grow(memory, 4, 5)
    assert len((await index.nearest(vector(1), 9, "alfworld")).hits) == 5


Row = dict[str, Any]
MALFORMED: dict[str, tuple[Callable[[Row], object], str]] = {
    "no JSON": (lambda row: "{oops", "line 4: Invalid JSON"),
    "a version of another kind": (lambda row: {**row, "version": "third"}, "line 4: version"),
    "a field unknown": (lambda row: {**row, "colour": 1}, "line 4: colour"),
    "another schema": (lambda row: {**row, "event": {**row["event"], "v": 9}}, "line 4: event.v"),
    "no entry": (lambda row: {**row, "entry": "soon"}, "line 4: entry"),
    "a version again": (lambda row: {**row, "version": 2}, "line 4: entry .* is change 2, after 2"),
    "a version left out": (lambda row: {**row, "version": 5}, "line 4: entry .* changes 3 to 4 are missing"),
    "a short vector": (lambda row: _with_vector(row, "AAAA" * 4), f"line 4: a vector that is not base64 of {DIMENSION} float32"),
    "a vector that is none": (lambda row: _with_vector(row, "?"), f"line 4: a vector that is not base64 of {DIMENSION} float32"),
}


def _with_vector(row: Row, text: str) -> Row:
    row["event"]["writes"][0]["new"]["facts"][0]["vector"] = text
    return row


@pytest.mark.parametrize("case", MALFORMED)
async def test_file_that_is_malformed_is_refused_by_line_and_nothing_is_built(memory: Memory, file: Path, case: str) -> None:
    await grow(memory, 1, 2)
    await put(memory, new("q", facts=(fact("object", "mug", vector(1)),)))
    await archive_changes(memory.namespace, file)
    spoil, message = MALFORMED[case]
    *lines, last = text_of(file).splitlines()
    spoiled = spoil(orjson.loads(last))
    write(file, "\n".join([*lines, spoiled if isinstance(spoiled, str) else orjson.dumps(spoiled).decode()]))
    with pytest.raises(DataError, match=f"changes.jsonl, {message}"):
        await rebuilt(memory, file, stream=False)
    assert (await (await another(memory)).progress()).version == 0


@pytest.mark.parametrize(
    ("text", "message"), [(None, "can't be read"), ("", "is empty"), ('{"format": "else"}', "line 1: format"), ("\xff", "can't be read")]
)
async def test_file_that_is_no_archive_at_all_is_refused_and_never_written_over(
    memory: Memory, file: Path, text: str | None, message: str
) -> None:
    await grow(memory, 1, 1)
    if text is not None:
        write(file, text)
        with pytest.raises(DataError, match=message):
            await archive_changes(memory.namespace, file, trim=True)
        assert text_of(file) == text
    with pytest.raises(DataError, match=message):
        read_changes(file)
    assert await length(memory) == 1


@pytest.mark.parametrize("fields", [{"event": "{oops"}, {"event": "{}"}, {"version": "x"}, {"deprecated": "[1]"}])
async def test_entry_of_the_stream_that_cannot_be_read_is_named(memory: Memory, file: Path, fields: dict[str, str]) -> None:
    await grow(memory, 1, 1)
    client, stream = memory.namespace.client, memory.namespace.keys.changes
    [(_, whole)] = await client.xrange(stream)
    await client.xadd(stream, {**whole, b"version": b"2", **{name.encode(): value for name, value in fields.items()}}, id="9999999999999-7")
    with pytest.raises(DataError, match=r"entry 9999999999999-7 of .*:changes can't be read"):
        await archive_changes(memory.namespace, file)
    assert list(file.parent.iterdir()) == []


async def test_change_that_does_not_follow_from_those_before_it_is_refused(memory: Memory, file: Path) -> None:
    await put(memory, new("p"))
    await put(memory, revise("p", 1))
    await archive_changes(memory.namespace, file)
    write(file, text_of(file).replace('"expects":1', '"expects":3'))
    with pytest.raises(DataError, match=r"change 2 .* does not follow from those before it"):
        await rebuilt(memory, file, stream=False)


async def test_history_is_exported_whole_or_not_at_all(memory: Memory, file: Path) -> None:
    assert not await export_history(memory.namespace, file)
    await grow(memory, 1, 3)
    assert await export_history(memory.namespace, file)
    assert [change.version for change in read_changes(file)[1]] == [1, 2, 3]
    client, stream = memory.namespace.client, memory.namespace.keys.changes
    await client.xtrim(stream, maxlen=1, approximate=False)
    await grow(memory, 4, 4)
    assert await export_history(memory.namespace, file)  # the file has what the stream has lost
    assert [change.version for change in read_changes(file)[1]] == [1, 2, 3, 4]
    await anyio.Path(file).unlink()
    assert not await export_history(memory.namespace, file)
    await client.xtrim(stream, maxlen=0, approximate=False)
    assert not await export_history(memory.namespace, file)
    assert not await anyio.Path(file).exists()
