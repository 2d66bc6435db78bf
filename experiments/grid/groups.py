"""Online runs group by group (the paper's figure 3): reward added up, steps, and both against the control of the same order."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from pydantic import BaseModel, ConfigDict

from experiments.analysis.stats import runs_interval
from experiments.grid.cells import Cell
from experiments.grid.measures import REWARD, STEPS, Figure, Measure, Rows, figure, told
from experiments.grid.plan import NONE
from experiments.results import EpisodeRow


class Group(BaseModel):
    """One group of tasks of one arm, over its runs; None where no run has a figure of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str
    split: str
    model: str
    arm: str
    group: int
    tasks: int
    """Episodes, of all runs."""
    cumulative_reward: Figure
    """Reward of a run's tasks up to the end of the group, added up."""
    steps: Figure | None
    """Mean steps of the group's tasks."""
    reward_gain: Figure | None = None
    """Mean reward of the group's tasks less the control's on the same tasks."""
    steps_change: Figure | None = None
    """Mean steps less the control's: a reduction is negative."""


Parts = Mapping[int, Sequence[EpisodeRow]]
"""A run's episodes by group."""


def groups(cells: Sequence[Cell], rows: Rows, size: int) -> tuple[Group, ...]:
    """All groups of all arms, in the order of the cells."""
    arms: dict[tuple[str, str, str, str], dict[int, Parts]] = {}
    for cell in cells:
        if cell.kind == "episodes" and cell.name in rows:
            config = cell.config
            arms.setdefault((config.env, config.split, config.model, cell.arm), {})[config.seed] = _parts(rows[cell.name], size)
    return tuple(group for key, runs in arms.items() for group in _groups(key, runs, arms.get((*key[:3], NONE), {})))


def _parts(rows: Sequence[EpisodeRow], size: int) -> Parts:
    """The control learns nothing and knows no groups: its tasks are cut as the others' are."""
    parts: dict[int, list[EpisodeRow]] = {}
    for row in sorted(rows, key=lambda row: row.index):
        parts.setdefault(row.index // size, []).append(row)
    return parts


def _groups(key: tuple[str, str, str, str], runs: Mapping[int, Parts], control: Mapping[int, Parts]) -> list[Group]:
    env, split, model, arm = key
    numbers = sorted({number for parts in runs.values() for number in parts})
    sums = [list(accumulate(_reward(parts.get(number, ())) for number in numbers)) for parts in runs.values()]
    return [
        Group(
            env=env,
            split=split,
            model=model,
            arm=arm,
            group=number,
            tasks=sum(len(parts.get(number, ())) for parts in runs.values()),
            cumulative_reward=_cumulative(
                [each[at] for each in sums], sum(len(parts.get(each, ())) for parts in runs.values() for each in numbers[: at + 1])
            ),
            steps=_figure(runs, {}, number, STEPS),
            reward_gain=None if arm == NONE or not control else _figure(runs, control, number, REWARD),
            steps_change=None if arm == NONE or not control else _figure(runs, control, number, STEPS),
        )
        for at, number in enumerate(numbers)
    ]


def _reward(rows: Sequence[EpisodeRow]) -> float:
    return sum(found[0] for row in rows if (found := REWARD.of(row)) is not None)


def _cumulative(values: Sequence[float], episodes: int) -> Figure:
    return told(runs_interval(values), episodes, len(values), "runs")


def _figure(runs: Mapping[int, Parts], control: Mapping[int, Parts], number: int, measure: Measure) -> Figure | None:
    if not control:
        return figure([parts.get(number, ()) for parts in runs.values()], measure, whole=True)
    shared = sorted(runs.keys() & control.keys())
    mine, others = ([of[seed].get(number, ()) for seed in shared] for of in (runs, control))
    return figure(mine, measure, whole=True, control=others)
