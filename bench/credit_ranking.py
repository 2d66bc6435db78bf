"""Rules of credit as rankings of procedures, and how well each tells those that do harm from the others (`bench.credit`)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.stats import Interval
from runtime.errors import UsageError
from runtime.events import Trajectory

LEAST = 2
"""Episodes of each kind (used, given, withheld) that a procedure must have for it to be ranked."""


def ranks(played: Sequence[Trajectory], dropped: Sequence[Trajectory], evidence: dict[str, float]) -> dict[str, dict[str, float]]:
    """Per rule each procedure's score, higher for those that it blames; only procedures that every rule can judge."""
    used = _outcomes(played, lambda each: [hit.procedure for hit in each.recall.retrieved])
    first = _outcomes(played, lambda each: [hit.procedure for hit in each.recall.retrieved[:1]])
    given = _outcomes(dropped, lambda each: [hit.procedure for hit in each.recall.retrieved])
    withheld = _outcomes(dropped, lambda each: [hit.procedure for hit in each.recall.withheld])
    names = [name for name in used if all(len(some.get(name, ())) >= LEAST for some in (used, given, withheld))]
    return {
        "share of successes": {name: 1 - _mean(used[name]) for name in names},
        "first in list": {name: 1 - _mean(first.get(name, (0.5,))) for name in names},
        "uplift": {name: _mean(withheld[name]) - _mean(given[name]) for name in names},
        "e-value": {name: evidence[name] for name in names},
    }


def _outcomes(played: Iterable[Trajectory], whose: Callable[[Trajectory], Iterable[str]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for each in played:
        for name in whose(each):
            found.setdefault(name, []).append(float(each.success))
    return found


def _mean(values: Sequence[float]) -> float:
    """Shrunk towards one half, so that one episode is no proof."""
    return (sum(values) + 1) / (len(values) + 2)


class Area(NamedTuple):
    """Area under the ROC curve, and the areas of the bootstrap's draws, which are the same draws for every rule."""

    value: float
    drawn: NDArray[np.float64]

    @property
    def interval(self) -> Interval:
        """With the 95 % interval."""
        low, high = np.percentile(self.drawn, (2.5, 97.5))
        return Interval(self.value, float(low), float(high))

    def over(self, other: "Area") -> Interval:
        """What it has more than another rule's of the same procedures."""
        return Area(self.value - other.value, self.drawn - other.drawn).interval


def auc(scores: Mapping[str, float], harmful: frozenset[str], samples: int = 2000) -> Area:
    """How well scores tell harmful procedures from others; draws are of either kind by itself. Raises `UsageError` where one is missing."""
    names = sorted(scores)
    bad = np.array([scores[name] for name in names if name in harmful])
    good = np.array([scores[name] for name in names if name not in harmful])
    if not (len(bad) and len(good)):
        raise UsageError(f"{len(bad)} planted procedures and {len(good)} others can be ranked: take more --games, or another --planted")
    wins = (bad[:, None] > good[None, :]) + 0.5 * (bad[:, None] == good[None, :])
    rng = np.random.default_rng(0)
    drawn = [wins[rng.integers(0, len(bad), len(bad))][:, rng.integers(0, len(good), len(good))].mean() for _ in range(samples)]
    return Area(float(wins.mean()), np.array(drawn))


def compared(scores: Mapping[str, Mapping[str, float]], harmful: frozenset[str]) -> list[dict[str, Any]]:
    """A line per rule; the first is what the others are compared with."""
    areas = {rule: auc(each, harmful) for rule, each in scores.items()}
    first, names = next(iter(areas)), next(iter(scores.values())).keys()
    return [
        {
            "rule": rule,
            **dict(zip(("AUC", "low", "high"), area.interval, strict=True)),
            **dict(zip((f"to {first}", "its low", "its high"), (None,) * 3 if rule == first else area.over(areas[first]), strict=True)),
            "planted": len(names & harmful),
            "others": len(names - harmful),
        }
        for rule, area in areas.items()
    ]
