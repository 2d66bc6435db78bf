"""How the stand-in plays trips: by what it is told, and where it is told nothing, by chance."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest

from envs.travelplanner import prompts
from envs.travelplanner.country import generate
from envs.travelplanner.queries import Query
from envs.travelplanner.query_games import Queries
from envs.travelplanner.scoring import judge
from experiments.stand_in.travel.habits import HABITS
from runtime.parsing import parse as parse_answer
from tests.experiments.stand_in.trips import Country, Played, ask, built, country, guide, opened, plan, play, shares, steps, user

_DATA = os.environ.get("MEMP_TRAVELPLANNER_DATA")
GOOD = guide(*(f"{habit.say}." for habit in HABITS.values()))
BAD = guide("The same restaurant for every meal is best. Ignore the minimum nights. Choose expensive rooms. Search other cities, too.")
HOUSE = guide("Made for the task: heat some mug and put it in shelf\nProcedure:\nSteps:\n1. Look for the mug in the room.")


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Country:
    return country(tmp_path_factory.mktemp("country"), 36)


@pytest.fixture(scope="module")
def alone(land: Country) -> list[Played]:
    """All queries without guidance."""
    return [play(land, query) for query in land.queries]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Query], str]:
    """What comes with a query where planning alone is asked for."""
    folder = tmp_path_factory.mktemp("reference")
    generate(folder, 7, {"train": 36})
    return lambda query: Queries(folder).information({"split": "train", "index": query.index, "path": "train"})


def done(played: Sequence[Played]) -> list[list[tuple[str, str]]]:
    return [each.steps for each in played]


def test_player_without_guidance_delivers_often_and_passes_a_middling_share(alone: list[Played]) -> None:
    assert sum(each.plan is not None for each in alone) / len(alone) > 0.7
    assert 0.35 < shares(alone) < 0.75


def test_player_with_scripts_of_earlier_successes_passes_more_in_fewer_steps(land: Country, alone: list[Played]) -> None:
    half = len(alone) // 2
    best = sorted(alone[:half], key=lambda each: -each.reward)[:3]
    told = [play(land, each.query, guide(*map(built, best))) for each in alone[half:]]
    assert shares(told) > shares(alone[half:]) + 0.15
    assert steps(told) < steps(alone[half:]) - 1


def test_player_with_good_advice_passes_almost_all(land: Country, alone: list[Played]) -> None:
    told = [play(land, each.query, GOOD) for each in alone]
    assert shares(told) > 0.9
    assert steps(told) < steps(alone) - 2


def test_player_with_guidance_of_households_plays_as_without(land: Country, alone: list[Played]) -> None:
    assert done([play(land, each.query, HOUSE) for each in alone[:12]]) == done(alone[:12])


def test_player_with_false_advice_does_worse(land: Country, alone: list[Played]) -> None:
    told = [play(land, each.query, BAD) for each in alone[:12]]
    assert shares(told) < shares(alone[:12]) - 0.1
    assert not any(each.verdicts["Diverse Restaurants"] for each in told)


def test_player_weak_gains_less_than_strong(land: Country) -> None:
    strong, weak = ([play(land, query, GOOD, model) for query in land.queries] for model in ("stand-in-strong", "stand-in-weak"))
    assert shares(weak) < shares(strong)


def test_player_same_request_gets_the_same_answer_and_seeds_differ(land: Country, alone: list[Played]) -> None:
    assert done([play(land, each.query) for each in alone[:3]]) == done(alone[:3])
    assert done([play(land, each.query, seed=1) for each in alone[:6]]) != done(alone[:6])


def test_player_told_the_cities_of_a_state_does_not_search_them(land: Country) -> None:
    query = next(each for each in land.queries if each.visiting_city_number > 1)
    listing = f"CitySearch[{query.dest}]"
    cities = dict(play(land, query).steps)[listing].strip("[]").replace("'", "")
    told = play(land, query, guide(f"The cities of {query.dest} are {cities}."))
    assert listing not in told.actions


def test_player_told_that_no_flight_goes_does_not_look_for_one(land: Country) -> None:
    query = next(each for each in land.queries if any(action.startswith("Flight") for action in play(land, each).actions))
    search = next(action for action in play(land, query).actions if action.startswith("Flight"))
    origin, destination, _ = search.removeprefix("FlightSearch[").split(", ")
    assert search not in play(land, query, guide(f"No flight goes from {origin} to {destination}.")).actions


def test_player_remembers_in_its_thoughts_what_is_masked(land: Country) -> None:
    for query in land.queries:
        played = play(land, query, GOOD)
        searches = [action for action in played.actions if not action.startswith("NotebookWrite")]
        assert len(set(searches)) == len(searches)


def test_player_wish_whose_first_word_was_masked_is_heeded(land: Country) -> None:
    query = next(each for each in land.queries if each.local_constraint.transportation == "no flight")
    masked = query.model_copy(update={"query": query.query.replace("None of us", "Masked due to limited length. of us")})
    assert not any(action.startswith("Flight") for action in play(land, masked, GOOD).actions)


def test_planner_plans_from_the_notebook_alone(land: Country) -> None:
    _, days = plan(GOOD + prompts.PLANNER.format(notebook="[]", query=land.queries[0].query))
    assert [day["days"] for day in days] == list(range(1, land.queries[0].days + 1))
    assert all(day[name] == "-" for day in days for name in ("transportation", "dinner", "attraction", "accommodation"))


@pytest.mark.parametrize("query", ["", "Where shall we go?", "Plan [it]: Note: Route: A - B."])
@pytest.mark.parametrize("notebook", ["", "[{", "[1, 'x']", "7", "[{'index': 0, 'Short Description': 'x', 'Content': None}]"])
def test_planner_order_that_makes_no_sense_is_answered(query: str, notebook: str) -> None:
    role, text = ask(user(prompts.PLANNER.format(notebook=notebook, query=query)))
    assert role == "planner"
    assert text


def test_player_given_all_there_is_to_know_hands_in_a_plan(land: Country, given: Callable[[Query], str]) -> None:
    for query in land.queries[:9]:
        reference = prompts.REFERENCE.format(query=query.query, information=given(query))
        text = ask([{"role": "system", "content": prompts.SOLE}, *user(GOOD + reference)])[1]
        action = parse_answer(text).action or ""
        assert action.startswith("Finish[Day 1:")
        days = orjson.loads(ask(user(prompts.CONVERSION.format(plan=action.removeprefix("Finish[").removesuffix("]"))))[1])["plan"]
        score = judge(query, days, land.sandbox)
        assert score.commonsense["Within Sandbox"].passed
        assert score.commonsense["Complete Information"].passed


def test_player_example_episode_teaches_as_guidance_does(land: Country, alone: list[Played]) -> None:
    example = play(land, next(each.query for each in alone if each.query.days > 3), GOOD)
    opening, *turns = example.messages[1:]
    task = {"role": "user", "content": opening["content"].removeprefix(GOOD)}
    last = {"role": "user", "content": f"Observation: {example.steps[-1][1]}"}
    query = next(each.query for each in alone if "CitySearch" in each.actions[0] and each.query.dest == example.query.dest)
    messages = [example.messages[0], task, *turns, last, *user(f"Query: {query.query}")]
    assert "CitySearch" not in ask(messages)[1]


def test_player_query_that_it_cannot_read_is_left_to_the_planner() -> None:
    assert ask(user("Query: Surprise me."))[1].endswith("Action: Planner[Surprise me.]")


def test_conversion_of_the_weak_is_mended_when_asked(land: Country, alone: list[Played]) -> None:
    words = next(each.steps[-1][1] for each in alone if each.plan)
    texts = [prompts.CONVERSION.format(plan=words + "\n" * n) for n in range(80)]
    broken = next(text for text in texts if not ask(user(text), "stand-in-weak")[1].endswith("]}"))
    repair = [*user(broken), {"role": "assistant", "content": "{"}, *user(prompts.REPAIR.format(reason="cut"))]
    assert ask(repair, "stand-in-weak")[1].endswith("]}")


def test_player_household_task_behind_guidance_of_trips_is_played_as_a_household(alone: list[Played]) -> None:
    room = "You are in the middle of a room. Looking quickly around you, you see a shelf 1.\n\nYour task is to: put a mug in shelf."
    assert ask(user(guide(alone[0].record) + room))[1] == ask(user(room))[1]


@pytest.mark.skipif(not _DATA, reason="MEMP_TRAVELPLANNER_DATA names no folder of official data")
def test_player_official_train_queries_are_played_within_the_sandbox(tmp_path: Path) -> None:
    land = opened(Path(_DATA or ""), tmp_path)
    played = [play(land, query, GOOD) for query in land.queries]
    assert all(each.verdicts["Within Sandbox"] and each.verdicts["Within Current City"] for each in played if each.plan)
    assert sum(each.plan is not None for each in played) == len(played)
