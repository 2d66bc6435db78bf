"""The database: built once from the official layout, whoever asks and whatever happened to its file; bad files are named."""

import csv
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envs.travelplanner.building import MISSING
from envs.travelplanner.database import Database, open_database
from envs.travelplanner.queries import read_queries
from envs.travelplanner.tables import (
    ACCOMMODATIONS,
    ATTRACTIONS,
    CITY_NAMES,
    CITY_STATES,
    DISTANCES,
    FILES,
    FLIGHTS,
    RESTAURANTS,
    TABLES,
    Table,
)
from runtime.errors import DataError, UsageError

Rows = list[list[str]]
Progress = list[tuple[str, int, int]]

TORN: list[tuple[str, Callable[[str], str], str]] = [
    (FLIGHTS.file, lambda text: text[: text.rindex(",")], r"line \d+: it has not 9 cells"),
    (FLIGHTS.file, lambda text: text + "a,b,c,d,e,f,g,h,i,j\n", r"line \d+: it has not 9 cells"),
    (ATTRACTIONS.file, lambda text: text + 'Tower,1,2,"12 Bell', r"line \d+: it is torn"),
    (RESTAURANTS.file, lambda text: text.replace(",4.", ",four.", 1), r"holds 'four\.\d' where a number belongs"),
    (DISTANCES.file, lambda _: "", "line 1: it has no column"),
    (CITY_STATES, lambda text: text.replace("\t", " ", 1), "line 1: it is not a city, a tab and a state"),
    (CITY_NAMES, lambda _: "\n", "is empty"),
]
"""How a file is damaged, and what is said of it."""


@pytest.fixture
def folder(country: Path, tmp_path: Path) -> Path:
    """A country of one's own to damage."""
    shutil.copytree(country, tmp_path / "data")
    return tmp_path / "data"


