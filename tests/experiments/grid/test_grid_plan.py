"""From a TOML file and the flags to cells: what is refused, and what needs what."""

from pathlib import Path

import pytest

from experiments.config import TAKEN
from experiments.grid.cells import lay_out
from experiments.grid.choose import Asked, chosen, chosen_splits, grouped
from experiments.grid.plan import NAMES, read_plan
from runtime.config import Settings
from runtime.errors import DataError, UsageError
from tests.experiments.grid.grids import TINY, choice, online_plan, plan


@pytest.mark.parametrize("name", NAMES)
def test_plan_that_comes_with_memp_is_laid_out_with_names_of_its_own(name: str, tmp_path: Path) -> None:
    read = read_plan(name)
    models = ("gpt-4o", "qwen/qwen2.5-72b")
    cells = lay_out(read, choice(tmp_path, models=models, splits=read.splits, seeds=read.seeds))
    assert len({cell.name for cell in cells}) == len(cells)
    assert {cell.name.startswith(f"{name}-") for cell in cells} == {True}
    places = {cell.name: place for place, cell in enumerate(cells)}
    assert all(cell.needs is None or places[cell.needs.name] < place for place, cell in enumerate(cells))
    arms = len(read.values or models) + 1
    episodes = [cell for cell in cells if cell.kind == "episodes"]
    assert len(episodes) == arms * len(models) * read.seeds * sum(map(len, read.splits.values()))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('values = ["script"]', 'values = ["poem"]', "'poem' is no build"),
        ('values = ["script"]', "values = []", "values is empty"),
        ('mode = "offline"', 'mode = "sometimes"', "mode"),
        ('mode = "offline"', 'mode = "online"', "group_size"),
        ('alfworld = ["dev"]', "", "no split"),
        ("[run]", "[run]\nmodel = 'm'", "model can't be set there"),
        *(
            ("[run]", f"[run]\n{name} = 1", f"{name} can't be set there")
            for name in ("limit", "batch_size", "workers", "holdout", "procedure_dropout", "deprecate", "experience", *TAKEN)
        ),
        ("[run]", "[run]\ngroup_size = 4", "group_size makes groups"),
        ("[run]", "[run]\nseason = 1", "season"),
        ("[run]", "[run", "is no TOML"),
    ],
)
def test_plan_of_ones_own_that_is_wrong_is_refused_by_file_and_field(before: str, after: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(TINY.replace(before, after))
    with pytest.raises(DataError, match=r"own\.toml") as refused:
        read_plan(str(path))
    assert words in str(refused.value)


def test_plan_unknown_or_missing_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="build, retrieval, update, transfer, top-k"):
        read_plan("buidl")
    with pytest.raises(DataError, match="can't be read"):
        read_plan(str(tmp_path / "none.toml"))


def test_memory_of_frozen_arms_is_built_once_per_form_and_builder(tmp_path: Path) -> None:
    chosen_for = choice(tmp_path, splits={"alfworld": ("dev", "test")}, models=("a", "b"), seeds=2, builder="strong")
    cells = lay_out(plan(values=("script", "trajectory")), chosen_for)
    assert [cell.kind for cell in cells].count("memory") == 2
    assert [cell.kind for cell in cells].count("source") == 1
    assert {cell.builder for cell in cells if cell.kind == "memory"} == {"strong"}


def test_memory_from_stored_trajectories_needs_no_episodes_of_its_own(tmp_path: Path) -> None:
    stored = tmp_path / "experts.json"
    cells = lay_out(plan(), choice(tmp_path, experience={"alfworld": stored}))
    assert [cell.kind for cell in cells] == ["episodes", "memory", "episodes"]
    assert cells[1].config.trajectories == stored


def test_memory_of_retrieval_keys_has_facts_for_all_of_them(tmp_path: Path) -> None:
    cells = lay_out(plan(vary="retrieve", values=("query", "avefact"), run={"build": "script"}), choice(tmp_path))
    assert [cell.config.retrieve for cell in cells if cell.kind == "memory"] == ["avefact"]


def test_control_of_online_runs_plays_the_same_order_without_groups(tmp_path: Path) -> None:
    cells = lay_out(online_plan(), choice(tmp_path, seeds=3))
    control = [cell for cell in cells if cell.arm == "none"]
    assert [cell.config.seed for cell in control] == [0, 1, 2]
    assert {(cell.config.use_memory, cell.config.group_size) for cell in control} == {(False, None)}
    assert {cell.config.group_size for cell in cells if cell.arm != "none"} == {2}


def test_models_whose_names_become_the_same_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two cells would be named"):
        lay_out(plan(), choice(tmp_path, models=("a/b", "a b")))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(), "--model"),
        (Asked(models=("m",), envs=("alfworld", "travelplanner"), splits=("dev",)), "--splits"),
        (Asked(models=("m",), envs=("chess",)), "chess"),
        (Asked(models=("m",), envs=("alfworld", "travelplanner"), trajectories=Path("t")), "--trajectories"),
        (Asked(models=("m",), group_size=4), "--group-size"),
    ],
)
def test_flags_that_do_not_fit_are_refused_by_name(asked: Asked, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        chosen(grouped(plan(), asked), asked, Settings(), chosen_splits(plan(), asked))
