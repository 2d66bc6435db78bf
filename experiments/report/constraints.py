"""TravelPlanner's part of the page: the benchmark's figures, each constraint by itself, and why plans fail them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from envs.travelplanner.commonsense import COMMONSENSE
from envs.travelplanner.hard import HARD
from envs.travelplanner.scoring import Count, PlanScore, Verdict, count
from experiments.analysis.judged import figures, plan_scores
from experiments.analysis.stats import Interval, share_interval
from experiments.report.charts import shares
from experiments.report.curves import Curve
from experiments.results import EpisodeRow

_NAMES = {
    "delivery": "Delivery",
    "commonsense_micro": "Commonsense, micro",
    "commonsense_macro": "Commonsense, macro",
    "hard_micro": "Hard, micro",
    "hard_macro": "Hard, macro",
    "final": "Final pass",
}
_MICRO = ("commonsense_micro", "hard_micro")
_RUNS = ("this run", "control")
_COMMONSENSE = "Share of the queries whose plan passes, with its 95% interval."
_HARD = "The same, of the queries that set the constraint (in brackets, how many)."

Verdicts = Sequence[Mapping[str, Verdict]]
"""One kind of constraints, for each plan."""


class Figure(NamedTuple):
    """One of the benchmark's figures, as a share; `control` is None where it is not known."""

    name: str
    run: float
    interval: Interval | None
    """None for the micro figures: the constraints of one plan are not independent."""
    control: float | None


class Failure(NamedTuple):
    """One constraint and the plans that fail it."""

    constraint: str
    failed: int
    example: str
    """A reason of the most frequent kind."""


class Constraints(NamedTuple):
    """What the page says of constraints."""

    hidden: bool
    """Whether they are, as those of the test split: there are no charts and no failures then."""
    queries: int
    figures: list[Figure]
    charts: list[Curve]
    failures: list[Failure]
    """The most frequent first."""
    undelivered: int
    unjudged: int
    """Plans whose hard constraints were not judged."""


def constraints(runs: Sequence[Sequence[EpisodeRow]]) -> Constraints | None:
    """Prepare a run and, where there is one, its control; None where no plan of TravelPlanner's was asked for yet."""
    found = [figures(rows) for rows in runs]
    if not found[0]:
        return None
    scores = [each for each in map(plan_scores, runs) if each]
    hidden = len(found[0]) < len(_NAMES)
    judged = [] if hidden else scores[0]
    queries = sum(row.counts for row in runs[0])
    return Constraints(
        hidden=hidden,
        queries=queries,
        figures=_figures(found, queries),
        charts=[] if hidden else _charts(scores),
        failures=_failures(judged),
        undelivered=sum(not each.delivered for each in judged),
        unjudged=sum(each.delivered and any(verdict.passed is None for verdict in each.hard.values()) for each in judged),
    )


def _figures(found: Sequence[Mapping[str, float]], queries: int) -> list[Figure]:
    run, control = found[0], found[1] if len(found) > 1 else {}
    return [
        Figure(
            _NAMES[name],
            value / 100,
            None if name in _MICRO else share_interval(round(value * queries / 100), queries),
            control[name] / 100 if name in control else None,
        )
        for name, value in run.items()
    ]


def _charts(scores: Sequence[Sequence[PlanScore]]) -> list[Curve]:
    kinds = (
        ("Commonsense constraints", "commonsense", _COMMONSENSE, list(COMMONSENSE), [[plan.commonsense for plan in run] for run in scores]),
        ("Hard constraints", "hard", _HARD, list(HARD), [[plan.hard for plan in run] for run in scores]),
    )
    return [_chart(*kind) for kind in kinds]


def _chart(title: str, name: str, note: str, names: Sequence[str], runs: Sequence[Verdicts]) -> Curve:
    counts = {each: [count(run, each) for run in runs] for each in names}
    counts = {each: found for each, found in counts.items() if any(one.total for one in found)}
    labels = [f"{each} ({found[0].total})" if name == "hard" else each for each, found in counts.items()]
    series = [(run, [_share(found[at]) for found in counts.values()]) for at, run in enumerate(_RUNS[: len(runs)])]
    told = "; ".join(f"{each}: {_told(found)}" for each, found in counts.items())
    return Curve(title, note, shares(name, labels, series, alt=f"{title}, share passed. {told}."))


def _share(counted: Count) -> Interval | None:
    return share_interval(counted.passed, counted.total) if counted.total else None


def _told(counts: Sequence[Count]) -> str:
    found = ((run, _share(each), each.total) for run, each in zip(_RUNS, counts, strict=False))
    return ", ".join(
        f"{run} {share.mean:.0%} of {total} (95% interval {share.low:.0%} to {share.high:.0%})" for run, share, total in found if share
    )


def _failures(scores: Sequence[PlanScore]) -> list[Failure]:
    reasons: dict[str, list[str]] = {}
    for plan in scores:
        for name, verdict in (*plan.commonsense.items(), *plan.hard.items()):
            if verdict.passed is False:
                reasons.setdefault(name, []).append(verdict.reason or "no reason was given")
    found = [Failure(name, len(given), _typical(given)) for name, given in reasons.items()]
    return sorted(found, key=lambda each: -each.failed)


def _typical(reasons: Sequence[str]) -> str:
    """The first reason of the most frequent kind: numbers and quoted names differ from plan to plan."""
    kinds = [re.sub(r"'[^']*'|\d[\d,.]*", "#", reason) for reason in reasons]
    [(most, _)] = Counter(kinds).most_common(1)
    return reasons[kinds.index(most)]
