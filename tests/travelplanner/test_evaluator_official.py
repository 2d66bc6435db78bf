"""Each constraint, and the corners of the benchmark's evaluator, on plans that differ from a good one in a word or two."""

from collections.abc import Iterator
from typing import Any

import pytest

from envs.travelplanner.hard import cost
from envs.travelplanner.plan import Named, Route, named, route, without_state
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import judge
from envs.travelplanner.trip import Trip
from tests.travelplanner.judging import failed, failures, little_country, plan, query

ROUTE, RESTAURANTS, ATTRACTIONS = "Reasonable City Route", "Diverse Restaurants", "Diverse Attractions"
NIGHTS, CONFLICT, CITY = "Minimum Nights Stay", "Non-conf. Transportation", "Within Current City"
SANDBOX, COMPLETE = "Within Sandbox", "Complete Information"
LOFT, ROOM = "Loft (large), Alpha", "accommodation"
DRIVE = "Drive from Home to Alpha, 3 hours"
Change = tuple[int, str, object]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with little_country(tmp_path_factory.mktemp("country")) as opened:
        yield opened


def rooms(text: str) -> list[Change]:
    """Both nights in Alpha in another room."""
    return [(1, ROOM, text), (2, ROOM, text)]


def test_plan_that_keeps_all_constraints_fails_none(sandbox: Sandbox) -> None:
    score = judge(query(local_constraint={"room type": "not shared room"}), plan(), sandbox)
    assert not failed(score)
    assert score.final_pass


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # The route: where it starts, ends, stays, and in which state.
        ([(1, "current_city", "from Far to Alpha")], {ROUTE, CITY, COMPLETE}),
        ([(5, "current_city", "from Beta to Gamma")], {ROUTE, CITY, COMPLETE}),
        ([(4, "current_city", "Alpha")], {ROUTE}),
        ([(4, "current_city", "Alphaville")], {ROUTE, COMPLETE}),
        ([(4, "current_city", "Beta(There)")], set()),
        ([(4, "current_city", "Beta (There)")], {ROUTE, COMPLETE}),
        ([(3, "current_city", "from Alpha(There) to Beta(There)")], set()),
        ([(3, "current_city", "from Alpha")], {ROUTE, CITY, COMPLETE}),
        # The same words, not the same meal; another day's counts, too.
        ([(2, "lunch", "Meal 3, Alpha")], {RESTAURANTS}),
        ([(2, "lunch", "Meal 3,  Alpha")], set()),
        ([(4, "lunch", "Meal 8, Beta")], {RESTAURANTS}),
        ([(2, "attraction", "Sight 2, Alpha;Sight 2, Alpha;")], {ATTRACTIONS}),
        ([(2, "attraction", "Sight 2, Alpha; Sight 2, Alpha;")], set()),
        ([(2, "attraction", "Sight 2, Alpha;;")], {CITY, SANDBOX}),
        # Nights: counted by consecutive texts, and only where exactly one room of that name is known.
        ([(2, ROOM, "Quiet room, Alpha")], {NIGHTS}),
        (rooms("Long stay, Alpha"), {NIGHTS}),
        (rooms("Twin Long, Alpha"), set()),
        (rooms("No such room, Alpha"), {SANDBOX}),
        ([(1, ROOM, None)], {NIGHTS}),
        ([(1, ROOM, ...)], {NIGHTS, COMPLETE}),
        # Transportation: by words in it, taxi before self-driving before flight.
        ([(3, "transportation", "Self-driving, from Alpha to Beta")], {CONFLICT}),
        ([(3, "transportation", "Taxi or self-driving, from Alpha to Beta")], set()),
        ([(1, "transportation", "-")], {CONFLICT, COMPLETE}),
        ([(1, "transportation", None)], {CONFLICT}),
        ([(1, "transportation", ...)], {CONFLICT, SANDBOX, COMPLETE}),
        ([(4, "transportation", ...)], {SANDBOX, COMPLETE}),
        ([(1, "transportation", DRIVE)], set()),
        ([(1, "transportation", "Flight Number:F1, from Home to Alpha")], {SANDBOX}),
        ([(1, "transportation", "flight number: F1, from Home to Alpha")], {SANDBOX}),
        ([(1, "transportation", "Flight Number: F1 , from Home to Alpha")], {SANDBOX}),
        ([(1, "transportation", "Flight Number: F1 Home-Alpha")], {SANDBOX}),
        ([(1, "transportation", "Flight Number: F1, Home-Alpha")], set()),
        ([(1, "transportation", "Flight Number: F1, from Alpha to Home")], {SANDBOX}),
        ([(1, "transportation", "Flight Number: F3, from Alpha to Home")], set()),
        ([(4, "transportation", "Taxi")], {CITY, SANDBOX}),
        ([(3, "transportation", "Taxi, Alpha-Beta")], set()),
        ([(3, "transportation", "Taxi, from Beta to Alpha")], {SANDBOX}),
        # Places: part of a name is enough, by letter and case; the city must be exact.
        ([(2, "lunch", "eal 4, Alpha")], set()),
        ([(2, "lunch", "meal 4, Alpha")], {SANDBOX}),
        ([(2, "lunch", "Meal ., Alpha")], {SANDBOX}),
        ([(2, "lunch", "C++ (new), Alpha")], set()),
        ([(2, "lunch", "Meal 4, Alphaville")], {SANDBOX}),
        ([(2, "lunch", "Meal 4; cost 10, Alpha")], {SANDBOX}),
        ([(2, "lunch", "Meal 4 in Alpha")], {SANDBOX}),
        ([(2, "lunch", ", Alpha")], set()),
        ([(2, "lunch", "Meal 4, Alpha(There)")], set()),
        ([(4, ROOM, "No rules known, Beta")], {NIGHTS, SANDBOX}),
        ([(2, "attraction", "Sight 9, Alpha;")], {SANDBOX}),
        ([(2, "attraction", "Sight 9, Alpha")], set()),
        ([(3, "lunch", "Meal 9, Far")], {CITY, SANDBOX}),
        # What a day may leave out depends on the words in its city.
        ([(2, "lunch", "-")], {COMPLETE}),
        ([(2, "lunch", "")], {COMPLETE}),
        ([(2, "lunch", None)], set()),
        ([(2, "lunch", ...)], {COMPLETE}),
        ([(2, "attraction", "-")], {COMPLETE}),
        ([(1, "attraction", "-"), (1, "lunch", "-")], set()),
        ([(4, ROOM, "-")], {COMPLETE, NIGHTS}),
        ([(2, "current_city", "You don't need to fill in the information for this or later days.")], {ROUTE, COMPLETE, CITY}),
        ([(2, "current_city", ...)], {ROUTE, CITY, COMPLETE}),
        ([(2, "current_city", "")], {ROUTE, CITY, COMPLETE}),
        ([(2, "days", "2")], set()),
        ([(2, "days", ...), (2, "day", 2), (2, "remark", ["junk", {}])], set()),
    ],
)
def test_plan_changed_fails_what_upstream_fails(sandbox: Sandbox, changes: list[Change], expected: set[str]) -> None:
    asked = query(local_constraint={"house rule": None, "cuisine": None, "room type": None})
    assert failures(sandbox, plan(*changes), asked) == expected


