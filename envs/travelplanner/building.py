"""From the official csv files to an SQLite file, row by row: the flights are some four million, and are never all in memory."""

import csv
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from operator import itemgetter
from pathlib import Path

from envs.travelplanner.tables import CITY_NAMES, CITY_STATES, TABLES, Column, Table
from runtime.errors import DataError

_Cells = tuple[str, ...]
_Settled = Sequence[str | None]
Progress = Callable[[str, int, int], None]
"""Called with what is under way (a table's name, or "indexes"), how much of it is done, and of how much: bytes, or indexes."""

MISSING = frozenset("|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null".split("|"))
"""The cells that count as having no value: those of pandas, with which upstream reads the files."""
AGAIN = "unpack the official database again, or make one with `memp country`"
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
_BATCH = 10_000
_PRAGMAS = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA locking_mode = EXCLUSIVE"


def build(folder: Path, file: Path, progress: Progress) -> None:
    """Fill a new SQLite file from a data folder; DataError, naming file and line, where a csv can't be used."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.executescript(_PRAGMAS)
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE whole (in_table TEXT, in_column TEXT)")
        for table in TABLES:
            _fill(connection, table, folder / table.file, progress)
        _fill_cities(connection, folder)
        connection.execute("COMMIT")
        _index(connection, progress)
    finally:
        connection.close()


def _fill(connection: sqlite3.Connection, table: Table, path: Path, progress: Progress) -> None:
    types = ", ".join(f"{column.name} {'REAL' if column.number else 'TEXT'}" for column in table.columns)
    connection.execute(f"CREATE TABLE {table.name} ({types})")
    insert = f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.columns))})"  # noqa: S608 (names of our own)
    whole = {column.name for column in table.columns if column.number}
    for columns in _read(path, table, progress):
        whole -= _fractional(table, columns)
        values = [_numbers(cells, column, path) for cells, column in zip(_settled(table, columns), table.columns, strict=False)]
        connection.executemany(insert, zip(*values, strict=True))
    connection.executemany("INSERT INTO whole VALUES (?, ?)", [(table.name, name) for name in sorted(whole)])


def _read(path: Path, table: Table, progress: Progress) -> Iterator[list[_Cells]]:
    """The table's columns, some thousand rows at a time, in the table's order; blank lines are passed over, as pandas does."""
    total = path.stat().st_size
    with path.open("rb") as raw, TextIOWrapper(raw, "utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            pick = itemgetter(*_places(header, table, path))
            while rows := list(islice(reader, _BATCH)):
                if not {len(row) for row in rows} <= {len(header), 0}:
                    raise _bad(path, lambda row: len(row) not in (len(header), 0), f"it has not {len(header)} cells as the header has")
                yield list(zip(*map(pick, filter(None, rows)), strict=True))
                progress(table.name, min(raw.tell(), total), total)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, behind line {reader.line_num}: it is not UTF-8 text ({error.reason}): {AGAIN}") from None
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: it is torn or malformed ({error}): {AGAIN}") from None


def _places(header: Sequence[str], table: Table, path: Path) -> list[int]:
    lacking = [column.header for column in table.columns if column.header not in header]
    if lacking:
        raise DataError(f"{path}, line 1: it has no column {', '.join(map(repr, lacking))} among {', '.join(map(repr, header))}: {AGAIN}")
    return [header.index(column.header) for column in table.columns]


def _fractional(table: Table, columns: Sequence[_Cells]) -> set[str]:
    """The number columns that upstream shows with decimals: a fraction or a gap anywhere in the file makes pandas read floats."""
    pairs = zip(table.columns, columns, strict=False)
    return {column.name for column, cells in pairs if column.number and not (all(map(str.isdecimal, cells)) or all(map(_whole, cells)))}


def _whole(cell: str) -> bool:
    return _WHOLE.fullmatch(cell) is not None


def _settled(table: Table, columns: list[_Cells]) -> Sequence[_Settled]:
    """The columns without the rows that lack a value, or with None for what they lack."""
    if all(map(MISSING.isdisjoint, columns)):
        return columns
    if table.complete:
        return list(zip(*filter(MISSING.isdisjoint, zip(*columns, strict=True)), strict=True))
    return [tuple(None if cell in MISSING else cell for cell in cells) for cells in columns]


def _numbers(cells: _Settled, column: Column, path: Path) -> Sequence[object]:
    if not column.number:
        return cells
    try:
        return list(map(float, cells))  # pyright: ignore[reportArgumentType]  # None stands in text columns alone
    except ValueError as error:
        wrong = str(error).partition(": ")[2].strip("'")
        raise DataError(f"{path}: {column.header!r} holds {wrong!r} where a number belongs: {AGAIN}") from None


def _bad(path: Path, is_bad: Callable[[list[str]], bool], reason: str) -> DataError:
    """The error that names the first bad row; its line is sought anew, so that reading need not count."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        line = next((reader.line_num for row in reader if is_bad(row)), 0)
    return DataError(f"{path}, line {line}: {reason}: {AGAIN}")


def _fill_cities(connection: sqlite3.Connection, folder: Path) -> None:
    connection.execute("CREATE TABLE city_names (name TEXT)")
    connection.executemany("INSERT INTO city_names VALUES (?)", ([name] for name in _lines(folder / CITY_NAMES)))
    connection.execute("CREATE TABLE cities (city TEXT, state TEXT)")
    path = folder / CITY_STATES
    for number, line in enumerate(_lines(path), 1):
        if line.count("\t") != 1:
            raise DataError(f"{path}, line {number}: it is not a city, a tab and a state: {AGAIN}")
        connection.execute("INSERT INTO cities VALUES (?, ?)", line.split("\t"))


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").strip().split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}): {AGAIN}") from None
    if lines == [""]:
        raise DataError(f"{path} is empty: {AGAIN}")
    return lines


def _index(connection: sqlite3.Connection, progress: Progress) -> None:
    wanted = [(table.name, columns) for table in TABLES for columns in table.indexes]
    for done, (table, columns) in enumerate(wanted):
        progress("indexes", done, len(wanted))
        connection.execute(f"CREATE INDEX {table}_by_{'_'.join(columns)} ON {table} ({', '.join(columns)})")
    progress("indexes", len(wanted), len(wanted))
