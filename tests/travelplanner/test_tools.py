"""The tools: upstream's answers byte for byte, errors and quirks included, and the same again in a replay."""

import json
from pathlib import Path
from typing import Any

import pytest

from envs.travelplanner import rendering
from envs.travelplanner.database import Database, open_database
from envs.travelplanner.stopping import REPEATED, Patience
from envs.travelplanner.tables import ACCOMMODATIONS, CITY_NAMES, DISTANCES, FLIGHTS, RESTAURANTS
from envs.travelplanner.tools import (
    CITY_ERROR,
    DATE_ERROR,
    INVALID,
    INVALID_ACTION,
    OTHER_ERROR,
    SUCCESSFUL,
    Result,
    Tools,
    parse,
)

FLIGHT_ROWS = [
    ["F0000001", "268", "10:51", "12:25", "2 hours 34 minutes", "2022-03-16", "Ayton", "Beeford", "1011.0"],
    ["F0000002", "42", "07:36", "09:25", "49 minutes", "2022-03-16", "Ayton", "Beeford", "1011.0"],
    ["F0000003", "97", "06:57", "08:47", "1 hours 50 minutes", "2022-03-17", "Ayton", "Beeford", "90.5"],
]
ROOM_ROWS = [
    ["0", "Big\troom, é", "Private room", "131.0", "1.0", "2.0", "No smoking", "1", "Ayton"],
    ["1", "Loft", "Entire home/apt", "1048.0", "10.0", "5.0", "No pets & No parties", "12", "Ayton"],
    ["2", "Ruleless", "Private room", "50.0", "1.0", "4.0", "", "2", "Ayton"],
]
ROADS = [
    ["Ayton", "Beeford", "", "1 hour 32 mins", "1,144 km"],
    ["Beeford", "Ayton", "", "40 mins", "44.8 km"],
    ["Ayton", "Ceeham", "", "", ""],
    ["Ceeham", "Ayton", "", "1 day 2 hours", "2,900 km"],
    ["Beeford", "Ceeham", "", "1 min", "300 m"],
    ["Ayton", "Beeford", "", "9 hours", "9 km"],
]


