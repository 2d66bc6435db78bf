"""The generated country: a function of its seed, in the official layout, and every query can be answered in full."""

import json
from collections import Counter
from pathlib import Path

import pytest

from envs.travelplanner import country_land as land
from envs.travelplanner import country_words as words
from envs.travelplanner.country import generate, trips, world
from envs.travelplanner.country_trips import ask
from envs.travelplanner.database import Database, open_database
from envs.travelplanner.queries import Query, read_queries
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import score
from envs.travelplanner.tools import Tools
from envs.travelplanner.trip import Mode
from runtime.errors import UsageError
from tests.travelplanner.conftest import SEED

MANY = 90


def tree(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_generate_same_seed_gives_the_same_files_and_of_more_queries_the_first_are_the_same(country: Path, tmp_path: Path) -> None:
    generate(tmp_path, SEED, {"train": 9, "validation": 9, "test": 12})
    first, again = tree(country), tree(tmp_path)
    longer = again.pop("queries/test.jsonl")
    shorter = first.pop("queries/test.jsonl")
    assert again == first
    assert longer.startswith(shorter)
    assert longer != shorter


def test_generate_other_seed_gives_another_country(country: Path, tmp_path: Path) -> None:
    generate(tmp_path, SEED + 1, {"train": 9, "validation": 9, "test": 9})
    first, other = tree(country), tree(tmp_path)
    same = {name for name in first if other[name] == first[name]}
    assert same == {name for name in first if name.startswith("database/background/")}


def test_generate_again_leaves_the_files_alone(tmp_path: Path) -> None:
    generate(tmp_path, SEED, {"train": 1})
    times = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    generate(tmp_path, SEED, {"train": 1})
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == times


def test_generate_where_other_data_is_refuses_and_touches_nothing(country: Path, tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "precious.csv").write_text("mine")
    with pytest.raises(UsageError, match="was not generated"):
        generate(tmp_path, SEED)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["precious.csv"]
    with pytest.raises(UsageError, match="another seed"):
        generate(country, SEED + 1)


def test_generate_with_an_unknown_split_or_a_file_for_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dev: 3"):
        generate(tmp_path / "new", SEED, {"dev": 3})
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't write"):
        generate(tmp_path / "file", SEED, {"train": 1})


@pytest.mark.parametrize("mode", ["official", "strict"])
@pytest.mark.parametrize("seed", [SEED, 0, 1, 7])
def test_trips_have_plans_that_keep_all_constraints(tmp_path: Path, seed: int, mode: Mode) -> None:
    generate(tmp_path, seed, {})
    made = world(seed)
    asked = [ask(made, seed, split, index) for split in ("train", "validation", "test") for index in range(MANY)]
    queries = [Query.model_validate({**each.query, "index": index}) for index, each in enumerate(asked, 1)]
    with open_database(tmp_path, tmp_path / "cache") as database:
        report = score(queries, [each.plan for each in asked], Sandbox(database), mode)
    wrong = {plan.index: [*plan.commonsense.items(), *plan.hard.items()] for plan in report.plans if not plan.final_pass}
    assert not wrong
    assert set(report.metrics.model_dump().values()) == {100.0}


def test_generate_writes_of_train_the_plans_and_of_all_the_queries_that_trips_gives(country: Path) -> None:
    for split in ("train", "validation"):
        asked = trips(SEED, split, 9)
        read = read_queries(country, split)
        assert [query.query for query in read] == [each.query["query"] for each in asked]
        plans = [list(query.annotated_plan) if query.annotated_plan else None for query in read]
        assert plans == [each.plan if split == "train" else None for each in asked]


def test_trips_ask_for_all_lengths_levels_and_wishes() -> None:
    asked = [each.query for each in trips(SEED, "train", MANY)]
    assert Counter((query["days"], query["level"]) for query in asked) == dict.fromkeys(
        ((days, level) for days in (3, 5, 7) for level in ("easy", "medium", "hard")), MANY // 9
    )
    wishes = {(wish, str(value)) for query in asked for wish, value in query["local_constraint"].items() if value and wish != "cuisine"}
    assert {value for wish, value in wishes if wish == "house rule"} == set(words.RULES)
    assert {value for wish, value in wishes if wish == "room type"} == set(words.ROOM_TYPES)
    assert {value for wish, value in wishes if wish == "transportation"} == {words.NO_FLIGHT, words.NO_DRIVING}
    rides = Counter(day["transportation"].split()[0].strip(",") for each in trips(SEED, "train", MANY) for day in each.plan)
    assert min(rides[kind] for kind in ("Flight", "Self-driving", "Taxi")) > 0


def test_trips_say_in_their_text_all_that_they_ask_for() -> None:
    for each in trips(SEED, "validation", MANY):
        query, wishes = each.query, each.query["local_constraint"]
        said = [query["org"], query["dest"], str(query["days"]), f"${query['budget']:,}", *(wishes["cuisine"] or [])]
        said += [words.RULE_PHRASES[wishes["house rule"]]] if wishes["house rule"] else []
        said += [words.TYPE_PHRASES[wishes["room type"]]] if wishes["room type"] else []
        said += [words.TRAVEL_PHRASES[wishes["transportation"]]] if wishes["transportation"] else []
        assert [text for text in said if text not in query["query"]] == []


def test_names_of_a_city_are_no_part_of_each_other() -> None:
    made = world(SEED)
    assert not [(one, other) for one in made.states for other in [*made.states, *words.STATES] if one != other and one in other]
    for found in [*made.rooms.values(), *made.restaurants.values(), *made.sights.values()]:
        names = [each.name for each in found]
        assert not [(one, other) for one in names for other in names if one != other and one in other]
        assert len(names) == len(set(names))


def test_reference_information_is_what_the_tools_say(country: Path, database: Database) -> None:
    tools = Tools(database)
    for line in (country / "database" / "validation_ref_info.jsonl").read_text().splitlines():
        for name, told in json.loads(line).items():
            kind, _, rest = name.partition(" ")
            if kind == "Flight":
                way, day = rest.removeprefix("from ").split(" on ")
                answer = tools.call(f"FlightSearch[{way.replace(' to ', ', ')}, {day}]").text
                assert answer == told if isinstance(told, str) else len(answer.splitlines()) == len(told) + 1
            elif kind in ("Self-driving", "Taxi"):
                way = rest.removeprefix("from ").replace(" to ", ", ")
                assert tools.call(f"GoogleDistanceMatrix[{way}, {kind.lower()}]").text == told
            else:
                answer = tools.call(f"{kind.removesuffix('s')}Search[{rest.removeprefix('in ')}]").text
                assert len(answer.splitlines()) == len(told) + 1


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(1, "1 min"), (40, "40 mins"), (61, "1 hour 1 min"), (120, "2 hours 0 mins"), (1440, "1 day"), (3000, "2 days 2 hours")],
)
def test_road_duration_is_worded_as_in_the_official_file(minutes: int, told: str) -> None:
    assert land.Road(minutes, 5).duration == told
    assert land.Road(minutes, 5).usable == ("day" not in told)
