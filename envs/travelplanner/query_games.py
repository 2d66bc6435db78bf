"""The queries of a split as games: what a task holds of one, and how it is found again."""

import hashlib
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, cast

from envs.local import GameTask
from envs.travelplanner import rendering
from envs.travelplanner.database import open_database
from envs.travelplanner.queries import Query, read_queries
from envs.travelplanner.scoring import details, undelivered
from runtime.config import Settings
from runtime.errors import DataError, EnvError, UsageError


def data_folder(settings: Settings) -> Path:
    """The data folder of the settings; DataError where it is unset or not there."""
    folder = settings.travelplanner_data
    if folder is None:
        raise DataError(
            "MEMP_TRAVELPLANNER_DATA is not set: point it at a folder with the benchmark's database/ and queries/, or at one filled by "
            "`memp country`"
        )
    if not (folder / "queries").is_dir():
        raise DataError(f"MEMP_TRAVELPLANNER_DATA={folder} has no folder queries: put the benchmark's there, or fill it by `memp country`")
    return folder.resolve()


def cache_folder(settings: Settings) -> Path:
    """Where the database is kept once it is built."""
    return settings.data_dir / "cache"


def games(split: str, settings: Settings) -> list[GameTask]:
    """All queries of a split, in the order of the file. The database is built first where it is not there yet: once, for all processes."""
    folder = data_folder(settings)
    queries = read_queries(folder, split)
    open_database(folder, cache_folder(settings)).close()
    return [GameTask(query.query, _game(split, query)) for query in queries]


def _game(split: str, query: Query) -> dict[str, Any]:
    """`scored` is false where the constraints are hidden: nothing can be learned from such a game. `undelivered` is the judgement of an
    episode that never came to one."""
    kind = f"{query.level}, {query.days} days" if query.level else None
    place = {"path": f"{split}/{query.index}", "split": split, "index": query.index}
    nothing = details(query, None, undelivered(query) if query.scorable else None)
    return {**place, "type": kind, "hash": _digest(query), "scored": query.scorable, "undelivered": nothing}


def _digest(query: Query) -> str:
    return hashlib.sha256(query.model_dump_json(exclude={"annotated_plan"}).encode()).hexdigest()[:16]


def check_information(split: str, settings: Settings, count: int) -> None:
    """DataError where there is not a line of information for each query of a split."""
    path = _information(data_folder(settings), split)
    try:
        with path.open("rb") as lines:
            there = sum(1 for line in lines if line.strip())
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): planning alone is given what stands there") from None
    if there < count:
        raise DataError(f"{path} has {there} lines for {count} queries: put the benchmark's own file there")


def _information(folder: Path, split: str) -> Path:
    return folder / "database" / f"{split}_ref_info.jsonl"


class Queries:
    """The queries of a data folder, each split read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._splits: dict[str, list[Query]] = {}

    def load(self, game: dict[str, Any]) -> Query:
        """The query of a task. EnvError where the folder has another one, or none, in its place."""
        split, index = str(game.get("split")), game.get("index")
        try:
            if split not in self._splits:
                self._splits[split] = read_queries(self._folder, split)
            query = next(query for query in self._splits[split] if query.index == index)
        except (UsageError, StopIteration) as error:
            raise EnvError(f"{game.get('path')} is not in the data folder: use the data that the task was made from ({error})") from error
        if _digest(query) != game.get("hash"):
            raise EnvError(f"{game['path']} has changed since the task was made: use the data that it was made from, or start afresh")
        return query

    def information(self, game: dict[str, Any]) -> str:
        """What is given with a query where planning alone is asked for. EnvError where nothing is."""
        path = _information(self._folder, game["split"])
        try:
            with path.open(encoding="utf-8") as lines:
                told = json.loads(next(islice(lines, game["index"] - 1, None)))
            return "\n\n".join(f"{about}:\n{_shown(found)}" for about, found in told.items())
        except (OSError, StopIteration, ValueError, AttributeError, TypeError) as error:
            raise EnvError(f"{path} holds nothing for {game['path']}: put the benchmark's own file there ({error})") from error


def _shown(found: object) -> str:
    """A text, or a table of objects with the same keys."""
    if not isinstance(found, list):
        return str(found)
    rows = cast(list[dict[str, Any]], found)
    return rendering.table([_column(name, [row.get(name) for row in rows]) for name in rows[0]]) if rows else "none"


def _column(name: str, values: list[Any]) -> list[str]:
    number, whole = _all(values, (int, float)), _all(values, int)
    return rendering.column(name, values if number else list(map(str, values)), number=number, is_whole=whole)


def _all(values: Iterable[Any], kinds: type | tuple[type, ...]) -> bool:
    return all(isinstance(value, kinds) and value == value for value in values)  # a gap is nan
