"""The tools that look things up, and the notebook; what they answer is upstream's, byte for byte.

The eighth tool, `Planner[query]`, is a model's call: the loop makes it, over `Notebook.text`. Everything here is a
function of the database and the actions so far, so a replay gives the same answers.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from envs.travelplanner import rendering
from envs.travelplanner.database import Database
from envs.travelplanner.tables import ACCOMMODATIONS, ATTRACTIONS, FLIGHTS, RESTAURANTS, Table

PLANNER = "Planner"
PLANNER_TOKENS = 12_000
"""Tokens of the planner's prompt, without what memory adds to it, beyond which it is not asked, and answers `TOO_LONG`."""
TOO_LONG = "Max Token Length Exceeded."
MASK = "Masked due to limited length. Make sure the data has been written in Notebook."
INVALID = (
    "Invalid Action. Valid Actions are  FlightSearch[Departure City, Destination City, Date] / "
    "AccommodationSearch[City] /  RestaurantSearch[City] / NotebookWrite[Short Description] / AttractionSearch[City] / "
    "CitySearch[State] / GoogleDistanceMatrix[Origin, Destination, Mode] and Planner[Query]."
)
SUCCESSFUL = "Successful"
DATE_ERROR = "Illegal args. DateError"
CITY_ERROR = "Illegal args. City Error"
OTHER_ERROR = "Illegal args. Other Error"
INVALID_ACTION = "invalidAction"
DRIVING_RATE = 0.05
"""Dollars per kilometre of self-driving; a taxi takes one."""

_ACTION = re.compile(r"^(\w+)\[(.+)\]$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_BEFORE_PARENTHESIS = re.compile(r"^(.*?)\([^)]*\)")


class Result(NamedTuple):
    """What a tool answered.

    `state` is upstream's word for how it went, `SUCCESSFUL` or one of the errors; `tool` the action's name, or
    `INVALID_ACTION`: whose failures are counted. `masked` is the text that the loop replaces by `MASK` wherever it has
    shown it before (it does so before it shows `text`), None where the call leaves everything as it is.
    """

    text: str
    tool: str
    state: str = SUCCESSFUL
    masked: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it counts towards an early stop; a success sets all counters back."""
        return self.state != SUCCESSFUL


class Notebook:
    """What the agent has written down: short descriptions, each with the data that it was written for."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def write(self, description: str, content: str | None) -> str:
        """Add an entry; returns the observation, which tells its index."""
        index = len(self.entries)
        self.entries.append({"index": index, "Short Description": description, "Content": content})
        return f"The information has been recorded in Notebook, and its index is {index}."

    @property
    def text(self) -> str:
        """The whole notebook as the planner is given it: the repr of a list of dicts."""
        return str(self.entries)


class _Illegal(Exception):
    def __init__(self, text: str, state: str = OTHER_ERROR, *, masks: bool = False) -> None:
        self.text, self.state, self.masks = text, state, masks


def parse(action: str) -> tuple[str, str] | None:
    """Name and argument of an action, `Name[argument]`; None where it has not that form."""
    found = _ACTION.match(action)
    return (found[1], found[2]) if found else None


