"""A run beside its control, game by game."""

from collections.abc import Sequence
from typing import NamedTuple

from envs.travelplanner.description import NAMES
from experiments.report import curves
from experiments.results import EpisodeRow
from experiments.stats import Interval, paired_interval

_MEASURES: Sequence[tuple[str, bool, int, curves.Value]] = (
    ("Success rate", True, 1, curves.success),
    ("Reward", True, 1, curves.reward),
    ("Steps", False, 1, curves.steps),
    ("Tokens", False, 0, curves.tokens),
)
"""Name, whether it is a share, decimal places, and how an episode has it."""


class Difference(NamedTuple):
    """One measure over the games that both runs have; `share` says that it is one, not a number of things."""

    name: str
    share: bool
    digits: int
    """Decimal places worth showing."""
    run: float
    control: float
    interval: Interval
    """Of run minus control, 95 %, paired by game."""
    games: int


def differences(rows: Sequence[EpisodeRow], control: Sequence[EpisodeRow]) -> list[Difference]:
    """What is compared of the games that counted in both runs; a measure without such games is left out.

    Reward only where it is more than success: TravelPlanner's is the share of the constraints.
    """
    found: list[Difference] = []
    for name, share, digits, value in _MEASURES:
        if value is curves.reward and not any(row.env in NAMES for row in rows):
            continue
        treated, untreated = _by_game(rows, value), _by_game(control, value)
        if shared := treated.keys() & untreated.keys():
            treated, untreated = ({game: scores[game] for game in shared} for scores in (treated, untreated))
            interval = paired_interval(treated, untreated)
            found.append(Difference(name, share, digits, _mean(treated), _mean(untreated), interval, len(shared)))
    return found


def _by_game(rows: Sequence[EpisodeRow], value: curves.Value) -> dict[str, list[float]]:
    games: dict[str, list[float]] = {}
    for row in rows:
        if (found := value(row)) is not None:
            games.setdefault(f"{row.env}/{row.game}", []).append(found)
    return games


def _mean(scores: dict[str, list[float]]) -> float:
    """Every game weighs the same, as in the interval."""
    return sum(sum(each) / len(each) for each in scores.values()) / len(scores)
