"""What the stand-in writes down about trips: scripts, their correction, facts."""

from itertools import pairwise

import orjson
import pytest

from envs.travelplanner import prompts
from experiments.stand_in.travel.beliefs import believe
from experiments.stand_in.travel.habits import HABITS
from memory import prompts as memory_prompts
from tests.experiments.stand_in.trips import Country, Played, adjusted, ask, built, country, guide, play, user

GOOD = guide(*(f"{habit.say}." for habit in HABITS.values()))
SAME = "The same restaurant for every meal is best."


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Country:
    return country(tmp_path_factory.mktemp("country"), 12)


def success(land: Country) -> Played:
    return next(played for query in land.queries if query.days > 3 and (played := play(land, query, GOOD)).reward == 1)


def failure(land: Country) -> Played:
    return next(played for query in land.queries if (played := play(land, query, guide(SAME))).reward < 0.8 and played.plan)


def test_build_of_a_success_says_what_the_record_shows(land: Country) -> None:
    played = success(land)
    script = built(played)
    assert [line.partition(":")[0] for line in script.splitlines() if not line[0].isdigit()] == [
        "When to use",
        "Preconditions",
        "Steps",
        "Pitfalls",
    ]
    beliefs = believe(script)
    assert {"back", "rooms", "meals", "sights", "varied_meals", "nights", "cheap", "focused"} <= {
        name for name, weight in beliefs.weights.items() if weight > 0
    }
    assert not any(weight < 0 for weight in beliefs.weights.values())
    assert len(beliefs.facts.cities[played.query.dest]) == 5


def test_build_of_a_failure_says_what_its_feedback_calls_for_and_recommends_nothing_else(land: Country) -> None:
    script = built(failure(land))
    weights = believe(script).weights
    assert weights["varied_meals"] > 0
    assert "varied_meals" not in believe(script.partition("Pitfalls:")[0]).weights
    assert weights["last_day"] == 0


def test_build_success_that_searched_again_and_elsewhere_teaches_neither_to_do_so_nor_not_to(land: Country) -> None:
    played = success(land)
    assert {"once", "focused"} <= {name for name, weight in believe(built(played)).weights.items() if weight > 0}
    played.steps[1:1] = [("AttractionSearch[Nowhere]", "x"), ("AttractionSearch[Nowhere]", "x")]
    weights = believe(built(played)).weights
    assert (weights["once"], weights["focused"]) == (0, 0)


@pytest.mark.parametrize(
    ("habit", "without"),
    [
        ("once", [("AttractionSearch[Ur]", "x"), ("AttractionSearch[Ur]", "x")]),
        ("focused", [("AttractionSearch[Nowhere]", "x")]),
        ("skips", [("AttractionSearch[Ur]", "There is no attraction in this city."), ("NotebookWrite[x]", "x")]),
        ("in_time", [("NotebookWrite[x]", "x")] * 30),
    ],
)
def test_record_shows_a_habit_and_its_lack(land: Country, habit: str, without: list[tuple[str, str]]) -> None:
    played = next(each for query in land.queries if (each := play(land, query, GOOD)).reward == 1 and _seeks_in_vain(each))
    assert believe(played.record).weights[habit] > 0
    played.steps[0:0] = without
    assert believe(played.record).weights[habit] < 0


def _seeks_in_vain(played: Played) -> bool:
    return any(action.startswith("FlightSearch") and "Notebook" not in after for action, after in pairwise(played.actions))


def test_build_claims_no_gap_in_the_flights_that_the_database_has_not(land: Country) -> None:
    played = [
        play(land, query, "", model, seed)
        for query in land.queries
        for model, seed in (("stand-in-strong", 0), ("stand-in-strong", 1), ("stand-in-weak", 0))
    ]
    claims = {claim for each in played for text in (built(each), each.record) for claim in believe(text).facts.grounded}
    found = {claim: land.tools.call(f"FlightSearch[{', '.join(claim)}]").text for claim in claims}
    assert claims
    assert {claim for claim, text in found.items() if not text.startswith("There is no flight")} == set()


def test_build_search_repeated_after_it_was_written_down_was_not_in_vain() -> None:
    mask, search = "Masked due to limited length.", "FlightSearch[Ur, Uruk, 2022-03-03]"
    steps = [(search, mask), ("NotebookWrite[x]", "x"), (search, mask), ("AttractionSearch[Uruk]", "x")]
    record = "\n".join(["Query: x", *(f"Action: {action}\nObservation: {told}" for action, told in steps)])
    assert not believe(record).facts.grounded
    assert believe(record.replace("Action: NotebookWrite[x]\nObservation: x\n", "")).facts.grounded == {("Ur", "Uruk", "2022-03-03")}


def test_adjust_false_claim_is_mended_and_the_rest_stands(land: Country) -> None:
    procedure = f"Procedure:\nSteps:\n1. {SAME}\n2. {HABITS['nights'].say}.\n3. No flight goes from Ur to Uruk."
    beliefs = believe(adjusted(failure(land), procedure))
    assert beliefs.weights["varied_meals"] > 0
    assert beliefs.weights["nights"] > 0
    assert ("Ur", "Uruk", "") in beliefs.facts.grounded


def test_adjust_failure_without_feedback_goes_by_the_gaps_of_the_plan(land: Country) -> None:
    played = play(land, land.queries[0], guide(HABITS["back"].deny + "."))
    material = {"environment": prompts.TOOLS, "task": played.query.query, "trajectory": played.trajectory}
    text = memory_prompts.ADJUST.format(**material, outcome="failure (reward 0.5) after 9 steps", procedure=HABITS["back"].deny + ".")
    assert believe(ask(user(text))[1]).weights["back"] > 0


def test_facts_of_a_trip_are_named(land: Country) -> None:
    query = next(each for each in land.queries if each.local_constraint.cuisine)
    role, text = ask(user(memory_prompts.FACTS.format(environment=prompts.TOOLS, task=query.query)))
    found = orjson.loads(text)
    assert role == "facts"
    assert (found["origin"], found["destination"], found["days"]) == (query.org, query.dest, str(query.days))
    assert found["budget"] == f"{query.budget:.0f}"
    assert set(found["cuisine"].split(", ")) == set(query.local_constraint.cuisine or ())
