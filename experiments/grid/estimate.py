"""What a grid will take before anything is spent: episodes, calls, tokens, dollars, by what was measured before or is assumed."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from experiments.analysis.prices import costs_of, total_cost
from experiments.grid.assumptions import habit, rules_tokens
from experiments.grid.cells import Cell
from experiments.grid.earlier import Earlier
from experiments.grid.ground import game_count
from experiments.grid.plan import Plan
from experiments.grid.play import Survey
from experiments.offline import read_experience
from experiments.results import EpisodeRow, read_rows
from runtime.config import Settings
from runtime.errors import DataError, MempError
from runtime.events import Role, Usage

Work = Mapping[Role, Usage]


class Estimate(BaseModel):
    """What one cell has still to do. Embeddings are left out: they hardly weigh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: str
    episodes: int
    """To be played; of a memory, trajectories to build from."""
    usage: dict[Role, Usage]
    """Of the model that plays."""
    learning: dict[Role, Usage]
    """Of the model that builds."""
    cost: float | None
    """US dollars; None where a price is not known."""
    basis: Literal["finished", "measured", "assumed", "unknown"]
    problem: str | None = None
    """Why nothing can be said of it."""

    @property
    def calls(self) -> int:
        return sum(used.calls for used in (*self.usage.values(), *self.learning.values()))

    @property
    def tokens(self) -> int:
        return sum(used.tokens for used in (*self.usage.values(), *self.learning.values()))


class Total(NamedTuple):
    """All cells together."""

    episodes: int
    calls: int
    tokens: int
    cost: float | None
    """US dollars of what has a known price; None where nothing has."""
    whole: bool
    """Whether something could be said of every cell."""
    priced: bool
    """Whether the cost is of every cell."""


def total(estimates: Sequence[Estimate]) -> Total:
    """The sums of what is known; episodes are those to be played."""
    costs = [each.cost for each in estimates if each.calls]
    known, whole = [cost for cost in costs if cost is not None], not any(each.problem for each in estimates)
    return Total(
        episodes=sum(each.episodes for each in estimates if each.kind != "memory"),
        calls=sum(each.calls for each in estimates),
        tokens=sum(each.tokens for each in estimates),
        cost=sum(known) if known or not costs else None,
        whole=whole,
        priced=whole and len(known) == len(costs),
    )


def estimate(plan: Plan, cells: Sequence[Cell], settings: Settings, survey: Survey, *, games: int) -> list[Estimate]:
    """What each cell will take, nothing being started; `games` is how many each generated split will have."""
    earlier = Earlier(plan.name, settings.runs_dir)
    found: dict[str, Estimate] = {}
    kept = partial(_kept, settings=settings, survey=survey)
    for cell in cells:
        if cell.name in survey.done:
            found[cell.name] = Estimate(name=cell.name, kind=cell.kind, episodes=0, usage={}, learning={}, cost=0.0, basis="finished")
            continue
        try:
            count = _trajectories(cell, found, kept, earlier) if cell.kind == "memory" else _left(cell, settings, games, len(kept(cell)))
            found[cell.name] = _estimate(cell, count, earlier, settings)
        except MempError as error:
            found[cell.name] = Estimate(
                name=cell.name, kind=cell.kind, episodes=0, usage={}, learning={}, cost=None, basis="unknown", problem=str(error)
            )
    return list(found.values())


def _kept(cell: Cell, settings: Settings, survey: Survey) -> list[EpisodeRow]:
    """Its episodes so far, unless they will be deleted."""
    recorded = settings.runs_dir / cell.name / "episodes.jsonl"
    return read_rows(recorded) if recorded.exists() and cell.name not in survey.outdated else []


def _left(cell: Cell, settings: Settings, games: int, played: int) -> int:
    """Episodes that have not been recorded yet."""
    config = cell.config
    count = game_count(config.env, config.split, settings, games)
    return max(0, min(count, config.limit or count) - played)


def _trajectories(cell: Cell, found: Mapping[str, Estimate], kept: Callable[[Cell], Sequence[EpisodeRow]], earlier: Earlier) -> int:
    """Trajectories that a memory is built from: the stored ones, or the successes of the episodes that are played for it."""
    source = cell.needs
    if source is None or found[source.name].basis == "finished":
        return sum(trajectory.success for trajectory in read_experience(cell.config, epoch=0))
    if found[source.name].problem:
        raise DataError(f"it needs {source.name}, of which nothing is known")
    measured = earlier.solved(source)
    share = habit(cell.config.env).solved if measured is None else measured
    return sum(row.success for row in kept(source)) + round(found[source.name].episodes * share)


