"""The eight commonsense constraints: each yields what is wrong with a plan, in words, and nothing where it holds.

Names and judgements are those of the benchmark's own evaluator (TravelPlanner, 2024).
"""

from collections.abc import Iterator, Mapping
from itertools import groupby

from envs.travelplanner.plan import (
    FIELDS,
    MEALS,
    NOT_NEEDED,
    NOTHING,
    Day,
    Unreadable,
    brief,
    flight_number,
    kind,
    named,
    road,
    route,
    without_state,
)
from envs.travelplanner.trip import Check, Trip

LEAST_FILLED = 0.5
"""Share of six fields a day from which a plan is complete; every key of a day counts, `days` and `current_city` included."""


def reasonable_city_route(trip: Trip) -> Iterator[str]:
    """The trip starts at the origin, ends where it began, stays at least a day in each city, comes back to none, and keeps to the
    state (officially not checked: the city of a trip of three days)."""
    query, cities = trip.query, list[str]()
    for day in trip.days():
        way = day.route()
        if day.number == 1 and way is not None and way.origin != query.org:
            yield f"day 1 starts from {brief(way.origin)}, not from {query.org}"
        cities += way if way is not None else [without_state(day.city)]
    if cities[0] != cities[-1]:
        yield f"the trip starts in {brief(cities[0])} but ends in {brief(cities[-1])}"
    if len(cities) < 3:
        yield "the trip visits no city: its route has fewer than three entries"
    yield from _stays(cities)
    states, inside = trip.sandbox.states, range(1, len(cities) - 1)
    for at, city in enumerate(cities):
        if city not in states:
            yield f"{brief(city)} is no city of the database"
        elif at in inside and query.days > 3 and states[city] != query.dest:
            yield f"{city} is in {states[city]}, not in {query.dest}"


def _stays(cities: list[str]) -> Iterator[str]:
    """A city of the route that is left within the day, or that is come back to; the first and the last entry may be the same."""
    seen, last, at = set[str](), len(cities) - 1, 0
    for city, entries in groupby(cities):
        length = len(list(entries))
        if city in seen and at not in (0, last):
            yield f"the trip comes back to {brief(city)}"
        if length == 1 and 0 < at < last:
            yield f"the trip passes through {brief(city)} without staying there"
        seen.add(city)
        at += length


def diverse_restaurants(trip: Trip) -> Iterator[str]:
    """No restaurant twice, compared as texts."""
    seen = set[str]()
    for day in trip.days():
        for meal, text in day.meals():
            if text in seen:
                yield f"day {day.number}: {meal} repeats '{brief(text)}'"
            seen.add(text)


def diverse_attractions(trip: Trip) -> Iterator[str]:
    """No attraction twice, compared as texts."""
    seen = set[str]()
    for day in trip.days():
        for attraction in trip.attractions(day):
            if attraction in seen:
                yield f"day {day.number} repeats the attraction '{brief(attraction)}'"
            seen.add(attraction)


def minimum_nights_stay(trip: Trip) -> Iterator[str]:
    """Consecutive nights in a room reach its minimum; officially only where exactly one room of that name is known."""
    for text, entries in groupby(_night(day) for day in trip.days()):
        if text in NOTHING:
            continue
        nights, rooms = len(list(entries)), trip.sandbox.rooms(named(text))
        if len(rooms) == 1 and nights < rooms[0].minimum_nights:
            yield f"'{brief(text)}' is taken for {nights} of at least {rooms[0].minimum_nights:.0f} nights"


def _night(day: Day) -> str:
    value = day.given("accommodation")
    if not isinstance(value, str):
        raise Unreadable(f"day {day.number}: its accommodation is no text")
    return value


def non_conflicting_transportation(trip: Trip) -> Iterator[str]:
    """The first day travels, and a car of one's own is joined by neither flight nor taxi."""
    kinds = set[str | None]()
    for day in trip.days():
        if day.number == 1 and not (day.given("transportation") and day.entry("transportation")):
            yield "day 1 has no transportation"
        kinds.add(kind(day.entry("transportation") or ""))
    for other in ("Flight", "Taxi"):
        if {"Self-driving", other} <= kinds:
            yield f"the plan mixes self-driving with {other.lower()}"


def within_current_city(trip: Trip) -> Iterator[str]:
    """What is planned for a day is in the city, or the two cities, of that day."""
    for day in trip.days():
        cities = trip.cities(day)
        for field, text, fits in _places(trip, day, cities):
            if not fits:
                yield f"day {day.number}: its {field} '{brief(text)}' does not fit its city, {brief(day.city)}"
        yield from _other_way(trip, day)


