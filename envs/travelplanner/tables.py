"""The official database folder as it is laid out: its files, their columns, and the tables that they become.

Below the data folder: `database/flights/clean_Flights_2022.csv` and so on, as the benchmark's zip unpacks.
"""

from typing import NamedTuple


class Column(NamedTuple):
    """A column of a table: our name for it, its header in the file, and whether it holds numbers."""

    name: str
    header: str
    number: bool = False


class Table(NamedTuple):
    """A table, the file that it is read from (below the data folder), and what searches look up in it.

    `complete`: rows that lack a value are left out, as upstream leaves them out. Columns stand in the order in which
    tools show them, whatever their order in the file.
    """

    name: str
    file: str
    columns: tuple[Column, ...]
    complete: bool
    indexes: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> str:
        """The names of the columns as SQL lists them."""
        return ", ".join(column.name for column in self.columns)


FLIGHTS = Table(
    "flights",
    "database/flights/clean_Flights_2022.csv",
    (
        Column("number", "Flight Number"),
        Column("price", "Price", True),
        Column("departure", "DepTime"),
        Column("arrival", "ArrTime"),
        Column("elapsed", "ActualElapsedTime"),
        Column("date", "FlightDate"),
        Column("origin", "OriginCityName"),
        Column("destination", "DestCityName"),
        Column("distance", "Distance", True),
    ),
    True,
    (("origin", "destination", "date"), ("number",)),
)
ACCOMMODATIONS = Table(
    "accommodations",
    "database/accommodations/clean_accommodations_2022.csv",
    (
        Column("name", "NAME"),
        Column("price", "price", True),
        Column("room_type", "room type"),
        Column("house_rules", "house_rules"),
        Column("minimum_nights", "minimum nights", True),
        Column("maximum_occupancy", "maximum occupancy", True),
        Column("rating", "review rate number", True),
        Column("city", "city"),
    ),
    True,
    (("city",),),
)
RESTAURANTS = Table(
    "restaurants",
    "database/restaurants/clean_restaurant_2022.csv",
    (
        Column("name", "Name"),
        Column("average_cost", "Average Cost", True),
        Column("cuisines", "Cuisines"),
        Column("rating", "Aggregate Rating", True),
        Column("city", "City"),
    ),
    True,
    (("city",),),
)
ATTRACTIONS = Table(
    "attractions",
    "database/attractions/attractions.csv",
    (
        Column("name", "Name"),
        Column("latitude", "Latitude", True),
        Column("longitude", "Longitude", True),
        Column("address", "Address"),
        Column("phone", "Phone"),
        Column("website", "Website"),
        Column("city", "City"),
    ),
    True,
    (("city",),),
)
DISTANCES = Table(
    "distances",
    "database/googleDistanceMatrix/distance.csv",
    (Column("origin", "origin"), Column("destination", "destination"), Column("duration", "duration"), Column("distance", "distance")),
    False,
    (("origin", "destination"),),
)
TABLES = (FLIGHTS, ACCOMMODATIONS, RESTAURANTS, ATTRACTIONS, DISTANCES)

CITY_NAMES = "database/background/citySet.txt"
"""One city a line: the names that tools accept."""
CITY_STATES = "database/background/citySet_with_states.txt"
"""City, tab, state a line: what a search for the cities of a state answers from."""
FILES = (*(table.file for table in TABLES), CITY_NAMES, CITY_STATES)
