"""What texts say of the country: which cities a state has, where no flight goes and no road is known."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from experiments.stand_in.travel.query import NAME
from experiments.stand_in.travel.records import FLIGHTS, Record

_NO_FLIGHT = re.compile(rf"\b[Nn]o flights?(?: goes| go)? from ({NAME}) to ({NAME})(?: on (\d{{4}}-\d\d-\d\d))?")
_NO_ROAD = re.compile(rf"\b[Nn]o (?:road|way) (?:is known |goes )?from ({NAME}) to ({NAME})")
_CITIES = re.compile(rf"\b[Tt]he cities of ({NAME}) are ({NAME}(?:(?:, and |, | and ){NAME})*)")
_AND = re.compile(r", and |, | and ")


@dataclass
class Facts:
    """What is held for true of the country."""

    cities: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By state."""
    grounded: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])
    """Origin, destination and day of flights that there are none of; the day is empty where that is said of all days."""
    roadless: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Origin and destination."""

    def hear(self, text: str) -> None:
        """Take in what a text says."""
        self.grounded.update(_NO_FLIGHT.findall(text))
        self.roadless.update(_NO_ROAD.findall(text))
        for state, listed in _CITIES.findall(text):
            self.cities.setdefault(state, tuple(_AND.split(listed)))

    def flies(self, origin: str, destination: str, date: str) -> bool:
        """Whether there may be a flight."""
        return (origin, destination, date) not in self.grounded and (origin, destination, "") not in self.grounded


def listed(text: str) -> tuple[str, ...]:
    """The cities that a search for a state's cities answered."""
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()


def observe(facts: Facts, record: Record) -> None:
    """Take in what the searches of a record show."""
    for step in record.steps:
        cities = listed(step.observation) if step.name == "CitySearch" else ()
        if cities:
            facts.cities[step.arguments[0]] = cities
        facts.hear(step.observation)
        if step.name == FLIGHTS and step.way and record.is_dropped(step):
            facts.grounded.add(step.way)


def told(facts: Facts) -> tuple[list[str], list[str]]:
    """The facts as sentences that `hear` reads back: of the cities of states, and of ways that there are not."""
    cities = [f"The cities of {state} are {_joined(names)}." for state, names in sorted(facts.cities.items())]
    flights = [
        f"No flight goes from {origin} to {destination}{f' on {date}' if date else ''}."
        for origin, destination, date in sorted(facts.grounded)
    ]
    return cities, flights + [f"No road is known from {origin} to {destination}." for origin, destination in sorted(facts.roadless)]


def _joined(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
