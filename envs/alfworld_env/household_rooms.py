"""Rooms of generated households: a scene's layout, a goal that it can serve, and things put where they are usually kept."""

import random
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from envs.alfworld_env import household_tables as tables

TWO = "pick_two_obj_and_place"
LIGHT = "look_at_obj_in_light"


class Goal(NamedTuple):
    """What is asked for: a type of task, a kind of thing, and the kind of place it is to go to (or of lamp)."""

    task: str
    thing: str
    target: str


class Scene(NamedTuple):
    """A room's unchanging part: its number, and the identifiers of its receptacles with their types and locations."""

    number: int
    kind: str
    places: dict[str, str]
    locations: dict[str, str]

    def of_type(self, types: frozenset[str]) -> list[str]:
        """The receptacles of some types, in order."""
        return [place for place, type_ in self.places.items() if type_ in types]


@dataclass(frozen=True)
class Household:
    """One game's world: a scene, the identifiers of its things with their types and places, and the goal."""

    scene: Scene
    things: dict[str, str]
    where: dict[str, str]
    goal: Goal


def _coordinates(rng: random.Random) -> str:
    def one(low: float, high: float) -> str:
        value = rng.uniform(low, high)
        return f"_bar__{'minus' if value < 0 else 'plus'}_{abs(value):05.2f}".replace(".", "_dot_")

    return one(-4, 4) + one(0, 2) + one(-4, 4)


def _identifier(type_: str, taken: dict[str, str], rng: random.Random) -> str:
    while True:
        # Basins are parts of what they are in, and named after it: Sink_bar_…_bar_SinkBasin.
        owner = type_.removesuffix("Basin")
        name = f"{owner}{_coordinates(rng)}" + (f"_bar_{type_}" if type_ != owner else "")
        if name not in taken:
            return name


@cache
def scene(seed: int, kind: str, offset: int) -> Scene:
    """The scene of a kind of room by its offset; the same in every game of the seed."""
    number = tables.ROOMS[kind].first + offset
    rng = random.Random(f"scene {seed} {number}")  # noqa: S311 (households, not secrets)
    places: dict[str, str] = {}
    for type_, (least, most) in tables.ROOMS[kind].places.items():
        for _ in range(rng.randint(least, most)):
            places[_identifier(type_, places, rng)] = type_
    spots = rng.sample([(x, y) for x in range(1, 13) for y in range(1, 13)], len(places))
    locations = {place: f"loc_bar_{x}_bar_{y}_bar_{rng.randrange(4)}_bar_60" for place, (x, y) in zip(places, spots, strict=True)}
    return Scene(number, kind, places, locations)


@cache
def goals(task: str) -> dict[str, dict[str, list[Goal]]]:
    """All goals of a task type, by kind of room and kind of thing."""
    found: dict[str, dict[str, list[Goal]]] = {}
    for kind, habits in tables.HABITS.items():
        for thing in habits:
            if fitting := [Goal(task, thing, target) for target in _targets(task, kind, thing)]:
                found.setdefault(kind, {})[thing] = fitting
    return found


def _targets(task: str, kind: str, thing: str) -> list[str]:
    form, places, habits = tables.TASKS[task], tables.ROOMS[kind].places, tables.HABITS[kind]
    able = thing not in tables.FIXED and (form.things is None or thing in form.things)
    if not able or (form.appliance and form.appliance not in places):
        return []
    if task == LIGHT:
        return [tables.LAMP] if tables.LAMP in habits else []
    return [target for target in places if thing in tables.CONTAINS[target] and target != form.appliance and set(habits[thing]) - {target}]


def _sources(goal: Goal, kind: str) -> dict[str, int]:
    # The things that a goal is about start outside its target, or it could hold from the beginning.
    return {place: weight for place, weight in tables.HABITS[kind][goal.thing].items() if place != goal.target}


def _fits(goal: Goal, room: Scene) -> bool:
    types = frozenset(room.places.values())
    needed = tables.HABITS[room.kind][tables.LAMP] if goal.task == LIGHT else {goal.target}
    return bool(types & frozenset(_sources(goal, room.kind))) and bool(types & frozenset(needed))


def household(task: str, seed: int, rng: random.Random, unseen: bool) -> Household:
    """Draw a goal of the task's type, a scene that can serve it, and where everything is."""
    by_kind = goals(task)
    kind = rng.choice(list(by_kind))
    goal = rng.choice(by_kind[kind][rng.choice(list(by_kind[kind]))])
    offsets = list(tables.SCENES[-tables.UNSEEN_SCENES :] if unseen else tables.SCENES[: -tables.UNSEEN_SCENES])
    rooms = [scene(seed, kind, offset) for offset in rng.sample(offsets, len(offsets))]
    room = next((room for room in rooms if _fits(goal, room)), None)
    return _furnish(room, goal, rng) if room else household(task, seed, rng, unseen)


def _amount(thing: str, goal: Goal, rng: random.Random) -> int:
    if thing == goal.thing:
        return rng.choice((2, 2, 3) if goal.task == TWO else (1, 1, 2))
    if thing == tables.LAMP:
        return 1
    return rng.choice((0, 1, 1, 2))


def _furnish(room: Scene, goal: Goal, rng: random.Random) -> Household:
    things: dict[str, str] = {}
    where: dict[str, str] = {}
    for thing, habits in tables.HABITS[room.kind].items():
        usual = _sources(goal, room.kind) if thing == goal.thing else habits
        kinds = {type_: weight for type_, weight in usual.items() if type_ in room.places.values()}
        for _ in range(_amount(thing, goal, rng) if kinds else 0):
            name = _identifier(thing, things, rng)
            (type_,) = rng.choices(list(kinds), list(kinds.values()))
            things[name], where[name] = thing, rng.choice(room.of_type(frozenset({type_})))
    return Household(room, things, where, goal)
