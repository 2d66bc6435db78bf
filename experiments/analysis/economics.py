"""What memory costs and what it saves: per episode, and after how many episodes it has paid for itself.

An episode's own calls hold memory's share of them already: guidance makes prompts longer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from experiments.analysis.contrast import contrast_means
from experiments.analysis.pairing import Games, Value, by_game, game_of, mean_of_games, shared_games
from experiments.analysis.prices import Models, added
from experiments.analysis.run_changes import RunChanges
from experiments.analysis.stats import paired_interval
from experiments.results import EpisodeRow
from runtime.events import Role, Usage

Measure = Literal["steps", "calls", "tokens", "dollars"]


class Spent(BaseModel):
    """What was asked of models; `dollars` is None where a price is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: int
    tokens: int
    dollars: float | None


class Saving(BaseModel):
    """Means of finished episodes, and what one with memory takes less, with its 95 % interval (None where it can't be told)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: float
    run_n: int
    control: float
    control_n: int
    """Against another run both are the number of shared games."""
    saved: float
    low: float | None
    high: float | None


class BreakEven(BaseModel):
    """Episodes after which what was spent on learning is saved, if each saves as much; None is never."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    episodes: float | None
    earliest: float | None
    """At the upper end of the saving's interval, and `latest` at its lower; None is never, or not known."""
    latest: float | None