class Tools:
    """The tools of one episode at a time: `reset` begins another."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._states: dict[str, list[str]] = defaultdict(list)
        for city, state in database.rows("SELECT city, state FROM cities ORDER BY rowid"):
            self._states[state].append(city)
        self._names = frozenset(database.city_names)
        self._tools: dict[str, Callable[[str], str]] = {
            "FlightSearch": self._flights,
            "AccommodationSearch": self._accommodations,
            "RestaurantSearch": self._restaurants,
            "AttractionSearch": self._attractions,
            "CitySearch": self._cities,
            "GoogleDistanceMatrix": self._distance,
            "NotebookWrite": self._write,
        }
        self.reset()

    def reset(self) -> None:
        """Begin an episode: an empty notebook, and no data yet."""
        self.notebook = Notebook()
        self._data: str | None = None

    def call(self, action: str) -> Result:
        """Do an action, given without its label and without line breaks. `Planner[…]` is the loop's: it is not valid here."""
        name, argument = parse(action) or ("", "")
        tool = self._tools.get(name)
        if tool is None:
            return Result(INVALID, INVALID_ACTION, INVALID_ACTION)
        # Before there is any, upstream masks the word "None" wherever it stands: that is left to it.
        shown = None if self._data is None else self._data.strip()
        try:
            return Result(tool(argument), name, masked=shown)
        except _Illegal as error:
            return Result(error.text, name, error.state, shown if error.masks else None)

    def _flights(self, argument: str) -> str:
        parts = argument.split(", ")
        if len(parts) < 3:
            raise _Illegal("Illegal Flight Search. Please try again.")
        origin, destination, date = parts[:3]
        if not _DATE.match(date):
            raise _Illegal(f"'{date}' is not in the format YYYY-MM-DD", DATE_ERROR)
        self._check_city(origin)
        self._check_city(destination)
        where = {"origin": origin, "destination": destination, "date": date}
        return self._keep(self._found(FLIGHTS, where) or f"There is no flight from {origin} to {destination} on {date}.")

    def _accommodations(self, city: str) -> str:
        return self._in_city(ACCOMMODATIONS, city, "There is no attraction in this city.")  # sic

    def _restaurants(self, city: str) -> str:
        return self._in_city(RESTAURANTS, city, "There is no restaurant in this city.")

    def _attractions(self, city: str) -> str:
        return self._in_city(ATTRACTIONS, city, "There is no attraction in this city.")

    def _in_city(self, table: Table, city: str, nothing: str) -> str:
        self._check_city(city)
        return self._keep(self._found(table, {"city": city}) or nothing).strip()

    def _cities(self, state: str) -> str:
        return str(self._states[state]) if state in self._states else "Invalid State"

    def _distance(self, argument: str) -> str:
        parts = argument.split(", ")
        illegal = _Illegal("Illegal GoogleDistanceMatrix. Please try again.", masks=True)
        if len(parts) < 3:
            raise illegal
        try:
            return self._keep(_told(self._database, *parts[:3]))
        except ValueError:
            raise illegal from None

    def _write(self, description: str) -> str:
        return self.notebook.write(description, self._data)

    def _check_city(self, city: str) -> None:
        if city not in self._names:
            raise _Illegal(f"{city} is not valid city in {list(self._database.city_names)}.", CITY_ERROR)

    def _keep(self, data: str) -> str:
        """Remember the last data, for the notebook and for masking."""
        self._data = data
        return data

    def _found(self, table: Table, where: dict[str, str]) -> str | None:
        """The rows of a table as upstream prints them; None of none."""
        rows = search(self._database, table, where)
        return show(self._database, table, rows) if rows else None


def search(database: Database, table: Table, where: dict[str, str]) -> list[tuple[Any, ...]]:
    """The rows whose columns have these values, in the order of the file."""
    wanted = " AND ".join(f"{column} = ?" for column in where)
    return database.rows(f"SELECT {table.names} FROM {table.name} WHERE {wanted} ORDER BY rowid", list(where.values()))  # noqa: S608


def show(database: Database, table: Table, rows: list[tuple[Any, ...]]) -> str:
    """Rows of a table (at least one) as text."""
    columns = [
        rendering.column(column.header, values, number=column.number, is_whole=(table.name, column.name) in database.whole)
        for column, values in zip(table.columns, zip(*rows, strict=True), strict=True)
    ]
    return rendering.table(columns)


def _told(database: Database, origin: str, destination: str, mode: str) -> str:
    """What the distance tool says of a pair; ValueError where the table holds no number of kilometres."""
    origin, destination = _before_parenthesis(origin), _before_parenthesis(destination)
    sql = "SELECT duration, distance FROM distances WHERE origin = ? AND destination = ? ORDER BY rowid LIMIT 1"
    rows = database.rows(sql, (origin, destination))
    if not rows:
        return f"{mode}, from {origin} to {destination}, no valid information."
    duration, distance = rows[0]
    if duration is None or distance is None:
        return "No valid information."
    cost = _cost(distance, mode)
    if "day" in duration:
        return "No valid information."
    return f"{mode}, from {origin} to {destination}, duration: {duration}, distance: {distance}, cost: {cost}"


def _cost(distance: str, mode: str) -> int | None:
    """Dollars for a distance such as "1,144 km"; None of a mode that has no price."""
    if "driving" in mode:
        return int(_kilometres(distance) * DRIVING_RATE)
    return int(_kilometres(distance)) if mode == "taxi" else None


def _kilometres(distance: str) -> float:
    return float(distance.replace("km", "").replace(",", ""))


def _before_parenthesis(name: str) -> str:
    found = _BEFORE_PARENTHESIS.match(name)
    return found[1] if found else name
