"""`summary.json`: what the episodes of a run amount to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.analysis.economics import Economics, economics, open_ledger
from experiments.analysis.judged import figures, is_scored
from experiments.analysis.prices import Models, costs_of, total_cost, total_usage
from experiments.analysis.run_changes import RunChanges
from experiments.analysis.staleness import Staleness, staleness
from experiments.analysis.stats import share_interval
from experiments.analysis.uplift import Uplift, uplift
from experiments.results import EpisodeRow, write_atomically
from runtime.errors import DataError
from runtime.events import Role, Usage, unreadable

Key = TypeVar("Key", str, int)


def _is_none(part: BaseModel | None) -> bool:
    return part is None


class Tally(BaseModel):
    """What episodes amount to. Rates and means are None where nothing stands to be counted.

    Success and reward are means over finished and dead episodes (dead ones failed, with reward 0), steps over finished ones.
    Where the benchmark hides what its plans are checked against, success and reward are None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    success_rate: float | None
    mean_reward: float | None
    mean_steps: float | None


class Summary(Tally):
    """`summary.json`. `usage`, tokens and cost are the episodes'; `learning` is what the curator spent on building and adjusting."""

    finished: int
    aborted: int
    dead: int
    success_interval: tuple[float, float] | None
    """95 % interval of the success rate (Wilson)."""
    retrieved_share: float | None
    """Share of the finished episodes that were given a procedure."""
    usage: dict[Role, Usage]
    learning: dict[Role, Usage]
    tokens: int
    """Input and output of all roles; aborted episodes included, they were paid for."""
    cost: dict[Role, float]
    """US dollars; a role whose model has no known price is left out."""
    cost_total: float | None
    """None where the price of a role but the embedding's is not known."""
    task_types: dict[str, Tally]
    halves: tuple[Tally, Tally]
    """First and last half of the tasks, by their order in the run."""
    groups: dict[int, Tally]
    """Grouped mode's learning curve."""
    travelplanner: Annotated[dict[str, float], Field(exclude_if=lambda figures: not figures)] = {}
    """TravelPlanner's six figures in percent (of its test split, delivery alone); left out for other environments."""
    uplift: Annotated[Uplift | None, Field(exclude_if=_is_none)] = None
    """What memory causes; left out where nothing was withheld by chance."""
    staleness: Annotated[Staleness | None, Field(exclude_if=_is_none)] = None
    """How old the memory was that episodes saw; left out where the run has no history."""
    economics: Annotated[Economics | None, Field(exclude_if=_is_none)] = None
    """What learning cost and saved; left out where nothing was learned."""


def tally(rows: Sequence[EpisodeRow]) -> Tally:
    """Count `rows`; see `Tally` for what enters where."""
    scored = [each for each in rows if is_scored(each)]
    return Tally(
        n=len(rows),
        success_rate=_mean([each.success for each in scored]),
        mean_reward=_mean([each.reward for each in scored]),
        mean_steps=_mean([each.steps for each in rows if each.outcome == "finished"]),
    )


def summarise(
    rows: Sequence[EpisodeRow],
    *,
    model: str | None = None,
    embedding_model: str | None = None,
    builder_model: str | None = None,
    learning: Mapping[Role, Usage] | None = None,
    changes: RunChanges | None = None,
) -> Summary:
    """Count a run, and what memory did in it; the models' names give the prices (None: no cost, but of a builder: the model's own)."""
    models = Models(model, builder_model or model, embedding_model)
    return counted(rows, model=model, embedding_model=embedding_model).model_copy(
        update={
            "learning": dict(learning or {}),
            "uplift": uplift(rows),
            "staleness": staleness(rows, changes) if changes else None,
            "economics": economics(rows, open_ledger(learning or {}, changes, models)),
        }
    )


def counted(rows: Sequence[EpisodeRow], *, model: str | None = None, embedding_model: str | None = None) -> Summary:
    """Count the episodes of a run alone."""
    rows = sorted(rows, key=lambda each: each.index)
    finished = [each for each in rows if each.outcome == "finished"]
    scored = [each for each in rows if is_scored(each)]
    interval = share_interval(sum(each.success for each in scored), len(scored)) if scored else None
    usage = total_usage(rows)
    costs = costs_of(usage, model=model, embedding_model=embedding_model)
    return Summary(
        **tally(rows).model_dump(),
        finished=len(finished),
        aborted=sum(each.outcome == "aborted" for each in rows),
        dead=sum(each.outcome == "dead" for each in rows),
        success_interval=(interval.low, interval.high) if interval else None,
        retrieved_share=_mean([bool(each.retrieved) for each in finished]),
        usage=usage,
        learning={},
        tokens=sum(each.tokens for each in usage.values()),
        cost=costs,
        cost_total=total_cost(usage, costs),
        task_types={key: tally(some) for key, some in _split(rows, lambda each: each.task_type).items()},
        halves=(tally(rows[: len(rows) // 2]), tally(rows[len(rows) // 2 :])),
        groups={key: tally(some) for key, some in _split(rows, lambda each: each.group).items()},
        travelplanner=figures(rows),
    )


def write_summary(folder: Path, summary: Summary) -> Path:
    """Write `summary.json` into a run's folder, atomically. Raises `MempError` where that fails."""
    path = folder / "summary.json"
    write_atomically(path, summary.model_dump_json(indent=2) + "\n")
    return path


def read_learning(folder: Path) -> dict[Role, Usage]:
    """What the curator spent, of a run's `summary.json`, of whatever version; empty where there is none. Raises `DataError` where it
    can't be read."""
    path = folder / "summary.json"
    if not path.exists():
        return {}
    try:
        return _Learning.model_validate_json(path.read_bytes()).learning
    except ValidationError as error:
        raise DataError(f"{path} is damaged ({unreadable(error)}): delete it, and give the run's command again") from None


class _Learning(BaseModel):
    learning: dict[Role, Usage] = {}


def _split(rows: Sequence[EpisodeRow], key: Callable[[EpisodeRow], Key | None]) -> dict[Key, list[EpisodeRow]]:
    """Rows by a key, in the key's order; those without one are left out."""
    parts: dict[Key, list[EpisodeRow]] = {}
    for each in rows:
        if (value := key(each)) is not None:
            parts.setdefault(value, []).append(each)
    return dict(sorted(parts.items()))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
