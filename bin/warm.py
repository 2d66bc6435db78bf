"""`memp warm`: what an environment's first episodes would wait for, made ahead of time."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from bin.options import DataDir, load_settings, quiet
from runtime.config import Settings
from runtime.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress


def warm(
    env: Annotated[str, typer.Option("--env", help="alfworld or travelplanner.")] = "alfworld",
    split: Annotated[str, typer.Option("--split", help="ALFWorld's train, dev or test; TravelPlanner has one database for all.")] = "dev",
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many work at it, at low priority.")] = os.cpu_count() or 1,
    data_dir: DataDir = None,
) -> None:
    """Translate ALFWorld's games, or build TravelPlanner's database, into the cache: first episodes then start in milliseconds."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    settings = quiet(load_settings(data_dir=data_dir))
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn()) as bar:
        if env == "travelplanner":
            said = _database(settings, bar)
        elif env == "alfworld":
            said = _games(settings, split, processes, bar)
        else:
            raise UsageError(f"--env {env}: there is something to warm for alfworld and travelplanner")
    typer.echo(said)


def _games(settings: Settings, split: str, processes: int, bar: "Progress") -> str:
    from envs.alfworld_env.game_files import SPLITS

    if split not in SPLITS:
        raise UsageError(f"--split {split}: choose one of {', '.join(SPLITS)}")
    try:
        from envs.alfworld_env import warming
    except ImportError as error:
        raise UsageError(f"the ALFWorld engine is not installed ({error}): install memp[alfworld]") from error
    shown = bar.add_task(f"{split} games", total=None)
    warmed = warming.warm(split, settings, processes, lambda done, total: bar.update(shown, completed=done, total=total))
    filling = f"the cache holds {warmed.filling.games} games in {warmed.filling.size / 2**20:.1f} MiB"
    return f"{split}: {warmed.new} translated, {warmed.there} there before; {filling}"


def _database(settings: Settings, bar: "Progress") -> str:
    from envs.travelplanner.database import open_database
    from envs.travelplanner.query_games import cache_folder, data_folder

    shown = bar.add_task("TravelPlanner's database", total=None)

    def tell(stage: str, done: int, total: int) -> None:
        bar.update(shown, description=stage, completed=done, total=total)

    with open_database(data_folder(settings), cache_folder(settings), tell) as database:
        return f"the database is in {database.file}: {database.file.stat().st_size / 2**20:.0f} MiB"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(warm)
