"""Export and import: a memory moves to another namespace whole, or is embedded anew for another model."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.procedure import Source
from memory.store import Memory, decode
from memory.transfer import export_memory, import_memory, read_memory
from runtime.errors import DataError
from tests.events import task, trajectory
from tests.memory.changes import EAGER, fact, learn, new, put, revise, stored, vector
from tests.support import DIMENSION, Place, opened, settings


async def fill(memory: Memory) -> None:
    """Two procedures with all that a procedure can have; `q` is deprecated."""
    [goal, mug] = await memory.embed(["put a mug in shelf.", "mug"])
    await put(memory, new("p", "put a mug in shelf.", unique=True, at=goal, facts=(fact("object", "mug", mug),)), new("q"))
    await learn(memory, trajectory(task(0), retrieved=(("p", 1),)), sources=(Source(procedure="p", expects=1, trajectory="1:task-0"),))
    await put(memory, revise("p", 1, script="mended – with ünïcode"))
    await learn(memory, trajectory(task(1), success=False, retrieved=(("p", 2), ("q", 1))), revise("p", 2), rule=EAGER)


@pytest.mark.parametrize("vectors", [True, False])
async def test_import_into_another_namespace_gives_the_same_memory(
    place: Place, namespace_name: str, tmp_path: Path, vectors: bool
) -> None:
    file = tmp_path / "folder" / "memory.jsonl"
    async with opened(place, namespace_name) as memory:
        await fill(memory)
        before = [await stored(memory, name) for name in await memory.ids()]
        assert await export_memory(memory.namespace, file, vectors=vectors) == 2
    async with opened(place, f"{namespace_name}-copy") as memory:
        assert await import_memory(memory, file) == 2
        assert await import_memory(memory, file) == 0
        after = [await stored(memory, name) for name in await memory.ids()]
        _, [hit] = await memory.index.nearest((await memory.embed(["put a mug in shelf."]))[0], 5, "alfworld")
        serving = await memory.serving("alfworld", "put a mug in shelf.")
    if vectors:
        assert after == before
    else:  # `q` was placed by hand, not by its goal
        assert after[0] == before[0]
        assert after[1] == before[1].model_copy(update={"vector": after[1].vector})
    assert (hit.procedure, hit.revision, hit.distance) == ("p", 3, pytest.approx(0.0, abs=1e-5))
    assert serving is not None
    assert file.read_text().count('"vector":null') == (0 if vectors else 3)


async def test_import_for_another_embedding_model_embeds_anew(server_url: str, namespace_name: str, tmp_path: Path) -> None:
    place, file = Place(server_url, search=False), tmp_path / "memory.jsonl"
    async with stand_in(Options()) as server:
        async with opened(place, namespace_name, settings(server.base_url)) as memory:
            await fill(memory)
            await export_memory(memory.namespace, file)
        other = settings(server.base_url, embedding_model="stand-in-embedding-2")
        async with opened(place, f"{namespace_name}-copy", other) as memory:
            await import_memory(memory, file)
            moved = await stored(memory, "p")
            goal, mug = await memory.embed(["put a mug in shelf.", "mug"])
    _, [before, _] = read_memory(file)
    assert moved.vector != before.vector
    assert decode(moved.vector or "").tolist() == goal.tolist()
    assert [decode(each.vector or "").tolist() for each in moved.facts] == [mug.tolist()]
    assert moved.revisions == before.revisions


async def test_import_of_a_goal_that_is_served_is_refused(memory: Memory, tmp_path: Path) -> None:
    await put(memory, new("p", "put a mug in shelf.", unique=True))
    await export_memory(memory.namespace, tmp_path / "memory.jsonl")
    text = (tmp_path / "memory.jsonl").read_text().replace('"id":"p"', '"id":"other"')
    (tmp_path / "memory.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"memory\.jsonl holds procedures for goals that this memory serves already"):
        await import_memory(memory, tmp_path / "memory.jsonl")


Row = dict[str, object]
MALFORMED: dict[str, tuple[Callable[[Row], object], str]] = {
    "no JSON": (lambda row: "{oops", "line 3: Invalid JSON"),
    "a field missing": (lambda row: {**row, "goal": None}, "line 3: goal"),
    "a field unknown": (lambda row: {**row, "colour": 1}, "line 3: colour"),
    "no revision": (lambda row: {**row, "revisions": []}, "line 3: revisions"),
    "a vector that is none": (lambda row: {**row, "vector": "?"}, f"line 3: a vector that is not base64 of {DIMENSION} float32"),
    "a short vector": (lambda row: {**row, "vector": "AAAA" * 4}, f"line 3: a vector that is not base64 of {DIMENSION} float32"),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_import_of_a_malformed_file_names_the_line_and_imports_nothing(memory: Memory, tmp_path: Path, case: str) -> None:
    await put(memory, new("p"), new("q", at=vector(0, 1)))
    file = tmp_path / "memory.jsonl"
    await export_memory(memory.namespace, file)
    spoil, message = MALFORMED[case]
    *lines, last = file.read_text().replace('"id":"', '"id":"copy-').splitlines()
    spoiled = spoil(orjson.loads(last))
    lines.append(spoiled if isinstance(spoiled, str) else orjson.dumps(spoiled).decode())
    file.write_text("\n".join(lines))
    with pytest.raises(DataError, match=f"memory.jsonl, {message}"):
        await import_memory(memory, file)
    assert await memory.ids() == ["p", "q"]


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "can't be read"), ("", "is empty"), ('{"format": "else"}', "line 1: format"), ("\xff", "can't be read")],
)
async def test_import_of_no_export_at_all_says_so(memory: Memory, tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "memory.jsonl"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        await import_memory(memory, file)
