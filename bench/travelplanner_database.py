"""The flights database at the official size: what building it takes, and how long a search does.

    uv run python -m bench.travelplanner_database [--rows 4000000] [--searches 2000] [--out FILE]

The flights are made on the fly, in no order, which is the worst for a search: its rows are scattered over the file. As in
the official data one search finds about seven of them. Built in a process of its own, whose peak memory is told; searched

tool     `FlightSearch[…]` from the action to the text of the observation
cold     the same, after the file was dropped from the system's cache before each search
columns  what a data frame does: the columns in memory, and compared with what is sought, one after the other
csv      a scan of the file, row by row
"""

import argparse
import csv
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.report import quantile, save, show
from envs.travelplanner.country import generate
from envs.travelplanner.database import Database, open_database
from envs.travelplanner.tables import CITY_NAMES, CITY_STATES, FLIGHTS
from envs.travelplanner.tools import Tools
from runtime.logs import configure_logs

_CITIES, _ROUTES, _DAYS = 300, 6_000, 90
_FULL = 4_000_000
_BLOCK = 100_000
Sought = tuple[str, str, str]


def make(folder: Path, rows: int) -> list[Sought]:
    """A country with so many flights; returns what can be searched for."""
    generate(folder, 1, {"train": 1})
    rng = random.Random(1)
    cities = [f"City {number:03d}" for number in range(_CITIES)]
    (folder / CITY_NAMES).write_text("".join(f"{city}\n" for city in cities))
    (folder / CITY_STATES).write_text("".join(f"{city}\tAverland\n" for city in cities))
    routes = [tuple(rng.sample(cities, 2)) for _ in range(max(1, _ROUTES * rows // _FULL))]
    days = [(date(2022, 3, 1) + timedelta(day)).isoformat() for day in range(_DAYS)]
    with (folder / FLIGHTS.file).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.header for column in FLIGHTS.columns])
        for start in range(0, rows, _BLOCK):
            writer.writerows(_flights(rng, range(start, min(rows, start + _BLOCK)), routes, days))
    return [(*rng.choice(routes), rng.choice(days)) for _ in range(10_000)]  # pyright: ignore[reportReturnType]


def _flights(rng: random.Random, numbers: range, routes: list[Any], days: list[str]) -> Iterable[list[Any]]:
    flown, dates = rng.choices(routes, k=len(numbers)), rng.choices(days, k=len(numbers))
    for number, (origin, destination), day in zip(numbers, flown, dates, strict=True):
        yield [f"F{number:07d}", 40 + number % 400, "12:14", "13:56", "2 hours 42 minutes", day, origin, destination, 907.0]


def built(folder: str, cache: str) -> dict[str, float]:
    """Build the database in this process; seconds, CPU seconds, peak memory in MiB, and its size in MB."""
    configure_logs("error")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.monotonic(), time.process_time()
    with open_database(Path(folder), Path(cache)) as database:
        took, used = time.monotonic() - began, time.process_time() - cpu
        size = database.file.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"build (s)": took, "CPU (s)": used, "peak memory (MiB)": peak / 1024, "before (MiB)": before / 1024, "file (MB)": size / 1e6}


def timed(search: Callable[[Sought], int], wanted: Iterable[Sought], before: Callable[[], None] | None = None) -> dict[str, Any]:
    """Milliseconds of searches, on the wall and (whatever else the machine does) of CPU, and how many rows they found on average."""
    times: list[float] = []
    used: list[float] = []
    found = 0
    for each in wanted:
        if before is not None:
            before()
        began, cpu = time.perf_counter(), time.thread_time()
        found += search(each)
        times.append((time.perf_counter() - began) * 1000)
        used.append((time.thread_time() - cpu) * 1000)
    wall = {"p50 (ms)": quantile(times, 0.5), "p99 (ms)": quantile(times, 0.99)}
    return {
        **wall,
        "p50 CPU (ms)": quantile(used, 0.5),
        "p99 CPU (ms)": quantile(used, 0.99),
        "searches": len(times),
        "rows each": found / len(times),
    }


def by_tool(database: Database) -> Callable[[Sought], int]:
    """The tool, as an episode calls it."""
    tools = Tools(database)

    def search(sought: Sought) -> int:
        text = tools.call(f"FlightSearch[{', '.join(sought)}]").text
        return 0 if text.startswith("There is no") else text.count("\n")

    return search


def by_columns(path: Path) -> Callable[[Sought], int]:
    """Three columns in memory, compared one after the other; equal texts are one object, as in a data frame."""
    kept: dict[str, str] = {}
    columns: list[list[str]] = [[], [], []]
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            for column, header in zip(columns, ("OriginCityName", "DestCityName", "FlightDate"), strict=True):
                column.append(kept.setdefault(row[header], row[header]))
    origins, destinations, days = (np.array(column, dtype=object) for column in columns)

    def search(sought: Sought) -> int:
        rows = np.flatnonzero(origins == sought[0])
        rows = rows[destinations[rows] == sought[1]]
        return len(rows[days[rows] == sought[2]])

    return search


def by_csv(path: Path) -> Callable[[Sought], int]:
    """The file itself, each time from its beginning."""

    def search(sought: Sought) -> int:
        with path.open(newline="") as file:
            return sum((row[6], row[7], row[5]) == sought for row in csv.reader(file))

    return search


def forget(file: Path) -> Callable[[], None]:
    """What drops a file from the system's cache."""

    def drop() -> None:
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)

    return drop


def main(rows: int, searches: int, out: Path | None) -> None:
    """Make, build, search."""
    configure_logs("error")
    with TemporaryDirectory() as temporary:
        folder, cache = Path(temporary) / "data", Path(temporary) / "cache"
        sought = make(folder, rows)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            building = {"rows": rows, **pool.submit(built, str(folder), str(cache)).result()}
        show("building the database", [building])
        path = folder / FLIGHTS.file
        with open_database(folder, cache) as database:
            found = {"tool": timed(by_tool(database), sought[:searches])}
            if sys.platform == "linux":
                found["cold"] = timed(by_tool(database), sought[-200:], forget(database.file))
        found["columns"] = timed(by_columns(path), sought[:20])
        found["csv"] = timed(by_csv(path), sought[:2])
    table = [{"search": name, **figures} for name, figures in found.items()]
    show(f"a search among {rows:,} flights", table)
    save("travelplanner_database", {"build": building, "searches": table}, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=_FULL)
    parser.add_argument("--searches", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    main(given.rows // 10 if given.quick else given.rows, given.searches, given.out)
