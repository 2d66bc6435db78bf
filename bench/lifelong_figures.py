"""What a life shows, phase by phase: success where it begins and where it ends, the control beside it, and how large memory is."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.learning import scores
from bench.lifelong_run import Holding, Life
from bench.lifelong_world import Phase
from experiments.analysis.stats import Interval, paired_interval
from experiments.results import EpisodeRow

SAMPLES = 10_000
PERCENT = 100.0
BEHIND = "falls behind"
UNKNOWN = float("nan")


class Quarters(NamedTuple):
    """The episodes of a phase by the order of their tasks: the first quarter and the last."""

    start: list[EpisodeRow]
    end: list[EpisodeRow]


def quarters(rows: Sequence[EpisodeRow]) -> Quarters:
    """The first and the last quarter, one task at least."""
    ordered, size = sorted(rows, key=lambda row: row.index), max(1, len(rows) // 4)
    return Quarters(ordered[:size], ordered[-size:])


def mean(rows: Sequence[EpisodeRow], of: Callable[[EpisodeRow], float]) -> float:
    """NaN of none."""
    return float(np.mean([of(row) for row in rows])) if rows else UNKNOWN


def success(row: EpisodeRow) -> float:
    """In percent."""
    return PERCENT * row.success


def steps(row: EpisodeRow) -> float:
    """Actions."""
    return row.steps


def difference(later: Sequence[EpisodeRow], earlier: Sequence[EpisodeRow], seed: int = 0) -> Interval:
    """Success of the later minus that of the earlier, in percent, with its 95 % interval: bootstrap over games, as episodes of one
    game are not independent. NaN where a side is empty; bounds are NaN of a single game, too."""
    games, gain = sorted({row.game for row in (*later, *earlier)}), mean(later, success) - mean(earlier, success)
    if not (later and earlier) or len(games) < 2:
        return Interval(gain, UNKNOWN, UNKNOWN)
    drawn = np.random.default_rng(seed).integers(0, len(games), (SAMPLES, len(games)))
    shares = [_share(rows, games, drawn) for rows in (later, earlier)]
    known = ~np.isnan(shares[0] - shares[1])
    low, high = np.quantile((shares[0] - shares[1])[known], (0.025, 0.975))
    return Interval(gain, float(low), float(high))


def _share(rows: Sequence[EpisodeRow], games: list[str], drawn: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Success in percent for each draw of games; NaN where it has none of the rows. Shape (draws,)."""
    found = {game: [success(row) for row in rows if row.game == game] for game in games}
    won, played = (np.array([count(found[game]) for game in games], np.float64) for count in (sum, len))
    with np.errstate(invalid="ignore"):
        return won[drawn].sum(axis=1) / played[drawn].sum(axis=1)


def to_control(rows: Sequence[EpisodeRow], control: Sequence[EpisodeRow]) -> Interval:
    """Success with memory minus without, in percent, over the tasks that were played both ways, paired by game; NaN of none."""
    if not control:
        return Interval(UNKNOWN, UNKNOWN, UNKNOWN)
    both = {row.task_id for row in control}
    treated = [row for row in rows if row.task_id in both]
    found = paired_interval(scores([treated], "success"), scores([list(control)], "success"))
    return Interval(*(PERCENT * value for value in found))


def phase_row(phase: Phase, life: Life, holding: Holding) -> dict[str, Any]:
    """One line of the table."""
    rows, control = of(life.rows, phase), of(life.control, phase)
    start, end = quarters(rows)
    return {
        "phase": phase.name,
        "n": len(rows),
        "games": len({row.game for row in rows}),
        "start %": mean(start, success),
        "end %": mean(end, success),
        "end − start": difference(end, start),
        "control %": mean(control, success),
        "memory − control": to_control(rows, control),
        "steps, start": mean(start, steps),
        "steps, end": mean(end, steps),
        "control steps": mean(control, steps),
        "active": holding.active,
        "deprecated": holding.deprecated,
        "procedures": holding.procedures,
        "goals so far": holding.goals,
    }


def coming_back(phases: Sequence[Phase], life: Life) -> dict[str, Interval]:
    """The last phase, whose kind is the first one's: how its first quarter does against the first phase's last, and all of it against
    the control; on games that the first phase played (against the same games there), and on new ones (against all of them)."""
    first, last = of(life.rows, phases[0]), of(life.rows, phases[-1])
    control, old = of(life.control, phases[-1]), {row.game for row in first}
    start, end = quarters(last).start, quarters(first).end
    again = {row.game for row in last} & old
    return {
        "its old games, against its end then": difference(_on(start, again), _on(end, again)),
        "its old games, against the control": to_control(_on(last, again), _on(control, again)),
        "new games of its kind, against its end then": difference(_off(start, again), end),
        "new games of its kind, against the control": to_control(_off(last, again), _off(control, again)),
    }


def of(rows: Sequence[EpisodeRow], phase: Phase) -> list[EpisodeRow]:
    """Those of a phase."""
    ids = {task.id for task in phase.tasks}
    return [row for row in rows if row.task_id in ids]


def _on(rows: Sequence[EpisodeRow], games: set[str]) -> list[EpisodeRow]:
    return [row for row in rows if row.game in games]


def _off(rows: Sequence[EpisodeRow], games: set[str]) -> list[EpisodeRow]:
    return [row for row in rows if row.game not in games]


def told(interval: Interval) -> str:
    """For people."""
    if np.isnan(interval.mean):
        return "not played"
    return f"{interval.mean:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})" if interval.known else f"{interval.mean:+.1f}"


def verdict(interval: Interval) -> str:
    """In words; where neither is shown, how bad it may be at most."""
    if not interval.known:
        return "not known"
    if interval.high < 0:
        return BEHIND
    return "gains" if interval.low > 0 else f"no worse than {interval.low:+.1f} points"