class Economics(BaseModel):
    """The `economics` part of `summary.json`; savings are against the episodes of the run that memory was withheld from, if any were."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    learning: Spent
    saved: dict[Measure, Saving]
    """Per episode."""
    break_even: dict[Measure, BreakEven]


class Account(NamedTuple):
    """Cost added up over compared episodes: of the run with what learning had cost by then, and of the control."""

    run: list[float]
    control: list[float]

    @property
    def crossing(self) -> int | None:
        """The number of episodes from which on the run is no dearer, to the end; None where it is so never."""
        dearer = [place for place, (run, control) in enumerate(zip(self.run, self.control, strict=True), start=1) if run > control]
        last = max(dearer, default=0)
        return last + 1 if last < len(self.run) else None


class Ledger(NamedTuple):
    """What was spent on learning: in all, and by the task whose episode it was learned from."""

    learning: Mapping[Role, Usage]
    by_task: Mapping[str, Mapping[Role, Usage]]
    models: Models

    @property
    def spent(self) -> Spent:
        return spent(self.learning, self.models.learning(self.learning))

    def of(self, measure: Measure, usage: Mapping[Role, Usage]) -> float | None:
        """What some learning comes to; None where it is not known (no price), or means nothing (steps)."""
        if measure == "steps":
            return None
        return getattr(spent(usage, self.models.learning(usage)), measure) if usage else 0.0


def spent(usage: Mapping[Role, Usage], dollars: float | None) -> Spent:
    """What the roles spent together."""
    return Spent(calls=sum(each.calls for each in usage.values()), tokens=sum(each.tokens for each in usage.values()), dollars=dollars)


def open_ledger(learning: Mapping[Role, Usage], changes: RunChanges | None, models: Models) -> Ledger:
    """`learning` is the total that the run counted; where it is empty, what the changes say."""
    parts: dict[str, list[Mapping[Role, Usage]]] = {}
    for each in changes.learned if changes else ():
        parts.setdefault(each.trajectory.partition(":")[2], []).append(each.usage)
    by_task = {task: added(usages) for task, usages in parts.items()}
    return Ledger(dict(learning) or added(by_task.values()), by_task, models)


def value_of(measure: Measure, models: Models) -> Value:
    """How an episode that was played to its end has a measure."""
    found: dict[Measure, Callable[[EpisodeRow], float | None]] = {
        "steps": lambda row: float(row.steps),
        "calls": lambda row: float(sum(each.calls for each in row.usage.values())),
        "tokens": lambda row: float(row.tokens),
        "dollars": lambda row: models.episodes([row]),
    }
    return lambda row: found[measure](row) if row.outcome == "finished" else None


MEASURES: tuple[Measure, ...] = ("steps", "calls", "tokens", "dollars")


def economics(rows: Sequence[EpisodeRow], ledger: Ledger) -> Economics | None:
    """None where nothing was learned and nothing withheld. What an imported memory cost is not known: nothing breaks even with it."""
    saved = savings_within(rows, ledger.models)
    if not ledger.learning and not saved:
        return None
    return Economics(learning=ledger.spent, saved=saved, break_even=break_evens(ledger, saved) if ledger.learning else {})


def savings_within(rows: Sequence[EpisodeRow], models: Models) -> dict[Measure, Saving]:
    """Against the episodes that memory was withheld from; empty where one arm is."""
    found: dict[Measure, Saving] = {}
    for measure in MEASURES:
        value = value_of(measure, models)
        run, control = ([each for row in rows if row.arm == arm and (each := value(row)) is not None] for arm in ("memory", "control"))
        less = contrast_means(control, run)
        if less.treated is not None and less.control is not None and less.difference is not None:
            found[measure] = Saving(
                run=less.control,
                run_n=less.control_n,
                control=less.treated,
                control_n=less.treated_n,
                saved=less.difference,
                low=less.low,
                high=less.high,
            )
    return found


def savings_against(
    rows: Sequence[EpisodeRow], control: Sequence[EpisodeRow], models: Models, control_models: Models
) -> dict[Measure, Saving]:
    """Episodes with memory against another run, paired by the games that both finished; empty where there are none."""
    rows = [row for row in rows if row.arm == "memory"]
    found: dict[Measure, Saving] = {}
    for measure in MEASURES:
        games = by_game(rows, value_of(measure, models)), by_game(control, value_of(measure, control_models))
        treated, untreated = shared_games(*games)
        if treated:
            found[measure] = _paired(treated, untreated)
    return found


def _paired(run: Games, control: Games) -> Saving:
    less = paired_interval(control, run)
    low, high = (less.low, less.high) if less.known else (None, None)
    means = {"run": mean_of_games(run), "control": mean_of_games(control)}
    return Saving(**means, run_n=len(run), control_n=len(control), saved=less.mean, low=low, high=high)


def break_evens(ledger: Ledger, saved: Mapping[Measure, Saving]) -> dict[Measure, BreakEven]:
    """Of the measures that learning has a cost in."""
    found: dict[Measure, BreakEven] = {}
    for measure, saving in saved.items():
        if (cost := ledger.of(measure, ledger.learning)) is not None:
            found[measure] = break_even(cost, saving)
    return found


def break_even(cost: float, saving: Saving) -> BreakEven:
    """Learning's cost divided by the saving per episode."""

    def at(saved: float | None) -> float | None:
        return cost / saved if saved is not None and saved > 0 else None

    return BreakEven(episodes=at(saving.saved), earliest=at(saving.high), latest=at(saving.low))


def account(rows: Sequence[EpisodeRow], value: Value, control: Value, ledger: Ledger, measure: Measure) -> Account | None:
    """Add up over `rows`, in order, those that both values are known of; None where there are none, or no price is known.

    Learning counts with the episode that it came of. What came of none of them (a memory built before the first) counts from the start.
    """
    parts = [ledger.of(measure, ledger.by_task.get(row.task_id, {})) for row in rows]
    whole = ledger.of(measure, ledger.learning)
    if whole is None or None in parts:
        return None
    learned = [part or 0.0 for part in parts]
    run, untreated = max(0.0, whole - sum(learned)), 0.0
    found = Account([], [])
    for row, part in zip(rows, learned, strict=True):
        run += part
        mine, theirs = value(row), control(row)
        if mine is not None and theirs is not None:
            run, untreated = run + mine, untreated + theirs
            found.run.append(run)
            found.control.append(untreated)
    return found if found.run else None


def of_same_game(control: Sequence[EpisodeRow], value: Value) -> Value:
    """The mean that another run has for an episode's game."""
    games = {game: sum(values) / len(values) for game, values in by_game(control, value).items()}
    return lambda row: games.get(game_of(row))
