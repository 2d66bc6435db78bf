"""The lifelong run's phases and figures: what it plays, and that it tells a life that forgets from one that does not."""

from pathlib import Path

import pytest

from bench.lifelong import outgrown
from bench.lifelong_figures import coming_back, phase_row, verdict
from bench.lifelong_run import Holding, Life
from bench.lifelong_world import KINDS, REPEATS, Phase, build_world
from experiments.results import EpisodeRow
from runtime.events import Task
from tests.experiments.samples import failed_row, sample_row

TASKS = 160


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory) -> list[Phase]:
    return build_world(TASKS, 1, tmp_path_factory.mktemp("games"))


def games(phase: Phase) -> set[str]:
    return {str(task.game["path"]) for task in phase.tasks}


def played(task: Task, success: bool) -> EpisodeRow:
    made = sample_row if success else failed_row
    return made(task.index, task_id=task.id, game=str(task.game["path"]))


def life(phases: list[Phase], forgotten: set[str]) -> Life:
    """One in which all is won, with memory and without, but for these games in the last phase with memory."""
    rows = [played(task, not (phase is phases[-1] and task.game["path"] in forgotten)) for phase in phases for task in phase.tasks]
    return Life(rows, [played(task, True) for phase in phases for task in phase.sample()])


def test_world_has_phases_of_different_kinds_and_half_of_the_first_comes_back(phases: list[Phase]) -> None:
    tasks = [task for phase in phases for task in phase.tasks]
    assert [task.index for task in tasks] == list(range(TASKS))
    assert len({task.id for task in tasks}) == TASKS
    for phase, kind in zip(phases, KINDS, strict=True):
        assert all(kind.fits(path) for path in games(phase))
        assert len(phase.tasks) == REPEATS * len(games(phase)) == TASKS // len(KINDS)
    assert len(games(phases[0]) & games(phases[-1])) == len(games(phases[0])) // 2
    assert not set.intersection(*(games(phase) for phase in phases[1:]))
    assert len({task.spec.seed for task in tasks}) == TASKS
    assert not any(task.spec.use_memory for phase in phases for task in phase.sample())


def test_world_of_the_same_seed_is_the_same(phases: list[Phase], tmp_path: Path) -> None:
    assert build_world(TASKS, 1, tmp_path) == phases


def test_life_that_forgets_its_old_games_falls_behind_on_them_alone(phases: list[Phase]) -> None:
    back = coming_back(phases, life(phases, games(phases[0])))
    assert [(interval.mean, verdict(interval)) for interval in back.values()] == [
        (-100.0, "falls behind"),
        (-100.0, "falls behind"),
        (0.0, "no difference shown"),
        (0.0, "no difference shown"),
    ]


def test_phase_that_is_lost_with_memory_alone_is_told_as_behind_its_control(phases: list[Phase]) -> None:
    row = phase_row(phases[-1], life(phases, games(phases[-1])), Holding(active=3, procedures=5, goals=8))
    assert (row["end %"], row["control %"], row["deprecated"]) == (0.0, 100.0, 2)
    assert verdict(row["memory − control"]) == "falls behind"


def test_memory_with_more_active_procedures_than_goals_is_told() -> None:
    assert outgrown([Holding(active=8, procedures=9, goals=8)]) == []
    assert outgrown([Holding(active=8, procedures=9, goals=8), Holding(active=9, procedures=9, goals=8)]) == [
        "after phase 2 there are 9 active procedures and 8 goals"
    ]
