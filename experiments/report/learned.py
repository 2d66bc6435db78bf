"""The report's list of procedures: what each says, how it fared, and how it came to be."""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

from memory.procedure import Content, Credit, Procedure, Revision


class DiffLine(NamedTuple):
    """One line of the difference between two revisions."""

    kind: str
    """added, removed, place or same: its CSS class."""
    text: str


class RevisionView(NamedTuple):
    """One revision as the page shows it."""

    revision: Revision
    credit: Credit
    diff: list[DiffLine]
    """From the revision before it; empty where the text is the same or there is none before."""


class ProcedureView(NamedTuple):
    """One procedure as the page shows it."""

    procedure: Procedure
    credit: Credit
    """Of all revisions together."""
    revisions: list[RevisionView]
    """Newest first."""


class Learned(NamedTuple):
    """What a memory holds, as far as the page shows it: the most used first."""

    total: int
    active: int
    shown: list[ProcedureView]


def learned(procedures: Sequence[Procedure], at_most: int) -> Learned:
    """Prepare the `at_most` most used procedures for the page."""
    active = sum(each.current.status == "active" for each in procedures)
    most_used = sorted(procedures, key=lambda each: (-_total(each).uses, each.goal))[:at_most]
    return Learned(len(procedures), active, [_view(each) for each in most_used])


def _total(procedure: Procedure) -> Credit:
    credits = procedure.credit.values()
    return Credit(uses=sum(each.uses for each in credits), successes=sum(each.successes for each in credits))


def _view(procedure: Procedure) -> ProcedureView:
    befores = (None, *procedure.revisions)
    views = [
        RevisionView(each, procedure.credit.get(each.number, Credit()), _diff(before, each) if before else [])
        for before, each in zip(befores, procedure.revisions, strict=False)
    ]
    return ProcedureView(procedure, _total(procedure), views[::-1])


def _diff(before: Revision, after: Revision) -> list[DiffLine]:
    lines = difflib.unified_diff(_text(before.content), _text(after.content), n=2, lineterm="")
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return [DiffLine(kinds.get(line[:1], "same"), line) for line in list(lines)[2:]]


def _text(content: Content) -> list[str]:
    return "\n\n".join(part for part in (content.script, content.trajectory) if part).splitlines()
