"""The exact index in the process itself, over the same hashes: for servers without a query engine.

It follows the memory's version: each query first takes in what the changes since the last one have touched.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import numpy as np
import orjson

from memory.index import Candidates, Found, Hit, Vector
from memory.local_rows import Rows
from memory.procedure import Content
from memory.read import CHUNK, ask_facts, procedure_ids
from runtime.bus.scripts import Client, patiently
from runtime.keys import Keys

FIELDS = ("vector", "shuffle", "env", "status", "revision", "goal", "body")


class LocalIndex:
    """Implements `memory.index.ProcedureIndex`."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._lock = anyio.Lock()
        self._version = -1
        self._seen = "0-0"
        self._forget()

    async def nearest(self, vector: Vector, k: int, env: str) -> Found:
        version = await self._follow()
        rows = self._procedures
        near = rows.nearest(rows.distances(vector), k, rows.having(env=env, status="active"))
        return Found(version, [self._hit(at, distance) for at, distance in near])

    async def draw(self, start: float, k: int, env: str) -> Found:
        version = await self._follow()
        among = np.flatnonzero(self._procedures.having(env=env, status="active"))
        places = self._procedures.numbers[among]
        ring = among[np.lexsort((places, places < start))]
        return Found(version, [self._hit(int(at), None) for at in ring[:k]])

    async def near_facts(self, wanted: Mapping[str, Vector], k: int, env: str) -> Candidates:
        version = await self._follow()
        rows = self._facts
        owners = rows.numbers
        active = self._procedures.having(env=env, status="active")[owners]
        found: set[int] = set()
        for name, vector in wanted.items():
            distances = rows.distances(vector)
            for among in (active & rows.having(name=name), active):
                found |= {int(owners[at]) for at, _ in rows.nearest(distances, k, among)}
        procedures = sorted(self._procedures.names[at] for at in found)
        facts = [at for name in procedures for at in self._facts_of[name]]
        counts = [len(self._facts_of[name]) for name in procedures]
        return Candidates(
            version, procedures, np.repeat(np.arange(len(counts)), counts), [self._called[at] for at in facts], rows.vectors[facts]
        )

    async def hits(self, scored: Sequence[tuple[str, float]]) -> list[Hit]:
        return [self._hit(self._procedures.position[name], distance) for name, distance in scored]

    async def fit(self) -> None:
        """It has one kind only."""

    async def _follow(self) -> int:
        """Take in what is new; returns the version that is reached."""
        async with self._lock:  # the rows are whole before anyone looks at them
            version = int(await patiently(lambda: self._client.hget(self._keys.meta, "version")) or 0)
            if version != self._version:
                try:
                    touched = await self._touched() if 0 <= self._version < version else None
                    await self._take_in(touched if touched is not None else await self._begin(version))
                except BaseException:
                    self._version = -1  # what was not taken in would be missed for ever
                    raise
            return self._version

    def _forget(self) -> None:
        self._procedures = Rows(np.float64, "env", "status")
        """Their number is their place on the ring."""
        self._facts = Rows(np.intp, "name")
        """Their number is the row of their procedure."""
        self._facts_of: dict[str, range] = {}
        """Rows of a procedure's facts."""
        self._called: list[str] = []
        """Row by row the facts' names."""
        self._texts: list[tuple[bytes, ...]] = []
        """Row by row revision, goal and body of the procedures."""

    async def _begin(self, version: int) -> list[str]:
        """Forget all rows; returns all procedures. Where the stream ends is noted first: what comes later is taken in again."""
        last: Any = await self._client.xrevrange(self._keys.changes, "+", "-", count=1)
        self._seen, self._version = (last[0][0].decode(), int(last[0][1][b"version"])) if last else ("0-0", version)
        self._forget()
        return await procedure_ids(self._client, self._keys)

    async def _touched(self) -> list[str] | None:
        """Procedures that the changes since the last look touched; None where the stream does not reach back so far."""
        entries: Any = await self._client.xrange(self._keys.changes, f"({self._seen}", "+")
        if not entries or int(entries[0][1][b"version"]) != self._version + 1:  # archived meanwhile
            return None
        names: list[str] = []
        for entry, fields in entries:
            self._seen, self._version = entry.decode(), int(fields[b"version"])
            change = orjson.loads(fields[b"event"])
            names += [write["procedure"] for write in change["writes"]]
            names += [old["procedure"] for old in orjson.loads(fields[b"deprecated"])]
        return list(dict.fromkeys(names))

    async def _take_in(self, names: list[str]) -> None:
        for start in range(0, len(names), CHUNK):
            await self._take_in_some(names[start : start + CHUNK])

    async def _take_in_some(self, names: list[str]) -> None:
        new = [name for name in names if name not in self._facts_of]  # facts never change
        *procedures, facts = await patiently(lambda: self._asked(names, new).execute())
        for name, fields in zip(names, procedures, strict=True):
            if None not in fields:  # deleted since it was named
                self._put(name, *fields)
        for name, found in zip(new, facts, strict=True):
            if name in self._procedures.position:
                self._put_facts(name, found)

    def _asked(self, names: list[str], new: list[str]) -> Any:
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.hmget(self._keys.procedure(name), FIELDS)
        ask_facts(pipe, self._keys, new)
        return pipe

    def _put(self, name: str, vector: bytes, shuffle: bytes, env: bytes, status: bytes, *texts: bytes) -> None:
        numbers = np.frombuffer(vector, np.float32)
        at = self._procedures.put(name, numbers, float(shuffle), {"env": env.decode(), "status": status.decode()})
        self._texts[at : at + 1] = [texts]

    def _put_facts(self, name: str, facts: list[tuple[bytes, bytes, bytes]]) -> None:
        first, owner = len(self._called), self._procedures.position[name]
        for number, (called, _, vector) in enumerate(facts):
            self._called.append(called.decode())
            self._facts.put(f"{name}:{number}", np.frombuffer(vector, np.float32), owner, {"name": self._called[-1]})
        self._facts_of[name] = range(first, len(self._called))

    def _hit(self, at: int, distance: float | None) -> Hit:
        revision, goal, body = self._texts[at]
        return Hit(self._procedures.names[at], int(revision), goal.decode(), Content.model_validate_json(body), distance)
