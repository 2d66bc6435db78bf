"""Submission files, good and bad, and `memp travelplanner score` on them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envs.travelplanner.country import generate
from envs.travelplanner.queries import read_queries
from envs.travelplanner.submission import read_submission
from runtime.errors import DataError
from tests.experiments.command import Memp

QUERIES = 6
Line = dict[str, Any]


def write(path: Path, lines: list[Any]) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def lines() -> list[Line]:
    return [{"idx": index, "query": "…", "plan": [{"days": index}]} for index in range(1, 4)]


def test_submission_in_any_order_is_read_by_idx(tmp_path: Path) -> None:
    assert read_submission(write(tmp_path / "s", lines()[::-1]), 3) == [[{"days": 1}], [{"days": 2}], [{"days": 3}]]


def test_submission_without_idx_is_read_in_turn(tmp_path: Path) -> None:
    assert read_submission(write(tmp_path / "s", [{"plan": each["plan"]} for each in lines()]), 3) == [each["plan"] for each in lines()]


def test_submission_with_blank_lines_and_carriage_returns_is_read(tmp_path: Path) -> None:
    text = "\r\n\n".join(json.dumps(each) for each in lines()) + "\n\n"
    assert read_submission(write(tmp_path / "s", [text]), 3) == [each["plan"] for each in lines()]


def _without_plan(given: list[Any]) -> list[Any]:
    return [given[0], {"idx": 2, "query": "…"}, given[2]]


BAD: list[tuple[Callable[[list[Any]], list[Any]], str]] = [
    (lambda given: [given[0], "{torn\n", given[2]], "line 2: it is not JSON"),
    (lambda given: [given[0], "[" * 100_000 + "\n", given[2]], "line 2: it is not JSON"),
    (lambda given: [given[0], '{"idx": 2, "plan": ' + "1" * 5000 + "}\n", given[2]], "line 2: it is not JSON"),
    (lambda given: [given[0], [1, 2], given[2]], "line 2: it is no object"),
    (_without_plan, "line 2: it has no plan"),
    (lambda given: given[:2], "ends at line 2 with 2 plans of 3: it lacks idx 3"),
    (lambda _: [], "with 0 plans of 3"),
    (lambda given: [*given, given[1]], "line 4: idx 2 stands in line 2, too"),
    (lambda given: [*given, {"idx": 4, "plan": None}], "line 4: no query of this split has idx 4; they are 1 to 3"),
    (lambda given: [{**given[0], "idx": 0}, *given[1:]], "line 1: no query of this split has idx 0"),
    (lambda given: [given[0], {**given[1], "idx": None}, given[2]], "line 2: no query of this split has idx null"),
    (lambda given: [given[0], {"plan": None}, given[2]], "line 2: no query of this split has idx null"),
    (lambda given: [{"plan": each["plan"]} for each in [*given, given[0]]], "line 4: no query of this split"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD)
def test_submission_malformed_is_refused_with_its_line(tmp_path: Path, spoil: Callable[[list[Any]], list[Any]], words: str) -> None:
    with pytest.raises(DataError, match=words) as refusal:
        read_submission(write(tmp_path / "s", spoil(lines())), 3)
    assert refusal.value.exit_code == 2
    assert str(tmp_path / "s") in str(refusal.value)


def test_submission_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b'{"idx": 1, "plan": null}\n\xff\xfe\x00\x01{\n')
    with pytest.raises(DataError, match="line 2: it is not JSON"):
        read_submission(tmp_path / "s", 2)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated country with a few queries."""
    folder = tmp_path_factory.mktemp("country")
    generate(folder, 3, {"train": QUERIES, "validation": QUERIES})
    return folder


@pytest.fixture
def memp(tmp_path: Path) -> Memp:
    return Memp(tmp_path, "http://127.0.0.1:9")  # no model is ever asked


@pytest.fixture
def submission(tmp_path: Path, country: Path) -> Path:
    """The known plans of all train queries but the last, which is not delivered."""
    asked = read_queries(country, "train")
    plans = [list(each.annotated_plan or ()) for each in asked]
    return write(tmp_path / "s.jsonl", [{"idx": at, "plan": plan if at < QUERIES else None} for at, plan in enumerate(plans, start=1)])


async def test_score_as_json_tells_figures_counts_and_reasons(memp: Memp, country: Path, submission: Path) -> None:
    code, output = await memp.run(
        "travelplanner", "score", "--split", "train", "--submission", str(submission), "--json", MEMP_TRAVELPLANNER_DATA=str(country)
    )
    assert code == 0, output
    told = json.loads(output[output.index("{") :])
    assert (told["split"], told["mode"], told["queries"]) == ("train", "official", QUERIES)
    assert told["metrics"]["delivery"] == told["metrics"]["final"] == told["metrics"]["commonsense_micro"] == (QUERIES - 1) / QUERIES * 100
    assert {plan["final_pass"] for plan in told["plans"][:-1]} == {True}
    assert told["plans"][-1]["commonsense"]["Within Sandbox"] == {"passed": None, "reason": "no plan was delivered"}
    totals = [count["total"] for rows in told["commonsense"].values() for cell in rows.values() for count in cell.values()]
    assert sum(totals) == 8 * QUERIES


async def test_score_for_people_tells_that_the_database_is_not_the_official_one(memp: Memp, country: Path, submission: Path) -> None:
    command = ("travelplanner", "score", "--split", "train", "--submission", str(submission), "--mode", "strict")
    code, output = await memp.run(*command, MEMP_TRAVELPLANNER_DATA=str(country))
    assert code == 0, output
    assert "Non-conf. Transportation" in output
    assert "the official one some four million" in output


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--split": "test"}, "--split test"),
        ({"--mode": "kind"}, "--mode kind"),
        ({"--submission": "nowhere.jsonl"}, "nowhere.jsonl"),
        ({"data": ""}, "MEMP_TRAVELPLANNER_DATA is not set"),
        ({"data": "nowhere"}, "nowhere"),
        ({"bad": "{torn\n"}, "line 1: it is not JSON"),
    ],
)
async def test_score_asked_wrongly_is_refused_with_its_name(
    memp: Memp, country: Path, submission: Path, changes: dict[str, str], words: str
) -> None:
    data = changes.pop("data", str(country))
    if "bad" in changes:
        write(submission, [changes.pop("bad")])
    flags = {"--split": "train", "--submission": str(submission)} | changes
    environment = {"MEMP_TRAVELPLANNER_DATA": data} if data else {}
    found, output = await memp.run("travelplanner", "score", *(part for pair in flags.items() for part in pair), **environment)
    assert "Traceback" not in output, output
    assert words in output, output
    assert found == 2, output
