"""The report's list of procedures: what each says, how it fared, and how it came to be."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments.analysis.run_changes import RunChanges
from experiments.results import EpisodeRow
from memory.procedure import Content, Credit, Procedure, Revision


class DiffLine(NamedTuple):
    """One line of the difference between two revisions."""

    kind: str
    """added, removed, place or same: its CSS class."""
    text: str


class Origin(NamedTuple):
    """A trajectory that a procedure goes back to, and its episode where that stands on the page."""

    trajectory: str
    row: EpisodeRow | None


class RevisionView(NamedTuple):
    """One revision as the page shows it."""

    revision: Revision
    credit: Credit
    diff: list[DiffLine]
    """From the revision before it; empty where the text is the same or there is none before."""
    origins: list[Origin]
    evidence: float | None
    """The e-value, of a deprecation by uplift."""


class ProcedureView(NamedTuple):
    """One procedure as the page shows it."""

    procedure: Procedure
    credit: Credit
    """Of all revisions together."""
    revisions: list[RevisionView]
    """Newest first."""
    sources: list[Origin]


class Learned(NamedTuple):
    """What a memory holds, as far as the page shows it: the most used first."""

    total: int
    active: int
    shown: list[ProcedureView]

    @property
    def places(self) -> dict[str, int]:
        """Where each stands in the list, from 1: ids may be any text, and make no anchors."""
        return {each.procedure.id: place for place, each in enumerate(self.shown, start=1)}


class Lineage(NamedTuple):
    """What is known of where revisions come from. Without a history (`changes`), episodes are known by their tasks alone."""

    episodes: Mapping[str, EpisodeRow]
    """By task; none where the memory was imported, as then the words of another run would lead to them."""
    changes: RunChanges | None

    def origin(self, procedure: str, trajectory: str) -> Origin:
        """Whose trajectory it is: another run's may bear the same id."""
        foreign = self.changes is not None and (trajectory, procedure) not in self.changes.touched
        return Origin(trajectory, None if foreign else self.episodes.get(trajectory.partition(":")[2]))

    def evidence(self, procedure: str, revision: Revision) -> float | None:
        """Why it was deprecated: its number is one more than that of what was."""
        return self.changes.evidence.get((procedure, revision.number - 1)) if self.changes and revision.cause.kind == "deprecated" else None


def lineage(rows: Sequence[EpisodeRow], changes: RunChanges | None, *, imported: bool) -> Lineage:
    """`rows` are the episodes of the page; `imported` says that the run began with what others had learned."""
    known = {} if imported and changes is None else {row.task_id: row for row in rows}
    return Lineage(known, changes)


def learned(procedures: Sequence[Procedure], at_most: int, known: Lineage) -> Learned:
    """Prepare the `at_most` most used procedures for the page."""
    active = sum(each.current.status == "active" for each in procedures)
    most_used = sorted(procedures, key=lambda each: (-_total(each).uses, each.goal))[:at_most]
    return Learned(len(procedures), active, [_view(each, known) for each in most_used])


def _total(procedure: Procedure) -> Credit:
    counts = Counter[str]()
    for each in procedure.credit.values():
        counts.update(dict(each))
    return Credit.model_validate(counts)


def _view(procedure: Procedure, known: Lineage) -> ProcedureView:
    befores = (None, *procedure.revisions)
    views = [
        RevisionView(
            each,
            procedure.credit.get(each.number, Credit()),
            _diff(before, each) if before else [],
            [known.origin(procedure.id, trajectory) for trajectory in each.cause.trajectories],
            known.evidence(procedure.id, each),
        )
        for before, each in zip(befores, procedure.revisions, strict=False)
    ]
    sources = [known.origin(procedure.id, trajectory) for trajectory in procedure.sources]
    return ProcedureView(procedure, _total(procedure), views[::-1], sources)


def _diff(before: Revision, after: Revision) -> list[DiffLine]:
    lines = difflib.unified_diff(_text(before.content), _text(after.content), n=2, lineterm="")
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [DiffLine(kinds.get(line[:1], "same"), line) for line in list(lines)[2:]]


def _text(content: Content) -> list[str]:
    return "\n\n".join(part for part in (content.script, content.trajectory) if part).splitlines()
