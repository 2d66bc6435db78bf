"""The page's section on staleness: how old the memory was that episodes had seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.analysis.run_changes import RunChanges
from experiments.analysis.staleness import LagQuartile, Seen, Staleness, lag_quartiles, seen_versions, staleness
from experiments.report.charts import Line, chart
from experiments.report.curves import Curve, smoothed
from experiments.results import EpisodeRow


class Ages(NamedTuple):
    """What the page says of it."""

    figures: Staleness
    quartiles: list[LagQuartile]
    charts: list[Curve]


def ages(rows: Sequence[EpisodeRow], changes: RunChanges | None) -> Ages | None:
    """Prepare the section; None where the run has no history, or no episode is in it."""
    figures = staleness(rows, changes) if changes else None
    if changes is None or figures is None:
        return None
    seen = seen_versions(rows, changes)
    return Ages(figures, lag_quartiles(seen), [_lags(seen), _versions(seen)])


def _lags(seen: Sequence[Seen]) -> Curve:
    by_task = sorted(seen, key=lambda each: each.row.index)
    points = np.array([(each.row.index + 1, each.lag) for each in by_task], dtype=np.float64)
    x, y = points.T
    line, note = smoothed(Line("lag", x, y, dots=(x, y)))
    ends = " to ".join(f"{each.lag} at task {each.row.index + 1}" for each in (by_task[0], by_task[-1]))
    svg = chart("lag", [line], unit="count", alt=f"Lag in changes, from {ends}; the longest is {max(each.lag for each in seen)}.")
    return Curve("Lag", f"Changes by others between an episode's retrieval and its own change. {note}", svg)


def _versions(seen: Sequence[Seen]) -> Curve:
    x = np.arange(1, len(seen) + 1, dtype=np.float64)
    lines = [
        Line("made", x, np.array([each.made for each in seen], dtype=np.float64)),
        Line("seen", x, np.array([each.seen for each in seen], dtype=np.float64)),
    ]
    said = "; ".join(f"{line.name}: from {line.y[0]:.0f} to {line.y[-1]:.0f}" for line in lines)
    svg = chart("versions", lines, unit="count", alt=f"Versions of memory, in the order of the changes. {said}.", x="changes, in order")
    return Curve("Version of memory", "What each change made, and what its episode had seen.", svg)
