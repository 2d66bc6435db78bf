"""The page's section on what memory causes: chance decided which episodes had it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from envs.travelplanner.description import NAMES
from experiments.analysis.contrast import Contrast
from experiments.analysis.stats import Interval
from experiments.analysis.uplift import MemoryUplift, ProcedureUplift, memory_uplift, procedure_uplifts
from experiments.report.charts import forest
from experiments.report.curves import Curve
from experiments.report.words import shorten
from experiments.results import EpisodeRow

SHOWN = 300
"""Procedures of the tables."""
_DRAWN = 20
_LABEL = 26
"""Characters of a goal beside its interval."""


class Measured(NamedTuple):
    """One measure of both arms; `share` says that it is one, not a number of things."""

    name: str
    share: bool
    digits: int
    contrast: Contrast


class Effects(NamedTuple):
    """What the page says of causes."""

    memory: list[Measured]
    """Empty where memory was withheld from no episode."""
    aborted: tuple[int, int]
    """Episodes with memory and without it that were left out."""
    procedures: list[ProcedureUplift]
    """All that were retrieved; empty where none was ever withheld."""
    forest: Curve | None

    @property
    def first(self) -> list[ProcedureUplift]:
        """Those that the chart has, too."""
        return self.procedures[:_DRAWN]

    @property
    def others(self) -> list[ProcedureUplift]:
        """The next of them, as far as the page shows them."""
        return self.procedures[_DRAWN:SHOWN]


def effects(rows: Sequence[EpisodeRow], goals: Mapping[str, str]) -> Effects | None:
    """Prepare the section; None where nothing was left to chance. `goals` are the procedures' by id."""
    memory, procedures = memory_uplift(rows), procedure_uplifts(rows)
    if not memory and not procedures:
        return None
    return Effects(_measured(rows, memory), memory.aborted if memory else (0, 0), procedures, _forest(procedures, goals))


def _measured(rows: Sequence[EpisodeRow], found: MemoryUplift | None) -> list[Measured]:
    """Reward only where it is more than success, as in `compare.differences`."""
    if found is None:
        return []
    reward = [Measured("Reward", True, 1, found.reward)] if any(row.env in NAMES for row in rows) else []
    return [Measured("Success rate", True, 1, found.success), *reward, Measured("Steps", False, 1, found.steps)]


def _forest(procedures: Sequence[ProcedureUplift], goals: Mapping[str, str]) -> Curve | None:
    """The first of those that were both given and withheld; None where there is none."""
    labels, found, told = list[str](), list[Interval](), list[str]()
    for place, each in enumerate(procedures[:_DRAWN], start=1):
        contrast = each.contrast
        if contrast.difference is None or contrast.low is None or contrast.high is None:
            continue
        goal = goals.get(each.procedure, each.procedure)
        labels.append(f"{place}  {shorten(goal, _LABEL)}")
        found.append(Interval(contrast.difference, contrast.low, contrast.high))
        told.append(f"{goal} {contrast.difference:+.0%} ({contrast.low:+.0%} to {contrast.high:+.0%}, {each.verdict})")
    if not found:
        return None
    note = "Success where it was retrieved and given, minus success where it was retrieved and withheld, with its 95% interval."
    alt = f"Uplift of {len(found)} procedures, in percentage points. {'; '.join(told)}."
    return Curve("Uplift of each procedure", note, forest("uplift", labels, found, alt=alt))
