"""Which habits of planning the record of a trip shows, by what was done and what was planned."""

from collections.abc import Iterator

from experiments.stand_in.travel.habits import said
from experiments.stand_in.travel.plan import MEALS, NOTHING, Day
from experiments.stand_in.travel.query import Trip
from experiments.stand_in.travel.records import FLIGHTS, IN_CITY, ROADS, SEARCHES, Record, Step

_STEPS_IN_TIME = 30

_LESSONS = (
    ("Budget", "costs", "cheap"),
    ("Room Rule", "has the rule", "house_rule"),
    ("Cuisine", "no meal is", "cuisine"),
    ("Room Type", ", not ", "room_type"),
    ("Non-conf. Transportation", "mixes", "one_means"),
    ("Transportation", "rules out", "way_wish"),
    ("Diverse Restaurants", "repeats", "varied_meals"),
    ("Diverse Attractions", "repeats", "varied_sights"),
    ("Minimum Nights Stay", "at least", "nights"),
    ("Complete Information", "has no attraction", "fills"),
    ("Complete Information", "lacks a meal", "fills"),
)
"""What the reason of a failed constraint itself says was done wrong: the constraint, words of the reason, the habit of doing it right."""


def lessons(record: Record) -> list[str]:
    """The habits that the feedback on a record says were lacking."""
    return list(
        dict.fromkeys(
            habit for name, words, habit in _LESSONS for line in record.feedback if line.startswith(f"failed {name}: ") and words in line
        )
    )


def gaps(record: Record) -> list[str]:
    """The habits for whose lack a plan has gaps to show, where the record shows that lack, too."""
    signs = shown(record)
    return [name for name in dict.fromkeys(_lacking(record.days)) if signs.get(name) == -1]


def _lacking(days: tuple[Day, ...]) -> Iterator[str]:
    for day in days:
        if day.route and day["transportation"] == NOTHING:
            yield from ("back" if day is days[-1] else "between", "road", "reroute")
        if not day.route:
            yield from ("meals", "fills") if len(day.meals) < len(MEALS) else ()
            yield from ("sights", "fills") if not day.sights else ()
        if day is not days[-1] and day["accommodation"] == NOTHING:
            yield "rooms"


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
    searches = [step for step in record.steps if step.name in SEARCHES]
    if not searches:
        return
    yield "once", _sign(len({step.action for step in searches}) == len(searches))
    if record.steps[-1].name == "Planner":
        yield "in_time", _sign(len(record.steps) <= _STEPS_IN_TIME)
    visited = {city for day in record.days for city in day.cities} - {trip.origin}
    if visited:
        yield from _in_cities(visited, searches)
    yield from _on_ways(trip, visited, searches)
    yield from _after_finds(record, searches)


def _in_cities(visited: set[str], searches: list[Step]) -> Iterator[tuple[str, int]]:
    """Whether all cities that were visited were searched, and no others."""
    by_habit = {habit: {step.arguments[0] for step in searches if step.name == action} for habit, action in IN_CITY.items()}
    for habit, cities in by_habit.items():
        yield habit, _sign(visited <= cities)
    if searched := set().union(*by_habit.values()):
        yield "focused", _sign(searched <= visited)


def _on_ways(trip: Trip, visited: set[str], searches: list[Step]) -> Iterator[tuple[str, int]]:
    """Which ways were searched, and which of them first."""
    ways = [step.way for step in searches if step.way]
    yield "back", _sign(any(way[1] == trip.origin for way in ways))
    if len(visited) > 1:
        yield "between", _sign(any(trip.origin not in way[:2] for way in ways))
    if ways and not trip.banned:
        yield "drives", _sign(ways[0][2] == "self-driving")


def _after_finds(record: Record, searches: list[Step]) -> Iterator[tuple[str, int]]:
    """What came of finding a way, and of finding none."""
    vain = [step for step in searches if step.is_fruitless or record.is_dropped(step)]
    if vain:
        yield "skips", _sign(not any(step.action in record.written for step in vain))
    roads = _pairs(searches, ROADS)
    found = _pairs([step for step in searches if step not in vain], FLIGHTS)
    missing = _pairs(vain, FLIGHTS) - found
    if found:
        yield "lean", _sign(not found & roads)
    if missing:
        yield "road", _sign(bool(missing & roads))
    if dead := missing & _pairs(vain, ROADS):
        yield "reroute", _sign(not dead & {day.route for day in record.days})


def _pairs(searches: list[Step], name: str) -> set[tuple[str, str]]:
    """Origin and destination of the searches of this name."""
    return {step.way[:2] for step in searches if step.name == name and step.way}


def _planned(trip: Trip, days: tuple[Day, ...]) -> Iterator[tuple[str, int]]:
    """What the days of a plan (at least one) show."""
    means = {day.means for day in days} - {""}
    if sum(1 for day in days if day.means) > 1:
        yield "one_means", _sign(not {"self-driving", "flight"} <= means)
    if trip.banned:
        yield "way_wish", _sign(trip.banned not in means)
    for name, found in (
        ("varied_meals", [meal for day in days for meal in day.meals]),
        ("varied_sights", [sight for day in days for sight in day.sights]),
    ):
        if len(found) > 1:
            yield name, _sign(len(set(found)) == len(found))
    if stays := [day for day in days if not day.route]:
        yield "fills", _sign(all(len(day.meals) == len(MEALS) and day.sights for day in stays))
    yield "last_day", _sign(days[-1]["accommodation"] == NOTHING)