def test_stay_day_whose_city_is_spelled_by_other_letters_passes(sandbox: Sandbox) -> None:
    """Upstream asks whether a meal holds any letter of the city: this one is in another city, and known there."""
    asked = query(local_constraint={"cuisine": None, "room type": None})
    assert failures(sandbox, plan((2, "lunch", "Meal 8, Beta"), (3, "lunch", "Meal 9, Beta"), (3, "dinner", "-")), asked) == set()


def test_three_day_trip_to_another_city_than_asked_passes(sandbox: Sandbox) -> None:
    asked = query(days=3, dest="Gamma", visiting_city_number=1, local_constraint={"cuisine": None, "room type": None})
    back = {**plan()[4], "current_city": "from Alpha to Home", "transportation": "Flight Number: F3, from Alpha to Home"}
    assert failures(sandbox, [*plan()[:2], back], asked) == set()


def test_half_of_the_fields_filled_is_complete_and_less_is_not(sandbox: Sandbox) -> None:
    """15 of 30 is the bound; `days` and `current_city` count, and so does anything else that a day has."""
    bare = plan(*((day, field, None) for day in range(1, 6) for field in ("breakfast", "lunch", "dinner", "attraction")))
    assert COMPLETE not in failures(sandbox, bare)
    fewer = [{**day, "days": None, "accommodation": None} for day in bare]
    assert COMPLETE in failures(sandbox, fewer)
    assert COMPLETE not in failures(sandbox, [{**day, **{f"x{n}": "x" for n in range(2)}} for day in fewer])


