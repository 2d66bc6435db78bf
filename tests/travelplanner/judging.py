"""A country of six cities, small enough to know by heart, and a plan in it that keeps every constraint."""

import copy
import csv
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from envs.travelplanner.database import open_database
from envs.travelplanner.queries import Query
from envs.travelplanner.sandbox import Sandbox
from envs.travelplanner.scoring import PlanScore, judge
from envs.travelplanner.trip import Mode

Plan = list[dict[str, Any]]

FILES: dict[str, list[list[object]]] = {
    "flights/clean_Flights_2022.csv": [
        ["Flight Number", "Price", "DepTime", "ArrTime", "ActualElapsedTime", "FlightDate", "OriginCityName", "DestCityName", "Distance"],
        ["F1", 100, "08:00", "09:00", "1 hours 0 minutes", "2022-03-01", "Home", "Alpha", 300],
        ["F2", 120, "18:00", "19:00", "1 hours 0 minutes", "2022-03-05", "Beta", "Home", 300],
        ["F3", 90, "18:00", "19:00", "1 hours 0 minutes", "2022-03-01", "Alpha", "Home", 300],
    ],
    "accommodations/clean_accommodations_2022.csv": [
        ["", "NAME", "room type", "price", "minimum nights", "review rate number", "house_rules", "maximum occupancy", "city"],
        [0, "Loft (large)", "Entire home/apt", 50.0, 2.0, 4.0, "No pets & No parties", 2, "Alpha"],
        [1, "Quiet room", "Private room", 30.0, 2.0, 4.0, "No smoking", 1, "Alpha"],
        [2, "Long stay", "Shared room", 20.0, 30.0, 4.0, "No visitors", 4, "Alpha"],
        [3, "Twin Long A", "Shared room", 20.0, 30.0, 4.0, "No visitors", 4, "Alpha"],
        [4, "Twin Long B", "Shared room", 20.0, 30.0, 4.0, "No visitors", 4, "Alpha"],
        [5, "Cabin", "Private room", 40.0, 2.0, 4.0, "No children under 10", 2, "Beta"],
        [6, "No rules known", "Private room", 40.0, 1.0, 4.0, "", 2, "Beta"],
    ],
    "restaurants/clean_restaurant_2022.csv": [
        ["", "Name", "City", "Cuisines", "Average Cost", "Aggregate Rating"],
        *([number, f"Meal {number}", "Alpha", "Italian, Chinese" if number == 1 else "Mexican", 10, 4.0] for number in range(1, 8)),
        *([number, f"Meal {number}", "Beta", "French", 10, 4.0] for number in range(8, 14)),
        [14, "Cafe C++ (new)", "Alpha", "French", 15, 4.0],
        [15, "Cafe C", "Alpha", "Indian", 16, 4.0],
        [16, "Home cooking", "Home", "Indian", 5, 4.0],
    ],
    "attractions/attractions.csv": [
        ["Name", "Latitude", "Longitude", "Address", "Phone", "Website", "City"],
        *([f"Sight {number}", 1.5, 2.5, "A street", "1", "https://example.org", "Alpha"] for number in range(1, 5)),
        *([f"Sight {number}", 1.5, 2.5, "A street", "1", "https://example.org", "Beta"] for number in range(5, 9)),
    ],
    "googleDistanceMatrix/distance.csv": [
        ["origin", "destination", "cost", "duration", "distance"],
        ["Home", "Alpha", "", "3 hours 1 min", "1,019 km"],
        ["Alpha", "Beta", "", "2 hours", "219 km"],
        ["Beta", "Home", "", "3 hours", "300 km"],
        ["Home", "Far", "", "1 day 3 hours", "3,000 km"],
        ["Home", "Gamma", "", "", ""],
    ],
    "background/citySet_with_states.txt": [
        ["Home\tHere"],
        ["Alpha\tThere"],
        ["Beta\tThere"],
        ["Gamma\tThere"],
        ["Far\tElsewhere"],
        ["Alphaville\tElsewhere"],
    ],
    "background/citySet.txt": [["Home"], ["Alpha"], ["Beta"], ["Gamma"], ["Far"], ["Alphaville"]],
}

