"""The exact index in the process itself, over the same hashes: for servers without a query engine.

It follows the memory's version: each query first takes in what the changes since the last one have touched.
"""

from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
import orjson
from numpy.typing import NDArray

from memory.index import DIGITS, Hit, Vector
from memory.procedure import Content
from runtime.bus.scripts import Client
from runtime.keys import Keys


@dataclass
class Rows:
    """Vectors (n, dimension) and, row by row, whose they are."""

    position: dict[str, int] = field(default_factory=dict[str, int])
    names: list[str] = field(default_factory=list[str])
    fields: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def put(self, name: str, fields: dict[str, str], vector: Vector) -> None:
        """Add or replace a row; room grows by doubling."""
        at = self.position.setdefault(name, len(self.names))
        if at == len(self.names):
            self.names.append(name)
            self.fields.append(fields)
        if at >= len(self.vectors):
            grown = np.zeros((max(64, 2 * len(self.vectors)), len(vector)), np.float32)
            if len(self.vectors):
                grown[: len(self.vectors)] = self.vectors
            self.vectors = grown
        self.fields[at], self.vectors[at] = fields, vector

    def nearest(self, vector: Vector, k: int, wanted: dict[str, str]) -> list[tuple[int, float]]:
        """(row, cosine distance) of the k closest rows that have the wanted fields, equally close ones by name."""
        rows = [at for at, fields in enumerate(self.fields) if wanted.items() <= fields.items()]
        if not rows:
            return []
        distances = np.round(1.0 - self.vectors[rows] @ vector, DIGITS)
        farthest = np.partition(distances, k - 1)[k - 1] if k < len(rows) else np.inf
        near = [(float(distances[at]), self.names[rows[at]], rows[at]) for at in np.flatnonzero(distances <= farthest)]
        return [(row, round(distance, DIGITS)) for distance, _, row in sorted(near)[:k]]


class LocalIndex:
    """Implements `memory.index.ProcedureIndex`."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._lock = anyio.Lock()
        self._version = -1
        self._seen = "0-0"
        self._procedures = Rows()
        self._facts = Rows()

    async def nearest(self, vector: Vector, k: int, env: str) -> list[Hit]:
        await self._follow()
        return [self._hit(at, distance) for at, distance in self._procedures.nearest(vector, k, {"env": env, "status": "active"})]

    async def draw(self, start: float, k: int, env: str) -> list[Hit]:
        await self._follow()
        wanted = {"env": env, "status": "active"}
        ring = [(float(fields["shuffle"]), at) for at, fields in enumerate(self._procedures.fields) if wanted.items() <= fields.items()]
        ring.sort(key=lambda place: (place[0] < start, place[0]))
        return [self._hit(at, None) for _, at in ring[:k]]

    async def near_fact(self, vector: Vector, k: int, env: str, name: str | None) -> set[str]:
        await self._follow()
        wanted = {"env": env} if name is None else {"env": env, "name": name}
        return {self._facts.fields[at]["procedure"] for at, _ in self._facts.nearest(vector, k, wanted)}

    async def _follow(self) -> None:
        async with self._lock:  # the rows are whole before anyone looks at them
            version = int(await self._client.hget(self._keys.meta, "version") or 0)
            if version == self._version:
                return
            touched = await self._touched(version - self._version) if 0 <= self._version < version else None
            if touched is None:
                touched = await self._begin(version)
            for name in touched:
                await self._take_in(name)

    async def _begin(self, version: int) -> list[str]:
        """Forget all rows; returns all procedures. Where the stream ends is noted first: what comes later is taken in again."""
        last: Any = await self._client.xrevrange(self._keys.changes, "+", "-", count=1)
        self._seen, self._version = (last[0][0].decode(), int(last[0][1][b"version"])) if last else ("0-0", version)
        self._procedures, self._facts = Rows(), Rows()
        return await self._all()

    async def _touched(self, behind: int) -> list[str] | None:
        """Procedures that the changes since the last look touched; None where the stream does not reach back so far."""
        entries: Any = await self._client.xrange(self._keys.changes, f"({self._seen}", "+")
        names: list[str] = []
        for entry, fields in entries:
            self._seen, self._version = entry.decode(), int(fields[b"version"])
            change = orjson.loads(fields[b"event"])
            names += [write["procedure"] for write in change["writes"]]
            names += [old["procedure"] for old in orjson.loads(fields[b"deprecated"])]
        return list(dict.fromkeys(names)) if len(entries) >= behind else None

    async def _all(self) -> list[str]:
        prefix = self._keys.procedure("")
        names = [key.decode().removeprefix(prefix) async for key in self._client.scan_iter(match=f"{prefix}*", count=1000)]
        return sorted(names)

    async def _take_in(self, name: str) -> None:
        await self._take_in_row(self._procedures, name, self._keys.procedure(name))
        number = 1
        while await self._take_in_row(self._facts, f"{name}:{number}", self._keys.fact(name, number)):
            number += 1

    async def _take_in_row(self, rows: Rows, name: str, key: str) -> bool:
        stored: dict[bytes, bytes] = await self._client.hgetall(key)
        if b"vector" not in stored:
            return False
        vector = np.frombuffer(stored.pop(b"vector"), np.float32)
        rows.put(name, {field.decode(): value.decode() for field, value in stored.items()}, vector)
        return True

    def _hit(self, at: int, distance: float | None) -> Hit:
        fields = self._procedures.fields[at]
        content = Content.model_validate_json(fields["body"])
        return Hit(self._procedures.names[at], int(fields["revision"]), fields["goal"], content, distance)
