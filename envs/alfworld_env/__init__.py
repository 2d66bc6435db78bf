"""ALFWorld: household tasks as text.

Importing this package is cheap; the engine is imported by `make`, inside an environment process.
"""

from envs.alfworld_env.description import describe
from envs.alfworld_env.game_cache import open_cache
from envs.alfworld_env.game_files import SPLITS, data_folder, games
from envs.local import LocalEnv
from runtime.config import Settings
from runtime.errors import UsageError

__all__ = ["SPLITS", "describe", "games", "make"]


def make(settings: Settings) -> LocalEnv:
    """A new environment over the data folder of the settings; UsageError where the engine is not installed."""
    folder = data_folder(settings)
    try:
        from envs.alfworld_env.env import AlfworldEnv  # noqa: PLC0415 (an optional dependency)

        return AlfworldEnv(folder, settings.engine, open_cache(settings))
    except ImportError as error:
        raise UsageError(f"the ALFWorld engine is not installed ({error}): install memp[alfworld]") from error
