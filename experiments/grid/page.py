"""`table.html`: the table and its figures on one page that needs nothing else, in the look of the runs' reports."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from experiments.grid import wording
from experiments.grid.groups import Group
from experiments.grid.measures import Figure
from experiments.grid.paper import PaperLine
from experiments.grid.plan import NONE
from experiments.grid.table import Line, Table
from experiments.report.charts import Arm
from experiments.report.charts import arms as draw_arms
from experiments.report.curves import Curve
from experiments.report.words import FILTERS

_HERE = Path(__file__).parent


class Matrix(NamedTuple):
    """Whose memory (rows) helps whom (columns)."""

    title: str
    models: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Figure | None]]]
    column: str


def render(table: Table) -> str:
    """The page. Names and errors are escaped by the template."""
    environment = Environment(
        loader=FileSystemLoader([_HERE, _HERE.parent / "report"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    arms = {line.arm: wording.arm(line.arm, table.vary) for line in table.lines}
    return environment.get_template("table.html.j2").render(
        wording=wording,
        blocks=_blocks,
        table=table,
        notes=wording.notes(table),
        named=partial(wording.arm, vary=table.vary),
        charts=[*_group_charts(table, arms), *_curves(table)],
        matrices=_matrices(table),
        failed=[cell for cell in table.cells if cell.problem],
        changes=_changes(table),
    )


def _blocks(lines: Sequence[Line | PaperLine], env: str) -> list[tuple[str, list[Line | PaperLine]]]:
    """The lines of one environment by model, in their order."""
    return [(model, list(some)) for model, some in groupby((line for line in lines if line.env == env), lambda line: line.model)]


def _group_charts(table: Table, arms: dict[str, str]) -> list[Curve]:
    """Reward added up and steps, group by group, a line per arm."""
    charts: list[Curve] = []
    for (env, split, model), found in groupby(table.groups, lambda group: (group.env, group.split, group.model)):
        lines = {arm: list(groups) for arm, groups in groupby(found, lambda group: group.arm)}
        where = f"{model}, {env} {split}"
        charts += _group_chart(f"Cumulative reward: {where}", lines, arms, lambda group: group.cumulative_reward, "reward added up")
        charts += _group_chart(f"Steps per group: {where}", lines, arms, lambda group: group.steps, "mean steps")
    return charts


def _group_chart(
    title: str, lines: dict[str, list[Group]], arms: dict[str, str], value: Callable[[Group], Figure | None], what: str
) -> list[Curve]:
    named = {arms[arm]: [(group.group + 1, value(group)) for group in groups] for arm, groups in lines.items()}
    return _chart(title, f"Mean over the orders, with its interval; {what}.", named, "group of tasks", percent=False)


def _curves(table: Table) -> list[Curve]:
    """For numbers of procedures: each measure over the number; no memory stands at 0."""
    if table.vary != "top_k":
        return []
    charts: list[Curve] = []
    for (env, model), found in groupby(table.lines, lambda line: (line.env, line.model)):
        lines = list(found)
        for column in table.columns[env]:
            points = [(0 if line.arm == NONE else int(line.arm), line.entries[column].value) for line in lines if column in line.entries]
            percent = column not in ("steps", "tokens")
            note = "With its interval over the tasks; 0 is no memory."
            charts += _chart(f"{column.capitalize()}: {model}, {env}", note, {model: points}, "procedures retrieved", percent=percent)
    return charts


def _chart(title: str, note: str, lines: Mapping[str, Sequence[tuple[int, Figure | None]]], axis: str, *, percent: bool) -> list[Curve]:
    """The chart of what there is to draw; none where that is nothing."""
    found = [_arm(name, [(x, each) for x, each in points if each]) for name, points in lines.items() if any(each for _, each in points)]
    if not found:
        return []
    told = [f"{each.name}: from {_told(each.y[0], percent)} to {_told(each.y[-1], percent)}" for each in found]
    name, alt = re.sub(r"[^a-z0-9]+", "-", title.lower()), f"{title}, by {axis}. {'; '.join(told)}."
    return [Curve(title, note, draw_arms(name, found, unit="share" if percent else "count", alt=alt, x=axis))]


def _arm(name: str, points: Sequence[tuple[int, Figure]]) -> Arm:
    x, y = np.array([(place, each.mean) for place, each in points], dtype=np.float64).T
    low, high = np.array([(each.low, each.high) for _, each in points], dtype=np.float64).T  # None is NaN
    return Arm(name, x, y, low, high)


def _told(value: float, percent: bool) -> str:
    return f"{value:.0%}" if percent else f"{value:,.1f}"


def _matrices(table: Table) -> list[Matrix]:
    """For transfer: outcomes by who built the memory and who used it."""
    if table.vary != "builder_model":
        return []
    found: list[Matrix] = []
    for env, columns in table.columns.items():
        lines = {(line.arm, line.model): line for line in table.lines if line.env == env}
        arms = dict.fromkeys(arm for arm, _ in lines)
        for column in columns:
            rows = [(arm, [_figure(lines.get((arm, model)), column) for model in table.models]) for arm in arms]
            found.append(Matrix(f"{env}: {wording.header(column)}", table.models, rows, column))
    return found


def _figure(line: Line | None, column: str) -> Figure | None:
    return line.entries[column].value if line and column in line.entries else None


def _changes(table: Table) -> list[tuple[str, list[list[Group]]]]:
    """Per ground and model, by number, the groups of all arms with memory."""
    found: list[tuple[str, list[list[Group]]]] = []
    for (env, split, model), some in groupby(table.groups, lambda group: (group.env, group.split, group.model)):
        groups = sorted((group for group in some if group.arm != NONE), key=lambda group: group.group)
        found.append((f"{model}, {env} {split}", [list(same) for _, same in groupby(groups, lambda group: group.group)]))
    return [(title, groups) for title, groups in found if groups]
