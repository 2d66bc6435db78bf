"""`memp travelplanner submission`: the file that it writes of a run, and the runs that it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envs.travelplanner.submission import read_submission
from experiments.analysis.summary import summarise
from experiments.results import EpisodeRow
from experiments.submission import Written, write_submission
from runtime.config import Settings
from runtime.errors import UsageError
from tests.experiments.command import Memp
from tests.experiments.samples import sample_row, sample_run
from tests.experiments.trips import Trips

COUNT = 10
Rows = list[EpisodeRow]


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Trips:
    return Trips(tmp_path_factory.mktemp("trips"), COUNT)


@pytest.fixture
def memp(tmp_path: Path) -> Memp:
    return Memp(tmp_path, "http://127.0.0.1:9")  # no model is ever asked


def recorded(runs: Path, rows: Rows, split: str, /, **config: Any) -> Path:
    """A run whose episodes ended in another order than that of their queries."""
    return sample_run(runs / "mine", rows[3:] + rows[:3], **{"env": "travelplanner", "split": split, **config})


def written(trips: Trips, tmp_path: Path, *, partial: bool = False) -> Written:
    settings = trips.settings.model_copy(update={"runs_dir": tmp_path / "runs"})
    return write_submission(settings, "mine", tmp_path / "out.jsonl", partial=partial)


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("split", ["train", "validation"])
async def test_submission_of_a_run_is_scored_with_the_figures_of_its_summary(trips: Trips, memp: Memp, tmp_path: Path, split: str) -> None:
    rows = trips.rows(split)
    recorded(tmp_path / "runs", rows, split)
    data, out = {"MEMP_TRAVELPLANNER_DATA": str(trips.data)}, str(tmp_path / "out.jsonl")
    code, output = await memp.run("travelplanner", "submission", "--exp-name", "mine", "--out", out, **data)
    assert (code, output.splitlines()[-1]) == (0, f"{COUNT} queries of {split} in {out}, 8 with a plan"), output
    code, output = await memp.run("travelplanner", "score", "--split", split, "--submission", out, "--json", **data)
    assert code == 0, output
    metrics = json.loads(output[output.index("{") :])["metrics"]
    assert metrics == summarise(rows).travelplanner
    assert (metrics["delivery"], metrics["final"]) == (80.0, 20.0)


def test_submission_of_the_test_split_has_a_line_per_query_in_order(trips: Trips, tmp_path: Path) -> None:
    rows = trips.rows("test")
    recorded(tmp_path / "runs", rows, "test")
    assert written(trips, tmp_path) == Written("test", COUNT, 8)
    plans = [row.judgement and row.judgement["plan"] for row in rows]
    assert plans.count(None) == 2
    found = [{"idx": at, "query": row.goal, "plan": plan} for at, (row, plan) in enumerate(zip(rows, plans, strict=True), start=1)]
    assert lines(tmp_path) == found
    assert read_submission(tmp_path / "out.jsonl", COUNT) == plans


def test_submission_of_sole_planning_is_written(trips: Trips, tmp_path: Path) -> None:
    recorded(tmp_path / "runs", trips.rows("train", env="travelplanner-sole"), "train", env="travelplanner-sole")
    assert written(trips, tmp_path).plans == 8


def test_submission_of_dead_and_empty_episodes_has_null(trips: Trips, tmp_path: Path) -> None:
    rows = trips.rows("train")
    rows[0] = rows[0].model_copy(update={"outcome": "dead", "judgement": None})
    rows[1] = rows[1].model_copy(update={"judgement": {"index": 2, "delivered": False, "plan": []}})
    recorded(tmp_path / "runs", rows, "train")
    assert written(trips, tmp_path).plans == 6
    assert [line["plan"] for line in lines(tmp_path)[:2]] == [None, None]


def test_submission_with_odd_characters_is_one_line_each(trips: Trips, tmp_path: Path) -> None:
    rows = trips.rows("train")
    plan = [{"lunch": "a\u2028b\u0085c\n“d”"}]
    rows[0] = rows[0].model_copy(update={"judgement": {"delivered": True, "plan": plan}})
    recorded(tmp_path / "runs", rows, "train")
    written(trips, tmp_path)
    assert len(lines(tmp_path)) == COUNT
    assert lines(tmp_path)[0]["plan"] == plan


def without(*indexes: int) -> Callable[[Rows], Rows]:
    return lambda rows: [row for at, row in enumerate(rows, start=1) if at not in indexes]


def aborted(rows: Rows) -> Rows:
    return [row.model_copy(update={"outcome": "aborted", "reason": "budget"}) if at in (3, 7) else row for at, row in enumerate(rows)]


INCOMPLETE: list[tuple[Callable[[Rows], Rows], str]] = [
    (without(2, 4, 5, 6, 10), "mine lacks 5 of 10 results: idx 2, 4-6, 10 not played"),
    (aborted, "mine lacks 2 of 10 results: idx 4, 8 aborted"),
    (lambda rows: aborted(rows)[:-1], "lacks 3 of 10 results: idx 10 not played .*; idx 4, 8 aborted .*--partial"),
    (lambda rows: [], "idx 1-10 not played"),
]


@pytest.mark.parametrize(("spoil", "words"), INCOMPLETE)
def test_submission_of_an_incomplete_run_is_refused_and_partial_fills_it(
    trips: Trips, tmp_path: Path, spoil: Callable[[Rows], Rows], words: str
) -> None:
    rows = spoil(trips.rows("test"))
    recorded(tmp_path / "runs", rows, "test")
    with pytest.raises(UsageError, match=words):
        written(trips, tmp_path)
    assert not (tmp_path / "out.jsonl").exists()
    kept = {row.game for row in rows if row.counts and row.judgement and row.judgement["delivered"]}
    assert written(trips, tmp_path, partial=True) == Written("test", COUNT, len(kept))
    assert {f"test/{line['idx']}" for line in lines(tmp_path) if line["plan"] is not None} == kept
    assert [line["idx"] for line in lines(tmp_path)] == list(range(1, COUNT + 1))


def twice(rows: Rows) -> Rows:
    return [*rows, rows[0].model_copy(update={"entry": "9-9", "task_id": "again"})]


def changed(field: str, value: str) -> Callable[[Rows], Rows]:
    return lambda rows: [rows[0].model_copy(update={field: value}), *rows[1:]]


WRONG: list[tuple[Callable[[Rows], Rows], dict[str, Any], str]] = [
    (twice, {}, r"two results of idx 1 \(tasks (dev-0 and again|again and dev-0)\)"),
    (changed("goal", "Another trip."), {}, "the run played test/1, and the data folder has another query there"),
    (changed("game", "test/11"), {}, "the run played test/11"),
    (changed("game", "train/1"), {}, "the run played train/1"),
    (changed("game", "games/kitchen"), {}, "which is no query"),
    (lambda rows: rows, {"split": "dev"}, "there is no split 'dev'"),
    (lambda _: [sample_row()], {"env": "alfworld", "split": "dev"}, "mine is a run of alfworld"),
]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(("spoil", "config", "words"), WRONG)
def test_submission_of_an_unsuitable_run_is_refused(
    trips: Trips, tmp_path: Path, spoil: Callable[[Rows], Rows], config: dict[str, Any], words: str, partial: bool
) -> None:
    recorded(tmp_path / "runs", spoil(trips.rows("test")), "test", **config)
    with pytest.raises(UsageError, match=words) as refusal:
        written(trips, tmp_path, partial=partial)
    assert refusal.value.exit_code == 2
    assert not (tmp_path / "out.jsonl").exists()


def test_submission_without_a_data_folder_says_what_to_do(trips: Trips, tmp_path: Path) -> None:
    recorded(tmp_path / "runs", trips.rows("test"), "test")
    with pytest.raises(UsageError, match="MEMP_TRAVELPLANNER_DATA is not set"):
        write_submission(Settings(travelplanner_data=None, runs_dir=tmp_path / "runs"), "mine", tmp_path / "out", partial=False)


def test_submission_to_a_place_that_cannot_be_written_is_refused(trips: Trips, tmp_path: Path) -> None:
    recorded(tmp_path / "runs", trips.rows("test"), "test")
    (tmp_path / "out.jsonl").mkdir()
    with pytest.raises(UsageError, match=r"out\.jsonl can't be written"):
        written(trips, tmp_path)


async def test_submission_command_asked_wrongly_ends_with_code_2(trips: Trips, memp: Memp, tmp_path: Path) -> None:
    recorded(tmp_path / "runs", trips.rows("test")[1:], "test")
    data, out = {"MEMP_TRAVELPLANNER_DATA": str(trips.data)}, str(tmp_path / "out.jsonl")
    for name, words in (("nobody", "there is no run nobody"), ("mine", "idx 1 not played")):
        code, output = await memp.run("travelplanner", "submission", "--exp-name", name, "--out", out, **data)
        assert code == 2, output
        assert words in output
        assert "Traceback" not in output
    code, output = await memp.run("travelplanner", "submission", "--exp-name", "mine", "--out", out, "--partial", **data)
    assert code == 0, output
    assert lines(tmp_path)[0]["plan"] is None
