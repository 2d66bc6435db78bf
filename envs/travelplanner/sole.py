"""TravelPlanner's sole-planning mode as an environment of its own: `--env travelplanner-sole`."""

from envs.local import GameTask, LocalEnv
from envs.travelplanner.description import sole_planning as describe
from envs.travelplanner.queries import SPLITS
from envs.travelplanner.query_games import cache_folder, check_information, data_folder
from envs.travelplanner.query_games import games as all_games
from runtime.config import Settings

__all__ = ["SPLITS", "describe", "games", "make"]


def games(split: str, settings: Settings) -> list[GameTask]:
    """All queries of a split; DataError where the information on any of them is missing."""
    found = all_games(split, settings)
    check_information(split, settings, len(found))
    return found


def make(settings: Settings) -> LocalEnv:
    """A new environment over the data folder of the settings."""
    from envs.travelplanner.env import SolePlanningEnv  # noqa: PLC0415

    return SolePlanningEnv(data_folder(settings), cache_folder(settings), structured=settings.structured_output)
