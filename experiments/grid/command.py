"""`memp experiment` from what was asked to the table: choose, reckon, play, count, write."""

from collections.abc import Sequence
from pathlib import Path

from anyio.to_thread import run_sync
from rich.console import Console

from experiments.config import hold_folder
from experiments.demo import with_stand_in
from experiments.grid.cells import Cell, lay_out
from experiments.grid.choose import Asked, chosen, chosen_splits, grouped
from experiments.grid.estimate import estimate
from experiments.grid.ground import GENERATED, check_ground, generate_data, is_generated, with_generated
from experiments.grid.page import render
from experiments.grid.plan import Plan
from experiments.grid.play import play, start_over, survey
from experiments.grid.show import markdown, print_estimate, print_table
from experiments.grid.table import Table, make_table
from experiments.live import live
from experiments.results import write_atomically
from runtime.config import Settings
from runtime.errors import MempError, UsageError


async def experiment(plan: Plan, settings: Settings, asked: Asked, console: Console) -> None:
    """Play what is not finished yet, then write and show the table; with `dry_run`, only say what that would take.

    Raises `UsageError` for what can't be played as asked, and `MempError` at the end where cells have failed.
    """
    plan, splits = grouped(plan, asked), chosen_splits(plan, asked)
    count = asked.limit or GENERATED
    generated = [env for env in splits if is_generated(env, settings)] if asked.stand_in else []
    if asked.stand_in:
        settings = with_generated(with_stand_in(settings, "http://127.0.0.1:9/v1"), splits, count)  # its address is known once it serves
    choice = chosen(plan, asked, settings, splits)
    cells = lay_out(plan, choice)
    check_ground(cells)
    if asked.dry_run:
        found = survey(cells, settings, overwrite=asked.overwrite)
        print_estimate(console, plan.name, estimate(plan, cells, settings, found, games=count), list(splits))
        return
    out = asked.out or settings.runs_dir / plan.name
    with hold_folder(cells[0].config.model_copy(update={"exp_name": plan.name}), settings.runs_dir / plan.name):
        await _generate(generated, cells, settings, count, console)
        failed = await _played(cells, settings, asked, console)
        table = make_table(plan, choice, cells, failed, generated)
        write_table(table, out)
    print_table(console, table)
    console.print(f"page: {out / 'table.html'}", soft_wrap=True, highlight=False, markup=False)
    if failed:
        again = "the same command plays them again and keeps the others, --overwrite starts all afresh"
        raise MempError(f"{len(failed)} of {len(cells)} cells failed; {again}")


def write_table(table: Table, out: Path) -> None:
    """`table.json`, `table.md` and `table.html`, each whole or not at all. Raises `MempError` where that fails."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out} can't be made ({error.strerror}): name another folder") from None
    write_atomically(out / "table.json", table.model_dump_json(indent=2) + "\n")
    write_atomically(out / "table.md", markdown(table))
    write_atomically(out / "table.html", render(table))


async def _generate(envs: Sequence[str], cells: Sequence[Cell], settings: Settings, count: int, console: Console) -> None:
    """Make the games that the cells play, where there are none but generated ones."""
    for env in envs:
        splits = sorted({cell.config.split for cell in cells if cell.config.env == env and cell.kind != "memory"})
        console.print(f"games of {env} ({', '.join(splits)}): generated, {count} of each split", style="dim")
        await run_sync(generate_data, settings, env, splits, count)


async def _played(cells: Sequence[Cell], settings: Settings, asked: Asked, console: Console) -> dict[str, str]:
    """What failed, by name, when all that was not finished has been played."""
    found = survey(cells, settings, overwrite=asked.overwrite)
    if all(cell.name in found.problems for cell in cells if cell.kind == "episodes"):
        raise next(iter(found.problems.values()))
    start_over([cell for cell in cells if cell.name in found.outdated], settings)
    if found.done:
        console.print(f"{len(found.done)} of {len(cells)} cells are finished already", style="dim")
    left = [cell for cell in cells if cell.name not in found.done]
    return await play(left, settings, found.problems, stand_in=asked.stand_in, show=lambda cell: live(console, cell.name))
