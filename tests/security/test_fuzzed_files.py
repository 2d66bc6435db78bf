"""10,000 malformed inputs for each reader: it reads them, or refuses them by the one error it documents; nothing is executed."""

import hashlib
import json
import os
import sys
import zlib
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from envs import wire
from envs.alfworld_env import game_files
from envs.alfworld_env.game_cache import GameCache, versions
from envs.alfworld_env.translation import INT, Rows, Translation, Words
from experiments.results import EpisodeLog, read_rows, row
from memory.changes import read_changes
from memory.importers import read_trajectories
from memory.procedure import Change, ChangesHeader, CommittedChange, Header
from memory.store import encode
from memory.transfer import read_memory
from runtime.errors import DataError
from runtime.events import DeadLetter, Task, Trajectory, task_place, trajectory_place
from tests.events import task, trajectory
from tests.memory.changes import fact, new, vector
from tests.memory.stored_samples import TURNS, eto, openai
from tests.security.mutations import MARKER, mutants, spoiled

COUNT = int(os.environ.get("MEMP_FUZZED", "3000"))
"""Malformed inputs per test; 10,000 take a minute of two processors."""
_ACTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "compile")
_acts: list[str] = []
_watching = False


def _hear(event: str, _arguments: Any) -> None:
    if _watching and event in _ACTS:
        _acts.append(event)


sys.addaudithook(_hear)


@contextmanager
def nothing_executed() -> Generator[None]:
    """No code is compiled or run, no process started and nothing unpickled in the block."""
    global _watching
    _acts.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    assert _acts == []
    assert not Path(MARKER).exists()


def accounted(read: Callable[[bytes], Any], inputs: Iterable[bytes], refusals: type[Exception]) -> tuple[int, int]:
    """How many were read, and how many refused with a word of why; any other error is the test's."""
    inputs = list(inputs)
    for content in inputs[:200]:  # what is imported with the first error of a kind is imported now
        _tried(read, content, refusals)
    with nothing_executed():
        done = sum(_tried(read, content, refusals) for content in inputs)
    return done, len(inputs) - done


def _tried(read: Callable[[bytes], Any], content: bytes, refusals: type[Exception]) -> bool:
    try:
        read(content)
    except refusals as error:
        return not str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} of {content[:500]!r}") from error
    return True


def plain(model: Any) -> Any:
    return orjson.loads(model.model_dump_json())


TASKS = [plain(task(0)), plain(task(7, group=2, episode_tokens=5))]
TRAJECTORIES = [
    plain(trajectory(task(0), retrieved=(("p", 1), ("q", 2)))),
    plain(trajectory(task(1), success=False, outcome="aborted", reason="budget")),
]
LETTERS = [plain(DeadLetter(stream="memp:{x}:tasks", entry="1-1", deliveries=3, reason="no", payload="{}", task="task-0"))]


@pytest.mark.parametrize(("event", "valid"), [(Task, TASKS), (Trajectory, TRAJECTORIES), (DeadLetter, LETTERS)])
def test_event_malformed_is_refused_or_told_where_it_belongs(event: Any, valid: list[Any]) -> None:
    def read(content: bytes) -> None:
        task_place(content)
        trajectory_place(content)
        event.read(event.read(content).model_dump_json().encode())  # what was read can be passed on

    done, refused = accounted(read, mutants(valid, COUNT, seed=1), ValidationError)
    assert done + refused == COUNT
    assert refused > COUNT / 2


