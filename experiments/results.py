"""What a run leaves behind: `episodes.jsonl`, one line per episode."""

import json
import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.append_file import AppendFile, unwritable
from memory.holdout import arm
from memory.lines import sync_folder
from runtime.errors import DataError
from runtime.events import Arm, DeadLetter, Retrieved, Role, Task, Trajectory, Usage

log = structlog.get_logger()

Outcome = Literal["finished", "aborted", "dead"]


class EpisodeRow(BaseModel):
    """One line of `episodes.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: str
    """Id of the stream entry that it records; of a dead letter, with `dead:` before it, as that is another stream."""
    task_id: str
    index: int
    group: int | None
    env: str
    goal: str
    game: str
    """What was played, the same in every run of it: runs are compared game by game."""
    task_type: str | None
    arm: Arm
    outcome: Outcome
    """`dead`: the task used up its deliveries, there is no trajectory; it counts as a failure. `aborted` counts for nothing."""
    reason: str | None
    success: bool
    reward: float
    steps: Annotated[int, Field(ge=0)]
    retrieved: tuple[Retrieved, ...]
    withheld: Annotated[tuple[Retrieved, ...], Field(exclude_if=lambda some: not some)] = ()
    """Retrieved, but not shown to the episode (`--procedure-dropout`)."""
    memory_version: int
    usage: dict[Role, Usage]
    attempt: int
    worker: str | None
    seconds: float
    judgement: Annotated[dict[str, Any] | None, Field(exclude_if=lambda said: said is None)] = None
    """What the benchmark says of the outcome, beyond success and reward."""

    @property
    def counts(self) -> bool:
        """Whether its success or failure says something of the agent."""
        return self.outcome != "aborted"

    @property
    def tokens(self) -> int:
        return sum(usage.tokens for usage in self.usage.values())


def row(trajectory: Trajectory, entry: str) -> EpisodeRow:
    """The line of a committed trajectory."""
    recall = trajectory.recall
    return EpisodeRow(
        **_of_task(trajectory.task),
        entry=entry,
        arm=recall.arm,
        outcome=trajectory.outcome,
        reason=trajectory.reason,
        success=trajectory.success,
        reward=trajectory.reward,
        steps=len(trajectory.steps),
        retrieved=recall.retrieved,
        withheld=recall.withheld,
        memory_version=recall.memory_version,
        usage=trajectory.usage,
        attempt=trajectory.attempt,
        worker=trajectory.worker,
        seconds=trajectory.seconds,
        judgement=trajectory.judgement and trajectory.judgement.details,
    )


def dead_row(task: Task, letter: DeadLetter, entry: str) -> EpisodeRow:
    """The line of a task that ended on the dead-letter stream."""
    return EpisodeRow(
        **_of_task(task),
        entry=f"dead:{entry}",
        arm=arm(task),
        outcome="dead",
        reason=letter.reason,
        success=False,
        reward=0.0,
        steps=0,
        retrieved=(),
        memory_version=0,
        usage={},
        attempt=letter.deliveries,
        worker=None,
        seconds=0.0,
        judgement=task.game.get("undelivered"),
    )


def _of_task(task: Task) -> dict[str, Any]:
    game = task.game
    kind = game.get("type")
    return {
        "task_id": task.id,
        "index": task.index,
        "group": task.group,
        "env": task.env,
        "goal": task.goal,
        "game": str(game.get("path") or game.get("name") or task.id),
        "task_type": None if kind is None else str(kind),
    }


class EpisodeLog:
    """Append-only writer of `episodes.jsonl`: what `append` has returned for is on disk, once. Only after the row of a dead task
    there may be another, of the same task put back.

    A last line that a crash tore is cut off on opening. Raises `DataError` where another line is malformed, `MempError`
    where the file can't be written. Its calls block for the disk: call them from a thread.
    """

    def __init__(self, path: Path) -> None:
        rows, size = _opened(path)
        self.entries = {each.entry for each in rows}
        self.tasks = {each.task_id for each in rows}
        self.dead = {each.task_id for each in final(rows) if each.outcome == "dead"}
        self._file = AppendFile(path, size)

    def append(self, rows: Iterable[EpisodeRow]) -> int:
        """Write the rows that are `fresh`; returns how many. On an error none of them is there."""
        fresh = self.fresh(rows)
        if fresh:
            self._file.write("".join(f"{each.model_dump_json()}\n" for each in fresh).encode())
            self.entries.update(each.entry for each in fresh)
            self.tasks.update(each.task_id for each in fresh)
            self.dead.difference_update(each.task_id for each in fresh)
            self.dead.update(each.task_id for each in fresh if each.outcome == "dead")
        return len(fresh)

    def fresh(self, rows: Iterable[EpisodeRow]) -> list[EpisodeRow]:
        """Those whose entry is new, and whose task is new or dead so far; one per task."""
        found: dict[str, EpisodeRow] = {}
        for each in rows:
            open_still = each.task_id not in self.tasks or each.task_id in self.dead
            taken = found.get(each.task_id)
            if each.entry not in self.entries and open_still and (taken is None or taken.outcome == "dead"):
                found[each.task_id] = each
        return list(found.values())

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_rows(path: Path) -> list[EpisodeRow]:
    """All episodes, in the order of recording, each task once; a line still being written is left out.

    Raises `DataError` where the file is missing or a line is malformed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): name the folder of a run that has recorded episodes") from None
    return final(_parse(path, data[: data.rfind(b"\n") + 1]))


def final(rows: Sequence[EpisodeRow]) -> list[EpisodeRow]:
    """Without the rows of dead tasks that were put back and have another since."""
    last = {each.task_id: place for place, each in enumerate(rows)}
    return [each for place, each in enumerate(rows) if each.outcome != "dead" or last[each.task_id] == place]


def _opened(path: Path) -> tuple[list[EpisodeRow], int]:
    """The rows of a file about to be written, and the length in bytes up to which it is whole."""
    if not path.is_file():
        return [], 0
    data = path.read_bytes()
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    if lines and not _is_json(lines[-1]):
        lines.pop()
    whole = b"".join(lines)
    return _parse(path, whole), len(whole)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _parse(path: Path, data: bytes) -> list[EpisodeRow]:
    rows: list[EpisodeRow] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            rows.append(EpisodeRow.model_validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(f"{path}, line {number}: {where} {first['msg']}. Mend or delete the line, or use --overwrite") from None
    return rows


def write_atomically(path: Path, text: str) -> None:
    """Put `text` at `path` so that a reader, or a crash, sees the old file or the new one. Raises `MempError`."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise unwritable(path, error) from None
