"""What memory causes, told from what goes along with it: chance decided which episodes had it, and which procedure was withheld.

Without chance, a procedure that hard tasks retrieve looks bad, and one that easy tasks retrieve looks good (Rubin 1974).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from envs.travelplanner.description import NAMES, SUCCESS_REWARD
from experiments.analysis.contrast import Contrast, contrast_means, contrast_shares
from experiments.analysis.judged import is_scored
from experiments.results import EpisodeRow

Verdict = Literal["harmful", "helpful", "unclear", "too few"]
"""What the interval of a procedure says; `too few`: it was never given, or never withheld."""


class MemoryUplift(BaseModel):
    """Episodes with memory minus those of the same run that it was withheld from (`--holdout`).

    Success and reward are of finished and dead episodes, steps of finished ones, as in `Tally`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    success: Contrast
    reward: Contrast
    steps: Contrast
    aborted: tuple[int, int]
    """Episodes of either arm that were left out as aborted. Where they are more in one arm, chance alone no longer made the arms."""


class Uplift(BaseModel):
    """The `uplift` part of `summary.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory: MemoryUplift | None
    """None without `--holdout`."""
    procedures: dict[Verdict, int]
    """How many procedures each is said of, by intervals that know nothing of how many there are; empty without `--procedure-dropout`."""


class ProcedureUplift(NamedTuple):
    """One procedure's success where it was retrieved and given, minus where it was retrieved and withheld."""

    procedure: str
    contrast: Contrast
    """Over all its revisions."""
    revisions: dict[int, Contrast]

    @property
    def verdict(self) -> Verdict:
        if self.contrast.difference is None:
            return "too few"
        return "harmful" if self.contrast.harmful else "helpful" if self.contrast.helpful else "unclear"


def worked(row: EpisodeRow) -> bool:
    """Whether memory counts the episode as a success: of TravelPlanner's, those that pass most constraints."""
    return row.reward >= SUCCESS_REWARD if row.env in NAMES else row.success


def uplift(rows: Sequence[EpisodeRow]) -> Uplift | None:
    """What chance tells of a run; None where nothing was left to it."""
    memory, verdicts = memory_uplift(rows), [each.verdict for each in procedure_uplifts(rows)]
    if memory is None and not verdicts:
        return None
    return Uplift(memory=memory, procedures={each: verdicts.count(each) for each in _ORDER if each in verdicts})


def memory_uplift(rows: Sequence[EpisodeRow]) -> MemoryUplift | None:
    """None where the run has not both arms."""
    arms = [[row for row in rows if row.arm == arm] for arm in ("memory", "control")]
    if not all(arms):
        return None
    scored = [[row for row in arm if is_scored(row)] for arm in arms]
    finished = [[row for row in arm if row.outcome == "finished"] for arm in arms]
    return MemoryUplift(
        success=contrast_shares(*([row.success for row in arm] for arm in scored)),
        reward=contrast_means(*([row.reward for row in arm] for arm in scored)),
        steps=contrast_means(*([float(row.steps) for row in arm] for arm in finished)),
        aborted=(sum(not row.counts for row in arms[0]), sum(not row.counts for row in arms[1])),
    )


def procedure_uplifts(rows: Sequence[EpisodeRow]) -> list[ProcedureUplift]:
    """All procedures that were retrieved: those that clearly harm first, then those that clearly help. Empty where none was ever withheld.

    Success is memory's (`worked`), as deprecation counts it.
    """
    if not any(row.withheld for row in rows):
        return []
    tried: _Tried = defaultdict(lambda: defaultdict(lambda: ([], [])))
    for row in filter(is_scored, rows):
        for some, arm in ((row.retrieved, 0), (row.withheld, 1)):
            for each in some:
                tried[each.procedure][each.revision][arm].append(worked(row))
    return sorted((_of_procedure(name, revisions) for name, revisions in tried.items()), key=_place)


_Tried = defaultdict[str, defaultdict[int, tuple[list[bool], list[bool]]]]
"""Successes where it was given and where it was withheld, by procedure and revision."""


def _of_procedure(name: str, revisions: dict[int, tuple[list[bool], list[bool]]]) -> ProcedureUplift:
    given, withheld = ([worked for arms in revisions.values() for worked in arms[arm]] for arm in (0, 1))
    by_revision = {number: contrast_shares(*arms) for number, arms in sorted(revisions.items())}
    return ProcedureUplift(name, contrast_shares(given, withheld), by_revision)


_ORDER: dict[Verdict, Callable[[Contrast], float]] = {
    "harmful": lambda each: each.difference or 0,
    "helpful": lambda each: -(each.difference or 0),
    "unclear": lambda each: -min(each.treated_n, each.control_n),
    "too few": lambda each: -(each.treated_n + each.control_n),
}
"""Which verdicts come first, and what comes first among them: the largest effects, then what was tried most."""


def _place(each: ProcedureUplift) -> tuple[int, float, str]:
    return list(_ORDER).index(each.verdict), _ORDER[each.verdict](each.contrast), each.procedure
