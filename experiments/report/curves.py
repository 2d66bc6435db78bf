"""Which curves a run has: what is drawn over the order of its tasks, and the words that say it without seeing it."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from experiments.analysis.judged import is_scored
from experiments.analysis.pairing import Value
from experiments.report.charts import Floats, Line, Unit, chart, moving_mean
from experiments.results import EpisodeRow

Price = Callable[[Sequence[EpisodeRow]], float | None]
"""US dollars of some episodes together; None where the price is not known."""

_WINDOW = 20
_PRICED = 200
"""Points of the cost curve: asking for a price takes a while."""


class Curve(NamedTuple):
    """One figure of the page; without `svg` its `note` says why there is none."""

    title: str
    note: str
    svg: Markup | None


def success(row: EpisodeRow) -> float | None:
    """1 or 0; None for an episode that says nothing of the agent."""
    return float(row.success) if is_scored(row) else None


def reward(row: EpisodeRow) -> float | None:
    """The reward; None for an episode that says nothing of the agent."""
    return row.reward if is_scored(row) else None


def steps(row: EpisodeRow) -> float | None:
    """Steps of an episode that was played to its end."""
    return float(row.steps) if row.outcome == "finished" else None


def tokens(row: EpisodeRow) -> float | None:
    """Tokens of an episode that was played to its end."""
    return float(row.tokens) if row.outcome == "finished" else None


def learning(title: str, name: str, runs: Sequence[Sequence[EpisodeRow]], value: Value) -> Curve:
    """Success or reward: moving mean, and in grouped mode a dot per group."""
    curve = moving(title, name, runs, value, "share")
    grouped = any(row.group is not None for row in runs[0])
    return curve._replace(note=f"{curve.note} Each dot is one group of tasks.") if curve.svg and grouped else curve


def moving(title: str, name: str, runs: Sequence[Sequence[EpisodeRow]], value: Value, unit: Unit) -> Curve:
    """Moving mean of `value` for the run and, where there is one, its control."""
    series = [_series(rows, value) for rows in runs]
    longest = max(len(y) for _, y in series)
    if not longest:
        return Curve(title, "No episode has been counted yet.", None)
    window = _window(longest)
    lines: list[Line] = []
    for label, rows, (x, y) in zip(("this run", "control"), runs, series, strict=False):
        dots = _groups(rows, value) if unit == "share" else None
        if len(y):
            width = min(window, len(y))
            lines.append(Line(label, x[width - 1 :], moving_mean(y, width), dots))
    note = _means(window)
    return Curve(title, note, chart(name, lines, unit=unit, alt=_alt(f"{title}, {note}", lines, unit)))


def smoothed(line: Line) -> tuple[Line, str]:
    """The moving mean of a line of at least one point, and what its values are means of."""
    window = _window(len(line.y))
    return line._replace(x=line.x[window - 1 :], y=moving_mean(line.y, window)), _means(window)


def _window(points: int) -> int:
    return max(1, min(_WINDOW, points // 5))


def _means(window: int) -> str:
    return f"Mean of the last {window} episodes." if window > 1 else "Each episode by itself."


def cost(runs: Sequence[tuple[Sequence[EpisodeRow], Price]]) -> Curve:
    """US dollars, added up over the tasks, each run by its own price; no curve where none is known."""
    lines: list[Line] = []
    for label, (rows, price) in zip(("this run", "control"), runs, strict=False):
        pace = max(1, len(rows) // _PRICED)
        parts = [(min(start + pace, len(rows)), price(rows[start : start + pace])) for start in range(0, len(rows), pace)]
        x, y = _points([(place, dollars) for place, dollars in parts if dollars is not None])
        if len(y):
            lines.append(Line(label, x, np.cumsum(y)))
    if not lines:
        return Curve("Cost", "No price is known for this model.", None)
    note = "US dollars, added up, without building memory."
    return Curve("Cost", note, chart("cost", lines, unit="dollars", alt=_alt(f"Cost, {note}", lines, "dollars")))


def _series(rows: Sequence[EpisodeRow], value: Value) -> tuple[Floats, Floats]:
    return _points([(place, found) for place, row in enumerate(rows, start=1) if (found := value(row)) is not None])


def _points(points: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    x, y = np.array(points, dtype=np.float64).reshape(-1, 2).T
    return x, y


def _groups(rows: Sequence[EpisodeRow], value: Value) -> tuple[Floats, Floats] | None:
    """Mean of each group, over the middle of its tasks."""
    groups: dict[int, list[tuple[int, float]]] = {}
    for place, row in enumerate(rows, start=1):
        if row.group is not None and (found := value(row)) is not None:
            groups.setdefault(row.group, []).append((place, found))
    if not groups:
        return None
    means = [(fmean(x for x, _ in points), fmean(y for _, y in points)) for points in groups.values()]
    return _points(means)


def _alt(what: str, lines: Sequence[Line], unit: Unit) -> str:
    said = [f"{line.name}: from {_say(line.y[0], unit)} to {_say(line.y[-1], unit)}" for line in lines]
    return f"{what} {'; '.join(said)}."


def _say(value: float, unit: Unit) -> str:
    return {"share": f"{value:.0%}", "count": f"{value:,.1f}", "dollars": f"{value:,.4f} dollars"}[unit]
