"""A generated country in exactly the official layout, so that everything runs without a download.

A folder filled here serves as `MEMP_TRAVELPLANNER_DATA`: thirty cities in six states, a month of flights, and the files
that the benchmark's zip holds, gaps in the data included. The country is a function of its seed, and query `i` of a split
is always the same, however many are asked for. Each query has a plan that keeps all constraints; it stands in the file for
the split `train`, and `trips` gives it for all of them.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from envs.travelplanner import country_land as land
from envs.travelplanner import country_places as places
from envs.travelplanner import country_words as words
from envs.travelplanner.country_trips import Asked, Leg, World, ask
from envs.travelplanner.queries import SPLITS
from envs.travelplanner.tables import ACCOMMODATIONS, ATTRACTIONS, CITY_NAMES, CITY_STATES, DISTANCES, FLIGHTS, RESTAURANTS, Table
from runtime.errors import UsageError

COUNTS = {"train": 45, "validation": 90, "test": 45}
"""Queries of each split unless told otherwise."""
MARK = "country.json"
"""The file that tells a generated country, and its seed."""


def world(seed: int) -> World:
    """All of a seed's country."""
    where = land.positions(seed)
    return World(
        land.states(),
        land.roads(seed, where),
        land.flights(seed, where),
        {city: places.rooms(seed, city) for city in where},
        {city: places.restaurants(seed, city) for city in where},
        {city: places.sights(seed, city, where[city]) for city in where},
    )


def trips(seed: int, split: str, count: int) -> list[Asked]:
    """The first queries of a split, each with a plan that keeps all its constraints."""
    made = world(seed)
    return [ask(made, seed, split, index) for index in range(count)]


def generate(out: Path, seed: int, counts: Mapping[str, int] = COUNTS) -> None:
    """Write a seed's country and so many queries of each split below `out`; about a second.

    What is there already with the same content is left alone. UsageError where `out` holds a database that was not
    generated with this seed, or can't be written: official data is never overwritten.
    """
    _refuse(out, seed, counts)
    try:
        _write(out / MARK, json.dumps({"country": "generated", "seed": seed}) + "\n")
        for name, text in _files(seed, counts):
            _write(out / name, text)
    except OSError as error:
        raise UsageError(f"can't write a country to {out}: {error.strerror}") from error


def _refuse(out: Path, seed: int, counts: Mapping[str, int]) -> None:
    wrong = [f"{split}: {count}" for split, count in counts.items() if split not in SPLITS or count < 0]
    if wrong:
        raise UsageError(f"can't make these queries: {', '.join(wrong)}; the splits are {', '.join(SPLITS)}")
    try:
        mark = json.loads((out / MARK).read_text())
    except (OSError, ValueError):
        mark = None
    if mark is None and any((out / name).exists() for name in ("database", "queries")):
        raise UsageError(f"{out} holds a database that was not generated: choose an empty folder")
    if mark is not None and mark != {"country": "generated", "seed": seed}:
        raise UsageError(f"{out} holds a country of another seed: choose an empty folder, or the seed of before")


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_bytes() == text.encode():
        return  # Its time stays as it is, and with it the database that was built from it.
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(text.encode())
    os.replace(part, path)


def _files(seed: int, counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Each file's name and content."""
    made = world(seed)
    yield from _database(made)
    for split, count in counts.items():
        asked = [ask(made, seed, split, index) for index in range(count)]
        yield f"queries/{split}.jsonl", _lines(_told(split, each) for each in asked)
        if split != "test":
            yield f"database/{split}_ref_info.jsonl", _lines(_reference(made, each.legs) for each in asked)


def _told(split: str, asked: Asked) -> dict[str, Any]:
    """What a split's file tells of a query: of test the text alone, as of the official one."""
    if split == "test":
        return {"query": asked.query["query"]}
    return {**asked.query, "annotated_plan": asked.plan} if split == "train" else asked.query


def _lines(items: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(item) + "\n" for item in items)


def _database(made: World) -> Iterator[tuple[str, str]]:
    flights = [flight for found in made.flights.values() for flight in found]
    yield FLIGHTS.file, _csv([column.header for column in FLIGHTS.columns], sorted(flights))
    rooms = [room for found in made.rooms.values() for room in found]
    header = ["", "NAME", "room type", "price", "minimum nights", "review rate number", "house_rules", "maximum occupancy", "city"]
    yield ACCOMMODATIONS.file, _csv(header, ([number, *_room_row(room)] for number, room in enumerate(rooms)))
    meals = [meal for found in made.restaurants.values() for meal in found]
    rows = ([number, meal.name, meal.city, ", ".join(meal.cuisines), meal.average_cost, meal.rating] for number, meal in enumerate(meals))
    yield RESTAURANTS.file, _csv(["", "Name", "City", "Cuisines", "Average Cost", "Aggregate Rating"], rows)
    yield (
        ATTRACTIONS.file,
        _csv([column.header for column in ATTRACTIONS.columns], (each for found in made.sights.values() for each in found)),
    )
    roads = ([*pair, "", *((road.duration, road.distance) if road else ("", ""))] for pair, road in made.roads.items())
    yield DISTANCES.file, _csv(["origin", "destination", "cost", "duration", "distance"], roads)
    yield CITY_NAMES, "".join(f"{city}\n" for city in made.states)
    yield CITY_STATES, "".join(f"{city}\t{state}\n" for city, state in made.states.items())
    yield "database/background/stateSet.txt", "".join(f"{state}\n" for state in words.STATES)


def _room_row(room: places.Room) -> list[Any]:
    # Numbers with decimals, as in the official file, where gaps have made pandas write them so.
    nights, rating = float(room.minimum_nights), float(room.rating)
    return [room.name, room.room_type, room.price, nights, rating, room.house_rules, room.maximum_occupancy, room.city]


def _csv(header: list[str], rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _reference(made: World, legs: list[Leg]) -> dict[str, Any]:
    """What is given where planning alone is asked for: all that concerns the cities and legs of the known plan."""
    told: dict[str, Any] = {}
    for city in (leg.destination for leg in legs[:-1]):
        told[f"Attractions in {city}"] = _objects(ATTRACTIONS, made.sights[city])
        meals = [meal._replace(cuisines=", ".join(meal.cuisines)) for meal in made.restaurants[city]]  # pyright: ignore[reportArgumentType]
        told[f"Restaurants in {city}"] = _objects(RESTAURANTS, meals)
        told[f"Accommodations in {city}"] = _objects(ACCOMMODATIONS, (room for room in made.rooms[city] if None not in room))
    for leg in legs:
        flights, way = made.flights.get(leg), f"from {leg.origin} to {leg.destination}"
        told[f"Flight {way} on {leg.date}"] = _objects(FLIGHTS, flights) if flights else f"There is no flight {way} on {leg.date}."
        for mode in ("self-driving", "taxi"):
            told[f"{mode.capitalize()} {way}"] = _ride(made.roads[leg.origin, leg.destination], mode, way)
    return told


def _objects(table: Table, rows: Iterable[Iterable[Any]]) -> list[dict[str, Any]]:
    return [{column.header: value for column, value in zip(table.columns, row, strict=True)} for row in rows]


def _ride(road: land.Road | None, mode: str, way: str) -> str:
    if road is None or not road.usable:
        return "No valid information."
    return f"{mode}, {way}, duration: {road.duration}, distance: {road.distance}, cost: {road.cost(mode)}"
