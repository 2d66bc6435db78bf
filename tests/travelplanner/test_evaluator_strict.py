"""The loopholes of the benchmark's evaluator: each passes officially, and fails in the strict mode for a reason that names it."""

from collections.abc import Iterator

import pytest

from envs.travelplanner.hard import cost
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import judge
from envs.travelplanner.trip import Trip
from tests.travelplanner.judging import Plan, failures, little_country, plan, query

ASKED = query(local_constraint={"house rule": None, "cuisine": None, "room type": None})
BACK = (5, "transportation", "Drive from Beta to Home, 3 hours")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with little_country(tmp_path_factory.mktemp("country")) as opened:
        yield opened


def expect_closed(sandbox: Sandbox, made: Plan, constraint: str, words: str) -> None:
    assert failures(sandbox, made, ASKED) == set()
    assert failures(sandbox, made, ASKED, "strict") == {constraint}
    score = judge(ASKED, made, sandbox, "strict")
    reason = {**score.commonsense, **score.hard}[constraint].reason
    assert reason is not None
    assert words in reason


def test_plan_that_keeps_all_constraints_passes_strictly(sandbox: Sandbox) -> None:
    assert failures(sandbox, plan(), ASKED, "strict") == set()


def test_drive_that_is_no_known_means_fails_strictly(sandbox: Sandbox) -> None:
    made = plan(BACK)
    assert cost(Trip(ASKED, made, sandbox)) == cost(Trip(ASKED, plan(), sandbox)) - 240, "officially it is for nothing"
    expect_closed(sandbox, made, "Within Sandbox", "Drive from Beta to Home")


def test_flight_without_its_number_fails_strictly(sandbox: Sandbox) -> None:
    expect_closed(sandbox, plan((5, "transportation", "Flight F2, from Beta to Home")), "Within Sandbox", "Flight F2")


def test_last_attraction_without_semicolon_that_is_unknown_fails_strictly(sandbox: Sandbox) -> None:
    expect_closed(sandbox, plan((2, "attraction", "Sight 2, Alpha;Sight 99, Alpha")), "Within Sandbox", "Sight 99")


def test_last_attraction_without_semicolon_that_is_repeated_fails_strictly(sandbox: Sandbox) -> None:
    expect_closed(sandbox, plan((2, "attraction", "Sight 2, Alpha; Sight 2, Alpha")), "Diverse Attractions", "Sight 2")


def test_last_attraction_without_semicolon_in_another_city_fails_strictly(sandbox: Sandbox) -> None:
    expect_closed(sandbox, plan((2, "attraction", "Sight 7, Beta")), "Within Current City", "Sight 7")


def test_flight_the_other_way_fails_strictly(sandbox: Sandbox) -> None:
    made = plan((1, "transportation", "Flight Number: F3, from Alpha to Home"))
    expect_closed(sandbox, made, "Within Current City", "goes from Home to Alpha, its transportation from Alpha to Home")


@pytest.mark.parametrize(("field", "text"), [("lunch", "Meal 13, Beta"), ("attraction", "Sight 7, Beta;")])
def test_stay_day_with_something_in_another_city_fails_strictly(sandbox: Sandbox, field: str, text: str) -> None:
    expect_closed(sandbox, plan((2, field, text)), "Within Current City", text.strip(";"))


def test_stay_day_with_a_room_in_another_city_fails_strictly(sandbox: Sandbox) -> None:
    made = plan((1, "accommodation", "Twin Long, Alpha"), (2, "accommodation", "Cabin, Beta"), (3, "accommodation", "Cabin, Beta"))
    expect_closed(sandbox, made, "Within Current City", "Cabin, Beta")


def test_ban_evaded_by_another_case_fails_strictly(sandbox: Sandbox) -> None:
    """The taxi of day 3 is left out: officially, a car of one's own may not be mixed with it."""
    asked = query(local_constraint={"house rule": None, "cuisine": None, "room type": None, "transportation": "no self-driving"})
    roads = [(1, "Home", "Alpha"), (3, "Alpha", "Beta"), (5, "Beta", "Home")]
    made = plan(*((day, "transportation", f"self-driving, from {origin} to {goal}") for day, origin, goal in roads))
    assert failures(sandbox, made, asked) == set()
    assert failures(sandbox, made, asked, "strict") == {"Transportation"}


def test_null_meal_of_a_stay_day_fails_strictly(sandbox: Sandbox) -> None:
    expect_closed(sandbox, plan((2, "lunch", None)), "Complete Information", "day 2 lacks a meal")