@pytest.mark.parametrize(("days", "expected"), [(4, COMPLETE), (6, None)])
def test_day_too_few_is_incomplete_and_day_too_many_is_not_read(sandbox: Sandbox, days: int, expected: str | None) -> None:
    wrong = [*plan(), {"junk": 1}][:days]
    found = failures(sandbox, wrong, query(local_constraint={"room type": None}))
    assert (expected in found) if expected else not found


@pytest.mark.parametrize(
    ("changes", "wishes", "expected"),
    [
        ([], {"house rule": "parties"}, {"Room Rule"}),
        ([], {"house rule": "children under 10"}, {"Room Rule"}),
        ([], {"house rule": "visitors"}, set()),
        ([], {"room type": "entire room"}, {"Room Type"}),
        ([], {"room type": "private room"}, {"Room Type"}),
        ([], {"room type": "shared room"}, {"Room Type"}),
        (rooms("Twin Long, Alpha"), {"room type": "not shared room", "house rule": None}, {"Room Type"}),
        ([], {"cuisine": ["Indian"]}, {"Cuisine"}),
        ([(1, "lunch", "Cafe C, Alpha")], {"cuisine": ["Indian"]}, {"Cuisine"}),  # the first match is French
        ([(1, "lunch", "Cafe C, Alpha")], {"cuisine": ["French"]}, set()),
        ([(5, "lunch", "Home cooking, Home")], {"cuisine": ["Indian"]}, {"Cuisine"}),
        (
            [(5, "breakfast", "Home cooking, Home"), (5, "dinner", "Meal 13, Beta"), (4, "lunch", "Meal 10,Beta")],
            {"cuisine": ["French"]},
            set(),
        ),
        ([(1, "breakfast", "Home cooking, Home")], {"cuisine": ["Italian"]}, {"Cuisine"}),  # it hides that day's lunch
        ([(1, "dinner", "Home cooking, Home")], {"cuisine": ["Italian"]}, set()),
        ([], {"transportation": "no flight"}, {"Transportation"}),
        ([], {"transportation": "no self-driving"}, set()),
        ([(1, "transportation", DRIVE), (5, "transportation", "drive")], {"transportation": "no flight"}, {CITY}),
        ([(3, "transportation", "self-driving, from Alpha to Beta")], {"transportation": "no self-driving"}, {CONFLICT}),
    ],
)
def test_plan_against_wishes_fails_what_upstream_fails(
    sandbox: Sandbox, changes: list[Change], wishes: dict[str, Any], expected: set[str]
) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("house rule", "cuisine", "room type", "transportation"))
    assert failures(sandbox, plan(*changes), query(local_constraint=nothing | wishes)) == expected


