"""What earlier runs of an experiment have taken, per episode: measured means in place of assumptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.analysis.prices import added, total_usage
from experiments.analysis.summary import Summary
from experiments.config import SPEED_ONLY, TAKEN, RunConfig
from experiments.grid.cells import Cell
from experiments.results import EpisodeRow, read_rows
from runtime.errors import DataError
from runtime.events import Role, Usage

Means = dict[Role, tuple[float, float, float, float]]
"""Calls, and input, cached and output tokens, per episode."""

APART = {"exp_name", "split", "seed", "limit", "games", "experience", "memory", "trajectories", "run_tokens", *SPEED_ONLY, *TAKEN}
"""What runs may differ in and still take about as much per episode."""


class Earlier:
    """The runs of one experiment in a folder; those that can't be read are as if they were not there."""

    def __init__(self, name: str, runs_dir: Path) -> None:
        self._runs: dict[str, list[Path]] = {}
        for stored in sorted(runs_dir.glob(f"{name}-*/config.json")):
            if (config := _config(stored)) is not None:
                self._runs.setdefault(_alike(config), []).append(stored.parent)

    def of(self, cell: Cell) -> tuple[Means, Means] | None:
        """What the model that plays takes per episode of such a cell, and the one that builds; of a memory, per procedure.

        None where no run of that kind has been played.
        """
        folders = self._runs.get(_alike(cell.config), [])
        if cell.kind == "memory":
            return _built(folders)
        rows = _rows(folders)
        learnt = [(summary, summary.n) for folder in folders if (summary := _summary(folder))]
        return (_means(total_usage(rows), len(rows)), _learning(learnt)) if rows else None

    def solved(self, cell: Cell) -> float | None:
        """Share of the episodes of such a cell that succeeded; None where none has been played."""
        rows = _rows(self._runs.get(_alike(cell.config), []))
        return sum(row.success for row in rows) / len(rows) if rows else None


def _rows(folders: Sequence[Path]) -> list[EpisodeRow]:
    return [row for folder in folders if (folder / "episodes.jsonl").exists() for row in read_rows(folder / "episodes.jsonl")]


def _built(folders: Sequence[Path]) -> tuple[Means, Means] | None:
    found = [(summary, procedures(folder)) for folder in folders if (summary := _summary(folder))]
    return ({}, _learning(found)) if any(count for _, count in found) else None


def _learning(found: Sequence[tuple[Summary, int]]) -> Means:
    return _means(added(summary.learning for summary, _ in found), sum(count for _, count in found))


def _means(usage: Mapping[Role, Usage], count: int) -> Means:
    found: Means = {}
    for role, used in usage.items():
        if role != "embedding" and count:
            found[role] = (used.calls / count, used.input / count, used.cached / count, used.output / count)
    return found


def procedures(folder: Path) -> int:
    """Lines of an exported memory but its header."""
    try:
        with (folder / "memory.jsonl").open("rb") as lines:
            return max(0, sum(1 for _ in lines) - 1)
    except OSError:
        return 0


def _alike(config: RunConfig) -> str:
    return config.model_dump_json(exclude=APART)


def _config(stored: Path) -> RunConfig | None:
    try:
        return RunConfig.model_validate_json(stored.read_bytes())
    except (OSError, ValueError):
        return None


def _summary(folder: Path) -> Summary | None:
    try:
        return Summary.model_validate_json((folder / "summary.json").read_bytes())
    except (OSError, ValueError, DataError):
        return None