def _places(trip: Trip, day: Day, cities: list[str]) -> Iterator[tuple[str, str, bool]]:
    """Each entry of a day, with its field, and whether it fits the day's cities."""
    transportation, room = day.entry("transportation"), day.entry("accommodation")
    if transportation is not None:
        yield "transportation", transportation, all(city in transportation for city in cities)
    for field, text in (*day.meals(), *(("attraction", each) for each in trip.attractions(day))):
        yield field, text, any(city in text for city in cities)
    if room is not None:
        yield "accommodation", room, bool(cities) and cities[-1] in room


def _other_way(trip: Trip, day: Day) -> Iterator[str]:
    """Strict: the transportation leads where the day does."""
    way, taken = day.route(), route(day.entry("transportation") or "")
    if trip.strict and way and taken and taken != way:
        yield f"day {day.number} goes from {brief(' to '.join(way))}, its transportation from {brief(' to '.join(taken))}"


def within_sandbox(trip: Trip) -> Iterator[str]:
    """Flights, roads, meals, attractions and rooms are those of the database: nothing is made up."""
    for day in trip.days():
        transportation = day.given("transportation") and day.entry("transportation")
        if transportation and not _travels(trip, day, transportation):
            yield f"day {day.number}: the database has no '{brief(transportation)}'"
        for field, text, known in _known(trip, day):
            if not known:
                yield f"day {day.number}: the database has no {field} '{brief(text)}'"


def _known(trip: Trip, day: Day) -> Iterator[tuple[str, str, bool]]:
    """Each entry of a day that names a place, with its field, and whether the database has it."""
    box, room = trip.sandbox, day.entry("accommodation")
    for meal, text in day.meals():
        yield meal, text, bool(box.restaurants(named(text)))
    for attraction in trip.attractions(day):
        yield "attraction", attraction, bool(box.attractions(named(attraction)))
    if room is not None:
        yield "accommodation", room, bool(box.rooms(named(room)))


def _travels(trip: Trip, day: Day, text: str) -> bool:
    """Whether the database has this flight or road; officially, other means are not looked at."""
    way = route(text) or route(day.city)
    if "flight number" in text.lower():
        return way is not None and trip.sandbox.flies(flight_number(text), way)
    means = road(text)
    if means is None:
        return not trip.strict
    return way is not None and trip.sandbox.road_cost(way, means) is not None


def complete_information(trip: Trip) -> Iterator[str]:
    """As many days and cities as the query asks for, nothing left out that a day needs, and at least half of all filled."""
    days = trip.query.days
    planned = sum(1 for day in trip.days() if day.fields and day.given("current_city") != NOT_NEEDED)
    if planned != days:
        yield f"the plan has {planned} of {days} days"
    yield from _city_number(trip)
    for day in trip.days():
        yield from _left_out(trip, day)
    filled = sum(1 for day in trip.days() for value in day.fields.values() if value and value != "-")
    if filled / (len(FIELDS) * days) < LEAST_FILLED:
        yield f"only {filled} entries are filled, of {len(FIELDS) * days}"


def _city_number(trip: Trip) -> Iterator[str]:
    query, visited = trip.query, set[str]()
    for day in trip.days():
        way = day.route()
        if day.number == 1 and way is not None and way.origin != query.org:
            yield f"day 1 starts from {brief(way.origin)}, not from {query.org}"
        visited |= set(way if way is not None else [without_state(day.city)])
    found = len(visited - {query.org})
    if found != query.visiting_city_number:
        yield f"the plan visits {found} cities, not {query.visiting_city_number}"


def _left_out(trip: Trip, day: Day) -> Iterator[str]:
    """What a day lacks; whether it travels is told by the words in its city."""
    empty = {field for field in FIELDS if _is_empty(day, field, trip.strict)}
    city, number = day.city, day.number
    if "transportation" in empty and ("from " in city or "to " in city):
        yield f"day {number} travels without transportation"
    if "attraction" in empty and "from " not in city and " to " not in city:
        yield f"day {number} has no attraction"
    if "accommodation" in empty and number != trip.query.days:
        yield f"day {number} has no accommodation"
    if empty.intersection(MEALS) and "from " not in city:
        yield f"day {number} lacks a meal"


def _is_empty(day: Day, field: str, strict: bool) -> bool:
    """Officially, null is no empty entry."""
    return day.given(field) in NOTHING or (strict and day.entry(field) is None)


COMMONSENSE: Mapping[str, Check] = {
    "Reasonable City Route": reasonable_city_route,
    "Diverse Restaurants": diverse_restaurants,
    "Diverse Attractions": diverse_attractions,
    "Minimum Nights Stay": minimum_nights_stay,
    "Non-conf. Transportation": non_conflicting_transportation,
    "Within Current City": within_current_city,
    "Within Sandbox": within_sandbox,
    "Complete Information": complete_information,
}
"""By the names that the benchmark's evaluator prints."""
