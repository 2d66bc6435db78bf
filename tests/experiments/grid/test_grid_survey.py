"""What earlier runs have left: finished, to be cleared and played afresh, or of something else; and what is left to be reckoned."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from envs.travelplanner import country
from experiments.config import OtherRun, RunConfig, check_folder, make_tasks, prepare_folder, resolved, run_digest
from experiments.demo import SEED
from experiments.grid.cells import Cell, lay_out
from experiments.grid.estimate import Estimate, estimate, total
from experiments.grid.ground import check_ground
from experiments.grid.play import Survey, apart, survey
from experiments.grid.show import print_estimate
from experiments.results import EpisodeLog
from runtime.config import Settings
from runtime.errors import DataError, UsageError
from tests.experiments.grid.grids import choice, plan
from tests.experiments.samples import failed_row, revision, sample_procedure, sample_row, write_memory

GAMES = 4
TRIPS: dict[str, Any] = {"splits": {"travelplanner": ("validation",)}}
STORED = '{"id": "a", "goal": "g", "messages": [{"role": "user", "content": "look"}, {"role": "assistant", "content": "Action: go"}]}\n'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("country")
    country.generate(folder, SEED, {"train": GAMES, "validation": GAMES, "test": 0})
    return folder


@pytest.fixture
def settings(data: Path, tmp_path: Path) -> Settings:
    return Settings(runs_dir=tmp_path / "runs", data_dir=tmp_path / "data", travelplanner_data=data, alfworld_data=None)


def laid_out(settings: Settings, **changes: Any) -> list[Cell]:
    return lay_out(plan(**TRIPS), choice(settings.runs_dir, **TRIPS | changes))


def finish(cells: list[Cell], settings: Settings) -> None:
    """Leave what finished runs leave, each begun with what those before it have left."""
    for at, cell in enumerate(cells):
        folder = settings.runs_dir / cell.name
        folder.mkdir(parents=True)
        write_memory(folder / "memory.jsonl", sample_procedure(revision(1, "s"), id=f"{at:016x}"))
        for name in ("report.html", "summary.json", "trajectories.jsonl"):
            (folder / name).write_text(STORED)
        prepare_folder(resolved(cell.config, settings, [] if cell.kind == "memory" else make_tasks(cell.config, settings, epoch=0)), folder)


def names(cells: list[Cell], *kinds: str) -> set[str]:
    return {cell.name for cell in cells if cell.kind in kinds}


def test_survey_data_that_is_missing_leaves_finished_results_alone(settings: Settings) -> None:
    cells = laid_out(settings)
    finish(cells, settings)
    found = survey(cells, settings.model_copy(update={"travelplanner_data": None}), overwrite=False)
    assert (found.problems.keys(), found.outdated) == (names(cells, "source", "episodes"), set())
    assert survey(cells, settings.model_copy(update={"travelplanner_data": None}), overwrite=True).outdated == set()
    assert survey(cells, settings, overwrite=False) == ({cell.name for cell in cells}, {}, set())


def test_survey_other_trajectories_in_the_same_file_outdate_the_memory_and_who_uses_it(settings: Settings, tmp_path: Path) -> None:
    stored = tmp_path / "stored.jsonl"
    stored.write_text(STORED)
    cells = laid_out(settings, experience={"travelplanner": stored})
    finish(cells, settings)
    stored.write_text(STORED * 2)
    found = survey(cells, settings, overwrite=False)
    assert (found.done, found.outdated) == ({cells[0].name}, {cell.name for cell in cells[1:]})


def test_survey_memory_that_was_built_anew_outdates_the_cells_of_another_command(settings: Settings) -> None:
    cells = laid_out(settings)
    finish(cells, settings)
    [memory] = names(cells, "memory")
    write_memory(settings.runs_dir / memory / "memory.jsonl", sample_procedure(revision(1, "another")))
    found = survey(cells, settings, overwrite=False)
    assert memory in found.done
    assert found.outdated == {cell.name for cell in cells if cell.config.memory}


def test_survey_run_of_before_the_content_was_noted_is_finished(settings: Settings) -> None:
    cells = laid_out(settings)
    finish(cells, settings)
    for cell in cells:
        folder = settings.runs_dir / cell.name
        old = RunConfig.model_validate_json((folder / "config.json").read_text()).model_copy(update={"experience": None})
        prepare_folder(old, folder)
        assert "experience" not in (folder / "config.json").read_text()
    assert survey(cells, settings, overwrite=False).done == {cell.name for cell in cells}


def test_run_by_hand_with_other_content_in_its_memory_is_refused(tmp_path: Path) -> None:
    def config() -> RunConfig:
        return resolved(RunConfig(mode="offline", exp_name="run", model="m", memory=tmp_path / "memory.jsonl"), Settings(), [])

    (tmp_path / "memory.jsonl").write_text("one")
    before = config()
    prepare_folder(before, tmp_path)
    check_folder(config(), tmp_path)
    (tmp_path / "memory.jsonl").write_text("two")
    with pytest.raises(UsageError, match=r"experience: \w{16} → \w{16}"):
        check_folder(config(), tmp_path)
    assert run_digest(before) == run_digest(before.model_copy(update={"experience": None}))


def test_survey_of_another_limit_says_what_a_grid_can_do_about_it(settings: Settings) -> None:
    finish(laid_out(settings), settings)
    with pytest.raises(UsageError, match="limit: None → 2") as refused:
        survey(laid_out(settings, limit=2), settings, overwrite=False)
    for said in (str(refused.value), apart(OtherRun("x holds another run"))):
        assert "--runs-dir and a --data-dir of its own, or --overwrite" in said
        assert "--exp" not in said


def test_ground_with_a_split_that_there_is_none_of_or_no_trajectories_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown split 'nosplit'"):
        check_ground(lay_out(plan(), choice(tmp_path, splits={"alfworld": ("dev", "nosplit")})))
    with pytest.raises(DataError, match="mistyped"):
        check_ground(laid_out(settings, experience={"travelplanner": tmp_path / "mistyped.jsonl"}))
    check_ground(laid_out(settings))


def reckon(settings: Settings, cells: list[Cell], found: Survey) -> dict[str, Estimate]:
    return {each.name: each for each in estimate(plan(**TRIPS), cells, settings, found, games=GAMES)}


def test_estimate_of_a_memory_counts_what_its_source_has_played_and_what_is_left(settings: Settings) -> None:
    cells = laid_out(settings)
    [source], [memory] = names(cells, "source"), names(cells, "memory")
    [config] = [cell.config for cell in cells if cell.name == source]
    (settings.runs_dir / source).mkdir(parents=True)
    prepare_folder(config, settings.runs_dir / source)
    with EpisodeLog(settings.runs_dir / source / "episodes.jsonl") as log:
        log.append([sample_row(0), sample_row(1), failed_row(2)])
    found = reckon(settings, cells, Survey(set(), {}, set()))
    assert (found[source].episodes, found[memory].episodes) == (1, 2 + 1)  # two solved, and two thirds of the one that is left
    cleared = reckon(settings, cells, Survey(set(), {}, {source}))
    assert (cleared[source].episodes, cleared[memory].episodes) == (GAMES, 3)  # two thirds of four


def test_estimate_of_which_parts_are_unknown_says_at_least(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    both = {"travelplanner": ("validation",), "alfworld": ("dev",)}
    cells = lay_out(plan(splits=both), choice(settings.runs_dir, splits=both))
    nowhere = settings.model_copy(update={"alfworld_data": settings.runs_dir / "nowhere"})
    estimates = estimate(plan(splits=both), cells, nowhere, Survey(set(), {}, set()), games=GAMES)
    unknown = {each.name for each in estimates if each.basis == "unknown"}
    assert unknown == {cell.name for cell in cells if cell.config.env == "alfworld"}
    assert (total(estimates).whole, total(estimates).priced) == (False, False)
    print_estimate(Console(width=200), "tiny", estimates, list(both))
    assert "at least $" in capsys.readouterr().out
    known = [each for each in estimates if each.name not in unknown]
    assert (total(known).whole, total(known).priced) == (True, True)
    print_estimate(Console(width=200), "tiny", known, list(both))
    assert "at least" not in capsys.readouterr().out