def _estimate(cell: Cell, count: int, earlier: Earlier, settings: Settings) -> Estimate:
    measured = earlier.of(cell)
    usage, learning = (_scaled(part, count) for part in measured) if measured else assumed(cell, count)
    return Estimate(
        name=cell.name,
        kind=cell.kind,
        episodes=count,
        usage=usage,
        learning=learning,
        cost=_cost(cell, usage, learning, settings),
        basis="measured" if measured else "assumed",
    )


def _scaled(work: Mapping[Role, tuple[float, float, float, float]], count: int) -> dict[Role, Usage]:
    """Means per episode (calls, input, cached, output), times so many."""
    return {
        role: Usage(calls=round(calls * count), input=round(given * count), cached=round(cached * count), output=round(told * count))
        for role, (calls, given, cached, told) in work.items()
    }


def assumed(cell: Cell, count: int) -> tuple[dict[Role, Usage], dict[Role, Usage]]:
    """What `count` episodes (of a memory: trajectories) take of the model that plays, and of the one that builds."""
    if cell.kind == "memory":
        return {}, _building(cell, count, cell.config.retrieve == "avefact")
    usage = _playing(cell, count)
    if not cell.config.learns:
        return usage, {}
    each, by_facts = habit(cell.config.env), cell.config.retrieve == "avefact"
    learned = count if cell.config.update == "vanilla" else round(count * each.solved_guided)
    learning = _building(cell, learned, by_facts)
    if cell.config.update == "adjustment":
        calls = round(count * (1 - each.solved_guided) * cell.config.top_k)
        given = rules_tokens(cell.config.env) + each.procedure["trajectory"] + each.procedure[cell.config.build]
        learning["adjustment"] = Usage(calls=calls, input=calls * given, output=calls * each.procedure["script"])
    return usage, learning


def _playing(cell: Cell, count: int) -> dict[Role, Usage]:
    config, each = cell.config, habit(cell.config.env)
    steps = min(each.guided if config.use_memory else each.steps, config.max_steps)
    guidance = config.top_k * each.procedure[config.build] if config.use_memory else 0
    prompt = rules_tokens(config.env) + each.first + guidance
    given = steps * prompt + each.step * steps * (steps - 1) / 2
    usage: dict[Role, Usage] = {
        "agent": Usage(calls=round(count * steps), input=round(count * given), output=round(count * steps * each.answer))
    }
    if each.planning:
        given, told = each.planning
        usage["planner"] = Usage(calls=count, input=count * (given + guidance), output=count * told)
        usage["conversion"] = Usage(calls=count, input=count * (told + 1000), output=count * told)
    if config.use_memory and config.retrieve == "avefact":
        usage["facts"] = _facts(cell, count)
    return usage


def _building(cell: Cell, count: int, by_facts: bool) -> dict[Role, Usage]:
    each, learning = habit(cell.config.env), dict[Role, Usage]()
    if cell.config.build != "trajectory":
        given = rules_tokens(cell.config.env) + each.procedure["trajectory"] + 200  # the frame of the prompt
        learning["builder"] = Usage(calls=count, input=count * given, output=count * each.procedure["script"])
    if by_facts:
        learning["facts"] = _facts(cell, count)
    return learning


def _facts(cell: Cell, count: int) -> Usage:
    return Usage(calls=count, input=count * (rules_tokens(cell.config.env) + 150), output=count * 40)


def _cost(cell: Cell, usage: Work, learning: Work, settings: Settings) -> float | None:
    """Each model by its own price; no calls cost nothing."""
    parts = ((cell.config.model, usage), (cell.builder or cell.config.model, learning))
    costs = [_priced(model, {role: used for role, used in work.items() if used.calls}, settings) for model, work in parts]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _priced(model: str, work: Work, settings: Settings) -> float | None:
    if not work:
        return 0.0
    return total_cost(work, costs_of(work, model=model, embedding_model=settings.embedding_model))
