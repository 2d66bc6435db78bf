"""How old the memory was that an episode had seen when it changed it: changes of others that were applied in between."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from experiments.analysis.judged import is_scored
from experiments.analysis.run_changes import RunChanges
from experiments.analysis.stats import Interval, mean_interval, share_interval
from experiments.results import EpisodeRow


class Staleness(BaseModel):
    """The `staleness` part of `summary.json`: of the lags of all finished episodes with memory whose version is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    unknown: int
    """Episodes that changed nothing: which version memory had by then is not known, so they are left out. (Most have failed.)"""
    unknown_successes: int
    median: float
    p90: float
    most: int


class Seen(NamedTuple):
    """One episode, the version that it saw, and the one that it made."""

    row: EpisodeRow
    seen: int
    made: int

    @property
    def lag(self) -> int:
        return self.made - 1 - self.seen


class LagQuartile(NamedTuple):
    """Episodes of about the same lag; quartiles that share a bound are one."""

    low: int
    high: int
    n: int
    success: Interval | None
    steps: Interval


def seen_versions(rows: Sequence[EpisodeRow], changes: RunChanges) -> list[Seen]:
    """In the order of the changes. Held-out episodes saw no version, and aborted ones made none."""
    found = [(row, changes.of(row.task_id)) for row in _learners(rows)]
    return sorted((Seen(row, row.memory_version, learned.version) for row, learned in found if learned), key=lambda each: each.made)


def staleness(rows: Sequence[EpisodeRow], changes: RunChanges) -> Staleness | None:
    """None where no episode made a change."""
    lags = [each.lag for each in seen_versions(rows, changes)]
    if not lags:
        return None
    left = [row.success for row in _learners(rows) if changes.of(row.task_id) is None]
    median, p90 = (float(each) for each in np.percentile(lags, (50, 90)))
    return Staleness(n=len(lags), unknown=len(left), unknown_successes=sum(left), median=median, p90=p90, most=max(lags))


def lag_quartiles(seen: Sequence[Seen]) -> list[LagQuartile]:
    """At most four, from the shortest lag; episodes of the same lag stay together."""
    bounds = np.unique(np.percentile([each.lag for each in seen], (25, 50, 75, 100), method="inverted_cdf"))
    parts: list[list[Seen]] = [[] for _ in bounds]
    for each in seen:
        parts[int(np.searchsorted(bounds, each.lag))].append(each)
    return [_quartile(part) for part in parts]


def _learners(rows: Sequence[EpisodeRow]) -> list[EpisodeRow]:
    return [row for row in rows if row.outcome == "finished" and row.arm == "memory"]


def _quartile(part: Sequence[Seen]) -> LagQuartile:
    lags, scored = [each.lag for each in part], [each.row.success for each in part if is_scored(each.row)]
    return LagQuartile(
        min(lags),
        max(lags),
        len(part),
        share_interval(sum(scored), len(scored)) if scored else None,
        mean_interval({each.row.task_id: float(each.row.steps) for each in part}),
    )
