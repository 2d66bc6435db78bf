"""How many plans a second the TravelPlanner evaluator judges, beside one that looks things up as upstream's does.

    uv run python -m bench.travelplanner_evaluator [--repeat 20] [--quick] [--out FILE]

index  our lookups: by city in memory, flights by the database's index
scan   a pass over all rows of the csv file for every lookup, in Python, as upstream's pandas passes over its tables

The constraints, the plans and the run are the same, and so must all verdicts be. The plans are those of the train split: the
benchmark's own where MEMP_TRAVELPLANNER_DATA names its folder, a generated country's elsewhere. The scan is the slower the
longer the tables are: it is shown with the flights that were scanned (the official table has some four million).
"""

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.report import median, save, show
from envs.travelplanner.building import MISSING
from envs.travelplanner.country import generate
from envs.travelplanner.database import Database, open_database
from envs.travelplanner.plan import Kind, Named, Route
from envs.travelplanner.queries import Query, read_queries
from envs.travelplanner.sandbox import Attraction, Restaurant, Room, Sandbox
from envs.travelplanner.scoring import PlanScore, judge
from envs.travelplanner.tables import ACCOMMODATIONS, ATTRACTIONS, DISTANCES, FLIGHTS, RESTAURANTS, Table
from runtime.config import Settings
from runtime.logs import configure_logs

SEED = 0


class Scanning(Sandbox):
    """The same answers from the rows of the csv files, each of them looked at for every question."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database)
        self._tables = {table.name: list(_read(folder, table)) for table in (FLIGHTS, ACCOMMODATIONS, RESTAURANTS, ATTRACTIONS, DISTANCES)}

    def restaurants(self, wanted: Named) -> list[Restaurant]:
        return [Restaurant(name, float(cost), cuisines) for name, cost, cuisines, *_ in self._named("restaurants", wanted)]

    def rooms(self, wanted: Named) -> list[Room]:
        rows = self._named("accommodations", wanted)
        return [Room(name, float(price), kind, rules, float(least), float(most)) for name, price, kind, rules, least, most, *_ in rows]

    def attractions(self, wanted: Named) -> list[Attraction]:
        return [Attraction(row[0]) for row in self._named("attractions", wanted)]

    def flies(self, number: str, way: Route) -> bool:
        return bool([row for row in self._tables["flights"] if row[0] == number and row[6:8] == way])

    def flight_price(self, number: str) -> float | None:
        return next(iter([float(row[1]) for row in self._tables["flights"] if row[0] == number]), None)

    def road_cost(self, way: Route, kind: Kind) -> int | None:
        rows = [row for row in self._tables["distances"] if row[:2] == way]
        duration, distance = rows[0][2:] if rows else ("", "")
        if not duration or not distance or "day" in duration:
            return None
        return int(float(distance.replace("km", "").replace(",", "")) * {"Self-driving": 0.05}.get(kind, 1))

    @cached_property
    def scanned(self) -> int:
        """Flights that a question about one passes over."""
        return len(self._tables["flights"])

    def _named(self, table: str, wanted: Named) -> list[tuple[str, ...]]:
        """Rows whose name, the first column, contains the wanted one, and whose city, the last, is the wanted one."""
        return [row for row in self._tables[table] if wanted.name in row[0] and row[-1] == wanted.city]


def _read(folder: Path, table: Table) -> Iterator[tuple[str, ...]]:
    with (folder / table.file).open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            row = tuple(line[column.header] for column in table.columns)
            if not (table.complete and MISSING.intersection(row)):
                yield row


def judged(queries: Sequence[Query], sandbox: Sandbox) -> tuple[float, list[PlanScore]]:
    """Seconds to judge all annotated plans, and the verdicts."""
    began = time.perf_counter()
    scores = [judge(query, list(query.annotated_plan or ()), sandbox) for query in queries]
    return time.perf_counter() - began, scores


def main(repeat: int, out: Path | None) -> None:
    """Judge the plans by turns, so that neither way has the quieter minutes to itself."""
    configure_logs("error")
    with TemporaryDirectory() as temporary:
        folder = Settings().travelplanner_data
        where = "the benchmark's train plans" if folder else "a generated country's train plans"
        if folder is None:
            folder = Path(temporary) / "country"
            generate(folder, SEED)
        queries = read_queries(folder, "train")
        with open_database(folder, Path(temporary)) as database:
            _measure(queries, Sandbox(database), Scanning(database, folder), repeat, where, out)


def _measure(queries: Sequence[Query], ours: Sandbox, scan: Scanning, repeat: int, where: str, out: Path | None) -> None:
    first, scores = judged(queries, ours)  # fills the memory: shown apart
    times: dict[str, list[float]] = {"index": [], "scan": []}
    for _ in range(repeat):
        for name, sandbox in (("index", ours), ("scan", scan)):
            taken, found = judged(queries, sandbox)
            times[name].append(taken)
            assert found == scores, f"{name} judges otherwise"
    rows = [_row(name, taken, len(queries), median(times["scan"])) for name, taken in times.items()]
    show(f"{len(queries)} of {where}, median of {repeat}; {scan.scanned:,} flights; the first pass took {first:.2f} s", rows)
    save("travelplanner_evaluator", {"rows": rows, "seconds": times, "first": first, "flights": scan.scanned, "plans": where}, out)


def _row(name: str, taken: list[float], plans: int, least: float) -> dict[str, float | str]:
    return {
        "lookups": name,
        "plans / s": plans / median(taken),
        "ms / plan": median(taken) / plans * 1000,
        "times the scan's": least / median(taken),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    main(3 if given.quick else given.repeat, given.out)
