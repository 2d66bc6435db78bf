"""The figures of a grid: a line per model and arm, the paper's beside them, goals known or new, and groups as they went by."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from experiments.grid.cells import Cell, Choice
from experiments.grid.earlier import procedures
from experiments.grid.groups import Group, groups
from experiments.grid.measures import STEPS, TOKENS, Figure, Measure, Rows, Runs, extras, figure, heads
from experiments.grid.memories import alike, read_held
from experiments.grid.overlap import Overlap, overlap
from experiments.grid.paper import PaperLine, paper_lines
from experiments.grid.plan import NONE, Plan
from experiments.results import EpisodeRow, read_rows


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Record):
    """A figure, and its difference to the arm without memory: None there, and where one of them is missing."""

    value: Figure
    change: Figure | None = None


class Line(_Record):
    """One arm of one model in one environment, over all seeds."""

    env: str
    model: str
    arm: str
    builder: str | None
    """Model that built its memory; None without memory."""
    runs: tuple[str, ...]
    """Names of the runs that it is of."""
    episodes: int
    aborted: int
    """Episodes that say nothing of the agent, and are left out."""
    dead: int
    entries: dict[str, Entry]
    """By column: `<split> <measure>`; steps and tokens over all splits, too."""
    problems: tuple[str, ...] = ()
    """What was wrong with runs that are missing."""


class CellRecord(_Record):
    """One run of the grid: its settings, and what was wrong with it where it failed."""

    name: str
    kind: str
    config: dict[str, Any]
    problem: str | None
    procedures: int | None = None
    """Procedures that a memory holds; None for other cells."""


class Table(_Record):
    """All that an experiment found out, as `table.json` holds it."""

    name: str
    title: str
    says: str
    vary: str
    mode: str
    models: tuple[str, ...]
    stand_in: bool
    """Whether a scripted player played, no language model."""
    generated: tuple[str, ...]
    """Environments whose games are generated, not the benchmark's."""
    seeds: int
    limit: int | None
    group_size: int | None
    columns: dict[str, tuple[str, ...]]
    """By environment, those that the table shows."""
    lines: tuple[Line, ...]
    paper: tuple[PaperLine, ...]
    overlaps: tuple[Overlap, ...]
    alike: tuple[tuple[str, ...], ...]
    """Names of memories that say the same, whoever built them."""
    groups: tuple[Group, ...]
    cells: tuple[CellRecord, ...]

    @property
    def failed(self) -> bool:
        return any(cell.problem for cell in self.cells)


def make_table(plan: Plan, choice: Choice, cells: Sequence[Cell], failed: Mapping[str, str], generated: Sequence[str]) -> Table:
    """Count what the finished cells have recorded. Raises `DataError` where a file of theirs is damaged."""
    played = [cell for cell in cells if cell.kind == "episodes" and cell.name not in failed]
    rows = {cell.name: read_rows(choice.runs_dir / cell.name / "episodes.jsonl") for cell in played}
    arms, held = _arms(cells), read_held(played, choice.runs_dir)
    return Table(
        name=plan.name,
        title=plan.title,
        says=plan.says,
        vary=plan.vary,
        mode=plan.mode,
        models=choice.models,
        stand_in=any(model.startswith("stand-in") for model in choice.models),
        generated=tuple(generated),
        seeds=choice.seeds,
        limit=choice.limit,
        group_size=plan.group_size,
        columns={env: columns(env, splits) for env, splits in choice.splits.items()},
        lines=tuple(_line(plan, group, arms, rows, failed) for group in arms.values()),
        paper=paper_lines(plan.paper, choice.splits, (NONE, *map(str, plan.values))),
        overlaps=overlap(cells, rows, held) if plan.mode == "offline" else (),
        alike=alike(held),
        groups=groups(cells, rows, plan.group_size) if plan.mode == "online" and plan.group_size else (),
        cells=tuple(_record(cell, failed, choice.runs_dir) for cell in cells),
    )


def columns(env: str, splits: Sequence[str]) -> tuple[str, ...]:
    """Those of the paper's tables: the outcome per split, then the steps of all splits together."""
    return (*(f"{split} {measure.name}" for split in splits for measure in heads(env)), "steps", "tokens")


Key = tuple[str, str, str]
"""Environment, model and arm."""


def _arms(cells: Sequence[Cell]) -> dict[Key, list[Cell]]:
    found: dict[Key, list[Cell]] = {}
    for cell in cells:
        if cell.kind == "episodes":
            found.setdefault((cell.config.env, cell.config.model, cell.arm), []).append(cell)
    return dict(sorted(found.items(), key=lambda item: list(found).index((item[0][0], item[0][1], NONE))))


def _line(plan: Plan, arm: Sequence[Cell], arms: Mapping[Key, list[Cell]], rows: Rows, failed: Mapping[str, str]) -> Line:
    first = arm[0]
    control = [] if first.arm == NONE else arms[first.config.env, first.config.model, NONE]
    mine = [row for cell in arm for row in rows.get(cell.name, ())]
    return Line(
        env=first.config.env,
        model=first.config.model,
        arm=first.arm,
        builder=first.builder,
        runs=tuple(cell.name for cell in arm),
        episodes=len(mine),
        aborted=sum(row.outcome == "aborted" for row in mine),
        dead=sum(row.outcome == "dead" for row in mine),
        entries=_entries(plan, arm, control, rows),
        problems=tuple(f"{cell.name}: {failed[cell.name]}" for cell in arm if cell.name in failed),
    )


def _entries(plan: Plan, arm: Sequence[Cell], control: Sequence[Cell], rows: Rows) -> dict[str, Entry]:
    env, found = arm[0].config.env, dict[str, Entry]()
    splits = dict.fromkeys(cell.config.split for cell in arm)
    for split in splits:
        for measure in (*heads(env), *extras(env), STEPS, TOKENS):
            _add(found, f"{split} {measure.name}", plan, paired(arm, control, rows, split), measure)
    for measure in (STEPS, TOKENS):
        _add(found, measure.name, plan, paired(arm, control, rows), measure)
    return found


def _add(found: dict[str, Entry], column: str, plan: Plan, runs: tuple[Runs, Runs, Runs], measure: Measure) -> None:
    mine, matched, control = runs
    whole = plan.mode == "online"
    if (value := figure(mine, measure, whole=whole)) is not None:
        change = figure(matched, measure, whole=whole, control=control) if control else None
        found[column] = Entry(value=value, change=change)


def paired(arm: Sequence[Cell], control: Sequence[Cell], rows: Rows, split: str | None = None) -> tuple[Runs, Runs, Runs]:
    """The runs of an arm by seed, and those of them that have a control of the same seed, with these controls."""
    mine, others = _by_seed(arm, rows, split), _by_seed(control, rows, split)
    shared = sorted(mine.keys() & others.keys())
    return list(mine.values()), [mine[seed] for seed in shared], [others[seed] for seed in shared]


def _by_seed(cells: Sequence[Cell], rows: Rows, split: str | None) -> dict[int, list[EpisodeRow]]:
    found: dict[int, list[EpisodeRow]] = {}
    for cell in cells:
        if cell.name in rows and split in (None, cell.config.split):
            found.setdefault(cell.config.seed, []).extend(rows[cell.name])
    return found


def _record(cell: Cell, failed: Mapping[str, str], runs_dir: Path) -> CellRecord:
    held = procedures(runs_dir / cell.name) if cell.kind == "memory" and cell.name not in failed else None
    config = cell.config.model_dump(mode="json")
    return CellRecord(name=cell.name, kind=cell.kind, config=config, problem=failed.get(cell.name), procedures=held)
