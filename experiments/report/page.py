"""Puts the page together. Goals, observations and model output are untrusted: the template escapes all of them."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from envs.travelplanner.description import NAMES
from experiments.judged import is_delivered, is_hidden
from experiments.report import curves
from experiments.report.compare import differences
from experiments.report.constraints import constraints
from experiments.report.learned import learned
from experiments.results import EpisodeRow, read_rows, write_atomically
from experiments.run_folder import read_config
from experiments.summary import Summary, costs_of, summarise, total_cost, total_usage
from memory.transfer import read_memory

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

    @property
    def name(self) -> str:
        return str(self.config.get("exp_name") or self.folder.name)

    @property
    def model(self) -> str:
        return str(self.config.get("model") or "an unnamed model")

    @property
    def stand_in(self) -> bool:
        return self.model.startswith("stand-in")


def write_report(folder: Path, control: Path | None = None) -> Path:
    """Write `report.html` into a run's folder from its files; `control` is the folder of a run to compare it with.

    `episodes.jsonl` and `memory.jsonl` may be missing. Raises `DataError` where `config.json` is, or where a file is
    malformed, and `MempError` where the page can't be written.
    """
    runs = [_read(each) for each in (folder, control) if each]
    memory = folder / "memory.jsonl"
    template = _environment().get_template("report.html.j2")
    page = template.render(
        run=runs[0],
        control=runs[1] if control else None,
        differences=differences(runs[0].rows, runs[1].rows) if control else [],
        constraints=constraints([run.rows for run in runs]),
        curves=_curves(runs),
        unfinished=Counter((row.outcome, row.reason or "no reason given") for row in runs[0].rows if row.outcome != "finished"),
        learned=learned(read_memory(memory)[1], SHOWN_PROCEDURES) if memory.exists() else None,
        episodes=runs[0].rows[:SHOWN_EPISODES],
    )
    path = folder / "report.html"
    write_atomically(path, page)
    return path


def _read(folder: Path) -> Run:
    config = read_config(folder)
    episodes = folder / "episodes.jsonl"
    rows = sorted(read_rows(episodes) if episodes.exists() else [], key=lambda row: row.index)
    models = _models(config)
    return Run(folder, config, rows, summarise(rows, model=models["model"], embedding_model=models["embedding_model"]))


def _models(config: dict[str, Any]) -> dict[str, str | None]:
    return {name: str(config[name]) if config.get(name) else None for name in ("model", "embedding_model")}


def _curves(runs: Sequence[Run]) -> list[curves.Curve]:
    rows = [run.rows for run in runs]
    return [
        *_learning(rows),
        curves.moving("Steps", "steps", rows, curves.steps, "count"),
        curves.moving("Tokens per episode", "tokens", rows, curves.tokens, "count"),
        curves.cost([(run.rows, _price(run)) for run in runs]),
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


def _price(run: Run) -> curves.Price:
    models = _models(run.config)

    def price(rows: Sequence[EpisodeRow]) -> float | None:
        usage = total_usage(rows)
        return total_cost(usage, costs_of(usage, **models))

    return price


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., str]] = {
        "outcome": _outcome,
        "reward": _reward,
        "share": _share,
        "number": _number,
        "signed": _signed,
        "short": _short,
        "times": _times,
        "plain": _plain,
    }
    environment.filters.update(filters)
    return environment


def _outcome(row: EpisodeRow) -> str:
    """How an episode ended, in a word or two."""
    if row.outcome != "finished":
        return row.outcome
    if is_hidden(row):
        return "delivered" if is_delivered(row) else "no plan"
    return "success" if row.success else "failure"


def _reward(row: EpisodeRow) -> str:
    return _number(None if is_hidden(row) else row.reward, 2)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _short(value: int) -> str:
    """A count of tokens; millions, rounded, from ten of them."""
    return f"{value:,}" if value < 10_000_000 else f"{value / 1e6:,.1f} M"


def _times(count: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def _signed(value: float, share: bool, digits: int) -> str:
    """A difference, of shares in percentage points, with a typographic minus."""
    return f"{value * 100 if share else value:+,.{digits}f}".replace("-", "−")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
