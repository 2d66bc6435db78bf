"""The exact index in the process itself, over the same hashes: for servers without a query engine.

It follows the memory's version: each query first takes in what the changes since the last one have touched.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from memory.index import Hit, Vector
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
            grown[: len(self.vectors)] = self.vectors
            self.vectors = grown
        self.fields[at], self.vectors[at] = fields, vector

    def nearest(self, vector: Vector, k: int, wanted: dict[str, str]) -> list[tuple[int, float]]:
        """(row, cosine distance) of the k closest rows that have the wanted fields."""
        rows = [at for at, fields in enumerate(self.fields) if wanted.items() <= fields.items()]
        if not rows:
            return []
        distances = 1.0 - self.vectors[rows] @ vector
        return [(rows[at], float(distances[at])) for at in np.argsort(distances, kind="stable")[:k]]


class LocalIndex:
    """Implements `memory.index.ProcedureIndex`."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._version = -1
        self._seen = "-"
        self._procedures = Rows()
        self._facts = Rows()

    async def nearest(self, vector: Vector, k: int, env: str) -> list[Hit]:
        await self._follow()
        found = self._procedures.nearest(vector, k, {"env": env, "status": "active"})
        return sorted((self._hit(at, distance) for at, distance in found), key=lambda hit: (hit.distance, hit.procedure))

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
        version = int(await self._client.hget(self._keys.meta, "version") or 0)
        if version == self._version:
            return
        touched = await self._touched(version)
        if touched is None:
            self._procedures, self._facts = Rows(), Rows()
            touched = await self._all()
        for name in touched:
            await self._take_in(name)
        self._version = version

    async def _touched(self, version: int) -> list[str] | None:
        """Procedures that the changes since the last look touched; None where the stream does not reach back so far."""
        since = self._seen if self._seen == "-" else f"({self._seen}"
        entries: Any = await self._client.xrange(self._keys.changes, since, "+")
        reaches_back = len(entries) >= version - self._version and self._version >= 0
        names: list[str] = []
        for entry, fields in entries:
            self._seen = entry.decode()
            change = orjson.loads(fields[b"event"])
            names += [write["procedure"] for write in change["writes"]]
            names += [old["procedure"] for old in orjson.loads(fields[b"deprecated"])]
        return list(dict.fromkeys(names)) if reaches_back else None

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
