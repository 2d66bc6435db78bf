import orjson
import pytest

from experiments.stand_in import scribe
from experiments.stand_in.beliefs import believe
from memory.prompts import ADJUST, BUILD, FACTS
from tests.experiments.stand_in.clients import connected
from tests.experiments.stand_in.household import Household, asking, record

GOAL = "heat some mug and put it in shelf"
TAKE = ["go to countertop 2", "take mug 1 from countertop 2"]
HEAT = ["go to microwave 1", "heat mug 1 with microwave 1"]
PUT = ["go to shelf 1", "move mug 1 to shelf 1"]
PLACES = frozenset({"countertop", "fridge", "microwave", "shelf", "drawer", "cabinet", "toaster"})


def build(goal: str, *actions: str, outcome: str = "success (reward 1) after 6 steps") -> str:
    trajectory = record(Household(goal), actions)
    return BUILD.format(environment="A household.", task=goal, outcome=outcome, trajectory=trajectory)


def adjust(procedure: str, goal: str, *actions: str) -> str:
    trajectory = record(Household(goal), actions)
    return ADJUST.format(environment="A household.", procedure=procedure, task=goal, outcome="failure", trajectory=trajectory)


def written(prompt: str) -> str:
    return scribe.write(scribe.role(prompt), prompt)


def steps(script: str) -> str:
    return script.partition("Steps:\n")[2].partition("\nPitfalls:")[0]


def pitfalls(script: str) -> str:
    return script.partition("\nPitfalls:")[2]


def test_role_is_told_from_the_tags() -> None:
    facts = FACTS.format(environment="A household.", task=GOAL)
    assert [scribe.role(text) for text in (build(GOAL), adjust("p", GOAL), facts, "Your task is to: put a mug in shelf.")] == [
        "builder",
        "adjustment",
        "facts",
        "agent",
    ]


def test_build_has_the_form_that_was_asked_for() -> None:
    lines = written(build(GOAL, *TAKE, *HEAT, *PUT)).splitlines()
    assert [line.partition(":")[0] for line in lines if not line[0].isdigit()] == ["When to use", "Preconditions", "Steps", "Pitfalls"]
    assert [line[0] for line in lines if line[0].isdigit()] == ["1", "2", "3", "4"]


def test_build_says_place_and_appliance_as_the_reader_understands_them() -> None:
    beliefs = believe(written(build(GOAL, *TAKE, *HEAT, *PUT)), frozenset({"mug"}), PLACES)
    assert [place for (_, place), weight in beliefs.kept.items() if weight > 0] == ["countertop"]
    assert [pair for pair, weight in beliefs.works.items() if weight > 0] == [("heat", "microwave")]


def test_build_speaks_of_kinds_not_of_numbers() -> None:
    script = written(build(GOAL, *TAKE, *HEAT, *PUT))
    assert "mug 1" not in script
    assert "countertop 2" not in script


def test_build_detours_end_up_as_pitfalls_that_are_not_believed() -> None:
    wrong = ["go to toaster 1", "heat mug 1 with toaster 1", "go to fridge 1", "heat mug 1 with fridge 1"]
    script = written(build(GOAL, "go to drawer 1", "open drawer 1", *TAKE, *wrong, *HEAT, *PUT))
    assert "drawer" in pitfalls(script)
    assert "drawer" not in steps(script)
    beliefs = believe(script, frozenset({"mug"}), PLACES)
    assert beliefs.kept["mug", "drawer"] < 0
    assert beliefs.works["heat", "toaster"] < 0
    assert beliefs.works["heat", "fridge"] < 0 < beliefs.works["heat", "microwave"]


def test_build_failure_claims_no_appliance_that_nothing_confirmed() -> None:
    script = written(build(GOAL, *TAKE, "go to toaster 1", "heat mug 1 with toaster 1", outcome="failure (reward 0) after 30 steps"))
    assert "microwave" not in script
    assert "toaster" not in steps(script)


