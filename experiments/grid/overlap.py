"""Goals that memory has seen before: how many of a split are also goals of the memory's sources, and how episodes on either end."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from experiments.grid.cells import Cell
from experiments.grid.measures import Figure, Measure, Rows, Runs, figure, heads
from experiments.grid.memories import Held
from experiments.grid.plan import NONE


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
    memory: str | None
    """Name of the one that goals are told by; None where all memories know the same goals."""
    sources: int
    """Distinct goals that the memory's procedures were made for."""
    goals: int
    """Distinct goals among the tasks that were played."""
    shared: int
    """Those of them that are also goals of the memory."""
    tasks: int
    shared_tasks: int
    lines: tuple[OverlapLine, ...]


def overlap(cells: Sequence[Cell], rows: Rows, held: Mapping[str, Held]) -> tuple[Overlap, ...]:
    """Per environment, split and model. Where arms have memories of different goals, all are told by the first one's."""
    grounds: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        if cell.kind == "episodes" and cell.name in rows:
            grounds.setdefault((cell.config.env, cell.config.split, cell.config.model), []).append(cell)
    return tuple(_overlap(played, rows, held) for played in grounds.values() if any(cell.needs for cell in played))


def _overlap(played: Sequence[Cell], rows: Rows, held: Mapping[str, Held]) -> Overlap:
    config = played[0].config
    first, *others = dict.fromkeys(cell.needs.name for cell in played if cell.needs)
    known = held[first].goals
    tasks = {row.game: row.goal for cell in played for row in rows[cell.name]}
    goals = set(tasks.values())
    arms = sorted({cell.arm for cell in played}, key=lambda arm: (arm != NONE, [cell.arm for cell in played].index(arm)))
    return Overlap(
        env=config.env,
        split=config.split,
        model=config.model,
        measure=heads(config.env)[0].name,
        memory=None if all(held[name].goals == known for name in others) else first,
        sources=len(known),
        goals=len(goals),
        shared=len(goals & known),
        tasks=len(tasks),
        shared_tasks=sum(goal in known for goal in tasks.values()),
        lines=tuple(_line(arm, [rows[cell.name] for cell in played if cell.arm == arm], known, heads(config.env)[0]) for arm in arms),
    )


def _line(arm: str, runs: Runs, known: frozenset[str], measure: Measure) -> OverlapLine:
    parts = ([[row for row in run if (row.goal in known) is wanted] for run in runs] for wanted in (True, False))
    seen, new = (figure(part, measure, whole=False) for part in parts)
    return OverlapLine(arm=arm, known=seen, new=new)
