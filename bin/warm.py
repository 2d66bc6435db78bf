"""`memp warm`: games translated ahead of time."""

import os
from typing import Annotated

import typer

from bin.options import DataDir, load_settings, quiet
from runtime.errors import UsageError


def warm(
    split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "dev",
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many work at it, at low priority.")] = os.cpu_count() or 1,
    data_dir: DataDir = None,
) -> None:
    """Translate ALFWorld's games into the cache: a game's first episode then starts in milliseconds."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from envs.alfworld_env.game_files import SPLITS

    settings = quiet(load_settings(data_dir=data_dir))
    if split not in SPLITS:
        raise UsageError(f"--split {split}: choose one of {', '.join(SPLITS)}")
    try:
        from envs.alfworld_env import warming
    except ImportError as error:
        raise UsageError(f"the ALFWorld engine is not installed ({error}): install memp[alfworld]") from error
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        shown = bar.add_task(f"{split} games", total=None)
        warmed = warming.warm(split, settings, processes, lambda done, total: bar.update(shown, completed=done, total=total))
    typer.echo(
        f"{split}: {warmed.new} translated, {warmed.there} there before; "
        f"the cache holds {warmed.filling.games} games in {warmed.filling.size / 2**20:.1f} MiB"
    )


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(warm)
