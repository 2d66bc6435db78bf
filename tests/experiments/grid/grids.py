"""Plans, choices and rows of grids, made up."""

from pathlib import Path
from typing import Any

from experiments.grid.cells import Cell, Choice, lay_out
from experiments.grid.plan import Plan
from experiments.results import EpisodeLog, EpisodeRow
from tests.experiments.samples import failed_row, sample_row

TINY = """\
title = "A tiny grid"
mode = "offline"
vary = "build"
values = ["script"]
paper = "build"

[splits]
alfworld = ["dev"]

[run]
update = "validation"
same_goal = "add"
max_steps = 20
"""


def plan(**changes: Any) -> Plan:
    fields: dict[str, Any] = {"name": "tiny", "title": "A tiny grid", "mode": "offline", "vary": "build", "values": ("script",)}
    return Plan.model_validate(fields | {"splits": {"alfworld": ("dev",)}, "run": {"same_goal": "add"}} | changes)


def online_plan(**changes: Any) -> Plan:
    return plan(**{"mode": "online", "vary": "update", "values": ("vanilla", "adjustment"), "run": {"group_size": 2}} | changes)


def choice(runs_dir: Path, **changes: Any) -> Choice:
    fields: dict[str, Any] = {"models": ("gpt-4o",), "splits": {"alfworld": ("dev",)}, "experience": {}, "runs_dir": runs_dir}
    return Choice(**fields | changes)


def cells(plan: Plan, choice: Choice) -> list[Cell]:
    """Those that have episodes to count."""
    return [cell for cell in lay_out(plan, choice) if cell.kind == "episodes"]


def play(choice: Choice, cell: Cell, *solved: bool, **changes: Any) -> None:
    """Record an episode of the games 0, 1, … for a cell, each solved or not."""
    folder = choice.runs_dir / cell.name
    folder.mkdir(parents=True)
    rows: list[EpisodeRow] = [(sample_row if won else failed_row)(at, **changes) for at, won in enumerate(solved)]
    with EpisodeLog(folder / "episodes.jsonl") as log:
        log.append(rows)
