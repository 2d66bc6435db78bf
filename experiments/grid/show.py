"""A table on the terminal and as Markdown; what a grid will take, before it is begun."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Shown

from experiments.grid import assumptions, wording
from experiments.grid.estimate import Estimate, total
from experiments.grid.measures import Figure
from experiments.grid.overlap import Overlap
from experiments.grid.table import Entry, Line, Table


def print_table(console: Console, table: Table) -> None:
    """All lines, the paper's beneath ours, what must be known to read them, and what failed."""
    for env, columns in table.columns.items():
        shown = Shown(title=f"{table.title}: {env}", title_justify="left")
        for name in ("model", "memory", "n"):
            shown.add_column(name, justify="right" if name == "n" else "left")
        for column in columns:
            shown.add_column(wording.header(column), justify="right")
        for _, lines in groupby((line for line in table.lines if line.env == env), lambda line: line.model):
            for line in lines:
                shown.add_row(
                    escape(line.model),
                    escape(wording.arm(line.arm, table.vary)),
                    str(line.episodes),
                    *(_cell(line, each) for each in columns),
                )
            shown.add_section()
        for line in (line for line in table.paper if line.env == env):
            shown.add_row(
                f"paper, {line.model}",
                wording.arm(line.arm, table.vary),
                "",
                *(_quoted(line.entries, each) for each in columns),
                style="dim",
            )
        console.print(shown)
    for said in (*_overlaps(table), *wording.notes(table)):
        console.print(said, highlight=False, markup=False)
    for cell in table.cells:
        if cell.problem:
            console.print(f"failed: {cell.name}: {cell.problem}", highlight=False, markup=False, soft_wrap=True, style="red")


def markdown(table: Table) -> str:
    """The same as Markdown."""
    parts = [f"# {table.title}\n", *(f"{said}\n" for said in wording.notes(table))]
    for env, columns in table.columns.items():
        heads = ["model", "memory", "n", *(title for column in columns for title in (wording.header(column), "95 %", "to no memory"))]
        rows = [
            [
                line.model,
                wording.arm(line.arm, table.vary),
                str(line.episodes),
                *(part for column in columns for part in _parts(line, column)),
            ]
            for line in table.lines
            if line.env == env
        ]
        rows += [
            [
                f"paper, {line.model}",
                wording.arm(line.arm, table.vary),
                "",
                *(part for column in columns for part in (_quoted(line.entries, column), "", "")),
            ]
            for line in table.paper
            if line.env == env
        ]
        parts.append(f"## {env}\n\n{_grid(heads, rows)}")
    parts += [f"{said}\n" for said in _overlaps(table)]
    parts += [f"Failed: {cell.name}: {cell.problem}\n" for cell in table.cells if cell.problem]
    return "\n".join(parts)


def print_estimate(console: Console, name: str, estimates: Sequence[Estimate], envs: Sequence[str]) -> None:
    """Per cell and in all what is still to be done, and under it what was taken for granted."""
    shown = Shown(title=f"{name}: what is still to be played", title_justify="left")
    for column in ("cell", "episodes", "model calls", "tokens", "price", "by"):
        shown.add_column(column, justify="left" if column in ("cell", "by") else "right", overflow="fold")
    for each in estimates:
        count = f"({each.episodes})" if each.kind == "memory" else f"{each.episodes}"
        shown.add_row(escape(each.name), count, f"{each.calls:,}", f"{each.tokens:,}", _price(each.cost, each.calls), each.basis)
    whole = total(estimates)
    shown.add_section()
    least, price = "" if whole.whole else "at least ", _price(whole.cost, whole.calls)
    priced = price if whole.priced or whole.cost is None or not whole.calls else f"at least {price}"
    counts = (f"{least}{count:,}" for count in (whole.episodes, whole.calls, whole.tokens))
    shown.add_row("in all", *counts, priced, "")
    console.print(shown)
    for said in _granted(estimates, envs):
        console.print(said, highlight=False, markup=False)


def _granted(estimates: Sequence[Estimate], envs: Sequence[str]) -> list[str]:
    said = ["In brackets: trajectories that a memory is built from. Embeddings are left out, and calls that have to be repeated."]
    if any(each.basis == "measured" for each in estimates):
        said.append("measured: means of earlier runs of this experiment, of the same model and settings.")
    if any(each.basis == "assumed" for each in estimates):
        said += ["assumed:", *(f"  {assumptions.words(env)}" for env in envs)]
    whole = total(estimates)
    if not whole.whole or (whole.cost is not None and not whole.priced):
        said.append("“at least”: cells that could not be reckoned, or have no known price, are left out of the sum.")
    return said + [f"unknown: {each.name}: {each.problem}" for each in estimates if each.problem]


def _price(cost: float | None, calls: int) -> str:
    if not calls:
        return "–"
    return "no known price" if cost is None else f"${cost:,.2f}"


def _cell(line: Line, column: str) -> str:
    entry = line.entries.get(column)
    if entry is None:
        return "failed" if line.problems else "–"
    parts = [_value(entry.value, column)]
    if entry.change is not None:
        parts.append(f"{wording.signed(entry.change.mean, column)} {wording.bounds(entry.change, column, change=True)}")
    return escape("\n".join(part.rstrip() for part in parts))


def _value(figure: Figure, column: str) -> str:
    return f"{wording.number(figure.mean, column)} {wording.bounds(figure, column)}"


def _parts(line: Line, column: str) -> tuple[str, str, str]:
    entry: Entry | None = line.entries.get(column)
    if entry is None:
        return ("failed" if line.problems else "–"), "", ""
    change = entry.change
    told = f"{wording.signed(change.mean, column)} {wording.bounds(change, column, change=True)}".rstrip() if change else ""
    return wording.number(entry.value.mean, column), wording.bounds(entry.value, column), told


def _quoted(entries: dict[str, float], column: str) -> str:
    return wording.quoted(entries[column], column) if column in entries else ""


def _overlaps(table: Table) -> list[str]:
    said: list[str] = []
    for each in table.overlaps:
        told = [f"{wording.arm(line.arm, table.vary)} {_of(line.known, each)} / {_of(line.new, each)}" for line in each.lines]
        said.append(
            f"{each.env} {each.split}, {each.model}: {each.shared} of {each.goals} goals ({each.shared_tasks} of {each.tasks} tasks) are "
            f"among the {each.sources} of {wording.known_by(each)}. {each.measure} on these / on the others: {'; '.join(told)}"
        )
    return said


def _of(figure: Figure | None, each: Overlap) -> str:
    return "–" if figure is None else _value(figure, each.measure).strip()


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
