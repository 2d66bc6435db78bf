"""The figures of grids that are known beforehand, and the page that shows them."""

import os
from pathlib import Path

import pytest

from envs.registry import games
from experiments.grid.ground import experience
from experiments.grid.measures import COMMONSENSE, HARD, SUCCESS, figure
from experiments.grid.page import render
from experiments.grid.plan import read_plan
from experiments.grid.show import markdown
from experiments.grid.table import Table, make_table
from experiments.grid.wording import bounds
from experiments.results import EpisodeLog, EpisodeRow
from memory.importers import read_trajectories
from runtime.config import Settings
from tests.experiments.grid.grids import cells, choice, online_plan, plan, play
from tests.experiments.samples import failed_row, revision, sample_procedure, sample_row, write_memory

REAL = os.environ.get("ALFWORLD_DATA")


def frozen_table(runs_dir: Path, model: str = "gpt-4o") -> Table:
    """Four games: the control solves the first, memory all but the last; the memory knows the goal of two of them."""
    chosen = choice(runs_dir, models=(model,))
    control, memory = cells(plan(paper="build"), chosen)
    play(chosen, control, True, False, False, False)
    play(chosen, memory, True, True, True, False)
    assert memory.needs
    (runs_dir / memory.needs.name).mkdir()
    write_memory(runs_dir / memory.needs.name / "memory.jsonl", sample_procedure(revision(1, "s")))
    return make_table(plan(paper="build"), chosen, [each for cell in (control, memory) for each in (cell.needs, cell) if each], {}, ())


def online_table(runs_dir: Path, seeds: int) -> Table:
    """Two groups of two: without memory nothing is solved, adjustment solves the second group of each order, vanilla the first task."""
    chosen = choice(runs_dir, seeds=seeds)
    made = cells(online_plan(), chosen)
    solved = {"none": (False,) * 4, "vanilla": (True, False, False, False), "adjustment": (False, False, True, True)}
    for cell in made:
        play(chosen, cell, *solved[cell.arm])
    return make_table(online_plan(), chosen, made, {}, ())


def test_table_frozen_memory_tells_share_and_paired_difference(tmp_path: Path) -> None:
    control, memory = frozen_table(tmp_path).lines
    assert (control.entries["dev success"].value.mean, control.entries["dev success"].change) == (0.25, None)
    entry = memory.entries["dev success"]
    assert entry.change
    assert (entry.value.mean, entry.value.units, entry.value.over) == (0.75, 4, "games")
    assert entry.change.mean == 0.5
    assert (entry.change.low, entry.change.high) == (0.0, 1.0)
    assert memory.entries["steps"].value.mean == pytest.approx((3 * 12 + 30) / 4)


def test_table_goals_of_the_memory_are_told_from_new_ones(tmp_path: Path) -> None:
    [found] = frozen_table(tmp_path).overlaps
    assert (found.sources, found.goals, found.shared, found.tasks, found.shared_tasks) == (1, 1, 1, 4, 4)
    assert [(line.arm, line.known and line.known.mean, line.new) for line in found.lines] == [("none", 0.25, None), ("script", 0.75, None)]


@pytest.mark.skipif(REAL is None, reason="ALFWORLD_DATA is unset: no stored trajectories of the real households")
def test_table_goals_of_the_real_households_overlap_as_the_data_says(tmp_path: Path) -> None:
    """46 of the 130 distinct goals of `dev` are also goals of the 300 expert trajectories."""
    settings, chosen = Settings(), choice(tmp_path)
    control, memory = cells(plan(), chosen)
    for cell in (control, memory):
        (tmp_path / cell.name).mkdir()
        with EpisodeLog(tmp_path / cell.name / "episodes.jsonl") as log:
            log.append(sample_row(at, goal=goal, game=game["path"]) for at, (goal, game) in enumerate(games("alfworld", "dev", settings)))
    stored = read_trajectories(experience(settings, ["alfworld"], None)["alfworld"])
    made = [sample_procedure(revision(1, "s"), goal=each.goal, id=f"{at:016x}", unique=False) for at, each in enumerate(stored)]
    assert memory.needs
    (tmp_path / memory.needs.name).mkdir()
    write_memory(tmp_path / memory.needs.name / "memory.jsonl", *made)
    [found] = make_table(plan(), chosen, [control, memory.needs, memory], {}, ()).overlaps
    assert (found.sources, found.goals, found.shared, found.tasks, found.shared_tasks) == (225, 130, 46, 140, 51)
    known, new = found.lines[0].known, found.lines[0].new
    assert (known and known.episodes, new and new.episodes) == (51, 89)


