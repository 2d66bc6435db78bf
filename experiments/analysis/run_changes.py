"""A run's `changes.jsonl`, as far as reports speak of it: which trajectory made which version, what that cost, what it touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from memory.changes import read_changes
from memory.procedure import CommittedChange
from runtime.events import Role, Usage


class Learned(NamedTuple):
    """What one trajectory did to memory, without texts and vectors."""

    version: int
    """Of memory, with this change."""
    trajectory: str
    """`<epoch>:<task id>`."""
    usage: Mapping[Role, Usage]
    touched: frozenset[str]
    """Procedures that it made, revised, stands behind or had deprecated."""
    evidence: Mapping[tuple[str, int], float]
    """The e-value behind each deprecation by uplift, by procedure and the deprecated revision."""


@dataclass(frozen=True)
class RunChanges:
    """Changes that trajectories brought about, in the order in which they were applied. A person's commands are left out."""

    epoch: int
    learned: tuple[Learned, ...]

    @cached_property
    def first(self) -> dict[str, Learned]:
        """By trajectory; of one whose building was tried again, the change that gave its credit."""
        return {each.trajectory: each for each in reversed(self.learned)}

    @cached_property
    def touched(self) -> set[tuple[str, str]]:
        """(trajectory, procedure) of this run. The same words in an imported procedure are of another."""
        return {(each.trajectory, procedure) for each in self.learned for procedure in each.touched}

    @cached_property
    def evidence(self) -> dict[tuple[str, int], float]:
        """All e-values behind deprecations."""
        return {key: value for each in self.learned for key, value in each.evidence.items()}

    def of(self, task: str) -> Learned | None:
        """What the episode of this task taught; None where its change was empty (or it was never applied)."""
        return self.first.get(f"{self.epoch}:{task}")


def read_run_changes(folder: Path) -> RunChanges | None:
    """None where the run left no history. Raises `DataError` where it is malformed."""
    path = folder / "changes.jsonl"
    if not path.exists():
        return None
    header, changes = read_changes(path)
    return RunChanges(header.epoch, tuple(_learned(each, each.event.trajectory) for each in changes if each.event.trajectory))


def _learned(change: CommittedChange, trajectory: str) -> Learned:
    event = change.event
    touched = [*(each.procedure for each in event.writes), *(each.procedure for each in event.sources)]
    evidence = {(each.procedure, each.revision): each.evidence for each in change.deprecated if each.evidence is not None}
    return Learned(
        change.version, trajectory, event.usage, frozenset([*touched, *(each.procedure for each in change.deprecated)]), evidence
    )