def written(path: Path, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    """The reader of a file, for contents."""

    def put(content: bytes) -> Any:
        path.write_bytes(content)
        return read(path)

    return put


def lines(header: Any, rows: list[Any], seed: int) -> Iterator[bytes]:
    """Files whose header or one of whose lines is malformed."""
    shown = json.dumps(header).encode()
    for number, content in enumerate(mutants([header, *rows], COUNT, seed)):
        good = [json.dumps(row).encode() for row in rows]
        if number % 5 == 0:
            yield b"\n".join([content, *good])
        else:
            good[number % len(good)] = content
            yield b"\n".join([shown, *good]) + (b"\n" if number % 2 else b"")


def _changes() -> list[Any]:
    facts = (fact("object", "mug", vector(1)),)
    writes = [new("p", "put a mug in shelf.", unique=True, facts=facts), new("q")]
    found = [Change(kind="learned", trajectory=f"1:task-{n}", writes=(write,)) for n, write in enumerate(writes)]
    return [plain(CommittedChange(entry=f"{n}-0", version=n, event=change)) for n, change in enumerate(found, 1)]


def _procedures() -> list[Any]:
    changes = [change["event"]["writes"][0] for change in _changes()]
    return [
        {
            "v": 1,
            "id": write["procedure"],
            "revisions": [write["revision"]],
            "sources": ["1:t"],
            "credit": {"1": {"uses": 2, "successes": 1}},
        }
        | write["new"]
        for write in changes
    ]


def test_memory_file_malformed_is_read_or_refused_with_its_line(tmp_path: Path) -> None:
    header = plain(Header(embedding_model="m", dimension=len(vector(1))))
    read = written(tmp_path / "memory.jsonl", read_memory)
    read(b"\n".join(json.dumps(each).encode() for each in [header, *_procedures()]))
    done, refused = accounted(read, lines(header, _procedures(), seed=2), DataError)
    assert refused > COUNT / 2 > done > 0


def test_changes_file_malformed_is_read_or_refused_with_its_line(tmp_path: Path) -> None:
    header = plain(ChangesHeader(namespace="n", epoch=1, embedding_model="m", dimension=len(vector(1))))
    read = written(tmp_path / "changes.jsonl", lambda path: list(read_changes(path)[1]))
    read(b"\n".join(json.dumps(each).encode() for each in [header, *_changes()]))
    done, refused = accounted(read, lines(header, _changes(), seed=3), DataError)
    assert refused > COUNT / 2 > done > 0


def test_trajectories_file_malformed_is_read_or_refused_with_its_place(tmp_path: Path) -> None:
    records = [TRAJECTORIES[0], {"id": "a", "conversations": eto(TURNS)}, {"messages": openai(TURNS), "reward": 1}, openai(TURNS)]
    records.append({"query": "put a mug", "trajectory": "Thought: a\nAction: go\nObservation: ok", "facts": {}, "source": "s"})
    read = written(tmp_path / "some.json", read_trajectories)
    done, refused = accounted(read, mutants([*records, records], COUNT, seed=4), DataError)
    assert min(done, refused) > 500


def test_results_file_malformed_is_read_or_refused_with_its_line(tmp_path: Path) -> None:
    rows = [plain(row(trajectory(task(n), retrieved=(("p", 1),)), f"{n}-0")) for n in range(2)]
    inputs = [b"\n".join([json.dumps(rows[0]).encode(), content, b""]) for content in mutants(rows, COUNT, seed=5)]
    done, refused = accounted(written(tmp_path / "episodes.jsonl", read_rows), inputs, DataError)
    assert refused > COUNT / 2 > done

    def opened(path: Path) -> None:
        with EpisodeLog(path):
            pass

    accounted(written(tmp_path / "again.jsonl", opened), inputs[::20], DataError)


def test_message_of_an_environment_malformed_is_garbled_or_a_message() -> None:
    valid = [{"id": 1, "result": ["You see a mug.", 1.0, True, {"won": True}]}, {"id": 2, "error": ["EnvError", "no"], "memory": 5}]

    def read(content: bytes) -> None:
        frames = wire.Frames()
        found = [message for at in range(0, len(content), 1000) for message in frames.feed(content[at : at + 1000])]
        stream = BytesIO(content)
        assert [wire.read(stream) for _ in found] == found

    framed = [wire.LENGTH.pack(len(content)) + content for content in mutants(valid, COUNT // 2, seed=6)]
    framed += spoiled([b"".join(map(wire.pack, valid))], COUNT // 2, seed=7)
    done, refused = accounted(read, framed, wire.Garbled)
    assert min(done, refused) > 500


def test_game_file_malformed_is_a_game_or_refused_with_its_name() -> None:
    grammar = 'grammar :: """\n{\n"intro": [{"rhs": "Your task is to: put a mug in shelf."}],\n"x": "\\"y\\""\n}\n"""'
    valid = {"pddl_domain": "(define)", "grammar": grammar, "pddl_problem": "(define)", "solvable": True, "walkthrough": ["look"]}

    def read(content: bytes) -> None:
        assert game_files.goal_of(game_files.parse(content, "the.game"), "the.game").encode()

    odd = [{**valid, "grammar": text.decode(errors="replace")} for text in spoiled([grammar.encode()], COUNT // 2, seed=8)]
    inputs = [*mutants([valid], COUNT // 2, seed=9), *(json.dumps(each).encode() for each in odd)]
    done, refused = accounted(read, inputs, DataError)
    assert min(done, refused) > 500


def test_cached_translation_malformed_is_dropped_or_a_translation(tmp_path: Path) -> None:
    words = Words(["mug 1"], ["mug"], ["mug 1"], {"mug": []}, ["go"], [[["a", "b"]]], [["in", "mug"]], ["in"], {}, [], [], [1])
    rows = Rows.of([[1], [2, 3]])
    dumped = Translation(words, rows, rows, rows, rows, rows, array(INT, [1]), array(INT, [0])).dump()
    header, _, rest = dumped.partition(b"\n")
    cache, name = GameCache(tmp_path, 1 << 20), "0123456789abcdef"
    path = tmp_path / f"{name}-{versions()}.game"
    broken = [content + b"\n" + rest for content in mutants([orjson.loads(header)], COUNT // 2, seed=10)]

    def read(content: bytes) -> None:
        packed = zlib.compress(content, 1)
        path.write_bytes(hashlib.blake2b(packed, digest_size=16).digest() + packed)  # as if it had been written so
        if (found := cache.get(name)) is None:
            assert not path.exists()
            raise DataError("dropped")
        assert isinstance(found, Translation)

    done, refused = accounted(read, [*broken, *spoiled([dumped], COUNT // 2, seed=11)], DataError)
    assert min(done, refused) > 100
    for content in spoiled([path.read_bytes() if path.exists() else dumped], 200, seed=12):
        path.write_bytes(content)
        assert cache.get(name) is None


def test_vectors_of_the_samples_are_whole() -> None:
    assert encode(vector(1)) == _procedures()[0]["vector"]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "p"},  # an id twice
        {"id": "a:b"},
        {"id": "other", "env": "alfworld", "goal": " PUT a mug in shelf. ", "unique": True},  # two that claim one goal
        {"revisions": []},
        {"credit": {"1": {"uses": 10**30}}},
        {"credit": {"x": {}}},
    ],
)
def test_memory_file_that_would_spoil_a_memory_is_refused_with_its_line(tmp_path: Path, change: dict[str, Any]) -> None:
    first, second = _procedures()
    rows = [plain(Header(embedding_model="m", dimension=len(vector(1)))), first, second | change]
    path = tmp_path / "memory.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="line 3"):
        read_memory(path)


def test_memory_file_with_revisions_out_of_order_is_refused_with_its_line(tmp_path: Path) -> None:
    first, second = _procedures()
    second["revisions"] = [{**second["revisions"][0], "number": number} for number in (2, 1)]
    path = tmp_path / "memory.jsonl"
    path.write_text("\n".join(map(json.dumps, [plain(Header(embedding_model="m", dimension=len(vector(1)))), first, second])))
    with pytest.raises(DataError, match="line 3: its revisions are not in order"):
        read_memory(path)
