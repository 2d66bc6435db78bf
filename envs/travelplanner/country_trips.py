"""Queries of the generated country, each with a plan that keeps every constraint: a query without one is never asked."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from envs.travelplanner import country_land as land
from envs.travelplanner import country_words as words
from envs.travelplanner.country_places import Restaurant, Room, Sight
from runtime.errors import EnvError

_DAYS = (3, 5, 7)
_LEVELS = ("easy", "medium", "hard")
_WISHES = ("house rule", "cuisine", "room type", "transportation")
_STRICTNESS = {"easy": 0, "medium": 1, "hard": 3}
"""How many wishes a query of a level has besides its budget."""
_NIGHTS = 2
"""Nights in each city."""
_ATTEMPTS = 500
_PER_CAR = {"self-driving": 5, "taxi": 4}


@dataclass(frozen=True)
class World:
    """All that there is in the country."""

    states: dict[str, str]
    roads: land.Roads
    flights: land.Flights
    rooms: dict[str, list[Room]]
    restaurants: dict[str, list[Restaurant]]
    sights: dict[str, list[Sight]]


class Asked(NamedTuple):
    """A query as the official files hold it (without a plan), a plan that keeps all its constraints, and its legs."""

    query: dict[str, Any]
    plan: list[dict[str, Any]]
    legs: list["Leg"]


class Leg(NamedTuple):
    """A journey of a trip."""

    origin: str
    destination: str
    date: str


@dataclass
class _Plan:
    days: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    cost: float = 0


class _Impossible(Exception):
    """No plan keeps these constraints."""


def ask(world: World, seed: int, split: str, index: int) -> Asked:
    """Query `index` of a split: lengths and levels take turns, all else is by seed."""
    rng = random.Random(f"trip {seed} {split} {index}")  # noqa: S311 (trips, not secrets)
    days, level = _DAYS[index % len(_DAYS)], _LEVELS[index // len(_DAYS) % len(_LEVELS)]
    for _ in range(_ATTEMPTS):
        query, legs = _drafted(world, rng, days, level)
        try:
            plan = _planned(world, query, legs)
        except _Impossible:
            continue
        query["budget"] = math.ceil(plan.cost * rng.uniform(1.1, 1.4) / 100) * 100
        query["query"] = _worded(query, rng)
        return Asked(query, plan.days, legs)
    raise EnvError(f"the country of seed {seed} has no trip {index} of split {split}: report this, and take another seed")


def _drafted(world: World, rng: random.Random, days: int, level: str) -> tuple[dict[str, Any], list[Leg]]:
    """A query without budget and text, and its legs."""
    cities, state = (days - 1) // _NIGHTS, rng.choice(words.STATES)
    stops = rng.sample([city for city, of in world.states.items() if of == state], cities)
    org = rng.choice([city for city, of in world.states.items() if of != state])
    first = land.FIRST_DAY + timedelta(rng.randint(0, land.DAYS - days))
    dates = [(first + timedelta(day)).isoformat() for day in range(days)]
    route = [org, *stops, org]
    legs = [Leg(origin, destination, dates[_NIGHTS * number]) for number, (origin, destination) in enumerate(pairwise(route))]
    wishes = set(rng.sample(_WISHES, _STRICTNESS[level]))
    query = {
        "org": org,
        "dest": stops[0] if cities == 1 else state,
        "days": days,
        "visiting_city_number": cities,
        "date": dates,
        "people_number": 1 if level == "easy" else rng.randint(2, 8),
        "local_constraint": {wish: _wish(wish, rng) if wish in wishes else None for wish in _WISHES},
        "level": level,
    }
    return query, legs


def _wish(wish: str, rng: random.Random) -> Any:
    if wish == "cuisine":
        return rng.sample(words.CUISINES, rng.choice((2, 4)))
    return rng.choice({"house rule": words.RULES, "room type": tuple(words.ROOM_TYPES)}.get(wish, (words.NO_FLIGHT, words.NO_DRIVING)))


def _planned(world: World, query: dict[str, Any], legs: list[Leg]) -> _Plan:
    """A cheap plan that keeps all constraints: two nights in each city, and every meal somewhere else."""
    people, wishes = query["people_number"], query["local_constraint"]
    plan = _Plan()
    rides = _rides(world, legs, people, wishes["transportation"], plan)
    stops = [leg.destination for leg in legs[:-1]]
    rooms = {stop: _room(world.rooms[stop], people, wishes, plan) for stop in stops}
    meals = _meals(world, stops, wishes["cuisine"] or [], people, plan)
    for number, (leg, ride) in enumerate(zip(legs, rides, strict=True)):
        here, there = meals.get(leg.origin), meals.get(leg.destination)
        eaten = {"breakfast": next(here) if here else "-", "lunch": next(here) if here else "-", "dinner": next(there) if there else "-"}
        room = rooms.get(leg.destination, "-")
        plan.days.append(_day(2 * number + 1, f"from {leg.origin} to {leg.destination}", ride, eaten, "-", room))
        if there:
            sights = "".join(f"{sight.name}, {sight.city};" for sight in world.sights[leg.destination][:2])
            eaten = {meal: next(there) for meal in ("breakfast", "lunch", "dinner")}
            plan.days.append(_day(2 * number + 2, leg.destination, "-", eaten, sights, room))
    return plan


def _day(number: int, city: str, ride: str, eaten: dict[str, str], sights: str, room: str) -> dict[str, Any]:
    return {
        "days": number,
        "current_city": city,
        "transportation": ride,
        "breakfast": eaten["breakfast"],
        "attraction": sights,
        "lunch": eaten["lunch"],
        "dinner": eaten["dinner"],
        "accommodation": room,
    }


def _rides(world: World, legs: list[Leg], people: int, ban: str | None, plan: _Plan) -> list[str]:
    """The cheaper of driving all the way and of flights, with taxis where none goes; both can't be mixed."""
    ways: list[list[tuple[float, str]]] = []
    if ban != words.NO_DRIVING:
        ways.append([found for leg in legs if (found := _car(world, leg, people, "self-driving"))])
    if ban != words.NO_FLIGHT:
        ways.append([found for leg in legs if (found := _flight(world, leg, people) or _car(world, leg, people, "taxi"))])
    ways = [way for way in ways if len(way) == len(legs)]
    if not ways:
        raise _Impossible
    best = min(ways, key=lambda way: sum(cost for cost, _ in way))
    plan.cost += sum(cost for cost, _ in best)
    return [ride for _, ride in best]


