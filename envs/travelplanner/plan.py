"""A plan as a model gives it, read leniently: a list of days, each an object of texts, `-` for what is not planned.

    {"days": 1, "current_city": "from A to B", "transportation": "Self-driving, from A to B, duration: …",
     "breakfast": "-", "attraction": "Name, B;Name, B;", "lunch": "Name, B", "dinner": "Name, B", "accommodation": "Name, B"}

Whatever a model writes can be asked for; what can't be read raises `Unreadable`, which fails the constraint that asked and
no other. The ways in which texts are taken apart are the benchmark's own (its 2024 evaluator), odd corners included.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

MEALS = ("breakfast", "lunch", "dinner")
FIELDS = ("transportation", "breakfast", "lunch", "dinner", "attraction", "accommodation")
NOTHING = ("", "-")
"""What stands in a field that holds no plan."""
NOT_NEEDED = "You don't need to fill in the information for this or later days."
"""Stands as the current city of a day that the plan leaves out."""

Kind = Literal["Taxi", "Self-driving", "Flight"]
KINDS: tuple[Kind, ...] = ("Taxi", "Self-driving", "Flight")
"""In the order in which a text is searched for them."""

# Possessive where nothing is gained by going back: a model that repeats itself must not cost minutes. An origin of blanks is none.
_ROUTE = re.compile(r"from\s++(?P<origin>\S++(?:[^\S\n]++\S++)*?)\s+to\s+(?P<destination>[^,]+)")
_ARRIVAL = re.compile(r"\sto\s+[^,]")
_NUMBER = "Flight Number: "
_SORTS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "a text"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (list, "a list"),
    (dict, "an object"),
)


class Unreadable(Exception):
    """A part of a plan that can't be read; the text says which and why."""


class Route(NamedTuple):
    """From one city to another, without their states in brackets."""

    origin: str
    destination: str


class Named(NamedTuple):
    """The name and the city of `Name, City`; both are `-` where the text is of another form."""

    name: str
    city: str


def without_state(text: str) -> str:
    """The text before its first brackets: `Rockford` of `Rockford(Illinois)`, and `Rockford ` where a space stands between."""
    at = text.find("(")
    return text if at < 0 or ")" not in text[at:] or "\n" in text[:at] else text[:at]


def named(text: str) -> Named:
    """`Name, City` taken apart at the last comma."""
    head, comma, tail = text.rpartition(",")
    if not (comma and tail):
        return Named("-", "-")
    return Named(head.rpartition("\n")[2].strip(), without_state(tail.strip()).strip())


def route(text: str) -> Route | None:
    """The first `from A to B` of a text, B up to a comma; None where it has none."""
    found = _ROUTE.search(text) if _ARRIVAL.search(text) else None
    return Route(without_state(found["origin"]), without_state(found["destination"])) if found else None


def kind(transportation: str) -> Kind | None:
    """What a transportation is by the words in it, whatever their case; None for other means (`Drive from …`)."""
    lower = transportation.lower()
    return next((each for each in KINDS if each.lower() in lower), None)


def road(transportation: str) -> Kind | None:
    """Which means of the road a transportation names; where it names both, the car of one's own counts."""
    lower = transportation.lower()
    roads: tuple[Kind, ...] = ("Self-driving", "Taxi")
    return next((each for each in roads if each.lower() in lower), None)


def flight_number(transportation: str) -> str:
    """The number after `Flight Number: `, up to a comma; `Unreadable` where that is not there."""
    parts = transportation.split(_NUMBER)
    if len(parts) < 2:
        raise Unreadable(f"no number stands after '{_NUMBER}' in '{brief(transportation)}'")
    return parts[1].split(",")[0]


def brief(text: str) -> str:
    """A text in a reason: its first 80 characters, such that any file can hold it."""
    short = text if len(text) <= 80 else f"{text[:80]}…"
    return short.encode(errors="replace").decode()


def sort_of(value: object) -> str:
    """What JSON calls a value, for a reason: the value itself may be of any size."""
    return next((name for kinds, name in _SORTS if isinstance(value, kinds)), "null")


@dataclass(frozen=True)
class Day:
    """One day of a plan; `number` counts from 1."""

    number: int
    fields: dict[str, Any]

    def given(self, field: str) -> Any:
        """What stands in a field, whatever it is; `Unreadable` where the day has no such field."""
        if field not in self.fields:
            raise Unreadable(f"day {self.number} has no {field}")
        return self.fields[field]

    def entry(self, field: str) -> str | None:
        """What is planned; None where the field is missing, null, empty or `-`. `Unreadable` where it is no text."""
        value = self.fields.get(field)
        return None if not value or value == "-" else self._text(field, value)

    def meals(self) -> Iterator[tuple[str, str]]:
        """The meals that are planned: which of the three, and its text."""
        for meal in MEALS:
            text = self.entry(meal)
            if text is not None:
                yield meal, text

    @property
    def city(self) -> str:
        """`current_city` as it stands; `Unreadable` where it is missing or no text."""
        return self._text("current_city", self.given("current_city"))

    def route(self) -> Route | None:
        """Where a day of travel leads; None on a day that stays. `Unreadable` where it has `from` without `to`."""
        city = self.city
        if "from" not in city:
            return None
        found = route(city)
        if found is None:
            raise Unreadable(f"day {self.number}: its current_city '{brief(city)}' is not of the form 'from A to B'")
        return found

    def _text(self, field: str, value: object) -> str:
        if isinstance(value, str):
            return value
        raise Unreadable(f"day {self.number}: its {field} is {sort_of(value)}, not a text")


def days_of(plan: object, most: int) -> Iterator[Day]:
    """The first `most` days of a plan; `Unreadable` where the plan is no list, and at the first day that is no object."""
    if not isinstance(plan, list):
        raise Unreadable(f"the plan is {sort_of(plan)}, not a list of days")
    for number, day in enumerate(cast(list[object], plan)[:most], start=1):
        if not isinstance(day, dict):
            raise Unreadable(f"day {number} is {sort_of(day)}, not an object")
        yield Day(number, cast(dict[str, Any], day))