QUERY: dict[str, Any] = {
    "index": 1,
    "query": "Five days in There.",
    "org": "Home",
    "dest": "There",
    "days": 5,
    "visiting_city_number": 2,
    "date": ["2022-03-01", "2022-03-02", "2022-03-03", "2022-03-04", "2022-03-05"],
    "people_number": 2,
    "local_constraint": {"house rule": "smoking", "cuisine": ["Italian", "French"], "room type": "entire room", "transportation": None},
    "budget": 2000,
    "level": "medium",
}


def _day(number: int, city: str, transportation: str, meals: str, attraction: str, accommodation: str) -> dict[str, Any]:
    breakfast, lunch, dinner = (f"Meal {meal}" if meal != "-" else meal for meal in meals.split())
    where = city.rsplit(" to ", maxsplit=1)[-1]
    eaten = {
        name: text if text == "-" else f"{text}, {where}"
        for name, text in zip(("breakfast", "lunch", "dinner"), (breakfast, lunch, dinner), strict=True)
    }
    return {
        "days": number,
        "current_city": city,
        "transportation": transportation,
        **eaten,
        "attraction": attraction,
        "accommodation": accommodation,
    }


GOOD: Plan = [
    _day(
        1,
        "from Home to Alpha",
        "Flight Number: F1, from Home to Alpha, Departure Time: 08:00",
        "- 1 2",
        "Sight 1, Alpha;",
        "Loft (large), Alpha",
    ),
    _day(2, "Alpha", "-", "3 4 5", "Sight 2, Alpha;Sight 3, Alpha;", "Loft (large), Alpha"),
    _day(3, "from Alpha to Beta", "Taxi, from Alpha to Beta, duration: 2 hours, cost: 219", "- 8 9", "Sight 5, Beta;", "Cabin, Beta"),
    _day(4, "Beta", "-", "10 11 12", "Sight 6, Beta;", "Cabin, Beta"),
    _day(5, "from Beta to Home", "Flight Number: F2, from Beta to Home, Departure Time: 18:00", "- - -", "-", "-"),
]


@contextmanager
def little_country(folder: Path) -> Generator[Sandbox]:
    """The country's files, and its database read through the same door as the official one."""
    for name, rows in FILES.items():
        path = folder / "database" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    with open_database(folder, folder / "cache") as database:
        yield Sandbox(database)


def query(**changes: Any) -> Query:
    """The query, some of it changed; `local_constraint` is changed key by key."""
    wishes = QUERY["local_constraint"] | changes.pop("local_constraint", {})
    return Query.model_validate(QUERY | changes | {"local_constraint": wishes})


def plan(*changes: tuple[int, str, object]) -> Plan:
    """The good plan with fields changed: (day, field, value); the value `...` takes the field away."""
    made = copy.deepcopy(GOOD)
    for day, field, value in changes:
        made[day - 1][field] = value
        if value is ...:
            del made[day - 1][field]
    return made


def failed(score: PlanScore) -> set[str]:
    """The constraints that failed; each must say why."""
    verdicts = {**score.commonsense, **score.hard}
    assert all(verdict.reason for verdict in verdicts.values() if not verdict.passed)
    return {name for name, verdict in verdicts.items() if verdict.passed is False}


def failures(sandbox: Sandbox, given: object, asked: Query | None = None, mode: Mode = "official") -> set[str]:
    """The constraints that a plan fails."""
    return failed(judge(asked or query(), given, sandbox, mode))


def official_data() -> Path:
    """The benchmark's data; skips where there is none."""
    folder = os.environ.get("MEMP_TRAVELPLANNER_DATA")
    if not folder:
        pytest.skip("MEMP_TRAVELPLANNER_DATA is not set: the benchmark's own data is needed")
    return Path(folder)
