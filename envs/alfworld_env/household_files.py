"""A household as the text of a game file: the released format, its domain and its grammar."""

import importlib.util
import json
import re
from functools import cache
from itertools import chain
from pathlib import Path

from envs.alfworld_env import household_tables as tables
from envs.alfworld_env.household_rooms import LIGHT, TWO, Household
from runtime.errors import UsageError

_HELP = re.compile(r'feedback :: "#help\.feedback#";\s*grammar :: """.*?"rhs": (?P<text>"[^\n]*")\n.*?""";', re.DOTALL)
_START = "loc_bar_0_bar_0_bar_0_bar_60"


@cache
def _shipped(name: str) -> str:
    spec = importlib.util.find_spec("alfworld")  # Found, not imported: importing it makes folders in the user's home.
    if spec is None or spec.origin is None:
        raise UsageError("households are made from ALFWorld's own rules: install memp[alfworld]")
    return (Path(spec.origin).parent / "data" / name).read_text()


@cache
def domain() -> str:
    """The domain of the released games, which differs a little from the one that the package ships."""
    shipped = _shipped("alfred.pddl").replace(";(receptacleType ?r SinkType)", "(receptacleType ?r SinkType)")
    return shipped.removesuffix("\n\n)\n") + "\n)\n"


@cache
def _grammar() -> str:
    # The released games have the help text in place, where the shipped grammar refers to a rule.
    def literal(found: re.Match[str]) -> str:
        return f'feedback :: "{json.loads(found["text"])}";'

    return _HELP.sub(literal, _shipped("alfred.twl2"))


def grammar(goal: str) -> str:
    """The grammar of the released games with a goal's sentence in its task line."""
    return _grammar().replace("UNKNOWN GOAL.", goal)


def problem(house: Household, name: str) -> str:
    """The planning problem of a household in PDDL."""
    objects = "\n        ".join(_objects(house))
    facts = "\n        ".join(f"({fact})" for fact in _facts(house))
    return f"""
(define (problem plan_{name})
(:domain alfred)
(:objects
        {objects}
        )

(:init
        {facts}
        )

        (:goal
            {_goal(house)}
        )
    )
"""


def _objects(house: Household) -> list[str]:
    things = sorted({thing for habits in tables.HABITS.values() for thing in habits})
    typed = {
        "agent": ["agent1"],
        "otype": [f"{thing}Type" for thing in things],
        "rtype": [f"{place}Type" for place in tables.CONTAINS],
        "object": list(house.things),
        "receptacle": list(house.scene.places),
        "location": [_START, *house.scene.locations.values()],
    }
    return [f"{name} - {type_}" for type_, names in typed.items() for name in names]


def _facts(house: Household) -> list[str]:
    room = house.scene
    return list(
        chain(
            ["atLocation agent1 " + _START],
            (f"receptacleType {place} {type_}Type" for place, type_ in room.places.items()),
            (f"receptacleAtLocation {place} {location}" for place, location in room.locations.items()),
            (f"openable {place}" for place in room.of_type(tables.OPENABLE)),
            _containment(house),
            *(_thing_facts(house, thing, type_) for thing, type_ in house.things.items()),
        )
    )


def _containment(house: Household) -> list[str]:
    # Only what is in the room: pairs of absent types would change nothing but the planner's time.
    places, things = sorted(set(house.scene.places.values())), set(house.things.values())
    return [f"canContain {place}Type {thing}Type" for place in places for thing in sorted(tables.CONTAINS[place] & things)]


def _thing_facts(house: Household, thing: str, type_: str) -> list[str]:
    place = house.where[thing]
    spot = [f"inReceptacle {thing} {place}", f"objectAtLocation {thing} {house.scene.locations[place]}"]
    abilities = [ability for ability, able in tables.ABLE.items() if type_ in able] + ["pickupable"] * (type_ not in tables.FIXED)
    return [f"objectType {thing} {type_}Type", *spot, *(f"{ability} {thing}" for ability in abilities)]


def _goal(house: Household) -> str:
    task, thing, target = house.goal
    placed = f"(objectType ?o {thing}Type) (receptacleType ?r {target}Type) (inReceptacle ?o ?r)"
    if task == LIGHT:
        lit = f"(objectType ?ot {target}Type) (toggleable ?ot) (isToggled ?ot) (inReceptacle ?ot ?r)"
        here = "(receptacleAtLocation ?r ?l) (atLocation ?a ?l)"
        held = f"(exists (?o - object ?a - agent) (and (objectType ?o {thing}Type) (holds ?a ?o)))"
        return f"(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and {lit} {here})) {held})"
    if task == TWO:
        other = f"(exists (?o2 - object) (and (not (= ?o ?o2)) (objectType ?o2 {thing}Type) (inReceptacle ?o2 ?r)))"
        return f"(and (exists (?r - receptacle) (exists (?o - object) (and {placed} {other}))))"
    state = {"clean": "(cleanable ?o) (isClean ?o) ", "heat": "(heatable ?o) (isHot ?o) ", "cool": "(coolable ?o) (isCool ?o) "}
    return f"(and (exists (?r - receptacle) (exists (?o - object) (and {state.get(tables.TASKS[task].verb, '')}{placed}))))"
