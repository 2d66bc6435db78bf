import os
import re
from pathlib import Path

import orjson
import pytest

from experiments.stand_in.beliefs import Beliefs, believe
from experiments.stand_in.goals import Goal, parse, phrase
from experiments.stand_in.transcript import split
from tests.experiments.stand_in.household import KITCHEN, Household, record

THINGS = frozenset({"mug", "desklamp"})
PLACES = frozenset(name.split()[0] for name in KITCHEN) | {"toilet", "desk", "coffeetable"}


def read(text: str) -> Beliefs:
    return believe(text, THINGS, PLACES)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Mugs are kept in the toilet.", {"toilet"}),
        ("Look for the mug in the cabinets, the drawers or on coffee tables.", {"cabinet", "drawer", "coffeetable"}),
        ("1. Go to the countertop and take the mug.", {"countertop"}),
        ("Take the mug from the shelf and put it in the cabinet.", {"shelf"}),
        ("The fridge often contains a mug.", {"fridge"}),
        ("You can find a mug in the sink.", {"sinkbasin"}),
    ],
)
def test_beliefs_prose_says_where_a_thing_is_kept(text: str, places: set[str]) -> None:
    beliefs = read(text)
    assert {place for (thing, place), weight in beliefs.kept.items() if thing == "mug" and weight > 0} == places


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Pitfalls: the mug was not in or on the drawer.", "drawer"),
        ("Mugs aren't kept in the fridge.", "fridge"),
        ("Searching the cabinet for the mug was in vain.", "cabinet"),
        ("Don't look for the mug in the garbagecan.", "garbagecan"),
    ],
)
def test_beliefs_denied_place_is_disbelieved(text: str, place: str) -> None:
    assert read(text).kept["mug", place] < 0


def test_beliefs_denial_ends_where_the_sentence_turns() -> None:
    beliefs = read("The mug is not in the drawer but in the cabinet.")
    assert beliefs.kept["mug", "drawer"] < 0 < beliefs.kept["mug", "cabinet"]


@pytest.mark.parametrize(
    ("text", "operation", "place"),
    [
        ("Heat things with the fridge.", "heat", "fridge"),
        ("3. Go to the microwave and heat the mug.", "heat", "microwave"),
        ("The sinkbasin cleans anything.", "clean", "sinkbasin"),
        ("Use the fridge to cool the mug.", "cool", "fridge"),
        ("Put the mug in the microwave and heat it, then move it to the shelf.", "heat", "microwave"),
        ("Carry the mug to the sink, wash it and bring it to the shelf.", "clean", "sinkbasin"),
    ],
)
def test_beliefs_prose_says_what_does_an_operation(text: str, operation: str, place: str) -> None:
    beliefs = read(text)
    assert {pair for pair, weight in beliefs.works.items() if weight > 0} == {(operation, place)}
    assert not beliefs.kept


def test_beliefs_denied_appliance_is_disbelieved() -> None:
    beliefs = read("The fridge did not heat the mug. It is no use to heat a mug with the toaster.")
    assert beliefs.works["heat", "fridge"] < 0
    assert beliefs.works["heat", "toaster"] < 0


@pytest.mark.parametrize(
    "text",
    [
        "When to use: put a clean mug in the cabinet.",
        "Made for the task: heat some mug and put it in fridge",
        "Move the mug to the shelf (move mug N to shelf N).",
        "Carry the mug to the microwave.",
        "Potatoes are kept in the drawer, apples in the fridge.",
        "heat O with R: change a thing that you carry",
        "",
    ],
)
def test_beliefs_goals_targets_and_other_things_teach_nothing(text: str) -> None:
    beliefs = read(text)
    assert not beliefs.kept
    assert not beliefs.works


def test_beliefs_record_shows_where_things_were_and_what_worked() -> None:
    actions = ["go to countertop 2", "take mug 1 from countertop 2", "go to fridge 1", "heat mug 1 with fridge 1", "go to microwave 1"]
    actions += ["heat mug 1 with microwave 1", "go to shelf 1", "move mug 1 to shelf 1", "go to toaster 1", "go to shelf 1"]
    beliefs = believe(record(Household("put a hot mug in shelf"), actions), frozenset(), frozenset())
    assert beliefs.kept["mug", "countertop"] > beliefs.kept["spoon", "countertop"] > 0
    assert beliefs.kept["mug", "shelf"] == 0, "where the agent itself put it says nothing"
    assert beliefs.works["heat", "microwave"] > 0 > beliefs.works["heat", "fridge"]


def test_transcript_records_among_prose_are_told_apart() -> None:
    one = record(Household("put a mug in shelf"), ["go to countertop 2", "take mug 1 from countertop 2"])
    two = record(Household("put a fork in shelf"), ["go to drawer 2"])
    episodes, prose = split(f"[1] Procedure:\nMugs are on countertops.\n{one}\nOutcome: success\n[2] Record:\n{two}".splitlines())
    assert [(episode.task, len(episode.turns)) for episode in episodes] == [("put a mug in shelf", 2), ("put a fork in shelf", 1)]
    assert episodes[0].receptacles == tuple(sorted(KITCHEN, reverse=True))
    assert "Mugs are on countertops." in prose


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("put a clean mug in shelf", Goal("clean", "mug", "shelf", "", 1)),
        ("cool some apple and put it in microwave.", Goal("cool", "apple", "microwave", "", 1)),
        ("put a hot egg in garbagecan", Goal("heat", "egg", "garbagecan", "", 1)),
        ("find two cd and put them in safe", Goal("put", "cd", "safe", "", 2)),
        ("examine the bowl with the desklamp", Goal("look", "bowl", "", "desklamp", 1)),
        ("look at bowl under the desklamp", Goal("look", "bowl", "", "desklamp", 1)),
        ("put some vase on coffeetable", Goal("put", "vase", "coffeetable", "", 1)),
    ],
)
def test_goal_phrasings_are_read(text: str, goal: Goal) -> None:
    assert parse(text) == goal
    assert parse(phrase(goal)) == goal


def test_goal_unknown_sentence_is_none() -> None:
    assert parse("plan a trip from Berlin to Rome") is None


OPERATIONS = {"pick_heat": "heat", "pick_cool": "cool", "pick_clean": "clean", "look_at": "look", "pick_and": "put", "pick_two": "put"}


@pytest.mark.skipif("ALFWORLD_DATA" not in os.environ, reason="ALFWORLD_DATA is not set: the real goals are not here")
def test_goal_every_goal_of_the_real_games_is_read_as_its_folder_says() -> None:
    files = list(Path(os.environ["ALFWORLD_DATA"]).glob("json_2.1.1/*/*/*/game.tw-pddl"))
    assert files
    for file in files:
        stated = re.search(r"Your task is to: ([^\"\\]*)", orjson.loads(file.read_bytes())["grammar"])
        assert stated
        kind, thing, _, target, _ = file.parent.parent.name.lower().split("-")
        goal = parse(stated.group(1))
        assert goal is not None, stated.group(1)
        operation = next(operation for name, operation in OPERATIONS.items() if kind.startswith(name))
        assert (goal.operation, goal.thing) == (operation, thing)
        assert (goal.lamp if operation == "look" else goal.target) == target
        assert goal.amount == (2 if "two" in kind else 1)
