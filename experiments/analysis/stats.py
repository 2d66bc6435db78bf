"""Intervals for what runs are compared by: percentile bootstrap over tasks (Efron & Tibshirani 1993, ch. 13), Wilson for shares.

Tasks are what is drawn anew, not episodes: several seeds of one task are not independent, so they stay together.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.errors import UsageError

Scores = Mapping[str, float] | Mapping[str, Sequence[float]]
"""One number per task, or one per seed of each task."""

_Z95 = 1.959964
_BLOCK = 2_000_000
"""Draws that are held in memory at once."""


class Interval(NamedTuple):
    """A mean and its 95 % interval; the bounds are NaN where fewer than two tasks leave them unknown."""

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return not np.isnan(self.low)


def paired_interval(treated: Scores, control: Scores, *, samples: int = 10_000, seed: int = 0) -> Interval:
    """Mean of (treated - control) over tasks, matched by key; every task weighs the same, however many seeds it has.

    The same arguments give the same interval. Raises `UsageError` where the keys differ or there are none.
    """
    if unmatched := treated.keys() ^ control.keys():
        named = ", ".join(sorted(unmatched)[:3])
        raise UsageError(f"{len(unmatched)} tasks are in one run only ({named}): compare runs of the same tasks")
    tasks = sorted(treated)
    return _bootstrap(_task_means(treated, tasks) - _task_means(control, tasks), samples, seed)


def mean_interval(scores: Scores, *, samples: int = 10_000, seed: int = 0) -> Interval:
    """Mean over tasks; every task weighs the same. Raises `UsageError` where there are none."""
    return _bootstrap(_task_means(scores, sorted(scores)), samples, seed)


def ratio_interval(shares: Mapping[str, tuple[float, float]], *, samples: int = 10_000, seed: int = 0) -> Interval:
    """Sum of the tasks' amounts by the sum of what they are of, as in rates over constraints of which tasks have more or fewer.

    Amounts may be differences of two runs. Raises `UsageError` where there are no tasks, or they are of nothing.
    """
    pairs = np.array([shares[task] for task in sorted(shares)], dtype=np.float64).reshape(-1, 2)
    if not (n := len(pairs)) or pairs[:, 1].sum() <= 0:
        raise UsageError("there is nothing to take a share of: run some tasks first")
    mean = float(pairs[:, 0].sum() / pairs[:, 1].sum())
    if n == 1:
        return Interval(mean, float("nan"), float("nan"))
    means = drawn_means(pairs, samples, np.random.default_rng(seed))
    drawn = means[means[:, 1] > 0]
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], (2.5, 97.5))
    return Interval(mean, float(low), float(high))


def runs_interval(values: Sequence[float], *, samples: int = 10_000, seed: int = 0) -> Interval:
    """Mean over whole runs, each a value (of a comparison: its difference to its control); unknown bounds for a single run.

    The episodes of a run that learns depend on each other, so that the run is what is drawn anew. Few runs are drawn with too little
    variance, so that the interval is too narrow: of normal values, five runs' holds the true mean in about 84 %. Raises `UsageError`
    where there is none.
    """
    return _bootstrap(np.array(values, dtype=np.float64), samples, seed)


def share_interval(successes: int, n: int) -> Interval:
    """Share of successes among n > 0 independent trials, with Wilson's score interval (1927), which holds near 0 and 1, too."""
    share, z2 = successes / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def _task_means(scores: Scores, tasks: Sequence[str]) -> NDArray[np.float64]:
    if empty := [task for task in tasks if np.size(scores[task]) == 0]:
        raise UsageError(f"task {empty[0]} has no result: leave it out of both runs")
    return np.array([np.mean(scores[task]) for task in tasks], dtype=np.float64)


def _bootstrap(values: NDArray[np.float64], samples: int, seed: int) -> Interval:
    """Percentiles 2.5 and 97.5 of the means of `samples` draws of len(values) with replacement."""
    n = len(values)
    if n == 0:
        raise UsageError("there is no task to take a mean over: run some first")
    if n == 1:
        return Interval(float(values[0]), float("nan"), float("nan"))
    low, high = np.percentile(drawn_means(values, samples, np.random.default_rng(seed)), (2.5, 97.5))
    return Interval(float(values.mean()), float(low), float(high))


def drawn_means(values: NDArray[np.float64], samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of `samples` draws of as many values as there are (all of them columns, if it has two dimensions), in blocks."""
    n, rows = len(values), max(1, _BLOCK // len(values))
    sizes = [min(rows, samples - done) for done in range(0, samples, rows)]
    return np.concatenate([values[rng.integers(0, n, (size, n))].mean(axis=1) for size in sizes])
