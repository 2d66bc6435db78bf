"""TravelPlanner's sole-planning mode as an environment of its own: `--env travelplanner-sole`."""

from envs.local import LocalEnv
from envs.travelplanner.description import sole_planning as describe
from envs.travelplanner.queries import SPLITS
from envs.travelplanner.query_games import cache_folder, data_folder, games
from runtime.config import Settings

__all__ = ["SPLITS", "describe", "games", "make"]


def make(settings: Settings) -> LocalEnv:
    """A new environment over the data folder of the settings."""
    from envs.travelplanner.env import SolePlanningEnv  # noqa: PLC0415

    return SolePlanningEnv(data_folder(settings), cache_folder(settings), structured=settings.structured_output)
