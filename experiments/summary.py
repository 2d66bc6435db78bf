"""`summary.json`: what the episodes of a run amount to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from experiments.judged import figures, is_scored
from experiments.results import EpisodeRow, write_atomically
from experiments.stats import share_interval
from runtime.events import Role, Usage
from runtime.model.usage import cost

Key = TypeVar("Key", str, int)


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
    learning: Mapping[Role, Usage] | None = None,
) -> Summary:
    """Count a run; the models' names give the prices (None: no cost)."""
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
        learning=dict(learning or {}),
        tokens=sum(each.tokens for each in usage.values()),
        cost=costs,
        cost_total=total_cost(usage, costs),
        task_types={key: tally(some) for key, some in _split(rows, lambda each: each.task_type).items()},
        halves=(tally(rows[: len(rows) // 2]), tally(rows[len(rows) // 2 :])),
        groups={key: tally(some) for key, some in _split(rows, lambda each: each.group).items()},
        travelplanner=figures(rows),
    )


def costs_of(usage: Mapping[Role, Usage], *, model: str | None, embedding_model: str | None) -> dict[Role, float]:
    """US dollars per role, of the roles whose model has a known price."""
    costs: dict[Role, float] = {}
    for role, used in usage.items():
        name = embedding_model if role == "embedding" else model
        if name and (price := cost(name, _mean_call(used))) is not None:
            costs[role] = price * max(1, used.calls)
    return costs


def _mean_call(used: Usage) -> Usage:
    """Several models charge more per token for long calls: a sum over a run, priced as if it were one, comes out twice too dear."""
    calls = max(1, used.calls)
    return Usage(input=round(used.input / calls), cached=round(used.cached / calls), output=round(used.output / calls))


def total_cost(usage: Mapping[Role, Usage], costs: Mapping[Role, float]) -> float | None:
    """The sum of `costs`; None where a role's price is not known, unless it is the embedding, which hardly weighs (or is local)."""
    unpriced = usage.keys() - costs.keys() - {"embedding"}
    return sum(costs.values()) if costs and not unpriced else None


def write_summary(folder: Path, summary: Summary) -> Path:
    """Write `summary.json` into a run's folder, atomically. Raises `MempError` where that fails."""
    path = folder / "summary.json"
    write_atomically(path, summary.model_dump_json(indent=2) + "\n")
    return path


def total_usage(rows: Sequence[EpisodeRow]) -> dict[Role, Usage]:
    """Tokens and calls of all rows together, per role."""
    total: dict[Role, Usage] = {}
    for each in rows:
        for role, usage in each.usage.items():
            total[role] = total.get(role, Usage()) + usage
    return total


def _split(rows: Sequence[EpisodeRow], key: Callable[[EpisodeRow], Key | None]) -> dict[Key, list[EpisodeRow]]:
    """Rows by a key, in the key's order; those without one are left out."""
    parts: dict[Key, list[EpisodeRow]] = {}
    for each in rows:
        if (value := key(each)) is not None:
            parts.setdefault(value, []).append(each)
    return dict(sorted(parts.items()))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