def _flight(world: World, leg: Leg, people: int) -> tuple[float, str] | None:
    flights = world.flights.get(leg)
    if not flights:
        return None
    best = min(flights, key=lambda flight: flight.price)
    times = f"Departure Time: {best.departure}, Arrival Time: {best.arrival}"
    return best.price * people, f"Flight Number: {best.number}, from {leg.origin} to {leg.destination}, {times}"


def _car(world: World, leg: Leg, people: int, mode: str) -> tuple[float, str] | None:
    road = world.roads[leg.origin, leg.destination]
    if road is None or not road.usable:
        return None
    cost = road.cost(mode)
    told = (
        f"{mode.capitalize()}, from {leg.origin} to {leg.destination}, duration: {road.duration}, distance: {road.distance}, cost: {cost}"
    )
    return cost * math.ceil(people / _PER_CAR[mode]), told


def _room(rooms: list[Room], people: int, wishes: dict[str, Any], plan: _Plan) -> str:
    """The cheapest room of a city for all of them."""
    kinds, rule = words.ROOM_TYPES.get(wishes["room type"]), wishes["house rule"]
    costs = {
        room: room.price * math.ceil(people / room.maximum_occupancy)
        for room in rooms
        if room.price is not None and room.house_rules is not None and room.minimum_nights <= _NIGHTS
        if (kinds is None or room.room_type in kinds) and (rule is None or f"No {rule}" not in room.house_rules)
    }
    if not costs:
        raise _Impossible
    best = min(costs, key=lambda room: costs[room])
    plan.cost += costs[best] * _NIGHTS
    return f"{best.name}, {best.city}"


def _meals(world: World, stops: list[str], cuisines: list[str], people: int, plan: _Plan) -> dict[str, Iterator[str]]:
    """For each city six restaurants, cheap ones, and among them all the cuisines."""
    chosen: dict[str, list[Restaurant]] = {stop: [] for stop in stops}
    cheap = {stop: sorted(world.restaurants[stop], key=lambda each: each.average_cost) for stop in stops}
    for cuisine in cuisines:
        stop = min(stops, key=lambda stop: len(chosen[stop]))
        serving = [each for each in cheap[stop] if cuisine in each.cuisines and each not in chosen[stop]]
        chosen[stop] += serving[:1]
    for stop in stops:
        chosen[stop] += [each for each in cheap[stop] if each not in chosen[stop]][: 6 - len(chosen[stop])]
        plan.cost += sum(each.average_cost for each in chosen[stop]) * people
    return {stop: iter([f"{each.name}, {stop}" for each in found]) for stop, found in chosen.items()}


def _worded(query: dict[str, Any], rng: random.Random) -> str:
    """What the travellers say."""
    people, wishes = query["people_number"], query["local_constraint"]
    way = words.TO_CITY if query["visiting_city_number"] == 1 else words.TO_STATE
    said = rng.choice(words.OPENINGS).format(
        days=query["days"],
        way=way.format(org=query["org"], dest=query["dest"], cities=query["visiting_city_number"]),
        people=words.ALONE if people == 1 else words.TOGETHER.format(count=people),
        first=_spoken(query["date"][0]),
        last=_spoken(query["date"][-1]),
        budget=f"${query['budget']:,}",
    )
    cuisines = ", ".join(wishes["cuisine"][:-1]) + f" and {wishes['cuisine'][-1]}" if wishes["cuisine"] else None
    more = [
        words.RULE_PHRASES.get(wishes["house rule"]),
        words.CUISINE_PHRASE.format(cuisines=cuisines) if cuisines else None,
        words.TYPE_PHRASES.get(wishes["room type"]),
        words.TRAVEL_PHRASES.get(wishes["transportation"]),
    ]
    return " ".join([said, *filter(None, more)])


def _spoken(day: str) -> str:
    number = date.fromisoformat(day).day
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number not in (11, 12, 13) else 0, "th")
    return f"March {number}{ending}"
