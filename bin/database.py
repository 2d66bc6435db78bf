"""TravelPlanner's database, built with a bar where it is not there yet: the official flights take a minute."""

from pathlib import Path

from runtime.config import Settings


def plays_trips(env: str) -> bool:
    """Whether an environment needs the database."""
    from envs.travelplanner.description import NAMES

    return env in NAMES


def built_database(settings: Settings) -> Path:
    """The database's file. DataError where the data folder is unset or can't be used."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from envs.travelplanner.database import is_built, open_database
    from envs.travelplanner.query_games import cache_folder, data_folder

    folder, cache = data_folder(settings), cache_folder(settings)
    if not is_built(folder, cache):
        with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn()) as bar:
            shown = bar.add_task("TravelPlanner's database", total=None)
            open_database(
                folder, cache, lambda stage, done, total: bar.update(shown, description=stage, completed=done, total=total)
            ).close()
    with open_database(folder, cache) as database:
        return database.file
