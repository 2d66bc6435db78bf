"""What episodes are worth, game by game: runs are compared over the games that both have."""

from collections.abc import Callable, Mapping, Sequence

from experiments.results import EpisodeRow

Value = Callable[[EpisodeRow], float | None]
"""One number of an episode; None leaves it out."""
Games = dict[str, list[float]]


def by_game(rows: Sequence[EpisodeRow], value: Value) -> Games:
    """The values of each game's episodes."""
    games: Games = {}
    for row in rows:
        if (found := value(row)) is not None:
            games.setdefault(game_of(row), []).append(found)
    return games


def game_of(row: EpisodeRow) -> str:
    """What was played, the same in every run."""
    return f"{row.env}/{row.game}"


def shared_games(treated: Games, control: Games) -> tuple[Games, Games]:
    """Both, of the games that both have."""
    shared = [game for game in treated if game in control]
    return {game: treated[game] for game in shared}, {game: control[game] for game in shared}


def mean_of_games(games: Mapping[str, Sequence[float]]) -> float:
    """Every game weighs the same, as in `stats.paired_interval`."""
    return sum(sum(each) / len(each) for each in games.values()) / len(games)
