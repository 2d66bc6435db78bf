"""Which habits of planning the record of a trip shows, by what was done and what was planned."""

from collections.abc import Callable, Iterator

from experiments.stand_in.travel.habits import said
from experiments.stand_in.travel.plan import NOTHING, Day
from experiments.stand_in.travel.query import Trip
from experiments.stand_in.travel.records import Record, Step

_IN_CITY = {"rooms": "AccommodationSearch", "meals": "RestaurantSearch", "sights": "AttractionSearch"}
_WAYS = ("FlightSearch", "GoogleDistanceMatrix")
_STAYED_ALL_DAY = 3
"""Meals of a full day."""

_LESSONS = (
    ("no plan was delivered", "", ("in_time",)),
    ("Budget", "", ("cheap", "beds")),
    ("Room Rule", "", ("house_rule",)),
    ("Cuisine", "", ("cuisine",)),
    ("Room Type", "", ("room_type",)),
    ("Non-conf. Transportation", "mixes", ("one_means",)),
    ("Transportation", "rules out", ("way_wish",)),
    ("Diverse Restaurants", "", ("varied_meals",)),
    ("Diverse Attractions", "", ("varied_sights",)),
    ("Minimum Nights", "", ("nights",)),
    ("Within Current City", "accommodation", ("last_day",)),
    ("Reasonable City Route", "ends in", ("back",)),
    ("Complete Information", "without transportation", ("back", "between", "road", "reroute")),
    ("Complete Information", "no accommodation", ("rooms",)),
    ("Complete Information", "no attraction", ("sights", "fills")),
    ("Complete Information", "lacks a meal", ("meals", "fills")),
)
"""What is to be learned of a failed constraint: its name, a word of the reason, the habits that the reason calls for."""


def lessons(record: Record) -> list[str]:
    """The habits that the feedback on a record calls for."""
    told = [line for line in record.feedback if line.startswith(("failed", "no plan", "passed"))]
    return list(
        dict.fromkeys(habit for name, word, habits in _LESSONS for line in told if name in line and word in line for habit in habits)
    )


def gaps(record: Record) -> list[str]:
    """The habits for which a plan has gaps to show: of what was never looked up."""
    found = list[str]()
    for day in record.days:
        if day.route and day["transportation"] == NOTHING:
            found += ["back" if day is record.days[-1] else "between", "road"]
        if not day.route:
            found += ["meals", "fills"] * (len(day.meals) < _STAYED_ALL_DAY) + ["sights", "fills"] * (not day.sights)
        if day is not record.days[-1] and day["accommodation"] == NOTHING:
            found.append("rooms")
    return list(dict.fromkeys(found))


def shown(record: Record) -> dict[str, int]:
    """Habits that a record shows: 1 for a habit that it has, -1 for one that it has not; what it does not show is absent."""
    trip = record.trip
    if trip is None:
        return {}
    planner_only = not record.steps or record.steps[-1].name == "Finish"
    found = said(record.note) | ({} if planner_only else dict(_searched(trip, record)))
    return found | dict(_planned(trip, record.days)) if record.days else found


def _sign(holds: bool) -> int:
    return 1 if holds else -1


def _searched(trip: Trip, record: Record) -> Iterator[tuple[str, int]]:
    steps = record.steps
    cities = {city for day in record.days for city in day.cities} - {trip.origin}
    by_city = {name: {step.arguments[0] for step in steps if step.name == action and step.arguments} for name, action in _IN_CITY.items()}
    for name, searched in by_city.items():
        if cities:
            yield name, _sign(cities <= searched)
    if steps and steps[-1].name == "Planner":
        yield "in_time", 1
    ways = [step for step in steps if step.name in _WAYS and len(step.arguments) == _STAYED_ALL_DAY]
    yield "back", _sign(any(step.arguments[1] == trip.origin for step in ways))
    if len(cities) > 1:
        yield "between", _sign(any(trip.origin not in step.arguments[:2] for step in ways))
    if cities and any(step.arguments[1] not in cities | {trip.origin} for step in ways):
        yield "reroute", 1
    if cities and set().union(*by_city.values()) <= cities:
        yield "focused", 1
    looked = [step.action for step in steps if step.name in _WAYS or step.name in _IN_CITY.values()]
    if len(set(looked)) == len(looked):
        yield "once", 1
    yield from _frugal(record, ways)


def _frugal(record: Record, ways: list[Step]) -> Iterator[tuple[str, int]]:
    """How ways were looked for: flights, roads where no flight goes, and what was written down of that."""
    follows = {id(step): after for step, after in zip(record.steps, record.steps[1:], strict=False)}
    written = {id(step) for step in ways if (after := follows.get(id(step))) and after.name == "NotebookWrite"}
    flights = {tuple(step.arguments[:2]): id(step) in written for step in ways if step.name == "FlightSearch"}
    roads = {tuple(step.arguments[:2]) for step in ways if step.name == "GoogleDistanceMatrix"}
    fruitless = {way for way, is_written in flights.items() if not is_written}
    if fruitless:
        yield "road", _sign(bool(fruitless & roads))
        yield "skips", 1
    if flights and not (flights.keys() - fruitless) & roads:
        yield "lean", 1
    driven = [day for day in record.days if day.means == "self-driving"]
    if driven and not flights:
        yield "drives", 1


def _planned(trip: Trip, days: tuple[Day, ...]) -> Iterator[tuple[str, int]]:
    means = {day.means for day in days} - {""}
    if sum(1 for day in days if day.means) > 1:
        yield "one_means", _sign(not {"self-driving", "flight"} <= means)
    if banned := {"no flight": "flight", "no self-driving": "self-driving"}.get(trip.transportation):
        yield "way_wish", _sign(banned not in means)
    for name, found in (
        ("varied_meals", [m for day in days for m in day.meals]),
        ("varied_sights", [s for day in days for s in day.sights]),
    ):
        if len(found) > 1:
            yield name, _sign(len(set(found)) == len(found))
    full: list[Callable[[Day], bool]] = [lambda day: len(day.meals) == _STAYED_ALL_DAY, lambda day: bool(day.sights)]
    if stays := [day for day in days if not day.route]:
        yield "fills", _sign(all(has(day) for day in stays for has in full))
    yield "last_day", _sign(days[-1]["accommodation"] == NOTHING)
