"""`memp households` and `memp country`: generated data of both benchmarks, so that everything runs with no download."""

from pathlib import Path
from typing import Annotated

import typer

from runtime.errors import UsageError


def households(
    out: Annotated[Path, typer.Option("--out", help="Folder to fill; it serves as ALFWORLD_DATA then.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many games.")] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same games.")] = 0,
    split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "train",
) -> None:
    """Generate solvable ALFWorld games of all six task types, each played to its end before it is kept."""
    from rich.progress import Progress

    from envs.alfworld_env.game_files import SPLITS
    from envs.alfworld_env.households import generate

    if split not in SPLITS:
        raise UsageError(f"--split {split}: choose one of {', '.join(SPLITS)}")
    with Progress() as bar:
        shown = bar.add_task("households", total=count)
        generate(count, seed, out, split, progress=lambda _: bar.advance(shown))
    typer.echo(f"{count} games in {out}: export ALFWORLD_DATA={out.resolve()}")


def country(
    out: Annotated[Path, typer.Option("--out", help="Folder to fill; it serves as MEMP_TRAVELPLANNER_DATA then.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same country.")] = 0,
) -> None:
    """Generate a small country to travel, laid out as TravelPlanner's data, with queries that can all be fulfilled."""
    from envs.travelplanner.country import generate

    generate(out, seed)
    typer.echo(f"a country in {out}: export MEMP_TRAVELPLANNER_DATA={out.resolve()}")


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command()(households)
    app.command()(country)