@pytest.mark.parametrize(
    ("people", "changes", "expected"),
    [
        # Flights 100 + 120, ten meals of 10, nights 50, 50, 40, 40, a taxi of 219 km.
        (1, [], 220 + 100 + 180 + 219),
        (2, [], 440 + 200 + 180 + 219),
        (5, [], 1100 + 500 + 3 * 180 + 2 * 219),
        (6, [(1, "transportation", "Self-driving, from Home to Alpha")], 720 + 600 + 3 * 180 + 2 * 219 + 2 * 50),
        (1, [(1, "transportation", DRIVE)], 120 + 100 + 180 + 219),
        (1, [(1, "transportation", "Flight Number: F2, Home-Alpha")], 240 + 100 + 180 + 219),  # by number alone
        (1, [(1, "lunch", "Cafe C, Alpha")], 220 + 105 + 180 + 219),  # the first whose name contains it
        (1, [(1, "lunch", "Nowhere, Alpha"), (1, ROOM, "Nowhere, Alpha")], 220 + 90 + 130 + 219),
    ],
)
def test_cost_is_summed_as_upstream_sums_it(sandbox: Sandbox, people: int, changes: list[Change], expected: float) -> None:
    assert cost(Trip(query(people_number=people), plan(*changes), sandbox)) == expected


def test_budget_is_kept_to_the_dollar(sandbox: Sandbox) -> None:
    wishes = dict.fromkeys(("house rule", "cuisine", "room type"))
    assert failures(sandbox, plan(), query(budget=1039, local_constraint=wishes)) == set()
    score = judge(query(budget=1038, local_constraint=wishes), plan(), sandbox)
    assert failed(score) == {"Budget"}
    assert score.hard["Budget"].reason == "the trip costs 1,039 of a budget of 1,038"


def test_hard_constraints_of_a_plan_outside_the_sandbox_are_not_judged(sandbox: Sandbox) -> None:
    score = judge(query(), plan((2, "lunch", "Nowhere, Alpha")), sandbox)
    assert {verdict.passed for verdict in score.hard.values()} == {None}
    assert set(score.hard) == {"Budget", "Room Rule", "Cuisine", "Room Type"}
    assert not score.hard_pass


@pytest.mark.parametrize("nothing", [None, [], "", {}])
def test_plan_that_is_empty_counts_as_not_delivered(sandbox: Sandbox, nothing: object) -> None:
    score = judge(query(), nothing, sandbox)
    assert not score.delivered
    assert {verdict.passed for verdict in score.commonsense.values()} == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A, B", ("A", "B")),
        ("A, b, C (S)", ("A, b", "C")),
        ("A,B\n", ("A", "B")),
        ("first line\nA, B", ("A", "B")),
        ("A, ", ("A", "")),
        ("A,", ("-", "-")),
        ("A B", ("-", "-")),
        (", B", ("", "B")),
    ],
)
def test_name_and_city_are_parted_at_the_last_comma(text: str, expected: Named) -> None:
    assert named(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from A to B", ("A", "B")),
        ("Taxi, from A(S) to B(S), cost: 3", ("A", "B")),
        ("from  A B  to  C, D", ("A B", "C")),
        ("from A to B to C", ("A", "B to C")),
        ("from A\nto B\nC, D", ("A", "B\nC")),
        ("from A, from B to C", ("A, from B", "C")),
        ("from A tomorrow to B", ("A tomorrow", "B")),
        ("afrom A to B", ("A", "B")),
        ("from A to", None),
        ("from A to ,B", None),
        ("from line\nA to B", None),
        ("A to B", None),
    ],
)
def test_route_is_read_up_to_a_comma(text: str, expected: Route | None) -> None:
    assert route(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("A(b", "A(b"), ("A (b) c", "A "), ("A\n(b)", "A\n(b)"), ("A)(b)", "A)"), ("A((b)", "A")])
def test_state_is_cut_at_the_first_brackets_that_close(text: str, expected: str) -> None:
    assert without_state(text) == expected