def write(path: Path, header: str, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    quoted = [",".join('"' + cell + '"' if "," in cell else cell for cell in row) for row in rows]
    path.write_text("\n".join([header, *quoted]) + "\n")


@pytest.fixture(scope="module")
def tools(country: Path, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The tools over three small cities that are written out above."""
    folder = tmp_path_factory.mktemp("small")
    for table in (FLIGHTS, DISTANCES):
        (folder / table.file).parent.mkdir(parents=True, exist_ok=True)
    write(folder / FLIGHTS.file, ",".join(column.header for column in FLIGHTS.columns), FLIGHT_ROWS)
    rooms = ",NAME,room type,price,minimum nights,review rate number,house_rules,maximum occupancy,city"
    write(folder / ACCOMMODATIONS.file, rooms, ROOM_ROWS)
    write(folder / RESTAURANTS.file, ",Name,City,Cuisines,Average Cost,Aggregate Rating", [["0", "Eat", "Ayton", "Thai, Tea", "46", "4.8"]])
    sight = ["Tower", "32.6722558", "-117.2416094", "1, Hill", "(619) 523", "https://t.example", "Beeford"]
    write(folder / "database/attractions/attractions.csv", "Name,Latitude,Longitude,Address,Phone,Website,City", [sight])
    write(folder / DISTANCES.file, "origin,destination,cost,duration,distance", ROADS)
    (folder / CITY_NAMES).parent.mkdir()
    (folder / CITY_NAMES).write_text("Ayton\nBeeford\nCeeham")
    (folder / "database/background/citySet_with_states.txt").write_text("Ayton\tNorth\nBeeford\tSouth\nCeeham\tNorth\n")
    return Tools(open_database(folder, folder / "cache"))


@pytest.fixture(autouse=True)
def fresh(tools: Tools) -> None:
    tools.reset()


def test_call_with_all_recorded_actions_gives_the_recorded_observations(official: Database, official_folder: Path) -> None:
    tools = Tools(official)
    lines = (official_folder / "fixtures" / "tool_observations.jsonl").read_text().splitlines()
    recorded: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert len(recorded) == 236
    for step in recorded:
        if step["state"] == REPEATED:  # The loop ends there, before the tool is asked.
            patience = Patience()
            assert [patience.refuse(step["action"]) for _ in range(3)] == [None, None, step["state"]]
            assert step["observation"] == ""
            continue
        answer = tools.call(step["action"])
        assert (answer.text, answer.state) == (step["observation"], step["state"])


def test_flight_search_shows_the_flights_of_a_day_as_a_table(tools: Tools) -> None:
    assert tools.call("FlightSearch[Ayton, Beeford, 2022-03-16]").text == (
        "Flight Number  Price DepTime ArrTime  ActualElapsedTime FlightDate OriginCityName DestCityName  Distance\n"
        "     F0000001    268   10:51   12:25 2 hours 34 minutes 2022-03-16          Ayton      Beeford    1011.0\n"
        "     F0000002     42   07:36   09:25         49 minutes 2022-03-16          Ayton      Beeford    1011.0"
    )


def test_accommodation_search_shows_rooms_with_all_values_and_escapes_tabs(tools: Tools) -> None:
    assert tools.call("AccommodationSearch[Ayton]").text == (
        "NAME  price       room type          house_rules  minimum nights  maximum occupancy  review rate number  city\n"
        "Big\\troom, é  131.0    Private room           No smoking             1.0                  1                 2.0 Ayton\n"
        "        Loft 1048.0 Entire home/apt No pets & No parties            10.0                 12                 5.0 Ayton"
    )


@pytest.mark.parametrize(
    ("action", "text", "state"),
    [
        ("FlightSearch[Beeford, Ayton, 2022-03-16]", "There is no flight from Beeford to Ayton on 2022-03-16.", SUCCESSFUL),
        ("FlightSearch[Nowhere, Ayton, March 3]", "'March 3' is not in the format YYYY-MM-DD", DATE_ERROR),
        ("FlightSearch[Ayton, Nowhere, 2022-03-16]", "Nowhere is not valid city in ['Ayton', 'Beeford', 'Ceeham'].", CITY_ERROR),
        ("FlightSearch[Ayton, Beeford]", "Illegal Flight Search. Please try again.", OTHER_ERROR),
        ("FlightSearch[Ayton,Beeford,2022-03-16]", "Illegal Flight Search. Please try again.", OTHER_ERROR),
        ("AccommodationSearch[Beeford]", "There is no attraction in this city.", SUCCESSFUL),
        ("RestaurantSearch[Beeford]", "There is no restaurant in this city.", SUCCESSFUL),
        ("AttractionSearch[Ayton]", "There is no attraction in this city.", SUCCESSFUL),
        ("RestaurantSearch[ayton]", "ayton is not valid city in ['Ayton', 'Beeford', 'Ceeham'].", CITY_ERROR),
        ("CitySearch[North]", "['Ayton', 'Ceeham']", SUCCESSFUL),
        ("CitySearch[West]", "Invalid State", SUCCESSFUL),
        (
            "GoogleDistanceMatrix[Ayton, Beeford, self-driving]",
            "self-driving, from Ayton to Beeford, duration: 1 hour 32 mins, distance: 1,144 km, cost: 57",
            SUCCESSFUL,
        ),
        (
            "GoogleDistanceMatrix[Beeford(South), Ayton, taxi]",
            "taxi, from Beeford to Ayton, duration: 40 mins, distance: 44.8 km, cost: 44",
            SUCCESSFUL,
        ),
        (
            "GoogleDistanceMatrix[Beeford, Ayton, walking]",
            "walking, from Beeford to Ayton, duration: 40 mins, distance: 44.8 km, cost: None",
            SUCCESSFUL,
        ),
        ("GoogleDistanceMatrix[Ayton, Nowhere, taxi]", "taxi, from Ayton to Nowhere, no valid information.", SUCCESSFUL),
        ("GoogleDistanceMatrix[Ayton, \ud800, taxi]", "taxi, from Ayton to \ud800, no valid information.", SUCCESSFUL),
        ("GoogleDistanceMatrix[Ayton, Ceeham, taxi]", "No valid information.", SUCCESSFUL),
        ("GoogleDistanceMatrix[Ceeham, Ayton, taxi]", "No valid information.", SUCCESSFUL),
        ("GoogleDistanceMatrix[Beeford, Ceeham, taxi]", "Illegal GoogleDistanceMatrix. Please try again.", OTHER_ERROR),
        ("GoogleDistanceMatrix[Ayton, Beeford]", "Illegal GoogleDistanceMatrix. Please try again.", OTHER_ERROR),
        ("Fly[Ayton]", INVALID, INVALID_ACTION),
        ("FlightSearch[]", INVALID, INVALID_ACTION),
        ("Action 1: CitySearch[North]", INVALID, INVALID_ACTION),
        ("", INVALID, INVALID_ACTION),
    ],
)
def test_call_with_nothing_to_find_or_wrong_arguments_says_what_upstream_says(tools: Tools, action: str, text: str, state: str) -> None:
    answer = tools.call(action)
    assert (answer.text, answer.state, answer.failed) == (text, state, state != SUCCESSFUL)


def test_notebook_write_keeps_the_last_data_and_not_what_city_search_found(tools: Tools) -> None:
    assert tools.call("NotebookWrite[nothing yet]").text.endswith("its index is 0.")
    table = tools.call("FlightSearch[Ayton, Beeford, 2022-03-17]").text
    tools.call("CitySearch[North]")
    tools.call("RestaurantSearch[Nowhere]")
    assert tools.call("NotebookWrite[it's there]").text == "The information has been recorded in Notebook, and its index is 1."
    first, second = tools.notebook.entries
    assert first == {"index": 0, "Short Description": "nothing yet", "Content": None}
    assert second == {"index": 1, "Short Description": "it's there", "Content": table}
    assert tools.notebook.text == str([first, second])


def test_notebook_keeps_a_table_with_the_spaces_that_the_observation_lacks(tools: Tools) -> None:
    shown = tools.call("AccommodationSearch[Ayton]").text
    tools.call("NotebookWrite[rooms]")
    kept = tools.notebook.entries[0]["Content"]
    assert kept.strip() == shown
    assert len({len(line) for line in kept.splitlines()}) == 1


def test_call_masks_the_data_before_it_where_upstream_does(tools: Tools) -> None:
    assert tools.call("CitySearch[North]").masked is None
    rooms = tools.call("AccommodationSearch[Ayton]")
    assert rooms.masked is None
    assert tools.call("CitySearch[North]").masked == rooms.text
    assert tools.call("AttractionSearch[Nowhere]").masked is None
    assert tools.call("Nonsense").masked is None
    assert tools.call("GoogleDistanceMatrix[Ayton]").masked == rooms.text
    assert tools.call("NotebookWrite[rooms]").masked == rooms.text
    assert tools.call("RestaurantSearch[Beeford]").masked == rooms.text
    assert tools.call("NotebookWrite[meals]").masked == "There is no restaurant in this city."


def test_reset_begins_with_an_empty_notebook_and_no_data(tools: Tools) -> None:
    tools.call("RestaurantSearch[Ayton]")
    tools.call("NotebookWrite[meals]")
    tools.reset()
    assert tools.notebook.text == "[]"
    assert tools.call("CitySearch[North]").masked is None


def test_call_in_a_replay_gives_the_same_results(database: Database) -> None:
    cities = database.city_names[:4]
    actions = [f"{kind}Search[{city}]" for city in cities for kind in ("Accommodation", "Restaurant", "Attraction", "City")]
    actions += [f"FlightSearch[{a}, {b}, 2022-03-0{day}]" for a in cities for b in database.city_names[10:14] for day in (1, 2)]
    actions += [f"GoogleDistanceMatrix[{a}, {b}, taxi]" for a in cities for b in cities] + ["NotebookWrite[x]", "oops"]
    runs: list[list[Result]] = []
    for tools in (Tools(database), Tools(database)):
        runs.append([tools.call(action) for action in actions])
    assert runs[0] == runs[1]
    assert any("DepTime" in result.text for result in runs[0])


def test_parse_takes_the_whole_argument_and_nothing_around_it() -> None:
    assert parse("NotebookWrite[a [b], c]") == ("NotebookWrite", "a [b], c")
    assert parse(" CitySearch[Ohio]") is None
    assert parse("CitySearch[Ohio].") is None


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([131.0, 1048.0], ["131.0", "1048.0"]),
        ([32.6722558, -117.2416094], ["32.672256", "-117.241609"]),
        ([0.5, 0.25], ["0.50", "0.25"]),
        ([0.0, 0.0], ["0.0", "0.0"]),
        ([1e-7, 1.0], ["1.000000e-07", "1.000000e+00"]),
        ([123456789.25, 1.5], ["123456789.25", "1.50"]),
        ([12345678.123456, 1.5], ["1.234568e+07", "1.500000e+00"]),
        ([1e15, 2.5], ["1.000000e+15", "2.500000e+00"]),
    ],
)
def test_decimals_are_as_many_as_the_column_needs_or_an_exponent(values: list[float], cells: list[str]) -> None:
    assert rendering.decimals(values) == cells


def test_patience_after_three_failures_refuses_that_tool_alone_until_a_success(tools: Tools) -> None:
    patience = Patience()
    for city in "xyz":
        assert patience.refuse(f"AttractionSearch[{city}]") is None
        patience.count(tools.call(f"AttractionSearch[{city}]"))
    assert patience.refuse("AttractionSearch[Ayton]") == "attractions early stop due to 3 max retries."
    assert patience.refuse("RestaurantSearch[Ayton]") is None
    patience.count(tools.call("RestaurantSearch[Ayton]"))
    assert patience.refuse("AttractionSearch[Ayton]") is None


def test_patience_after_three_invalid_actions_refuses_the_next_and_rooms_too_but_not_the_planner(tools: Tools) -> None:
    patience = Patience()
    for action in ("hm", "let me see", "well"):
        patience.count(tools.call(action))
    assert patience.refuse("so") == "invalidAction early stop due to 3 max retries."
    assert patience.refuse("AccommodationSearch[Ayton]") == "invalidAction early stop due to 3 max retries."
    assert patience.refuse("CitySearch[North]") is None
    assert patience.refuse("Planner[go]") is None


def test_patience_with_rooms_in_unknown_cities_never_ends(tools: Tools) -> None:
    patience = Patience()
    for number in range(9):
        action = f"AccommodationSearch[{number}]"
        assert patience.refuse(action) is None
        patience.count(tools.call(action))


def test_patience_when_another_action_comes_between_counts_repetitions_anew() -> None:
    patience = Patience()
    refused = [patience.refuse(action) for action in ("a[b]", "a[b]", "c[d]", "a[b]", "a[b]", "a[b]")]
    assert refused == [None] * 5 + [REPEATED]
