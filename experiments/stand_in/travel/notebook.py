"""What a notebook holds: flights, ways by car, rooms, restaurants and sights, out of its tables."""

import ast
import re
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import NamedTuple, cast

from experiments.stand_in.travel.tables import Row, made, read

_ROAD = re.compile(r"^(self-driving|taxi), from (.+?) to (.+?), (duration: .+?, distance: .+?), cost: (\d+)$", re.MULTILINE)


class Way(NamedTuple):
    """A way from one city to another; `mode` is flight, self-driving or taxi, `date` is empty for a road."""

    mode: str
    origin: str
    destination: str
    date: str
    cost: float
    """Dollars for a person in a flight, for a car on the road."""
    told: str

    def cost_for(self, people: int) -> float:
        """Dollars for so many people."""
        seats = {"self-driving": 5, "taxi": 4}.get(self.mode, 1)
        return self.cost * ceil(people / seats)


class Room(NamedTuple):
    """A row of the rooms."""

    name: str
    price: float
    room_type: str
    rules: str
    nights: float
    people: int


class Restaurant(NamedTuple):
    """A row of the restaurants."""

    name: str
    cost: float
    cuisines: str


@dataclass
class Notebook:
    """Rooms, restaurants and sights by city, in the order of the tables; ways in the order of the notebook."""

    ways: list[Way] = field(default_factory=list[Way])
    rooms: dict[str, list[Room]] = field(default_factory=dict[str, list[Room]])
    restaurants: dict[str, list[Restaurant]] = field(default_factory=dict[str, list[Restaurant]])
    sights: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def take(self, text: str) -> None:
        """Take in one entry, whatever it is."""
        kind, rows = read(text)
        city = (rows[0].get("city") or rows[0].get("City") or "") if rows else ""
        if kind == "flights":
            self.ways += made(_flight, rows)
        elif kind == "rooms":
            self.rooms[city] = made(_room, rows)
        elif kind == "restaurants":
            self.restaurants[city] = made(_restaurant, rows)
        elif kind == "sights":
            self.sights[city] = [row["Name"] for row in rows]
        self.ways += [_road(*found) for found in _ROAD.findall(text)]


def _flight(row: Row) -> Way:
    way = f"from {row['OriginCityName']} to {row['DestCityName']}"
    told = f"Flight Number: {row['Flight Number']}, {way}, Departure Time: {row['DepTime']}, Arrival Time: {row['ArrTime']}"
    return Way("flight", row["OriginCityName"], row["DestCityName"], row["FlightDate"], float(row["Price"]), told)


def _road(mode: str, origin: str, destination: str, told: str, cost: str) -> Way:
    words = f"{mode.capitalize()}, from {origin} to {destination}, {told}, cost: {cost}"
    return Way(mode, origin, destination, "", float(cost), words)


def _room(row: Row) -> Room:
    nights, people = float(row["minimum nights"]), int(float(row["maximum occupancy"]))
    return Room(row["NAME"], float(row["price"]), row["room type"], row["house_rules"], nights, max(people, 1))


def _restaurant(row: Row) -> Restaurant:
    return Restaurant(row["Name"], float(row["Average Cost"]), row["Cuisines"])


@lru_cache(maxsize=256)
def open_notebook(text: str) -> Notebook:
    """A notebook from its text, the repr of a list of entries; empty where that can't be read."""
    notebook = Notebook()
    try:
        entries: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return notebook
    for entry in cast(list[object], entries) if isinstance(entries, list) else ():
        notebook.take(str(cast(dict[str, object], entry).get("Content")) if isinstance(entry, dict) else "")
    return notebook


@lru_cache(maxsize=256)
def open_reference(text: str) -> Notebook:
    """What is given with a query for planning alone: headings, each with a table or a sentence behind it."""
    notebook = Notebook()
    for section in text.split("\n\n"):
        notebook.take(section.partition(":\n")[2])
    return notebook
