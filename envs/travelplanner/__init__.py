"""TravelPlanner: trips planned with tools, in two stages; `envs.travelplanner.sole` is its other mode."""

from envs.local import LocalEnv
from envs.travelplanner.description import two_stage as describe
from envs.travelplanner.queries import SPLITS
from envs.travelplanner.query_games import cache_folder, data_folder, games
from runtime.config import Settings

__all__ = ["SPLITS", "describe", "games", "make"]


def make(settings: Settings) -> LocalEnv:
    """A new environment over the data folder of the settings."""
    from envs.travelplanner.env import TravelPlannerEnv  # noqa: PLC0415 (the processes of other environments have no use for it)

    return TravelPlannerEnv(data_folder(settings), cache_folder(settings), structured=settings.structured_output)
