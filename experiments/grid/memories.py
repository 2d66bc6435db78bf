"""What the memories of a grid hold: the goals that they know, and whether two of them say the same."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from experiments.grid.cells import Cell
from memory.procedure import Procedure
from memory.transfer import read_memory


class Held(NamedTuple):
    """The goals of an exported memory, and all that an episode could be shown of it."""

    goals: frozenset[str]
    said: frozenset[tuple[str, int]]
    """Each procedure without its id and its vectors, and how many are so."""


def read_held(cells: Iterable[Cell], runs_dir: Path) -> dict[str, Held]:
    """By name, the memories that these cells have used. Raises `DataError` for a file that is none."""
    names = dict.fromkeys(cell.needs.name for cell in cells if cell.needs and cell.needs.kind == "memory")
    return {name: _held(runs_dir / name / "memory.jsonl") for name in names}


def alike(held: Mapping[str, Held]) -> tuple[tuple[str, ...], ...]:
    """Names of memories that say the same, each time two or more of them."""
    found: dict[frozenset[tuple[str, int]], list[str]] = {}
    for name, each in held.items():
        found.setdefault(each.said, []).append(name)
    return tuple(tuple(names) for names in found.values() if len(names) > 1)


def _held(file: Path) -> Held:
    procedures, counts = read_memory(file)[1], dict[str, int]()
    for said in map(_said, procedures):
        counts[said] = counts.get(said, 0) + 1
    return Held(frozenset(procedure.goal for procedure in procedures), frozenset(counts.items()))


def _said(procedure: Procedure) -> str:
    facts = sorted((fact.name, fact.value) for fact in procedure.facts)
    now = procedure.current
    return repr((procedure.env, procedure.goal, facts, now.status, now.content.trajectory, now.content.script))
