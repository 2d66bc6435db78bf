"""A run beside its control, game by game."""

from collections.abc import Sequence
from typing import NamedTuple

from envs.travelplanner.description import NAMES
from experiments.analysis.pairing import Value, by_game, mean_of_games, shared_games
from experiments.analysis.stats import Interval, paired_interval
from experiments.report import curves
from experiments.results import EpisodeRow

_MEASURES: Sequence[tuple[str, bool, int, Value]] = (
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
        treated, untreated = shared_games(by_game(rows, value), by_game(control, value))
        if treated:
            interval = paired_interval(treated, untreated)
            found.append(Difference(name, share, digits, mean_of_games(treated), mean_of_games(untreated), interval, len(treated)))
    return found
