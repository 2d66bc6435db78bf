"""`memp experiment`: a table or figure of the paper by one command."""

from pathlib import Path
from typing import Annotated

import typer

from bin.options import DataDir, RunsDir, load_settings, quiet
from bin.run import BatchSize, Limit, Workers
from runtime.event_loop import run


def experiment(
    name: Annotated[str, typer.Argument(help="build, retrieval, update, transfer, top-k, or the path of a TOML file of one's own.")],
    model: Annotated[list[str] | None, typer.Option("--model", help="Models that play: again, or separated by commas.")] = None,
    builder_model: Annotated[str | None, typer.Option("--builder-model", help="Model that builds; without: the one that plays.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="Environments; without: those of the experiment.")] = None,
    splits: Annotated[list[str] | None, typer.Option("--splits", help="Splits of the one --env.")] = None,
    limit: Limit = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Repetitions, each in an order of its own.")] = None,
    group_size: Annotated[int | None, typer.Option("--group-size", min=1, help="Tasks of a group, where memory learns online.")] = None,
    batch_size: BatchSize = 16,
    workers: Workers = 1,
    trajectories: Annotated[Path | None, typer.Option("--trajectories", help="Stored trajectories to build memory from.")] = None,
    stand_in: Annotated[bool, typer.Option("--stand-in", help="Serve the stand-in; generate games where no data is set.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it will take; nothing is started.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start all of it afresh.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the table; without: the experiment's among the runs.")] = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = None,
) -> None:
    """Play a grid of runs and lay it out as the paper does; the same command goes on where it was."""
    from rich.console import Console

    from experiments.grid.choose import Asked
    from experiments.grid.command import experiment as play
    from experiments.grid.plan import read_plan

    settings = quiet(load_settings(data_dir=data_dir, runs_dir=runs_dir))
    asked = Asked(
        models=_listed(model),
        builder_model=builder_model,
        envs=_listed(env),
        splits=_listed(splits),
        limit=limit,
        seeds=seeds,
        group_size=group_size,
        batch_size=batch_size,
        workers=workers,
        trajectories=trajectories,
        stand_in=stand_in,
        dry_run=dry_run,
        overwrite=overwrite,
        out=out,
    )
    run(play, read_plan(name), settings, asked, Console())


def _listed(given: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for each in given or () for part in each.split(",") if part.strip())


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(experiment)
