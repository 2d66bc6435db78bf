"""A plan in words: a block of named lines a day. Written by the planner, read for the conversion and out of records."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

FIELDS = ("transportation", "breakfast", "attraction", "lunch", "dinner", "accommodation")
MEALS = ("breakfast", "lunch", "dinner")
NOTHING = "-"
_LABELS = {"current_city": "Current City", **{name: name.capitalize() for name in FIELDS}}
_NAMES = {label.lower(): name for name, label in _LABELS.items()}
_DAY = re.compile(r"^\W*Day\s+(\d{1,3})\W*$", re.IGNORECASE)
_LINE = re.compile(rf"^\W*({'|'.join(_NAMES)})\W*?:\s*(.*?)\s*$", re.IGNORECASE)
_ROUTE = re.compile(r"from (.+?) to ([^,]+)")


@dataclass(frozen=True)
class Day:
    """One day; what it has not is `-`."""

    number: int
    fields: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name) or NOTHING

    @property
    def route(self) -> tuple[str, str] | None:
        """From where to where, on a day of travel."""
        found = _ROUTE.search(self["current_city"])
        return (found[1].strip(), found[2].strip()) if found else None

    @property
    def cities(self) -> tuple[str, ...]:
        """The city, or the two of a day of travel."""
        return self.route or (self["current_city"],)

    @property
    def means(self) -> str:
        """flight, self-driving, taxi, or nothing."""
        told = self["transportation"].lower()
        return next((each for each in ("flight", "self-driving", "taxi") if told.startswith(each)), "")

    @property
    def meals(self) -> list[str]:
        """The meals that are planned."""
        return [self[meal] for meal in MEALS if self[meal] != NOTHING]

    @property
    def sights(self) -> list[str]:
        """The attractions that are planned."""
        return [each.strip() for each in self["attraction"].split(";") if each.strip() not in ("", NOTHING)]


def write(days: Iterable[Day]) -> str:
    """The days in words, in the form that planners are asked for."""
    return "\n\n".join("\n".join([f"Day {day.number}:", *(f"{label}: {day[name]}" for name, label in _LABELS.items())]) for day in days)


def read(text: str) -> tuple[Day, ...]:
    """The days of a plan in words; none where it is no plan."""
    days: list[Day] = []
    for line in text.splitlines():
        if found := _DAY.match(line):
            days.append(Day(int(found[1]), {}))
        elif days and (found := _LINE.match(line)):
            days[-1].fields[_NAMES[found[1].lower()]] = found[2]
    return tuple(days)


def convert(text: str) -> str:
    """The plan in words as JSON."""
    return orjson.dumps({"plan": [{"days": day.number, **dict(_converted(day))} for day in read(text)]}).decode()


def _converted(day: Day) -> Iterator[tuple[str, str]]:
    for name in _LABELS:
        yield name, "".join(f"{each};" for each in day.sights) or NOTHING if name == "attraction" else day[name]
