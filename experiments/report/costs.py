"""The page's section on what memory costs, what it saves, and when it has paid for itself."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.analysis.economics import (
    Account,
    BreakEven,
    Ledger,
    Measure,
    Saving,
    Spent,
    account,
    break_evens,
    of_same_game,
    savings_against,
    savings_within,
    spent,
    value_of,
)
from experiments.analysis.pairing import Value
from experiments.analysis.prices import Models
from experiments.report.charts import Line, Mark, chart
from experiments.report.curves import Curve
from experiments.results import EpisodeRow
from runtime.events import Role

_DIGITS: Mapping[Measure, int] = {"steps": 1, "calls": 1, "tokens": 0, "dollars": 4}
_CURVES: tuple[Measure, ...] = ("tokens", "dollars")
_POINTS = 500
"""Of a curve."""


class Balance(NamedTuple):
    """One measure: what learning cost, what an episode saves of it, and after how many episodes the two are even."""

    measure: Measure
    digits: int
    learning: float | None
    saving: Saving
    even: BreakEven | None


class Payback(NamedTuple):
    """The run against one control."""

    against: str
    balances: list[Balance]
    charts: list[Curve]


class Costs(NamedTuple):
    """What the page says of costs."""

    roles: dict[Role, Spent]
    total: Spent
    paybacks: list[Payback]


def costs(rows: Sequence[EpisodeRow], ledger: Ledger, control: tuple[str, Sequence[EpisodeRow], Models] | None) -> Costs | None:
    """Prepare the section; `control` is another run's name, rows and models. None where nothing was learned."""
    if not ledger.learning:
        return None
    roles: dict[Role, Spent] = {}
    for role, usage in ledger.learning.items():
        roles[role] = spent({role: usage}, ledger.models.learning({role: usage}))
    paybacks = [_within(rows, ledger), _against(rows, ledger, *control) if control else None]
    return Costs(roles, ledger.spent, [each for each in paybacks if each])


def _within(rows: Sequence[EpisodeRow], ledger: Ledger) -> Payback | None:
    saved = savings_within(rows, ledger.models)
    if not saved:
        return None
    charts: list[Curve | None] = []
    for measure in _CURVES:
        given, held_out = _given(value_of(measure, ledger.models)), saved[measure].control if measure in saved else None
        found = account(rows, given, lambda _, held_out=held_out: held_out, ledger, measure)
        charts.append(_chart(f"within-{measure}", measure, found))
    return Payback("the episodes that memory was withheld from", _balances(ledger, saved), [each for each in charts if each])


def _given(value: Value) -> Value:
    """Of the episodes that had memory."""
    return lambda row: value(row) if row.arm == "memory" else None


def _against(rows: Sequence[EpisodeRow], ledger: Ledger, name: str, control: Sequence[EpisodeRow], models: Models) -> Payback | None:
    saved = savings_against(rows, control, ledger.models, models)
    if not saved:
        return None
    charts: list[Curve | None] = []
    for measure in _CURVES:
        theirs = of_same_game(control, value_of(measure, models))
        found = account(rows, _given(value_of(measure, ledger.models)), theirs, ledger, measure)
        charts.append(_chart(f"against-{measure}", measure, found))
    return Payback(f"the run {name}, game by game", _balances(ledger, saved), [each for each in charts if each])


def _balances(ledger: Ledger, saved: Mapping[Measure, Saving]) -> list[Balance]:
    even = break_evens(ledger, saved)
    return [
        Balance(measure, _DIGITS[measure], ledger.of(measure, ledger.learning), saving, even.get(measure))
        for measure, saving in saved.items()
    ]


def _chart(name: str, measure: Measure, found: Account | None) -> Curve | None:
    """Both accounts, and where they cross for good."""
    if found is None:
        return None
    pace = max(1, len(found.run) // _POINTS)
    places = sorted({*range(0, len(found.run), pace), len(found.run) - 1})
    x = np.array(places, dtype=np.float64) + 1
    lines = [Line(label, x, np.array(y)[places]) for label, y in (("with memory and learning", found.run), ("control", found.control))]
    at = found.crossing
    mark = Mark(at, f"even from episode {at}") if at else None
    verdict = f"Learning is paid for from episode {at} on." if at else "Learning is not paid for within the run."
    said = "; ".join(f"{line.name}: {line.y[-1]:,.{_DIGITS[measure]}f}" for line in lines)
    svg = chart(
        name,
        lines,
        unit="dollars" if measure == "dollars" else "count",
        alt=f"{measure.capitalize()}, added up over {len(found.run)} episodes. {said}. {verdict}",
        x="compared episodes, in order",
        mark=mark,
    )
    title = f"{'US dollars' if measure == 'dollars' else measure.capitalize()}, added up"
    return Curve(title, f"What was learned counts with the episode it came of. {verdict}", svg)
