"""The lifelong run's phases and figures: what it plays, and that it tells a life that forgets from one that does not."""

from pathlib import Path

import pytest

from bench.lifelong import LEAST, arguments, fallen, outgrown
from bench.lifelong_figures import coming_back, difference, phase_row, told, verdict
from bench.lifelong_run import Holding, Life
from bench.lifelong_world import KINDS, REPEATS, Phase, build_world
from experiments.analysis.stats import Interval
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
        (0.0, "no worse than +0.0 points"),
        (0.0, "no worse than +0.0 points"),
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


def test_phase_that_is_shown_to_end_behind_its_start_is_a_fault_and_one_that_may_is_none() -> None:
    rows = [{"end − start": interval} for interval in (Interval(-9.0, -12.0, -6.0), Interval(-9.0, -19.0, 1.0), Interval(9.0, 1.0, 19.0))]
    assert fallen(rows) == ["phase 1 ends behind its own start, by -9.0 (-12.0 to -6.0) points"]
    assert [verdict(row["end − start"]) for row in rows] == ["falls behind", "no worse than -19.0 points", "gains"]


@pytest.mark.parametrize("earlier", [[], [sample_row(0)]], ids=["none", "one game"])
def test_difference_without_two_games_and_both_sides_has_no_bounds(earlier: list[EpisodeRow]) -> None:
    found = difference(earlier, earlier)
    assert (found.known, verdict(found), fallen([{"end − start": found}])) == (False, "not known", [])
    assert told(found) == ("+0.0" if earlier else "not played")


def test_shortest_life_has_figures_and_a_shorter_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    phases = build_world(LEAST, 1, tmp_path)
    short = life(phases, set())
    rows = [phase_row(phase, short, Holding(active=1, procedures=1, goals=1)) for phase in phases]
    assert [(row["n"], row["games"], row["end − start"].mean) for row in rows] == [(LEAST // len(KINDS), 2, 0.0)] * len(KINDS)
    assert len(coming_back(phases, short)) == 4
    with pytest.raises(SystemExit, match="2"):
        arguments(["--tasks", str(LEAST - 1)])
    assert "take 40 or more" in capsys.readouterr().err
