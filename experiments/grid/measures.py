"""What is counted of an episode, and the figures that episodes amount to: means with their intervals."""

from collections.abc import Callable, Mapping, Sequence
from math import isclose
from statistics import fmean
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from envs.travelplanner.description import NAMES as TRIPS
from experiments.analysis.judged import is_scored, plan_scores
from experiments.analysis.stats import Interval, ratio_interval, runs_interval, share_interval
from experiments.results import EpisodeRow

FEW = 10
"""Runs below which their interval is clearly too narrow: of five, a bootstrap's holds the true mean 84 times in 100, not 95."""

Share = tuple[float, float]
"""An amount, and of how many: a figure is the sum of the amounts by the sum of the numbers, as in the benchmark's micro rates."""
Runs = Sequence[Sequence[EpisodeRow]]
"""Episodes by run: one run per seed."""
Rows = Mapping[str, Sequence[EpisodeRow]]
"""The episodes of each run by its name."""


class Measure(NamedTuple):
    """`percent`: it is a share, and told in percent. `of` gives None for an episode that it leaves out."""

    name: str
    percent: bool
    of: Callable[[EpisodeRow], Share | None]


class Figure(BaseModel):
    """A mean with its 95 % interval (None where unknown) over what was drawn anew for it: games, or whole runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    low: float | None
    high: float | None
    episodes: int
    units: int
    """Games, or runs, that the interval is over."""
    over: Literal["games", "runs"]
    same: bool = False
    """Whether all of them, more than one, say the same: then drawing them anew tells nothing, and there are no bounds."""

    @property
    def few(self) -> bool:
        """Whether the interval is over so few runs that it is too narrow."""
        return self.over == "runs" and self.units < FEW


def _success(row: EpisodeRow) -> Share | None:
    return (float(row.success), 1.0) if is_scored(row) else None


def _reward(row: EpisodeRow) -> Share | None:
    return (row.reward, 1.0) if is_scored(row) else None


def _steps(row: EpisodeRow) -> Share | None:
    return (float(row.steps), 1.0) if row.outcome == "finished" else None


def _tokens(row: EpisodeRow) -> Share | None:
    return (float(row.tokens), 1.0) if row.outcome == "finished" else None


def _constraints(kind: Literal["commonsense", "hard"]) -> Callable[[EpisodeRow], Share | None]:
    def passed(row: EpisodeRow) -> Share | None:
        for score in plan_scores([row]):
            verdicts = (score.commonsense if kind == "commonsense" else score.hard).values()
            return float(sum(verdict.passed is True for verdict in verdicts)), float(len(verdicts))
        return None

    return passed


SUCCESS, REWARD = Measure("success", True, _success), Measure("reward", True, _reward)
STEPS, TOKENS = Measure("steps", False, _steps), Measure("tokens", False, _tokens)
COMMONSENSE, HARD = Measure("commonsense", True, _constraints("commonsense")), Measure("hard", True, _constraints("hard"))
"""TravelPlanner's micro rates, the paper's #CS and #HC."""


def heads(env: str) -> tuple[Measure, ...]:
    """What the paper's tables tell of an environment, beside steps."""
    return (COMMONSENSE, HARD) if env in TRIPS else (SUCCESS,)


def extras(env: str) -> tuple[Measure, ...]:
    """What is written down besides."""
    return (SUCCESS, REWARD) if env in TRIPS else (REWARD,)


def figure(runs: Runs, measure: Measure, *, whole: bool, control: Runs | None = None) -> Figure | None:
    """The figure of one arm, or with `control` its difference to that, paired by game; None where nothing stands to be counted.

    `whole` says that runs are drawn anew, not games: the episodes of a run that learns depend on each other.
    """
    return (_over_runs if whole else _over_games)(runs, measure, control)


def _over_games(runs: Runs, measure: Measure, control: Runs | None) -> Figure | None:
    shares = _by_game(runs, measure)
    others = None if control is None else _by_game(control, measure)
    games = shares.keys() if others is None else shares.keys() & others.keys()
    if not sum(shares[game].of for game in games):
        return None
    drawn = {game: (shares[game].amount - (others[game].amount if others else 0.0), shares[game].of) for game in games}
    interval, episodes = ratio_interval(drawn), sum(shares[game].episodes for game in games)
    if measure is SUCCESS and others is None and episodes == len(games):
        interval = share_interval(round(sum(amount for amount, _ in drawn.values())), episodes)
    return told(interval, episodes, len(games), "games")


def _over_runs(runs: Runs, measure: Measure, control: Runs | None) -> Figure | None:
    each = [_over_games([run], measure, control and [control[at]]) for at, run in enumerate(runs)]
    found = [one for one in each if one]
    if not found:
        return None
    return told(runs_interval([one.mean for one in found]), sum(one.episodes for one in found), len(found), "runs")


class _Game(NamedTuple):
    """What the episodes of a game amount to: means over them, so that every game weighs the same however often it was played."""

    amount: float
    of: float
    episodes: int


def _by_game(runs: Runs, measure: Measure) -> dict[str, _Game]:
    games: dict[str, list[Share]] = {}
    for row in (row for run in runs for row in run):
        if (found := measure.of(row)) is not None:
            games.setdefault(row.game, []).append(found)
    return {game: _Game(fmean(amount for amount, _ in found), fmean(of for _, of in found), len(found)) for game, found in games.items()}


def told(interval: Interval, episodes: int, units: int, over: Literal["games", "runs"]) -> Figure:
    """The figure of an interval over `units`."""
    same = interval.known and isclose(interval.low, interval.high, abs_tol=1e-9)
    low, high = (interval.low, interval.high) if interval.known and not same else (None, None)
    return Figure(mean=interval.mean, low=low, high=high, episodes=episodes, units=units, over=over, same=same)
