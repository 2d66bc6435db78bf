"""The figures of whole submissions: the benchmark's own where its data is at hand, and of the generated country everywhere."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envs.travelplanner.country import generate, trips
from envs.travelplanner.database import open_database
from envs.travelplanner.queries import Query, read_queries
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import Count, Counts, Metrics, score
from envs.travelplanner.submission import read_submission
from envs.travelplanner.trip import Mode
from tests.travelplanner.judging import official_data

SEED, COUNT = 5, 27
FIGURES = {
    "Delivery Rate": "delivery",
    "Commonsense Constraint Micro Pass Rate": "commonsense_micro",
    "Commonsense Constraint Macro Pass Rate": "commonsense_macro",
    "Hard Constraint Micro Pass Rate": "hard_micro",
    "Hard Constraint Macro Pass Rate": "hard_macro",
    "Final Pass Rate": "final",
}


@pytest.fixture(scope="module")
def data() -> Path:
    return official_data()


@pytest.fixture(scope="module")
def official(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_database(data, tmp_path_factory.mktemp("cache")) as database:
        yield Sandbox(database)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("country")
    generate(folder, SEED, {"train": COUNT, "validation": COUNT})
    return folder


@pytest.fixture(scope="module")
def generated(country: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with open_database(country, tmp_path_factory.mktemp("cache")) as database:
        yield Sandbox(database)


def test_annotated_plans_of_the_train_split_pass_everything(data: Path, official: Sandbox) -> None:
    queries = read_queries(data, "train")
    plans = read_submission(data / "fixtures/train_annotated_submission.jsonl", len(queries))
    assert set(score(queries, plans, official).metrics.model_dump().values()) == {100}


def test_strict_mode_finds_the_one_slip_of_the_annotated_plans(data: Path, official: Sandbox) -> None:
    queries = read_queries(data, "train")
    plans = read_submission(data / "fixtures/train_annotated_submission.jsonl", len(queries))
    report = score(queries, plans, official, "strict")
    found = [(each.index, name) for each in report.plans for name, verdict in each.commonsense.items() if not verdict.passed]
    assert found == [(42, "Within Current City")], "a museum of San Angelo on a day in San Antonio"
    assert report.metrics.hard_micro == 100


def test_two_stage_submission_has_every_count_of_the_official_log(data: Path, official: Sandbox) -> None:
    queries = read_queries(data, "train")
    report = score(queries, read_submission(data / "fixtures/two_stage_submission.jsonl", len(queries)), official)
    log = (data / "fixtures/two_stage_submission.official_eval.log").read_text().splitlines()
    printed = dict(line.rstrip("%").split(": ") for line in log if line.endswith("%"))
    assert {FIGURES[name]: float(value) for name, value in printed.items()} == report.metrics.model_dump()
    [detail] = [ast.literal_eval(line) for line in log if line.startswith("{'Commonsense")]
    expect_counts(report.commonsense, detail["Commonsense Constraint"])
    expect_counts(report.hard, detail["Hard Constraint"])


def expect_counts(ours: Counts, theirs: dict[str, dict[int, dict[str, dict[str, int]]]]) -> None:
    """Cell by cell: upstream leaves out a cell where nothing was judged, and the total of what no query of the cell sets."""
    assert {level: set(rows) for level, rows in ours.items()} == {level: set(rows) for level, rows in theirs.items()}
    for level, rows in theirs.items():
        for days, cell in rows.items():
            assert set(cell) <= set(ours[level][days])
            for name, found in ours[level][days].items():
                wanted = cell.get(name)
                told = Count(passed=wanted["true"], failed=wanted["false"], total=wanted.get("total", 0)) if wanted else None
                assert found == told if told else (found.passed, found.failed) == (0, 0), (level, days, name)


@pytest.mark.parametrize(("split", "queries", "commonsense", "hard"), [("train", 45, 360, 105), ("validation", 180, 1440, 420)])
def test_totals_of_the_official_splits_are_upstreams(
    data: Path, official: Sandbox, split: str, queries: int, commonsense: int, hard: int
) -> None:
    asked = read_queries(data, split)
    report = score(asked, [None] * len(asked), official)
    assert set(report.metrics.model_dump().values()) == {0}
    assert (len(asked), total(report.commonsense), total(report.hard)) == (queries, commonsense, hard)


def total(counts: Counts) -> int:
    return sum(count.total for rows in counts.values() for cell in rows.values() for count in cell.values())


@pytest.mark.parametrize("mode", ["official", "strict"])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_known_plans_of_the_generated_country_pass_everything(country: Path, generated: Sandbox, split: str, mode: Mode) -> None:
    report = score(read_queries(country, split), [each.plan for each in trips(SEED, split, COUNT)], generated, mode)
    assert {
        name: verdict for each in report.plans for name, verdict in {**each.commonsense, **each.hard}.items() if not verdict.passed
    } == {}
    assert report.metrics == Metrics(delivery=100, commonsense_micro=100, commonsense_macro=100, hard_micro=100, hard_macro=100, final=100)


def test_plan_that_fails_counts_in_micro_macro_and_final(country: Path, generated: Sandbox) -> None:
    """Of COUNT plans one is missing, one repeats a meal (one commonsense failure), one is over its budget (one hard failure)."""
    queries, plans = read_queries(country, "train"), [each.plan for each in trips(SEED, "train", COUNT)]
    plans[0] = []
    repeated: list[Any] = [dict(day) for day in plans[1]]
    stay = next(day for day in repeated if day["lunch"] != "-" and day["dinner"] != "-")
    stay["lunch"] = stay["dinner"]
    plans[1] = repeated
    queries[2] = Query.model_validate(queries[2].model_dump() | {"budget": 1})
    report = score(queries, plans, generated)
    lost, hard = len(report.plans[0].hard), total(report.hard)
    cuisine_lost = sum(verdict.passed is False for verdict in report.plans[1].hard.values())
    assert report.metrics == Metrics(
        delivery=(COUNT - 1) / COUNT * 100,
        commonsense_micro=(8 * COUNT - 8 - 1) / (8 * COUNT) * 100,
        commonsense_macro=(COUNT - 2) / COUNT * 100,
        hard_micro=(hard - lost - cuisine_lost - 1) / hard * 100,
        hard_macro=(COUNT - 2 - bool(cuisine_lost)) / COUNT * 100,
        final=(COUNT - 3) / COUNT * 100,
    )
