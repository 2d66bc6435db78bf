"""`memp warm`: what an environment's first episodes would wait for, made ahead of time."""

import os
from typing import Annotated

import typer

from bin.database import built_database, plays_trips
from bin.options import DataDir, load_settings, quiet
from runtime.config import Settings
from runtime.errors import UsageError


def warm(
    env: Annotated[str, typer.Option("--env", help="alfworld or travelplanner.")] = "alfworld",
    split: Annotated[str, typer.Option("--split", help="ALFWorld's train, dev or test; TravelPlanner has one database for all.")] = "dev",
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many work at it, at low priority.")] = os.cpu_count() or 1,
    data_dir: DataDir = None,
) -> None:
    """Translate ALFWorld's games, or build TravelPlanner's database, into the cache: first episodes then start in milliseconds."""
    settings = quiet(load_settings(data_dir=data_dir))
    if plays_trips(env):
        file = built_database(settings)
        typer.echo(f"the database is in {file}: {file.stat().st_size / 2**20:.0f} MiB")
    elif env == "alfworld":
        typer.echo(_games(settings, split, processes))
    else:
        raise UsageError(f"--env {env}: there is something to warm for alfworld and travelplanner")


def _games(settings: Settings, split: str, processes: int) -> str:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from envs.alfworld_env.game_files import SPLITS

    if split not in SPLITS:
        raise UsageError(f"--split {split}: choose one of {', '.join(SPLITS)}")
    try:
        from envs.alfworld_env import warming
    except ImportError as error:
        raise UsageError(f"the ALFWorld engine is not installed ({error}): install memp[alfworld]") from error
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        shown = bar.add_task(f"{split} games", total=None)
        warmed = warming.warm(split, settings, processes, lambda done, total: bar.update(shown, completed=done, total=total))
    filling = f"the cache holds {warmed.filling.games} games in {warmed.filling.size / 2**20:.1f} MiB"
    return f"{split}: {warmed.new} translated, {warmed.there} there before; {filling}"


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(warm)
