"""The queries of a split: trips that people ask for, and what their plans are checked against.

`queries/<split>.jsonl` below the data folder, an object a line. Of the test split the constraints are hidden: its lines
hold the text, and whatever else is told.
"""

import ast
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from runtime.errors import DataError, UsageError

SPLITS = ("train", "validation", "test")
_SCORED = frozenset({"org", "dest", "days", "visiting_city_number", "people_number", "local_constraint", "budget"})
_AGAIN = "put the official queries there, or make some with `memp country`"


def _literal(value: Any) -> Any:
    """The data set's own tables hold lists and objects as Python literals within a text."""
    return ast.literal_eval(value) if isinstance(value, str) and value.strip()[:1] in ("[", "{") else value


def _days(value: Any) -> Any:
    """The data set's own annotated plans stand behind an object that repeats the query."""
    value = _literal(value)
    items = cast(list[Any], value) if isinstance(value, list) else []
    return items[1] if len(items) == 2 and isinstance(items[1], list) else value


class LocalConstraint(BaseModel):
    """What the travellers insist on; None where they don't."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True)

    house_rule: str | None = Field(default=None, alias="house rule")
    """smoking, parties, children under 10, visitors or pets: what the room must not forbid."""
    cuisine: tuple[str, ...] | None = None
    """Each must be eaten somewhere on the trip."""
    room_type: str | None = Field(default=None, alias="room type")
    """entire room, private room, shared room or not shared room."""
    transportation: str | None = None
    """no flight or no self-driving."""


class Query(BaseModel):
    """One trip that is asked for; what a line does not tell is empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    index: int
    """Its number in the split, from 1: the `idx` of a submission."""
    query: str
    """What the travellers say."""
    org: str = ""
    dest: str = ""
    """A city for three days, a state for more."""
    days: int = 0
    visiting_city_number: int = 0
    date: Annotated[tuple[str, ...], BeforeValidator(_literal)] = ()
    """YYYY-MM-DD of each day."""
    people_number: int = 0
    local_constraint: Annotated[LocalConstraint, BeforeValidator(_literal)] = LocalConstraint()
    budget: float = 0
    """Dollars for all of them and the whole trip."""
    level: str = ""
    """easy, medium or hard: by the number of constraints."""
    annotated_plan: Annotated[tuple[dict[str, Any], ...] | None, BeforeValidator(_days)] = None
    """A plan that keeps every constraint, an object a day; in the train split."""

    @property
    def scorable(self) -> bool:
        """Whether all is known that a plan is checked against."""
        return self.model_fields_set >= _SCORED


def read_queries(folder: Path, split: str) -> list[Query]:
    """All queries of a split, in the order of the file; DataError where it is missing or a line can't be used."""
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}: choose one of {', '.join(SPLITS)}")
    path = folder / "queries" / f"{split}.jsonl"
    try:
        lines = path.read_text(encoding="utf-8-sig").strip("\r\n").split("\n")
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): {_AGAIN}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason}): {_AGAIN}") from None
    return [_query(line, index, path) for index, line in enumerate(lines, 1)]


def _query(line: str, index: int, path: Path) -> Query:
    try:
        given = from_json(line)
        return Query.model_validate({**given, "index": index})
    except (ValidationError, ValueError, TypeError, SyntaxError) as error:
        reason = error.errors()[0] if isinstance(error, ValidationError) else None
        told = f"{'.'.join(map(str, reason['loc']))}: {reason['msg']}" if reason else str(error)
        raise DataError(f"{path}, line {index}: it is no query ({told}): {_AGAIN}") from None
