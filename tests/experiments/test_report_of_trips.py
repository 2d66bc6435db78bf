"""The report and the summary of a TravelPlanner run: constraints, figures, reasons; and none of it elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.analysis.summary import summarise, write_summary
from experiments.report import write_report
from experiments.report.constraints import constraints
from experiments.results import EpisodeRow
from runtime.errors import DataError
from tests.experiments.samples import failed_row, sample_row, sample_run
from tests.experiments.test_report import Page
from tests.experiments.trips import Trips, keep, made_up

COUNT = 10


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Trips:
    return Trips(tmp_path_factory.mktemp("trips"), COUNT)


@pytest.fixture(scope="module")
def rows(trips: Trips) -> list[EpisodeRow]:
    """Two each that keep all, repeat meals, make up rooms, deliver nothing, and miss a day."""
    return trips.rows("validation")


def dead(row: EpisodeRow, undelivered: EpisodeRow) -> EpisodeRow:
    """The row of a task that died: its judgement is that of one who delivers nothing."""
    died: dict[str, Any] = {"outcome": "dead", "success": False, "reward": 0.0, "steps": 0, "reason": "EnvCrashed"}
    return row.model_copy(update=died | {"judgement": undelivered.judgement})


def folder(path: Path, rows: list[EpisodeRow], split: str = "validation") -> Path:
    return sample_run(path, rows, env="travelplanner", split=split)


def alt(page: Page, start: str) -> str:
    [found] = [label for label in page.values("aria-label") if label.startswith(start)]
    return found


def test_summary_of_trips_has_the_six_figures(rows: list[EpisodeRow], tmp_path: Path) -> None:
    stored = json.loads(write_summary(tmp_path, summarise(rows)).read_text())
    assert stored["success_rate"] == 0.2
    assert stored["mean_reward"] == pytest.approx(sum(row.reward for row in rows) / COUNT)
    figures = stored["travelplanner"]
    assert list(figures) == ["delivery", "commonsense_micro", "commonsense_macro", "hard_micro", "hard_macro", "final"]
    assert (figures["delivery"], figures["commonsense_macro"], figures["final"]) == (80.0, 20.0, 20.0)
    passed = sum(verdict["passed"] is True for row in rows if row.judgement for verdict in row.judgement["commonsense"].values())
    assert figures["commonsense_micro"] == pytest.approx(passed / (8 * COUNT) * 100)


def test_summary_of_trips_counts_dead_as_passing_nothing_and_aborted_nowhere(rows: list[EpisodeRow]) -> None:
    one_each = [rows[0], dead(rows[5], rows[3]), rows[1].model_copy(update={"outcome": "aborted"})]
    assert summarise(one_each).travelplanner["delivery"] == 50.0
    assert summarise(one_each).travelplanner["commonsense_micro"] == 50.0
    assert summarise(one_each[2:]).travelplanner == {}


def test_summary_of_other_environments_says_nothing_of_trips() -> None:
    assert "travelplanner" not in summarise([sample_row()]).model_dump_json()


def test_summary_of_hidden_constraints_knows_delivery_alone(trips: Trips) -> None:
    summary = summarise(trips.rows("test"))
    assert summary.travelplanner == {"delivery": 80.0}
    assert (summary.success_rate, summary.success_interval, summary.mean_reward, summary.mean_steps) == (None, None, None, 12)
    assert (summary.finished, summary.aborted, summary.dead) == (COUNT, 0, 0)


def test_report_of_trips_shows_figures_and_each_constraint(rows: list[EpisodeRow], tmp_path: Path) -> None:
    page = Page(write_report(folder(tmp_path / "mine", rows)))
    assert page.tags.count("svg") == 7  # five curves, two charts of constraints
    assert "Delivery 80.0% 49.0% to 94.3% Commonsense, micro" in page.text
    assert "Final pass 20.0% 5.7% to 51.0%" in page.text
    assert "A query without a plan passes nothing (2); hard constraints are not judged" in page.text
    assert "does not have (4)" in page.text
    common, hard = alt(page, "Commonsense constraints"), alt(page, "Hard constraints")
    assert "Diverse Restaurants: this run 60% of 10 (95% interval 31% to 83%);" in common
    assert "Within Sandbox: this run 60% of 10" in common
    assert common.count("this run") == 8
    assert "Budget: this run 40% of 10" in hard
    assert "Budget (10)" in page.text
    assert len(page.values("id")) == len(set(page.values("id")))


def test_report_of_trips_stands_beside_its_control(rows: list[EpisodeRow], trips: Trips, tmp_path: Path) -> None:
    control = folder(tmp_path / "control", trips.rows("validation", (made_up,), arm="control"))
    mine = folder(tmp_path / "mine", trips.rows("validation", (keep,)))
    page = Page(write_report(mine, control))
    assert "Within Sandbox: this run 100% of 10 (95% interval 72% to 100%), control 0% of 10" in alt(page, "Commonsense")
    assert "Delivery 100.0% 72.2% to 100.0% 100.0%" in page.text
    assert "Reward 100.0%" in page.text
    assert "Final pass 100.0% 72.2% to 100.0% 0.0%" in page.text


def test_report_of_trips_has_a_curve_of_the_reward(rows: list[EpisodeRow], tmp_path: Path) -> None:
    page = Page(write_report(folder(tmp_path / "mine", [row.model_copy(update={"group": row.index // 5}) for row in rows])))
    assert alt(page, "Reward").startswith("Reward, Mean of the last 2 episodes. this run: from ")
    assert "Share of the constraints passed. Mean of the last 2 episodes. Each dot is one group of tasks." in page.text
    assert "Plans that fail no constraint." in page.text


def test_report_of_trips_tells_why_plans_fail_and_escapes_it(rows: list[EpisodeRow], tmp_path: Path) -> None:
    path = write_report(folder(tmp_path / "mine", rows))
    assert "<b>Nowhere" not in path.read_text()
    text = Page(path).text
    assert "the database has no accommodation '<b>Nowhere</b> 0, Nocity'" in text
    assert "Complete Information 2 the plan has " in text
    assert "repeats '" in text


def test_failures_are_told_by_the_most_frequent_kind_of_reason(rows: list[EpisodeRow]) -> None:
    def failing(at: int, reason: str) -> EpisodeRow:
        judgement = rows[at].judgement or {}
        commonsense = judgement["commonsense"] | {"Diverse Attractions": {"passed": False, "reason": reason}}
        return rows[at].model_copy(update={"judgement": judgement | {"commonsense": commonsense}})

    reasons = ("day 9 has no attraction", "day 1 repeats the attraction 'A'", "day 12 repeats the attraction 'B, C'")
    found = constraints([[failing(0, reason) for reason in reasons]])
    assert found is not None
    assert [tuple(each) for each in found.failures] == [("Diverse Attractions", 3, reasons[1])]


def test_report_of_hidden_constraints_shows_delivery_and_no_success(trips: Trips, tmp_path: Path) -> None:
    runs = [folder(tmp_path / name, trips.rows("test"), "test") for name in ("mine", "control")]
    page = Page(write_report(*runs))
    assert "What this split asks for is hidden" in page.text
    assert "Success rate – hidden in this split" in page.text
    assert "Delivery 80.0% 49.0% to 94.3% 80.0%" in page.text
    assert "no plan – 12" in page.text
    assert "delivered – 12" in page.text
    assert [label.split(",")[0] for label in page.charts] == ["Steps", "Tokens per episode", "Cost"]
    assert not {"success", "failure", "Why plans fail"} & set(page.words)


@pytest.mark.parametrize("died", [False, True])
def test_report_of_trips_that_came_to_nothing_is_written(rows: list[EpisodeRow], died: bool, tmp_path: Path) -> None:
    aborted = rows[0].model_copy(update={"outcome": "aborted", "reason": "budget"})
    page = Page(write_report(folder(tmp_path / "mine", [dead(rows[0], rows[3]) if died else aborted])))
    assert ("Why plans fail" in page.text, "Commonsense, micro 0.0%" in page.text) == (False, died)


def test_report_of_trips_beside_households_compares_neither(rows: list[EpisodeRow], tmp_path: Path) -> None:
    mine, households = folder(tmp_path / "mine", rows), sample_run(tmp_path / "control", [failed_row(0)])
    page = Page(write_report(mine, households))
    assert "control" not in alt(page, "Commonsense")
    assert "Delivery 80.0% 49.0% to 94.3% –" in page.text
    assert "Constraints" not in Page(write_report(households, mine)).words


def test_report_of_households_says_nothing_of_constraints(tmp_path: Path) -> None:
    runs = [sample_run(tmp_path / name, [sample_row(i) for i in range(COUNT)]) for name in ("mine", "control")]
    page = Page(write_report(*runs))
    assert page.tags.count("svg") == 4
    assert not {"Constraints", "Reward, Mean"} & set(page.words)
    assert "Delivery" not in page.text
    assert "constraint" not in page.text


def test_report_of_a_damaged_judgement_raises_and_names_the_task(rows: list[EpisodeRow], tmp_path: Path) -> None:
    damaged = rows[0].model_copy(update={"judgement": {"commonsense": 3}})
    with pytest.raises(DataError, match=r"task dev-0: its judgement is damaged \(index: "):
        write_report(folder(tmp_path / "mine", [damaged]))