def rows_of(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def rewrite(path: Path, change: Callable[[Rows], Rows]) -> None:
    rows = change(rows_of(path))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def content(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """All tables, row by row."""
    names = [*(table.name for table in TABLES), "cities", "city_names"]
    return {name: database.rows(f"SELECT rowid, * FROM {name} ORDER BY rowid") for name in names}


def built(folder: Path, cache: Path) -> dict[str, list[tuple[object, ...]]]:
    with open_database(folder, cache) as database:
        return content(database)


def telling(told: Progress) -> Callable[[str, int, int], None]:
    """A progress callback that notes what it is told."""
    return lambda stage, done, total: told.append((stage, done, total))


def only_file(cache: Path) -> Path:
    (file,) = cache.glob("travelplanner/*/*.sqlite")
    return file


def test_open_database_keeps_the_rows_of_the_files_in_their_order(country: Path, database: Database) -> None:
    for table in TABLES:
        rows = rows_of(country / table.file)
        places = [rows[0].index(column.header) for column in table.columns]
        cells = [[row[place] for place in places] for row in rows[1:]]
        kept = [row for row in cells if MISSING.isdisjoint(row)] if table.complete else cells
        found = database.rows(f"SELECT {table.names} FROM {table.name} ORDER BY rowid")
        assert len(found) == len(kept) > 0
        for ours, theirs in zip(found, kept, strict=True):
            for value, cell in zip(ours, theirs, strict=True):
                assert value == (float(cell) if isinstance(value, float) else cell or None)


def test_open_database_leaves_out_rooms_that_lack_a_value_and_keeps_roads_that_do(country: Path, database: Database) -> None:
    assert len(database.rows("SELECT * FROM accommodations")) < len(rows_of(country / ACCOMMODATIONS.file)) - 1
    assert database.rows("SELECT * FROM distances WHERE duration IS NULL AND distance IS NULL")


def test_open_database_tells_whole_numbers_from_those_that_have_a_gap_or_a_fraction(database: Database) -> None:
    assert database.whole == {("flights", "price"), ("accommodations", "maximum_occupancy"), ("restaurants", "average_cost")}


def test_open_database_again_reads_no_csv_and_tells_no_progress(folder: Path, tmp_path: Path) -> None:
    told: Progress = []
    open_database(folder, tmp_path / "cache", telling(told)).close()
    assert {stage for stage, _, _ in told} == {*(table.name for table in TABLES), "indexes"}
    assert {stage for stage, done, total in told if done == total} == {stage for stage, _, _ in told}
    told.clear()
    open_database(folder, tmp_path / "cache", telling(told)).close()
    assert told == []


def test_open_database_when_a_file_changed_builds_anew_and_drops_the_old(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = built(folder, cache)
    old = only_file(cache)
    rewrite(folder / FLIGHTS.file, lambda rows: rows[:-1])
    after = built(folder, cache)
    assert after["flights"] == before["flights"][:-1]
    assert only_file(cache) != old


@pytest.mark.parametrize("damage", ["torn", "overwritten", "emptied", "unsealed", "not sqlite"])
def test_open_database_when_its_file_was_damaged_builds_it_anew(folder: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    before = built(folder, cache)
    file = only_file(cache)
    whole = file.read_bytes()
    middle = len(whole) // 2
    if damage == "unsealed":
        file.with_suffix(".seal").write_text("{")
    else:
        torn = {"torn": whole[:middle], "overwritten": whole[:middle] + b"\xff" * 64 + whole[middle + 64 :], "emptied": b""}
        file.write_bytes(torn.get(damage, b"this is no database" * 1000))
    assert built(folder, cache) == before
    assert file.read_bytes() == whole


def test_open_database_when_its_file_was_only_copied_is_not_built_anew(folder: Path, tmp_path: Path) -> None:
    open_database(folder, tmp_path / "cache").close()
    file = only_file(tmp_path / "cache")
    os.utime(file, (1, 1))
    told: Progress = []
    open_database(folder, tmp_path / "cache", telling(told)).close()
    assert told == []


def test_database_when_damaged_under_a_reader_says_so_and_is_built_anew_when_opened_next(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = built(folder, cache)
    with open_database(folder, cache) as database:
        with only_file(cache).open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (os.path.getsize(file.name) - 4096))
        with pytest.raises(DataError, match="start again"):
            content(database)
    assert built(folder, cache) == before


def test_open_database_in_many_processes_at_once_builds_it_once(folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from envs.travelplanner.database import open_database\n"
        "told = []; database = open_database(Path(sys.argv[1]), Path(sys.argv[2]), lambda *step: told.append(step))\n"
        "print(len(database.rows('SELECT * FROM flights')), bool(told))"
    )
    command = [sys.executable, "-c", script, str(folder), str(tmp_path / "cache")]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=120)[0].splitlines()[-1].split() for process in racing]
    assert len({rows for rows, _ in said}) == 1
    assert [has_built for _, has_built in said].count("True") == 1
    assert not list(tmp_path.glob("cache/**/*.part"))


def test_open_database_after_a_builder_was_killed_builds_on_its_leavings(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    script = (
        "import os, sys; from pathlib import Path; from envs.travelplanner.database import open_database\n"
        "def die(stage, done, total):\n    if stage == 'distances': os._exit(9)\n"
        "open_database(Path(sys.argv[1]), Path(sys.argv[2]), die)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder), str(cache)], check=False, timeout=120)
    assert killed.returncode == 9
    assert list(cache.glob("**/*.part"))
    assert len(built(folder, cache)["flights"]) > 0
    assert not list(cache.glob("**/*.part"))


@pytest.mark.parametrize("name", FILES)
def test_open_database_without_a_file_names_it_and_what_to_do(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"{name}.*MEMP_TRAVELPLANNER_DATA"):
        open_database(folder, tmp_path / "cache")


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_open_database_with_a_renamed_column_names_what_is_lacking(folder: Path, tmp_path: Path, table: Table) -> None:
    path, lacking = folder / table.file, table.columns[-1].header
    rewrite(path, lambda rows: [["renamed" if cell == lacking else cell for cell in rows[0]], *rows[1:]])
    with pytest.raises(DataError, match=rf"{path.name}, line 1: it has no column '{lacking}'"):
        open_database(folder, tmp_path / "cache")
    assert not list(tmp_path.glob("cache/**/*.sqlite"))


@pytest.mark.parametrize(("name", "torn", "told"), TORN)
def test_open_database_with_a_torn_file_names_the_place(
    folder: Path, tmp_path: Path, name: str, torn: Callable[[str], str], told: str
) -> None:
    path = folder / name
    path.write_text(torn(path.read_text()))
    with pytest.raises(DataError, match=rf"{path.name}.*{told}"):
        open_database(folder, tmp_path / "cache")


def test_open_database_with_bytes_that_are_no_text_names_the_file(folder: Path, tmp_path: Path) -> None:
    with (folder / FLIGHTS.file).open("ab") as file:
        file.write(b"F1,1,a,b,c,d,\xff\xfe,h,1\n")
    with pytest.raises(DataError, match=r"Flights_2022\.csv.*not UTF-8"):
        open_database(folder, tmp_path / "cache")


def test_open_database_with_marks_line_ends_and_columns_of_other_programs_is_the_same(folder: Path, tmp_path: Path) -> None:
    before = built(folder, tmp_path / "cache")
    for table in TABLES:
        path = folder / table.file
        rewrite(path, lambda rows: [["note", *reversed(rows[0])], *(["", *reversed(row)] for row in rows[1:])])
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\r\n\r\n", 2))
    for name in (CITY_NAMES, CITY_STATES):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes().replace(b"\n", b"\r\n"))
    assert built(folder, tmp_path / "other") == before


def test_open_database_with_a_cache_that_is_a_file_names_the_setting(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(DataError, match="MEMP_DATA_DIR"):
        open_database(folder, tmp_path / "cache")


def test_database_is_read_only(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.rows("DELETE FROM flights")


def test_read_queries_of_the_country_gives_what_its_files_hold(country: Path) -> None:
    train, validation, test = (read_queries(country, split) for split in ("train", "validation", "test"))
    assert [query.index for query in train] == list(range(1, 10))
    assert all(query.scorable and query.annotated_plan for query in train)
    assert all(query.scorable and query.annotated_plan is None for query in validation)
    assert all(query.query and not query.scorable for query in test)


def test_read_queries_of_a_table_that_holds_python_literals_reads_them(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    line = (
        '{"query": "Go.", "org": "A", "dest": "B", "days": 3, "date": "[\'2022-03-01\', \'2022-03-02\']", "people_number": 1, '
        "\"local_constraint\": \"{'house rule': None, 'cuisine': ['Thai'], 'room type': 'private room', 'transportation': None}\", "
        '"visiting_city_number": 1, "budget": 100, "annotated_plan": "[{\'org\': \'A\'}, [{\'days\': 1}]]"}'
    )
    (tmp_path / "queries" / "train.jsonl").write_text(line)
    (query,) = read_queries(tmp_path, "train")
    assert query.date == ("2022-03-01", "2022-03-02")
    assert query.local_constraint.cuisine == ("Thai",)
    assert query.local_constraint.room_type == "private room"
    assert query.annotated_plan == ({"days": 1},)


@pytest.mark.parametrize("line", ["{", "[]", '{"query": "x", "days": "many"}', '{"days": 3}', '{"query": "x", "date": "[oops"}', ""])
def test_read_queries_with_a_bad_line_names_it(tmp_path: Path, line: str) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "train.jsonl").write_text(f'{{"query": "fine"}}\n{line}\n{{"query": "fine"}}\n')
    with pytest.raises(DataError, match=r"train\.jsonl, line 2: it is no query"):
        read_queries(tmp_path, "train")


def test_read_queries_of_an_unknown_split_or_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="train, validation, test"):
        read_queries(tmp_path, "dev")
    with pytest.raises(DataError, match=r"train\.jsonl can't be read"):
        read_queries(tmp_path, "train")
