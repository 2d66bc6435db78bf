"""A table in the process: one vector per row, with tags as codes beside it, so that a search is arithmetic on whole columns."""

import numpy as np
import numpy.typing as npt

from memory.index import DIGITS, Matrix, Vector

Mask = npt.NDArray[np.bool_]
"""Shape (rows,)."""
FIRST_ROOM = 64
"""Rows that there is room for at first; it grows by doubling."""


class Rows:
    """`number` is a column of one number per row; what it means is the owner's."""

    def __init__(self, *tags: str) -> None:
        self.names: list[str] = []
        self.position: dict[str, int] = {}
        self._numbers = np.zeros(0, np.float64)
        self._vectors: Matrix = np.zeros((0, 0), np.float32)
        self._tags: dict[str, npt.NDArray[np.int32]] = {tag: np.zeros(0, np.int32) for tag in tags}
        self._codes: dict[str, int] = {}

    @property
    def numbers(self) -> npt.NDArray[np.float64]:
        """Shape (rows,)."""
        return self._numbers[: len(self.names)]

    def put(self, name: str, vector: Vector, number: float = 0.0, **tags: str) -> int:
        """Add or replace a row; returns where it is."""
        at = self.position.setdefault(name, len(self.names))
        if at == len(self.names):
            self.names.append(name)
        if at >= len(self._numbers):
            self._grow(len(vector))
        self._vectors[at], self._numbers[at] = vector, number
        for tag, value in tags.items():
            self._tags[tag][at] = self._codes.setdefault(value, len(self._codes))
        return at

    def having(self, **wanted: str) -> Mask:
        """Which rows have these tags."""
        count = len(self.names)
        mask = np.ones(count, np.bool_)
        for tag, value in wanted.items():
            mask &= self._tags[tag][:count] == self._codes.get(value, -1)
        return mask

    def similarities(self, vector: Vector) -> npt.NDArray[np.float32]:
        """Shape (rows,): the cosine of each."""
        return self._vectors[: len(self.names)] @ vector if self.names else np.zeros(0, np.float32)

    def distances(self, vector: Vector) -> npt.NDArray[np.float32]:
        """Shape (rows,): the cosine distance of each."""
        return np.round(1.0 - self.similarities(vector), DIGITS)

    def nearest(self, distances: npt.NDArray[np.float32], k: int, among: Mask) -> list[tuple[int, float]]:
        """(row, distance) of the k closest rows of those, equally close ones by name."""
        rows = np.flatnonzero(among)
        near = distances[rows]
        if k < len(rows):
            kept = near <= np.partition(near, k - 1)[k - 1]
            rows, near = rows[kept], near[kept]
        ordered = sorted(zip(near.tolist(), (self.names[at] for at in rows), rows.tolist(), strict=True))
        return [(row, round(distance, DIGITS)) for distance, _, row in ordered[:k]]

    def _grow(self, dimension: int) -> None:
        more = max(FIRST_ROOM, len(self._numbers))
        self._numbers = np.concatenate([self._numbers, np.zeros(more, self._numbers.dtype)])
        self._vectors = np.concatenate([self._vectors.reshape(-1, dimension), np.zeros((more, dimension), np.float32)])
        self._tags = {tag: np.concatenate([codes, np.zeros(more, np.int32)]) for tag, codes in self._tags.items()}
