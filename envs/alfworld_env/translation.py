"""A game's planning problem in the form in which it is played, and as bytes.

All is by number: objects, actions, kinds of facts, and variables, each of which is a fact that holds (0) or does not (1).
The `literal` 2 v + x stands for "variable v has the value x". What is long stands in flat arrays: a game of 2,000
operators takes 100 KB, and reading it a millisecond.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import orjson

INT = "I"
_BYTES = array(INT).itemsize
_ARRAYS = 12


class Rows:
    """Many short sequences of numbers, one behind the other in one array; `starts` has one number more than there are."""

    __slots__ = ("_flat", "_starts")

    def __init__(self, flat: "array[int]", starts: "array[int]") -> None:
        self._flat, self._starts = flat, starts

    @classmethod
    def of(cls, rows: Iterable[Iterable[int]]) -> "Rows":
        """Rows from lists."""
        flat, starts = array(INT), array(INT, [0])
        for row in rows:
            flat.extend(row)
            starts.append(len(flat))
        return cls(flat, starts)

    def __getitem__(self, number: int) -> "array[int]":
        return self._flat[self._starts[number] : self._starts[number + 1]]

    def __iter__(self) -> "Iterator[array[int]]":
        return (self[number] for number in range(len(self._starts) - 1))

    def arrays(self) -> "tuple[array[int], array[int]]":
        """What it consists of."""
        return self._flat, self._starts


@dataclass(frozen=True, slots=True)
class Words:
    """The names in a game, and what of it is short."""

    objects: list[str]
    types: list[str]
    """The type of each object."""
    names: list[str]
    """What each object is called in the text; empty for those that no fact speaks of."""
    parents: dict[str, list[str]]
    """All supertypes of each type."""
    actions: list[str]
    parameters: list[list[list[str]]]
    """Name and type of each parameter of each action; those behind an operator's arguments say nothing of it."""
    kinds: list[list[str]]
    """All kinds of facts that there can be: predicate, then the types of its arguments."""
    changing: list[str]
    """The predicates that can change."""
    conditions: dict[str, list[list[int]]]
    """For each operator with conditional effects, by number: the literals that each of its effects needs."""
    rules: list[list[list[int]]]
    """By layer, what decides about derived variables: the literal that becomes true, then those that it needs."""
    derived: list[int]
    """The variables that only the rules decide about."""
    goal: list[int]
    """The literals that win."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What playing a game needs."""

    words: Words
    facts: Rows
    """What holds at first: by kind, the objects of each fact one after the other; any number for a fact without objects."""
    atoms: Rows
    """The fact that each variable stands for: its kind, then objects."""
    operators: Rows
    """Action, then objects."""
    effects: Rows
    """The literals that each operator may make true, in the translator's order."""
    users: Rows
    """The operators that need each literal."""
    missing: "array[int]"
    """How many of its literals each operator lacks at first."""
    state: "array[int]"
    """Value of each variable at first."""

    def dump(self) -> bytes:
        """As bytes: names as JSON in the first line, then the arrays."""
        rows = (self.facts, self.atoms, self.operators, self.effects, self.users)
        arrays = [*(each for row in rows for each in row.arrays()), self.missing, self.state]
        header = orjson.dumps({"words": asdict(self.words), "lengths": list(map(len, arrays))})
        return b"\n".join([header, b"".join(each.tobytes() for each in arrays)])


def load(dumped: bytes) -> Translation:
    """What `dump` has made; raises ValueError, KeyError or TypeError for anything else."""
    header, _, rest = dumped.partition(b"\n")
    read = orjson.loads(header)
    if len(read["lengths"]) != _ARRAYS:
        raise ValueError(f"it has not {_ARRAYS} arrays")
    arrays = iter(_arrays(rest, read["lengths"]))
    facts, atoms, operators, effects, users = (Rows(next(arrays), next(arrays)) for _ in range(5))
    return Translation(Words(**read["words"]), facts, atoms, operators, effects, users, next(arrays), next(arrays))


def _arrays(content: bytes, lengths: Sequence[int]) -> "list[array[int]]":
    view, found = memoryview(content), list["array[int]"]()
    if len(view) != sum(lengths) * _BYTES:
        raise ValueError("the arrays are not as long as the header says")
    for length in lengths:
        each = array(INT)
        each.frombytes(view[: length * _BYTES])
        view = view[length * _BYTES :]
        found.append(each)
    return found
