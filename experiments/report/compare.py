"""A run beside its control, game by game."""

from collections.abc import Sequence
from typing import NamedTuple

from experiments.report import curves
from experiments.results import EpisodeRow
from experiments.stats import Interval, paired_interval


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
    """Success, steps and tokens of the games that counted in both runs; a measure without such games is left out."""
    measures = (("Success rate", True, 1, curves.success), ("Steps", False, 1, curves.steps), ("Tokens", False, 0, curves.tokens))
    found: list[Difference] = []
    for name, share, digits, value in measures:
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
