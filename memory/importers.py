"""Stored trajectories, whoever wrote them, as what memory can be built from; the format is told by its shape.

Read are JSON lists and JSONL, of records that are each
- a trajectory of our own (`runtime.events.Trajectory`, as it is exported); aborted ones are left out, as they are never learned from;
- ETO's `{"id", "conversations": [{"from": "human"|"gpt", "value"}]}`, whose first two turns may be instructions and an "OK";
- the Memp reference's `{"query", "trajectory", "facts", "source"}`, the trajectory being text or messages;
- an OpenAI message list, bare or as `{"messages": [{"role", "content"}]}`.
A record without a `reward` or `success` is gold: a success with reward 1.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import chain, count, islice
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import orjson
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory.conversations import Malformed, Turn, episode, is_messages, stated_goal, turns_of_messages, turns_of_text
from memory.procedure import Record
from runtime.errors import DataError
from runtime.events import Judgement, Step

log = structlog.get_logger()

FORMATS = (
    "understood are, as a JSON list or one per line (JSONL): trajectories that memp exported; ETO's"
    ' {"id", "conversations": [{"from", "value"}]}; the Memp reference\'s {"query", "trajectory", ...};'
    ' OpenAI messages, bare or as {"messages": [{"role", "content"}]}'
)
MAX_BYTES = 1 << 30
"""A larger file is refused: it is read as a whole, so that a fault near its end is found before anything is built."""

_CONVERSATIONS = ("conversations", "messages", "trajectory")
_GOALS = ("query", "goal", "task")
_REWARDS = ("reward", "score")
_SUCCESSES = ("success", "won")


class Stored(Record):
    """One stored episode. `goal` is the task's text, `reward` lies in [0, 1], an unknown last observation is ""."""

    id: str
    goal: str
    first_observation: str
    steps: tuple[Step, ...]
    success: bool
    reward: float
    judgement: Judgement | None = None


class _Entry(NamedTuple):
    """A record in its file: `line 3` of JSONL, `record 3` of a list."""

    kind: Literal["line", "record"]
    number: int
    content: Any


class _OwnTask(BaseModel):
    goal: Annotated[str, Field(min_length=1)]


class _Own(BaseModel):
    """What is needed of a `runtime.events.Trajectory`; other fields are passed over."""

    model_config = ConfigDict(strict=True)

    v: Literal[1]
    id: str
    task: _OwnTask
    outcome: Literal["finished", "aborted"] = "finished"
    first_observation: str
    steps: list[Step]
    success: bool
    reward: float
    judgement: Judgement | None = None


def _same(action: str) -> str:
    return action


def read_trajectories(path: Path, rewrite: Callable[[str], str] = _same, success_reward: float = 1.0) -> list[Stored]:
    """All trajectories of a file, in its order.

    `rewrite` is applied to every action (older grammars); a record that tells a reward but no success is one from
    `success_reward` on. The id is the record's own, else `<file stem>-<its line or record number>`; a second record of an id
    is kept as `<id>#2`, a third as `#3`. Raises `DataError` for anything else than readable trajectories: which line
    or record, and what is wrong with it; then none of the file is returned.
    """
    read: dict[str, Stored] = {}
    aborted = 0
    for entry in _entries(path, _content(path)):
        stored = _stored(path, entry, success_reward)
        if stored is None:
            aborted += 1
            continue
        steps = tuple(step.model_copy(update={"action": rewrite(step.action)}) for step in stored.steps)
        name = _distinct(stored.id, read)
        read[name] = stored.model_copy(update={"id": name, "steps": steps})
    log.info("trajectories_read", path=str(path), read=len(read), aborted=aborted)
    if not read:
        raise DataError(f"{path} holds no trajectories to learn from{' but aborted ones' if aborted else ''}; {FORMATS}")
    return list(read.values())


def _distinct(wanted: str, taken: dict[str, Stored]) -> str:
    numbered = (f"{wanted}#{number}" for number in count(2))
    return next(name for name in chain([wanted], numbered) if name not in taken)


def _content(path: Path) -> bytes:
    """The file's bytes, known to be UTF-8, without a byte order mark."""
    try:
        if not path.is_file():
            raise DataError(f"{path} is not there or is no file: give a file of trajectories; {FORMATS}")
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES >> 20} MiB: split it")
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        content.decode()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read as text in UTF-8{_position(error)} ({error}); {FORMATS}") from None
    if not content.strip():
        raise DataError(f"{path} is empty; {FORMATS}")
    return content