def test_table_failed_run_is_told_and_leaves_the_others(tmp_path: Path) -> None:
    chosen = choice(tmp_path, models=("gpt-4o", "gone"))
    made = cells(plan(), choice(tmp_path, models=("gpt-4o",)))
    lost = cells(plan(), choice(tmp_path, models=("gone",)))
    play(chosen, made[0], True)
    failed = {cell.name: "no such model" for cell in (made[1], *lost)}
    table = make_table(plan(), chosen, [*made[:1], *lost], failed, ())
    assert [bool(line.entries) for line in table.lines] == [True, False, False]
    assert table.failed
    assert "no such model" in markdown(table)
    assert "no such model" in render(table)


def test_table_online_runs_are_what_is_drawn_anew(tmp_path: Path) -> None:
    table = online_table(tmp_path, seeds=3)
    entry = table.lines[2].entries["dev success"]
    assert table.lines[2].arm == "adjustment"
    assert (entry.value.mean, entry.value.units, entry.value.over, entry.value.few) == (0.5, 3, "runs", True)
    assert "few orders" in markdown(table)


def test_table_one_online_run_has_no_interval(tmp_path: Path) -> None:
    entry = online_table(tmp_path, seeds=1).lines[2].entries["dev success"]
    assert (entry.value.mean, entry.value.low, entry.value.high) == (0.5, None, None)


def test_groups_add_up_reward_and_compare_with_the_control_of_the_same_order(tmp_path: Path) -> None:
    groups = [group for group in online_table(tmp_path, seeds=2).groups if group.arm == "adjustment"]
    assert [group.cumulative_reward.mean for group in groups] == [0.0, 2.0]
    assert [group.reward_gain and group.reward_gain.mean for group in groups] == [0.0, 1.0]
    assert [group.steps_change and group.steps_change.mean for group in groups] == [0.0, -18.0]


def test_measures_of_trips_are_the_benchmarks_micro_rates() -> None:
    def trip(index: int, hard: dict[str, bool]) -> EpisodeRow:
        verdicts = {name: {"passed": passed} for name, passed in hard.items()}
        said = {"index": index, "delivered": True, "commonsense": {"Day": {"passed": True}, "Sandbox": {"passed": False}}, "hard": verdicts}
        return sample_row(index, env="travelplanner", judgement=said)

    rows = [trip(0, {"Budget": True}), trip(1, {"Budget": False, "Cuisine": False, "Room": True})]
    found = [figure([rows], measure, whole=False) for measure in (COMMONSENSE, HARD)]
    assert [each and each.mean for each in found] == [0.5, pytest.approx(2 / 4)]


def test_paper_lines_stand_beneath_in_its_own_decimals_and_are_marked(tmp_path: Path) -> None:
    table = frozen_table(tmp_path)
    assert {line.arm for line in table.paper} == {"none", "script"}
    assert "| paper, GPT-4o | no memory |  | 39.28 |" in markdown(table)
    assert "arXiv 2508.06433" in markdown(table)


@pytest.mark.parametrize(("model", "told"), [("stand-in-strong", True), ("gpt-4o", False)])
def test_page_and_markdown_say_whose_figures_they_are(model: str, told: bool, tmp_path: Path) -> None:
    table = frozen_table(tmp_path, model)
    assert ("no language model" in render(table)) is told
    assert ("no language model" in markdown(table)) is told


def test_page_needs_nothing_from_elsewhere_and_describes_its_charts(tmp_path: Path) -> None:
    page = render(online_table(tmp_path, seeds=2))
    assert page.count('role="img" aria-label="') == page.count("<figure") == 2
    assert "adjustment: from 0.0 to 2.0" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_page_names_are_text_whatever_they_hold(tmp_path: Path) -> None:
    page = render(frozen_table(tmp_path, "<script>alert(1)</script>"))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_page_numbers_retrieved_are_drawn_from_none_upwards(tmp_path: Path) -> None:
    chosen, drawn = choice(tmp_path), read_plan("top-k").model_copy(update={"values": (1, 5)})
    made = cells(drawn, chosen)
    for solved, cell in enumerate(made, 1):
        play(chosen, cell, *(at < solved for at in range(4)))
    [memory] = {cell.needs.name for cell in made if cell.needs}
    (tmp_path / memory).mkdir()
    write_memory(tmp_path / memory / "memory.jsonl", sample_procedure(revision(1, "s")))
    page = render(make_table(drawn, chosen, made, {}, ()))
    assert "Dev success: gpt-4o, alfworld, by procedures retrieved. gpt-4o: from 25% to 75%." in page


