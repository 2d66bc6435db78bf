"""Puts the page together. Goals, observations and model output are untrusted: the template escapes all of them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from envs.travelplanner.description import NAMES
from experiments.analysis.economics import open_ledger
from experiments.analysis.judged import is_hidden
from experiments.analysis.prices import Models
from experiments.analysis.run_changes import RunChanges, read_run_changes
from experiments.analysis.summary import Summary, counted, read_learning
from experiments.report import curves
from experiments.report.ages import ages
from experiments.report.compare import differences
from experiments.report.constraints import constraints
from experiments.report.costs import Costs, costs
from experiments.report.effects import effects
from experiments.report.learned import Learned, learned, lineage
from experiments.report.words import FILTERS
from experiments.results import EpisodeRow, read_rows, write_atomically
from experiments.run_folder import read_config
from memory.transfer import read_memory
from runtime.events import Role, Usage

SHOWN_PROCEDURES = 300
SHOWN_EPISODES = 1000
"""More would make the page slow to open; the files beside it have all of them."""


class Run(NamedTuple):
    """One run's folder, read."""

    folder: Path
    config: dict[str, Any]
    rows: list[EpisodeRow]
    """In task order."""
    summary: Summary
    learning: dict[Role, Usage]
    """What the curator spent; empty where the folder does not say."""
    changes: RunChanges | None

    @property
    def name(self) -> str:
        return str(self.config.get("exp_name") or self.folder.name)

    @property
    def model(self) -> str:
        return str(self.config.get("model") or "an unnamed model")

    @property
    def models(self) -> Models:
        return Models.of(self.config)

    @property
    def stand_in(self) -> bool:
        return self.model.startswith("stand-in")


def write_report(folder: Path, control: Path | None = None) -> Path:
    """Write `report.html` into a run's folder from its files; `control` is the folder of a run to compare it with.

    `episodes.jsonl`, `memory.jsonl`, `changes.jsonl` and `summary.json` may be missing. Raises `DataError` where `config.json` is,
    or where a file is malformed, and `MempError` where the page can't be written.
    """
    runs = [_read(each) for each in (folder, control) if each]
    run, shown = runs[0], runs[0].rows[:SHOWN_EPISODES]
    memory = _learned(run, shown)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=run,
            control=runs[1] if control else None,
            differences=differences(run.rows, runs[1].rows) if control else [],
            effects=effects(run.rows, {each.procedure.id: each.procedure.goal for each in memory.shown} if memory else {}),
            constraints=constraints([each.rows for each in runs]),
            curves=_curves(runs),
            ages=ages(run.rows, run.changes),
            costs=_costs(runs),
            unfinished=Counter((row.outcome, row.reason or "no reason given") for row in run.rows if row.outcome != "finished"),
            learned=memory,
            episodes=shown,
        )
    )
    path = folder / "report.html"
    write_atomically(path, page)
    return path


def _read(folder: Path) -> Run:
    config = read_config(folder)
    episodes = folder / "episodes.jsonl"
    rows = sorted(read_rows(episodes) if episodes.exists() else [], key=lambda row: row.index)
    models = Models.of(config)
    summary = counted(rows, model=models.agent, embedding_model=models.embedding)
    return Run(folder, config, rows, summary, read_learning(folder), read_run_changes(folder))


def _learned(run: Run, shown: Sequence[EpisodeRow]) -> Learned | None:
    file = run.folder / "memory.jsonl"
    if not file.exists():
        return None
    imported = bool(run.config.get("memory") or run.config.get("trajectories"))
    return learned(read_memory(file)[1], SHOWN_PROCEDURES, lineage(shown, run.changes, imported=imported))


def _costs(runs: Sequence[Run]) -> Costs | None:
    run, *controls = runs
    ledger = open_ledger(run.learning, run.changes, run.models)
    return costs(run.rows, ledger, (controls[0].name, controls[0].rows, controls[0].models) if controls else None)


def _curves(runs: Sequence[Run]) -> list[curves.Curve]:
    rows = [run.rows for run in runs]
    return [
        *_learning(rows),
        curves.moving("Steps", "steps", rows, curves.steps, "count"),
        curves.moving("Tokens per episode", "tokens", rows, curves.tokens, "count"),
        curves.cost([(run.rows, run.models.episodes) for run in runs]),
    ]


def _learning(rows: Sequence[Sequence[EpisodeRow]]) -> list[curves.Curve]:
    """Success; of TravelPlanner, whose final passes are rare, the share of constraints, too; nothing where both are hidden."""
    if any(map(is_hidden, rows[0])):
        return []
    success = curves.learning("Success", "success", rows, curves.success)
    if not any(row.env in NAMES for row in rows[0]):
        return [success]
    reward = curves.learning("Reward", "reward", rows, curves.reward)
    return [
        success._replace(note=f"Plans that fail no constraint. {success.note}"),
        reward._replace(note=f"Share of the constraints passed. {reward.note}"),
    ]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(FILTERS)
    return environment
