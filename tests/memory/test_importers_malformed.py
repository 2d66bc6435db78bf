"""Files that can't be read as trajectories: a `DataError` says where and why, and nothing else ever escapes."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import importers
from memory.importers import FORMATS, read_trajectories
from runtime.errors import DataError
from tests.memory.stored_samples import ROOM, TURNS, eto, openai, trajectory, write


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_trajectories(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


GOOD = json.dumps({"messages": openai(TURNS)})


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (f"{GOOD}\n\n{GOOD[:-1]}\n{GOOD}", "line 3, column"),
        (f"{GOOD[:40]}\n{GOOD}", "line 1, column"),
        (f"{GOOD}\n{{}}", "line 2: not a trajectory"),
        (json.dumps([{"id": "a", "conversations": eto(TURNS)}], indent=1)[:-20], "line 19, column"),
        (json.dumps([{"conversations": eto(TURNS)}, 5]), "record 2: not a trajectory"),
    ],
)
def test_read_malformed_place_is_named(tmp_path: Path, content: str, place: str) -> None:
    assert place in refusal(write(tmp_path, content))


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"conversations": eto([("robot", "beep"), *TURNS])}, "message 1 has the role 'robot'"),
        ({"conversations": [{"from": "human"}]}, "message 1 has no text"),
        (
            {"messages": [*openai(TURNS), {"role": "assistant", "content": None, "tool_calls": [{}]}]},
            "message 5 has no text but tool calls",
        ),
        ({"messages": [*openai(TURNS), "hello"]}, "message 5 is no object"),
        ({"messages": "Action: look", "query": 5}, "it names no task"),
        ({"messages": openai(TURNS[:1])}, "the agent does nothing"),
        ({"trajectory": "nothing of note", "query": "x"}, "the agent does nothing"),
        ({"conversations": []}, "its field conversations is neither"),
        ({"messages": openai(TURNS), "reward": 80}, "reward is 80, not a number from 0 to 1"),
        ({"messages": openai(TURNS), "success": "yes"}, "success is 'yes', not a number from 0 to 1"),
        ({"messages": openai(TURNS), "id": ["a"]}, "its id is neither"),
        (trajectory(reward="much"), "reward: Input should be a valid number"),
        (trajectory(task={"goal": ""}), "task.goal: String should have at least 1 character"),
        (trajectory(v=2), "v: Input should be 1"),
        (trajectory(steps=[]), "it has no steps"),
        (trajectory(steps=[{"action": "look"}]), "steps.0.thought: Field required"),
    ],
)
def test_read_malformed_record_is_told_with_what_is_wrong(tmp_path: Path, record: Any, what: str) -> None:
    assert f"record 2: {what}" in refusal(write(tmp_path, [{"messages": openai(TURNS)}, record]))
    assert f"line 2: {what}" in refusal(write(tmp_path, ({"messages": openai(TURNS)}, record)))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"[]", "holds no trajectories"),
        (b"{}", "not a trajectory"),
        (b'"text"', "not a trajectory"),
        (b"[[[[]]]]", "not a trajectory"),
        (b"goal,steps\nput,5\n", "line 1, column 1: not JSON"),
        (b"{}\n{}\n\xff\xfe", "UTF-8, line 3"),
        (GOOD.encode("utf-16"), "UTF-8, line 1"),
        (b"[" * 5000, "line 1, column"),
        (b'[{"messages": [{"role": "user", "content": "\\ud800"}]}]', "line 1, column"),
    ],
)
def test_read_file_of_no_format_is_told_what_is_understood(tmp_path: Path, content: bytes, what: str) -> None:
    message = refusal(write(tmp_path, content))
    assert what in message
    assert FORMATS in message


def test_read_only_aborted_trajectories_is_refused(tmp_path: Path) -> None:
    aborted = trajectory(outcome="aborted", reason="budget", success=False, reward=0.0, steps=[])
    assert "no trajectories to learn from but aborted ones" in refusal(write(tmp_path, (aborted,)))


def test_read_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    assert "is not there" in refusal(tmp_path / "none.json")
    assert "is no file" in refusal(tmp_path)


def test_read_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    path = write(tmp_path, GOOD)
    monkeypatch.setattr(Path, "read_bytes", denied)  # Permissions would not stop a test that runs as root.
    assert "Permission denied" in refusal(path)


def test_read_file_over_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importers, "MAX_BYTES", 8)
    assert "split it" in refusal(write(tmp_path, GOOD))


WORDS = st.sampled_from(["", "OK", "Action: go", "go to desk 1", ROOM, "Observation: ", "Thought: a\nb", "a", "human", "gpt", "user"])
KEYS = st.sampled_from(
    [
        *("id", "conversations", "messages", "trajectory", "query", "goal", "task", "reward", "success", "won", "steps", "outcome"),
        *("from", "value", "role", "content", "first_observation", "text", "tool_calls", "thought", "action", "observation", "v"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=15)
PLAIN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": WORDS})
MESSAGES = st.lists(PLAIN | st.dictionaries(st.sampled_from(["from", "value", "role", "content"]), WORDS | JSON, max_size=3), max_size=5)
RECORD = st.dictionaries(KEYS, JSON | WORDS | MESSAGES, max_size=5) | st.fixed_dictionaries({"messages": MESSAGES, "goal": WORDS | JSON})
OWN = st.fixed_dictionaries({name: st.just(value) | JSON for name, value in trajectory().items()})
WHOLE = "\n".join(json.dumps(record) for record in (trajectory(), {"id": "a", "conversations": eto(TURNS)}, openai(TURNS)))


def cut(start: int, length: int, instead: str) -> bytes:
    """A good file with a hole in it."""
    return (WHOLE[:start] + instead + WHOLE[start + length :]).encode()


FILES = st.one_of(
    st.binary(max_size=60),
    st.builds(cut, st.integers(0, len(WHOLE)), st.integers(0, 40), st.text(st.characters(codec="utf-8"), max_size=3)),
    st.lists(JSON | RECORD | OWN | MESSAGES, max_size=3).map(lambda found: json.dumps(found).encode()),
    st.lists(JSON | RECORD | MESSAGES, max_size=3).map(lambda found: "\n".join(map(json.dumps, found)).encode()),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=FILES)
def test_read_anything_gives_trajectories_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(content)
    with suppress(DataError):
        read = read_trajectories(path)
        assert all(one.goal and one.steps and 0 <= one.reward <= 1 for one in read)
        assert len({one.id for one in read}) == len(read) > 0
