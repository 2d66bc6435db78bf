"""What memory says to models and agents: the environment at hand, and no solution of its own."""

import re

import pytest

from envs.alfworld_env.household_tables import OPENABLE, ROOMS, TASKS
from memory import prompts
from memory.guidance import guidance
from memory.procedure import Content

PROMPTS = {name: text for name, text in vars(prompts).items() if name.isupper()}
APPLIANCES = {form.appliance for form in TASKS.values() if form.appliance}
VERBS = {form.verb for form in TASKS.values() if form.verb} | {"heat", "cool", "clean", "examine"}
PLACES = {place for kind in ROOMS.values() for place in kind.places} | OPENABLE | {"DeskLamp", "FloorLamp"}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_holds_no_worked_solution_of_the_task_types(name: str) -> None:
    words = set(re.findall(r"[a-z]+", PROMPTS[name].lower()))
    assert not words & {word.lower() for word in VERBS | APPLIANCES | PLACES}
    assert "alfworld" not in words


@pytest.mark.parametrize("name", ["BUILD", "ADJUST", "FACTS"])
def test_prompt_has_a_place_for_the_environment_and_the_task(name: str) -> None:
    assert {"{environment}", "{task}"} <= set(re.findall(r"\{\w+\}", PROMPTS[name]))


def test_guidance_of_nothing_is_empty() -> None:
    assert guidance([]) == ""


def test_guidance_names_each_procedure_once_in_order_with_what_it_has() -> None:
    text = guidance([("goal one", Content(script="script one")), ("goal two", Content(script="script two", trajectory="record two"))])
    parts = ["[1] Made for the task: goal one", "script one", "[2] Made for the task: goal two", "script two", "record two"]
    assert [text.count(part) for part in parts] == [1] * len(parts)
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    assert "Record of an episode" not in text.partition("[2]")[0]


def test_guidance_takes_braces_as_they_are() -> None:
    assert "{curly}" in guidance([("goal", Content(script="{curly} {0}"))])