def test_page_of_which_every_cell_failed_has_no_curve_and_tells_what_failed(tmp_path: Path) -> None:
    chosen, drawn = choice(tmp_path), read_plan("top-k").model_copy(update={"values": (1, 5)})
    made = cells(drawn, chosen)
    page = render(make_table(drawn, chosen, made, {cell.name: "out of credit" for cell in made}, ()))
    assert page.count("out of credit") == len(made)
    assert "<figure" not in page


def transfer_table(runs_dir: Path, *goals: str, same: bool) -> Table:
    """Two models, each with a memory of its own (the second's of `goals`, or the first's under other ids) and playing with both."""
    chosen, drawn = choice(runs_dir, models=("a", "b")), read_plan("transfer")
    made = cells(drawn, chosen)
    for cell in made:
        play(chosen, cell, True, False)
    for at, name in enumerate(dict.fromkeys(cell.needs.name for cell in made if cell.needs)):
        (runs_dir / name).mkdir()
        vector = "AAAAAAAAAAAAAAAA" if at else None
        known = goals if at and not same else ("put",)
        said = [sample_procedure(revision(1, "s"), id=f"{at:015x}{n}", goal=goal, vector=vector) for n, goal in enumerate(known)]
        write_memory(runs_dir / name / "memory.jsonl", *said)
    return make_table(drawn, chosen, made, {}, ())


def test_table_memories_that_are_the_same_are_told(tmp_path: Path) -> None:
    table = transfer_table(tmp_path, same=True)
    assert table.alike == (("transfer-memory-alfworld-proceduralization-a", "transfer-memory-alfworld-proceduralization-b"),)
    for told in (markdown(table), render(table)):
        assert "The memories are the same: transfer-memory-alfworld-proceduralization-a and" in told
    assert {each.memory for each in table.overlaps} == {None}


def test_table_memories_of_other_goals_say_whose_goals_are_known(tmp_path: Path) -> None:
    table = transfer_table(tmp_path, "put", "heat", same=False)
    assert table.alike == ()
    assert {each.memory for each in table.overlaps} == {"transfer-memory-alfworld-proceduralization-a"}
    assert "goals that transfer-memory-alfworld-proceduralization-a (other arms&#39; memories know other goals)" in render(table)


def test_figure_that_is_the_same_everywhere_has_no_bounds_but_success_of_single_games_has_wilsons() -> None:
    lost = [failed_row(at) for at in range(20)]
    none = figure([lost], SUCCESS, whole=False)
    two = figure([lost[:2]], SUCCESS, whole=False)
    assert none
    assert two
    assert (none.low, none.high) == (0.0, pytest.approx(0.1611, abs=1e-4))
    assert (two.low, two.high) == (0.0, pytest.approx(0.6576, abs=1e-4))
    change = figure([lost], SUCCESS, whole=False, control=[lost])
    again = figure([lost, lost], SUCCESS, whole=False)
    orders = figure([lost, lost], SUCCESS, whole=True)
    assert [(each.low, each.high, each.same) for each in (change, again, orders) if each] == [(None, None, True)] * 3
    assert change
    assert bounds(change, "dev success", change=True) == "same in every task"
    assert orders
    assert bounds(orders, "dev success") == "same in every order"


def test_page_tables_can_be_scrolled_by_keyboard_and_name_their_rows(tmp_path: Path) -> None:
    table = online_table(tmp_path, seeds=5)
    page = render(table)
    assert page.count("<table>") == page.count('<div class="scroll" role="region" tabindex="0" aria-label="') == 3
    assert "<tr><td>" not in page
    assert page.count('<th scope="row">adjustment</th>') == 1 + 2  # the table, and a row of each group
    assert "84 % of cases" in page