def _position(error: Exception) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return ""
    before = error.object[: error.start]
    return f", line {before.count(10) + 1}"


def _entries(path: Path, content: bytes) -> Iterator[_Entry]:
    """The records of a file, which is one JSON value or JSONL."""
    if _is_jsonl([line.strip() for _, line in islice(_lines(content), 2)]):
        yield from (_Entry("line", number, _json(path, number, line)) for number, line in _lines(content))
        return
    document = _json(path, 1, content)
    records: list[Any] = document if isinstance(document, list) and not is_messages(document) else [document]
    yield from (_Entry("record", number, record) for number, record in enumerate(records, 1))


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, each with its number."""
    return ((number, line.rstrip()) for number, line in enumerate(BytesIO(content), 1) if line.strip())


def _is_jsonl(first: list[bytes]) -> bool:
    # Within one JSON value nothing opens on a new line unless a bracket, a comma or a colon stands before it.
    return len(first) == 2 and first[1].startswith((b"{", b"[")) and not first[0].endswith((b"[", b",", b":"))


def _json(path: Path, line: int, text: bytes) -> Any:
    """The JSON value that begins on this line."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {line + error.lineno - 1}, column {error.colno}"
        raise DataError(f"{path}, {place}: not JSON, or truncated ({error.msg}); {FORMATS}") from None


def _stored(path: Path, entry: _Entry, success_reward: float) -> Stored | None:
    """The trajectory of a record; None for an aborted one."""
    unnamed = f"{path.stem}-{entry.number}"
    record = entry.content
    try:
        if isinstance(record, dict) and {"first_observation", "steps"} <= record.keys():
            return _own(record)
        return _foreign(record, unnamed, success_reward)
    except Malformed as error:
        raise DataError(f"{path}, {entry.kind} {entry.number}: {error}") from None


def _own(record: dict[str, Any]) -> Stored | None:
    try:
        own = _Own.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        raise Malformed(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if own.outcome == "aborted":
        return None
    if not own.steps:
        raise Malformed("it has no steps")
    return Stored(
        id=own.id,
        goal=own.task.goal,
        first_observation=own.first_observation,
        steps=tuple(own.steps),
        success=own.success,
        reward=_share(own.reward, "reward"),
        judgement=own.judgement,
    )


def _foreign(record: Any, unnamed: str, success_reward: float) -> Stored:
    fields: dict[str, Any] = record if isinstance(record, dict) else {}
    found = episode(_turns(record))
    goal = found.goal or _goal(fields)
    success, reward = _outcome(fields, success_reward)
    return Stored(
        id=_id(fields) or unnamed,
        goal=goal,
        first_observation=found.first_observation,
        steps=found.steps,
        success=success,
        reward=reward,
    )


def _turns(record: Any) -> list[Turn]:
    """The conversation that a record holds, or is."""
    if is_messages(record):
        return turns_of_messages(record)
    key = next((key for key in _CONVERSATIONS if key in record), None) if isinstance(record, dict) else None
    if key is None:
        raise Malformed(f"not a trajectory; {FORMATS}")
    if isinstance(record[key], str):
        return turns_of_text(record[key])
    if is_messages(record[key]):
        return turns_of_messages(record[key])
    raise Malformed(f"its field {key} is neither a list of messages nor text")


def _goal(fields: dict[str, Any]) -> str:
    goal = next((fields[key] for key in _GOALS if isinstance(fields.get(key), str) and fields[key].strip()), None)
    if goal is None:
        raise Malformed(f'it names no task: neither "Your task is to: ..." in an observation nor a field {" or ".join(_GOALS)}')
    return stated_goal(goal) or goal.strip()


def _id(fields: dict[str, Any]) -> str | None:
    name = fields.get("id")
    if isinstance(name, str | int | None):
        return None if name in (None, "") else str(name)
    raise Malformed("its id is neither text nor a whole number")


def _outcome(fields: dict[str, Any], success_reward: float) -> tuple[bool, float]:
    """Success and reward; what is not told follows from the other, and a record without either is gold."""
    rewards = [_share(fields[key], key) for key in _REWARDS if fields.get(key) is not None]
    successes = [_share(fields[key], key) == 1.0 for key in _SUCCESSES if fields.get(key) is not None]
    reward = rewards[0] if rewards else float(all(successes))
    return (successes[0] if successes else reward >= success_reward), reward


def _share(value: Any, name: str) -> float:
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise Malformed(f"{name} is {value!r:.80}, not a number from 0 to 1")
