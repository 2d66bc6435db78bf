"""What retrieval asks of an index over procedures, and what it is given."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from memory.procedure import Content

Vector = NDArray[np.float32]
"""Shape (dimension,), of length 1."""
Matrix = NDArray[np.float32]
"""Shape (n, dimension), rows of length 1."""
DIGITS = 6
"""Decimals of a distance: beyond them, what two ways of adding up give for the same vectors differs."""


class Hit(NamedTuple):
    """One active procedure as retrieval finds it; `distance` is 1 − cosine, None where nothing was compared."""

    procedure: str
    revision: int
    goal: str
    content: Content
    distance: float | None


class Found(NamedTuple):
    """Hits, and a version of memory that they are no older than."""

    version: int
    hits: list[Hit]


class ProcedureIndex(Protocol):
    """What retrieval asks of an index, about active procedures of `env` only; ties come in order of id."""

    async def nearest(self, vector: Vector, k: int, env: str) -> Found:
        """The k procedures whose goals are closest, the closest first."""
        ...

    async def draw(self, start: float, k: int, env: str) -> Found:
        """Any k: those that follow `start` (in [0, 1)) on the ring of their hashed ids."""
        ...

    async def matching(self, wanted: Mapping[str, Vector], threshold: float, k: int, env: str) -> Found:
        """The k procedures whose facts match the wanted ones (by name) best, the best first; `distance` is 1 − the mean of the highest
        cosines, those below `threshold` (in [0, 1]) counting 0. Who has no match is left out. See `memory.facts`.

        Of more than 1,000 facts that match a wanted one only the closest need count, and of more than 10,000 procedures that match
        equally well any may come.
        """
        ...

    async def fit(self) -> None:
        """Have the kind of index that suits the size of memory; returns when it is in use."""
        ...