def test_build_lamp_task_says_where_the_lamp_stands() -> None:
    script = written(build("look at mug under the desklamp", *TAKE, "go to shelf 1", "use desklamp 1"))
    beliefs = believe(script, frozenset({"mug", "desklamp"}), PLACES)
    assert beliefs.kept["desklamp", "shelf"] > 0
    assert beliefs.kept["mug", "shelf"] == 0


def test_build_two_things_says_that_it_takes_two() -> None:
    script = written(build("put two mug in shelf", *TAKE, *PUT))
    assert "second mug" in script
    assert believe(script, frozenset({"mug"}), PLACES).kept["mug", "shelf"] == 0


def test_build_record_of_another_kind_lists_what_had_an_effect() -> None:
    trajectory = "Observation: Welcome.\nAction: FlightSearch[A, B]\nObservation: Flight F1\nAction: Foo[]\nObservation: Nothing happens."
    script = written(BUILD.format(environment="Travel.", task="Plan a trip from A to B.", outcome="success", trajectory=trajectory))
    assert steps(script) == "1. FlightSearch[A, B]"
    assert "Foo[]" in pitfalls(script)


def test_adjust_false_appliance_is_dropped_and_warned_of() -> None:
    procedure = "Made for the task: put a hot mug in shelf\nProcedure:\nHeat the mug with the fridge. Mugs are kept on the countertop."
    script = written(adjust(procedure, GOAL, *TAKE, "go to fridge 1", "heat mug 1 with fridge 1", *HEAT))
    assert "fridge" not in steps(script)
    assert "fridge" in pitfalls(script)
    beliefs = believe(script, frozenset({"mug"}), PLACES)
    assert beliefs.works["heat", "fridge"] < 0 < beliefs.works["heat", "microwave"]
    assert beliefs.kept["mug", "countertop"] > 0


def test_adjust_place_searched_through_in_vain_is_dropped_and_one_searched_in_part_is_kept() -> None:
    procedure = "Made for the task: put a mug in shelf\nProcedure:\nLook for the mug in the drawer or the cabinet."
    actions = ["go to drawer 1", "open drawer 1", "go to drawer 2", "open drawer 2", "go to cabinet 1", "open cabinet 1"]
    beliefs = believe(written(adjust(procedure, "put a mug in shelf", *actions)), frozenset({"mug"}), PLACES)
    assert beliefs.kept["mug", "drawer"] < 0 < beliefs.kept["mug", "cabinet"]


def test_adjust_still_serves_the_task_it_was_made_for() -> None:
    procedure = "Made for the task: put a hot mug in shelf\nProcedure:\nMugs are kept on the countertop."
    script = written(adjust(procedure, "put a hot apple in shelf", "go to drawer 1", "open drawer 1", "go to fridge 1", "open fridge 1"))
    assert 'a task like "put a hot mug in shelf"' in script
    assert believe(script, frozenset({"mug"}), PLACES).kept.keys() == {("mug", "countertop")}


def test_adjust_place_unknown_to_the_record_is_kept() -> None:
    procedure = "Made for the task: put a mug in shelf\nProcedure:\nLook for the mug in the sideboard."
    assert "sideboard" in steps(written(adjust(procedure, "put a mug in shelf", "go to toaster 1")))


@pytest.mark.parametrize(
    ("task", "facts"),
    [
        ("heat some apple and put it in fridge", {"operation": "heat", "object": "apple", "target": "fridge"}),
        ("put a mug in shelf", {"operation": "put", "object": "mug", "target": "shelf"}),
        ("find two cd and put them in safe", {"operation": "put", "object": "cd", "target": "safe", "amount": "two"}),
        ("examine the cd with the desklamp", {"operation": "look", "object": "cd", "tool": "desklamp"}),
        ("Plan a trip from Berlin to Rome for 3 days", {"words": "Plan Berlin Rome 3"}),
    ],
)
async def test_facts_come_from_the_tasks_words(task: str, facts: dict[str, str]) -> None:
    prompt = FACTS.format(environment="A household.", task=task)
    async with connected() as (server, client):
        answer = await asking(client)([{"role": "user", "content": prompt}])
    assert orjson.loads(answer) == facts
    assert server.stats.roles == {"facts": 1}
