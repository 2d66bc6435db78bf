"""What a plan may speak of: the database as the evaluator looks things up in it.

A name counts as known where a row of exactly that city *contains* it, as a piece of text and by case; where several do,
the first of the file tells price, rules and type. That is the benchmark's way, and decides what a meal or a room costs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from envs.travelplanner.database import Database
from envs.travelplanner.plan import Kind, Named, Route

_KM_SHARE: dict[Kind, float] = {"Self-driving": 0.05, "Taxi": 1}
"""Cost of a kilometre."""

_Row = TypeVar("_Row")


class Restaurant(NamedTuple):
    """`average_cost` of a meal per person."""

    name: str
    average_cost: float
    cuisines: str


class Room(NamedTuple):
    """`price` of a night for up to `maximum_occupancy` people; `house_rules` lists what is not allowed (`No pets & No parties`)."""

    name: str
    price: float
    room_type: str
    house_rules: str
    minimum_nights: float
    maximum_occupancy: float


class Attraction(NamedTuple):
    """A sight."""

    name: str


class Sandbox:
    """Lookups over an open database; all but the flights are kept in memory (about 20,000 rows) from their first use on."""

    def __init__(self, database: Database) -> None:
        self._rows = database.rows

    def restaurants(self, wanted: Named) -> list[Restaurant]:
        """The restaurants of that city whose name contains the wanted one, in the file's order."""
        return [each for each in self._restaurants.get(wanted.city, ()) if wanted.name in each.name]

    def rooms(self, wanted: Named) -> list[Room]:
        """The rooms of that city whose name contains the wanted one, in the file's order."""
        return [each for each in self._rooms.get(wanted.city, ()) if wanted.name in each.name]

    def attractions(self, wanted: Named) -> list[Attraction]:
        """The attractions of that city whose name contains the wanted one, in the file's order."""
        return [each for each in self._attractions.get(wanted.city, ()) if wanted.name in each.name]

    def flies(self, number: str, way: Route) -> bool:
        """Whether a flight of that number goes that way on any day."""
        return any((origin, destination) == way for _, origin, destination in self._flights(number))

    def flight_price(self, number: str) -> float | None:
        """The price per person of the first flight of that number, whichever way it goes; None where there is none."""
        return next((price for price, _, _ in self._flights(number)), None)

    def road_cost(self, way: Route, kind: Kind) -> int | None:
        """What one car costs from city to city; None where the distance is not known or takes a day or more."""
        duration, distance = self._distances.get(way, (None, None))
        if duration is None or distance is None or "day" in duration:
            return None
        return int(float(distance.replace("km", "").replace(",", "")) * _KM_SHARE[kind])

    @cached_property
    def states(self) -> dict[str, str]:
        """The state of each city."""
        return dict(self._rows("SELECT city, state FROM cities ORDER BY rowid"))

    @cached_property
    def flight_count(self) -> int:
        """Flights in the database."""
        return self._rows("SELECT count(*) FROM flights")[0][0]

    @cached_property
    def _restaurants(self) -> dict[str, list[Restaurant]]:
        return _by_city(Restaurant, self._rows("SELECT city, name, average_cost, cuisines FROM restaurants ORDER BY rowid"))

    @cached_property
    def _rooms(self) -> dict[str, list[Room]]:
        columns = "city, name, price, room_type, house_rules, minimum_nights, maximum_occupancy"
        return _by_city(Room, self._rows(f"SELECT {columns} FROM accommodations ORDER BY rowid"))  # noqa: S608 (names of our own)

    @cached_property
    def _attractions(self) -> dict[str, list[Attraction]]:
        return _by_city(Attraction, self._rows("SELECT city, name FROM attractions ORDER BY rowid"))

    @cached_property
    def _distances(self) -> dict[tuple[str, str], tuple[str | None, str | None]]:
        # Backwards, so that of two rows for one pair the first is kept.
        rows = self._rows("SELECT origin, destination, duration, distance FROM distances ORDER BY rowid DESC")
        return {(origin, destination): (duration, distance) for origin, destination, duration, distance in rows}

    def _flights(self, number: str) -> list[tuple[float, str, str]]:
        try:
            return self._rows("SELECT price, origin, destination FROM flights WHERE number = ? ORDER BY rowid", [number])
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry and no database holds
            return []


def _by_city(make: Callable[..., _Row], rows: Iterable[Any]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = defaultdict(list)
    for city, *values in rows:
        found[city].append(make(*values))
    return found
