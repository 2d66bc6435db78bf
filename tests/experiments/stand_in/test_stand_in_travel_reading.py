"""What the stand-in reads out of queries, tables, sentences and records of trips."""

import os
from pathlib import Path

import orjson
import pytest

from envs.travelplanner import prompts
from envs.travelplanner.country import trips as asked
from envs.travelplanner.queries import Query, read_queries
from experiments.stand_in.travel import plan, query
from experiments.stand_in.travel.beliefs import believe
from experiments.stand_in.travel.habits import HABITS, said
from experiments.stand_in.travel.notebook import Notebook
from memory import prompts as memory_prompts
from runtime import prompts as loop_prompts
from tests.experiments.stand_in.trips import Country, country, guide, play

_DATA = os.environ.get("MEMP_TRAVELPLANNER_DATA")
official = pytest.mark.skipif(not _DATA, reason="MEMP_TRAVELPLANNER_DATA names no folder of official data")
GOOD = [f"{habit.say}." for habit in HABITS.values()]


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Country:
    return country(tmp_path_factory.mktemp("country"), 12)


def wanted(given: Query) -> query.Trip:
    wishes, cities = given.local_constraint, given.visiting_city_number
    return query.Trip(
        given.org,
        given.dest,
        cities if cities > 1 else 0,
        given.date,
        given.people_number,
        int(given.budget),
        wishes.house_rule or "",
        tuple(sorted(wishes.cuisine or ())),
        wishes.room_type or "",
        wishes.transportation or "",
    )


def test_query_generated_is_read_whole() -> None:
    queries = [Query.model_validate({**each.query, "index": 1}) for each in asked(3, "validation", 90)]
    assert [query.read(each.query) for each in queries] == [wanted(each) for each in queries]


@official
def test_query_official_is_read_almost_always() -> None:
    queries = [each for split in ("train", "validation") for each in read_queries(Path(_DATA or ""), split)]
    missed = [each.query for each in queries if query.read(each.query) != wanted(each)]
    assert len(missed) <= len(queries) // 50, missed


@official
def test_notebook_official_observations_are_read_row_by_row() -> None:
    for line in (Path(_DATA or "") / "fixtures" / "tool_observations.jsonl").read_bytes().splitlines():
        record = orjson.loads(line)
        notebook = Notebook()
        notebook.take(record["observation"])
        tables = (notebook.rooms, notebook.restaurants, notebook.sights)
        found = len(notebook.ways) + sum(len(rows) for table in tables for rows in table.values())
        is_table = record["action"].startswith(("Flight", "Accommodation", "Restaurant", "Attraction"))
        assert found == (record["observation"].count("\n") if is_table else ", cost: " in record["observation"]), record["action"]


def test_notebook_table_that_was_stripped_is_read_all_the_same() -> None:
    notebook = Notebook()
    notebook.take(
        "Name  Average Cost Cuisines  Aggregate Rating City\n  A very long, wide  name            15      Tea               3.3   Ur"
    )
    assert [(city, *rows[0]) for city, rows in notebook.restaurants.items()] == [("Ur", "A very long, wide  name", 15.0, "Tea")]


@pytest.mark.parametrize("name", HABITS)
def test_habit_sentence_is_read_as_itself_and_its_denial_against_it(name: str) -> None:
    assert (said(HABITS[name].say), said(HABITS[name].deny)) == ({name: 1}, {name: -1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Always search for the return flight as well.", {"back": 1}),
        ("There is no need to look up the way home", {"back": -1}),
        ("Never repeat a restaurant.", {"varied_meals": 1}),
        ("The same restaurant for every meal is best.", {"varied_meals": -1}),
        ("Do not ignore the minimum number of nights.", {"nights": 1}),
        ("Flights must not be combined with driving", {"one_means": 1}),
        ("Take the most expensive rooms.", {"cheap": -1}),
        ("Leave the accommodation of the last day empty.", {"last_day": 1}),
        ("Use AccommodationSearch to find the hotels of every city", {"rooms": 1}),
        ("No flight goes from Ashgrove to Birchwick.", {}),
    ],
)
def test_habits_paraphrase_is_understood(text: str, expected: dict[str, int]) -> None:
    assert said(text) == expected


def test_beliefs_rules_and_forms_of_the_environment_say_nothing_of_good_planning() -> None:
    texts = (prompts.TOOLS, prompts.FORM, prompts.PLANNER, prompts.CONVERSION, loop_prompts.SYSTEM, memory_prompts.GUIDANCE)
    assert {name: weight for text in texts for name, weight in believe(text).weights.items()} == {}


def test_beliefs_household_script_says_nothing_of_trips() -> None:
    script = (
        "When to use: put a hot mug in shelf\nPreconditions: the room has the microwave and the shelf; the hands are free.\nSteps:\n"
        "1. Look for the mug in or on the countertop.\n2. Open the fridge where closed.\n"
        "3. Carry the mug to the microwave and heat the mug with the microwave.\nPitfalls: The mug was not in or on the drawer."
    )
    assert not believe(script).weights


def test_beliefs_records_weigh_by_their_outcome(land: Country) -> None:
    played = play(land, land.queries[0], guide(*GOOD))
    success, failure = (
        believe(f"{played.trajectory}\nOutcome: {outcome} after 9 steps").weights
        for outcome in ("success (reward 0.9)", "failure (reward 0.4)")
    )
    assert success["back"] == pytest.approx(0.9)
    assert success["varied_meals"] > 0
    assert not failure


def test_beliefs_feedback_on_a_failure_is_heard() -> None:
    record = "Observation: Query: x\nAction: Planner[x]\nObservation: none\nOutcome: failure (reward 0.5) after 1 steps\n"
    told = "failed Minimum Nights Stay: 'Loft, Ur' is taken for 2 of at least 5 nights\nfailed Budget: the trip costs 2,310 of 1,900"
    assert {name for name, weight in believe(record + told).weights.items() if weight > 0} == {"nights", "cheap"}


@pytest.mark.parametrize(
    "told",
    [
        "no plan was delivered",
        "failed Complete Information: day 3 travels without transportation",
        "failed Complete Information: day 1 has no accommodation",
        "failed Reasonable City Route: the trip starts in Ur but ends in Uruk",
        "failed Within Current City: day 3: its accommodation 'Cuisine Loft, Ur' does not fit its city, Budget",
    ],
)
def test_beliefs_feedback_that_names_no_remedy_teaches_none(told: str) -> None:
    assert not believe(f"Query: x\nAction: Planner[x]\nObservation: -\nOutcome: failure (reward 0.5) after 1 steps\n{told}").weights


def test_beliefs_the_wishes_of_another_trip_are_no_guidance() -> None:
    text = "[1] Made for the task: We prefer not to drive, and look for accommodations.\nProcedure:\nWhen to use: we prefer not to drive"
    assert not believe(text).weights


def test_plan_words_and_json_say_the_same() -> None:
    fields = dict.fromkeys(plan.FIELDS, "-") | {"current_city": "Ur", "attraction": "A: B, Ur;C, Ur", "dinner": "D: E, F, Ur"}
    day = plan.Day(1, fields)
    assert plan.read(plan.write([day])) == (day,)
    assert orjson.loads(plan.convert(plan.write([day])))["plan"] == [{"days": 1, **fields, "attraction": "A: B, Ur;C, Ur;"}]
