"""Writes down what the record of a trip shows, mends a procedure by a failure, and names a trip's facts.

A procedure says one thing a sentence, in words that a reader takes to mean that and no more.
"""

import orjson

from experiments.stand_in.travel.beliefs import believe
from experiments.stand_in.travel.facts import Facts, observe, told
from experiments.stand_in.travel.habits import HABITS, PLANNING
from experiments.stand_in.travel.query import Trip, read
from experiments.stand_in.travel.records import Record, split
from experiments.stand_in.travel.shown import gaps, lessons, shown

_SEARCHING = tuple(name for name in HABITS if name not in PLANNING)


def facts(trip: Trip) -> str:
    """A JSON object of what a trip is known by."""
    named = {
        "origin": trip.origin,
        "destination": trip.destination,
        "days": str(len(trip.dates)),
        "cities": str(trip.cities or 1),
        "people": str(trip.people),
        "budget": str(trip.budget),
        "house rule": trip.house_rule,
        "cuisine": ", ".join(trip.cuisines),
        "room type": trip.room_type,
        "transportation": trip.transportation,
    }
    return orjson.dumps({name: value for name, value in named.items() if value}).decode()


def _only(trajectory: str, outcome: str) -> Record:
    """The one record of a request, with its outcome."""
    records, _ = split([*trajectory.splitlines(), *f"Outcome: {outcome}".splitlines()])
    return records[0] if records else Record()


def build(trip: Trip, trajectory: str, outcome: str) -> str:
    """A procedure from one record: of a success the good habits that it shows, of a failure what its feedback or its gaps call for."""
    record = _only(trajectory, outcome)
    signs = shown(record) if record.worth else {}
    learned = _learned(record)
    steps = {name: 1 for name, sign in signs.items() if sign > 0 and name not in learned}
    country = Facts()
    observe(country, record)
    return _script(trip, steps, learned, country, record)


def _learned(record: Record) -> list[str]:
    """What a record's end teaches; where nobody says what would mend a failure, what its plan lacks."""
    return lessons(record) or ([] if record.worth else gaps(record))


def adjust(trip: Trip, procedure: str, trajectory: str, outcome: str) -> str:
    """A procedure that keeps what it said of trips but for what a failure under it teaches otherwise."""
    record, old = _only(trajectory, outcome), believe(procedure)
    learned = _learned(record)
    kept = {name: 1 if weight > 0 else -1 for name, weight in old.weights.items() if weight and name not in learned}
    country = Facts(dict(old.facts.cities), set(old.facts.grounded), set(old.facts.roadless))
    observe(country, record)
    return _script(_made_for(procedure) or trip, kept, learned, country, record)


def _made_for(procedure: str) -> Trip | None:
    """The trip that a procedure was made for, where it says so."""
    return next((found for line in procedure.splitlines() if (found := read(line.partition(":")[2]))), None)


def _script(trip: Trip, steps: dict[str, int], learned: list[str], country: Facts, record: Record) -> str:
    cities, ways = told(country)
    said = [HABITS[name].say if sign > 0 else HABITS[name].deny for name, sign in _ordered(steps)]
    end = ["Have the plan made from the notebook (Planner[query])"] if record.days or steps else []
    lines = [*cities, *(f"{each}." for each in (*said, *end))]
    numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    pitfalls = " ".join([*(f"{HABITS[name].say}." for name in learned), *ways]) or _ending(record)
    when = f"a trip of {len(trip.dates)} days from {trip.origin} to {_where(trip)} for {trip.people} people"
    return f"When to use: {when}\nPreconditions: the query names dates and budget.\nSteps:\n{numbered}\nPitfalls: {pitfalls}"


def _ending(record: Record) -> str:
    if record.outcome and not record.worth:
        return "the trip failed after these steps." if record.days else f"no plan came of {len(record.steps)} steps."
    return "none that the record shows."


def _where(trip: Trip) -> str:
    return f"{trip.cities} cities of {trip.destination}" if trip.cities else trip.destination


def _ordered(steps: dict[str, int]) -> list[tuple[str, int]]:
    """What is looked up first, then what is planned."""
    return [(name, steps[name]) for name in (*_SEARCHING, *PLANNING) if name in steps]
