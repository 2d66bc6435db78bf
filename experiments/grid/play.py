"""Plays the cells of a grid one after the other; what is finished is left alone, what was cut off goes on."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from experiments.analysis.summary import summarise, write_summary
from experiments.config import OtherRun, check_folder, clear_folder, differences, make_tasks, resolved
from experiments.demo import stand_in_process, with_stand_in
from experiments.driver import Snapshot, build_memory, drive
from experiments.grid.cells import Cell
from runtime.bus.namespace import open_namespace
from runtime.config import Settings
from runtime.errors import MempError, UsageError
from runtime.events import Task
from runtime.server import Server, connect, open_server

Show = Callable[[Cell], AbstractContextManager[Callable[[Snapshot], None]]]
"""Gives what shows a cell while it is played."""

AFRESH = ".afresh"
"""In a cell's folder: its namespace may still hold what an earlier run left, and is to be emptied first."""


class Survey(NamedTuple):
    """How the cells of a grid stand, by name; what is in none of these is still to be played, or gone on with."""

    done: set[str]
    problems: dict[str, MempError]
    """What is wrong with the games of cells."""
    outdated: set[str]
    """To be cleared and played afresh: what they were begun with is no more. Never what can't be played, or needs what can't."""


def survey(cells: Sequence[Cell], settings: Settings, *, overwrite: bool) -> Survey:
    """Look at what earlier runs have left, changing nothing. Raises `UsageError` where a folder holds a run of other settings."""
    found, stuck = Survey(set(), {}, set()), set[str]()
    for cell in cells:
        try:
            tasks = [] if cell.kind == "memory" else make_tasks(cell.config, settings, epoch=0)
        except MempError as error:
            found.problems[cell.name] = error
            stuck.add(cell.name)
            continue
        kept = cell.needs is None or cell.needs.name in found.done | stuck
        same = not overwrite and _is_same(cell, settings, tasks)
        if kept and same and _is_finished(cell, settings):
            found.done.add(cell.name)
        elif cell.needs and cell.needs.name in stuck:
            stuck.add(cell.name)
        elif not (kept and same) and (overwrite or (settings.runs_dir / cell.name / "config.json").exists()):
            found.outdated.add(cell.name)
    return found


def _is_same(cell: Cell, settings: Settings, tasks: list[Task]) -> bool:
    """Whether what the cell was begun with is what it would begin with now; only what memory is made of may differ."""
    config, folder = resolved(cell.config, settings, tasks), settings.runs_dir / cell.name
    try:
        if differences(config, folder).keys() == {"experience"}:
            return False
        check_folder(config, folder)
    except OtherRun as error:
        raise UsageError(apart(error)) from None
    return True


def _is_finished(cell: Cell, settings: Settings) -> bool:
    files = ("config.json", "summary.json", "memory.jsonl") if cell.kind == "memory" else ("config.json", "report.html")
    return all((settings.runs_dir / cell.name / name).exists() for name in files)


def apart(error: OtherRun) -> str:
    """What to do about a cell whose name is another run's: a grid names its runs itself."""
    return f"{error.found}: give it a --runs-dir and a --data-dir of its own, or --overwrite"


def start_over(cells: Sequence[Cell], settings: Settings) -> None:
    """Delete what earlier runs of these cells left in their folders; a crash in between leaves none that is taken for finished."""
    for cell in cells:
        folder = settings.runs_dir / cell.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / AFRESH).touch()
        clear_folder(folder)


async def play(
    cells: Sequence[Cell], settings: Settings, problems: Mapping[str, MempError], *, stand_in: bool, show: Show
) -> dict[str, str]:
    """Play `cells`, which are in order, over one server (and, where asked for, one stand-in model); those with `problems` can't be.

    A cell that fails lets the others go on; returns by name what was wrong with those that did.
    """
    failed = {name: str(error) for name, error in problems.items()}
    if all(cell.name in failed for cell in cells):
        return failed
    async with AsyncExitStack() as stack:
        if stand_in:
            settings = with_stand_in(settings, await stack.enter_async_context(stand_in_process()))
        server = await stack.enter_async_context(open_server(settings))
        settings = settings.model_copy(update={"redis_url": SecretStr(server.url)})
        for cell in cells:
            if cell.needs and cell.needs.name in failed:
                failed[cell.name] = f"needs {cell.needs.name}, which failed"
            if cell.name in failed:
                continue
            try:
                with show(cell) as shown:
                    await _play(cell, settings, server, shown)
            except OtherRun as error:
                failed[cell.name] = apart(error)
            except MempError as error:
                failed[cell.name] = str(error)
    return failed


async def _play(cell: Cell, settings: Settings, server: Server, show: Callable[[Snapshot], None]) -> None:
    folder = settings.runs_dir / cell.name
    overwrite = (folder / AFRESH).exists() and not (folder / "config.json").exists()
    if cell.kind == "memory":
        await build_memory(cell.config, settings, overwrite=overwrite, show=show)
        await _sum_up(cell, folder, server)
    else:
        await drive(cell.config, settings, overwrite=overwrite, show=show)
    (folder / AFRESH).unlink(missing_ok=True)


async def _sum_up(cell: Cell, folder: Path, server: Server) -> None:
    """What building has cost: the summary of a run without episodes."""
    async with connect(server.url) as client:
        progress = await (await open_namespace(client, cell.name)).progress()
    write_summary(folder, summarise([], model=cell.config.model, learning=progress.learning))
