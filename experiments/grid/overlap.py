"""Goals that memory has seen before: how many of a split are also goals of the memory's sources, and how episodes on either end."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from experiments.grid.cells import Cell
from experiments.grid.measures import Figure, figure, heads
from experiments.grid.plan import NONE
from experiments.results import EpisodeRow
from memory.transfer import read_memory


class OverlapLine(BaseModel):
    """One arm on the goals that its memory knows, and on the others; None where there is none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    known: Figure | None
    new: Figure | None


class Overlap(BaseModel):
    """One split of one environment, played by one model. Goals are compared by their exact text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str
    split: str
    model: str
    measure: str
    sources: int
    """Distinct goals that the memory's procedures were made for."""
    goals: int
    """Distinct goals among the tasks that were played."""
    shared: int
    """Those of them that are also goals of the memory."""
    tasks: int
    shared_tasks: int
    lines: tuple[OverlapLine, ...]


Rows = Mapping[str, Sequence[EpisodeRow]]


def memory_goals(file: Path) -> frozenset[str]:
    """The goals of an exported memory."""
    return frozenset(procedure.goal for procedure in read_memory(file)[1])


def overlap(cells: Sequence[Cell], rows: Rows, runs_dir: Path) -> tuple[Overlap, ...]:
    """Per environment, split and model. Where arms have memories of different goals, all are told by the first one's."""
    grounds: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        if cell.kind == "episodes" and cell.name in rows:
            grounds.setdefault((cell.config.env, cell.config.split, cell.config.model), []).append(cell)
    read: dict[str, frozenset[str]] = {}
    found = [_overlap(played, rows, _known(played, runs_dir, read)) for played in grounds.values() if any(cell.needs for cell in played)]
    return tuple(found)


def _known(played: Sequence[Cell], runs_dir: Path, read: dict[str, frozenset[str]]) -> frozenset[str]:
    """The goals of the first memory; each file is read once, as it is large."""
    name = next(cell.needs.name for cell in played if cell.needs)
    if name not in read:
        read[name] = memory_goals(runs_dir / name / "memory.jsonl")
    return read[name]


def _overlap(played: Sequence[Cell], rows: Rows, known: frozenset[str]) -> Overlap:
    config = played[0].config
    tasks = {row.game: row.goal for cell in played for row in rows[cell.name]}
    goals = set(tasks.values())
    arms = sorted({cell.arm for cell in played}, key=lambda arm: (arm != NONE, [cell.arm for cell in played].index(arm)))
    return Overlap(
        env=config.env,
        split=config.split,
        model=config.model,
        measure=heads(config.env)[0].name,
        sources=len(known),
        goals=len(goals),
        shared=len(goals & known),
        tasks=len(tasks),
        shared_tasks=sum(goal in known for goal in tasks.values()),
        lines=tuple(_line(arm, [rows[cell.name] for cell in played if cell.arm == arm], known) for arm in arms),
    )


def _line(arm: str, runs: Sequence[Sequence[EpisodeRow]], known: frozenset[str]) -> OverlapLine:
    measure = heads(runs[0][0].env)[0] if runs and runs[0] else heads("")[0]
    parts = ([[row for row in run if (row.goal in known) is wanted] for run in runs] for wanted in (True, False))
    seen, new = (figure(part, measure, whole=False) for part in parts)
    return OverlapLine(arm=arm, known=seen, new=new)
