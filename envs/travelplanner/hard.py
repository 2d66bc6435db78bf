"""The five hard constraints: what the query asks for. Each yields what is wrong with a plan, in words.

They are judged only where a plan is within the sandbox and complete, so that what they look up is there.
"""

import math
from collections.abc import Iterator, Mapping

from envs.travelplanner.plan import Day, Kind, Unreadable, brief, flight_number, named, road, route
from envs.travelplanner.trip import Check, Trip

SEATS: dict[Kind, int] = {"Self-driving": 5, "Taxi": 4}
"""People in one car."""
ROOM_TYPES = {"shared room": "Shared room", "private room": "Private room", "entire room": "Entire home/apt"}
"""What a query calls a type of room, and what the database calls it."""
BANS = {"no flight": "Flight", "no self-driving": "Self-driving"}
"""What a query rules out, and the word by which a transportation is known to be that."""


def within_budget(trip: Trip) -> Iterator[str]:
    """All that the sandbox has a price for, in sum, for all people."""
    total = cost(trip)
    if total > trip.query.budget:
        yield f"the trip costs {total:,.0f} of a budget of {trip.query.budget:,.0f}"


def cost(trip: Trip) -> float:
    """What a plan costs: flights and meals per person, cars by their seats, rooms per night by their beds."""
    people, box = trip.query.people_number, trip.sandbox
    travel = sum(_travel_cost(trip, day) for day in trip.days())
    dishes = (box.restaurants(named(text))[:1] for day in trip.days() for _, text in day.meals())
    meals = sum(each.average_cost * people for found in dishes for each in found)
    rooms = sum(room.price * math.ceil(people / room.maximum_occupancy) for _, _, room in trip.rooms())
    return travel + meals + rooms


def _travel_cost(trip: Trip, day: Day) -> float:
    text = day.entry("transportation")
    way = (route(text) or route(day.city)) if text is not None else None
    if text is None or way is None:
        return 0
    if "flight number" in text.lower():
        return (trip.sandbox.flight_price(flight_number(text)) or 0) * trip.query.people_number
    means = road(text)
    if means is None:
        return 0
    car = trip.sandbox.road_cost(way, means)
    if car is None:
        raise Unreadable(f"day {day.number}: '{brief(text)}' has no price")
    return car * math.ceil(trip.query.people_number / SEATS[means])


def room_rule(trip: Trip) -> Iterator[str]:
    """No room forbids what the query wants to do in it."""
    wanted = trip.query.local_constraint.house_rule
    for day, text, room in trip.rooms():
        if f"No {wanted}" in room.house_rules:
            yield f"day {day.number}: '{brief(text)}' has the rule 'No {wanted}'"


def cuisine(trip: Trip) -> Iterator[str]:
    """Each cuisine that is asked for is eaten somewhere else than at home."""
    wanted = trip.query.local_constraint.cuisine or ()
    eaten = set[str]()
    for day in trip.days():
        eaten |= {each for each in wanted for served in _served(trip, day) if each in served}
    for each in wanted:
        if each not in eaten:
            yield f"no meal is {each}"


def _served(trip: Trip, day: Day) -> Iterator[str]:
    """The cuisines of a day's meals; one meal in the city of origin, and the rest of the day does not count."""
    for _, text in day.meals():
        meal = named(text)
        if meal.city == trip.query.org:
            return
        yield from (each.cuisines for each in trip.sandbox.restaurants(meal)[:1])


def room_type(trip: Trip) -> Iterator[str]:
    """All rooms are of the type that is asked for."""
    wanted = trip.query.local_constraint.room_type or ""
    for day, text, room in trip.rooms():
        if (wanted == "not shared room" and room.room_type == "Shared room") or room.room_type != ROOM_TYPES.get(wanted, room.room_type):
            yield f"day {day.number}: '{brief(text)}' is {room.room_type}, not {wanted}"


def transportation(trip: Trip) -> Iterator[str]:
    """The means that the query rules out are not taken; officially, the word counts as it is spelled."""
    banned = BANS.get(trip.query.local_constraint.transportation or "")
    for day in trip.days():
        text = day.entry("transportation") or ""
        if banned and (banned in text or (trip.strict and banned.lower() in text.lower())):
            yield f"day {day.number}: '{brief(text)}' is {banned.lower()}, which the query rules out"


HARD: Mapping[str, Check] = {
    "Budget": within_budget,
    "Room Rule": room_rule,
    "Cuisine": cuisine,
    "Room Type": room_type,
    "Transportation": transportation,
}
"""By the names that the benchmark's evaluator prints."""
