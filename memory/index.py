"""What retrieval asks of an index over procedures, and what it is given."""

from collections.abc import Mapping, Sequence
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


class Candidates(NamedTuple):
    """Procedures with a fact that matters, in order of id, and all their facts, one per row of `vectors`."""

    version: int
    """Memory's; they are no older than that."""
    procedures: list[str]
    owners: NDArray[np.intp]
    """Shape (facts,): which of the procedures has the fact."""
    names: list[str]
    """The facts' names."""
    vectors: Matrix


class ProcedureIndex(Protocol):
    """What retrieval asks of an index, about active procedures of `env` only; ties come in order of id."""

    async def nearest(self, vector: Vector, k: int, env: str) -> Found:
        """The k procedures whose goals are closest, the closest first."""
        ...

    async def draw(self, start: float, k: int, env: str) -> Found:
        """Any k: those that follow `start` (in [0, 1)) on the ring of their hashed ids."""
        ...

    async def near_facts(self, wanted: Mapping[str, Vector], k: int, env: str) -> Candidates:
        """Procedures with one of the k facts closest to a wanted one, among the facts of its name or among all."""
        ...

    async def hits(self, scored: Sequence[tuple[str, float]]) -> list[Hit]:
        """These procedures, with these distances."""
        ...

    async def fit(self) -> None:
        """Have the kind of index that suits the size of memory; returns when it is in use."""
        ...
