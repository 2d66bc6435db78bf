"""A submission: one line of JSON per query of a split, as the benchmark's leaderboard takes it.

    {"idx": 1, "query": "…", "plan": [{…}, …]}

`idx` counts the queries from 1; `plan` is null (or empty) where no plan was delivered; what else stands in a line is not
read. Lines may stand in any order; without any `idx`, they stand for the queries in turn, as they do upstream.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from envs.travelplanner.queries import Query
from runtime.errors import DataError


class _Line(NamedTuple):
    number: int
    fields: dict[str, Any]


def read_submission(path: Path, queries: int) -> list[object]:
    """The plans of a submission file, as JSON values, in the order of the split's queries. Raises `DataError`."""
    try:
        raw = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): name a file of one JSON object a line") from error
    lines = [_parsed(path, number, line) for number, line in enumerate(raw, start=1) if line.strip()]
    plans = _placed(path, lines, queries)
    lacking = [index for index in range(1, queries + 1) if index not in plans]
    if lacking:
        last = lines[-1].number if lines else 0
        raise DataError(f"{path} ends at line {last} with {len(lines)} plans of {queries}: it lacks idx {_some(lacking)}")
    return [plans[index] for index in sorted(plans)]


def submission_text(queries: Iterable[Query], plans: Mapping[int, object]) -> str:
    """A line for each query; its plan stands in `plans` by its index, a query without one gets null. Escaped, so that any reader of
    lines finds the same."""
    return "".join(json.dumps({"idx": each.index, "query": each.query, "plan": plans.get(each.index) or None}) + "\n" for each in queries)


def _parsed(path: Path, number: int, line: bytes) -> _Line:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(f"{path}, line {number}: it is not JSON ({reason})") from None
    if not isinstance(fields, dict):
        raise DataError(f"{path}, line {number}: it is no object of idx, query and plan")
    if "plan" not in fields:
        raise DataError(f"{path}, line {number}: it has no plan; null stands for one that was not delivered")
    return _Line(number, cast(dict[str, Any], fields))


def _placed(path: Path, lines: list[_Line], queries: int) -> dict[int, object]:
    """The plans by idx; refuses an idx that no query has, and one that stands twice."""
    plans, where, named = dict[int, object](), dict[int, int](), any("idx" in line.fields for line in lines)
    for place, line in enumerate(lines, start=1):
        index = _index(line.fields.get("idx")) if named else place
        if index is None or not 1 <= index <= queries:
            shown = json.dumps(line.fields.get("idx"))[:40]
            raise DataError(f"{path}, line {line.number}: no query of this split has idx {shown}; they are 1 to {queries}")
        if index in where:
            raise DataError(f"{path}, line {line.number}: idx {index} stands in line {where[index]}, too; keep one of them")
        plans[index], where[index] = line.fields["plan"], line.number
    return plans


def _index(given: object) -> int | None:
    """An idx as a number, which may stand in quotes."""
    if isinstance(given, str) and given.isascii() and given.isdecimal():
        return int(given[:9])
    return given if type(given) is int else None


def _some(indexes: list[int]) -> str:
    return ", ".join(map(str, indexes[:5])) + (" …" if len(indexes) > 5 else "")
