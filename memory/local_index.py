"""The exact index in the process itself, over the same hashes: for servers without a query engine.

It follows the memory's version: each query first takes in what the changes since the last one have touched.
"""

import base64
from array import array
from collections.abc import Mapping
from typing import Any

import anyio
import numpy as np
import numpy.typing as npt
import orjson

from memory.facts import NAME_DIGITS, Candidates, best_matches, name_id
from memory.index import DIGITS, Found, Hit, Vector
from memory.local_rows import Mask, Rows
from memory.procedure import Content
from memory.read import CHUNK, fact_ids, procedure_ids, read_facts
from runtime.bus.scripts import Client, patiently
from runtime.keys import Keys

FIELDS = ("vector", "shuffle", "env", "status", "facts", "revision", "goal", "body")


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

    async def matching(self, wanted: Mapping[str, Vector], threshold: float, k: int, env: str) -> Found:
        version = await self._follow()
        similarities = np.zeros((len(wanted), len(self._facts.names)))
        for at, vector in enumerate(wanted.values()):
            similarities[at] = self._facts.similarities(vector)
        matched = np.logical_or.reduce(similarities >= threshold - 10**-DIGITS)
        best = best_matches([name_id(env, name) for name in wanted], self._candidates(similarities, matched, env), threshold, k)
        return Found(version, [self._hit(self._procedures.position[name], distance) for name, distance in best])

    def _candidates(self, similarities: npt.NDArray[np.float64], matched: Mask, env: str) -> Candidates:
        """`similarities`: shape (wanted, distinct facts); `matched`: which of these facts matter."""
        owners, facts = np.array(self._owners, np.intp), np.array(self._held, np.intp)
        among = self._procedures.having(env=env, status="active")
        among &= np.bincount(owners[matched[facts]], minlength=len(among)).astype(np.bool_)
        procedures, theirs = np.flatnonzero(among), among[owners]
        names = [self._facts.names[at][:NAME_DIGITS] for at in facts[theirs]]
        owned = np.searchsorted(procedures, owners[theirs])
        return Candidates([self._procedures.names[at] for at in procedures], owned, names, similarities[:, facts[theirs]])

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
        self._procedures = Rows("env", "status")
        """Their number is their place on the ring."""
        self._facts = Rows()
        """Distinct ones, by their ids."""
        self._owners, self._held = array("q"), array("q")
        """Pair by pair the row of a procedure, and that of a fact that it has."""
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
        procedures = await patiently(lambda: self._asked(names).execute())
        found = {name: fields for name, fields in zip(names, procedures, strict=True) if None not in fields}  # else deleted meanwhile
        new = {id for fields in found.values() for id in fact_ids(fields[FIELDS.index("facts")]) if id not in self._facts.position}
        for id, fact in (await read_facts(self._client, self._keys, sorted(new))).items():
            self._facts.put(id, np.frombuffer(base64.b64decode(fact.vector or ""), np.float32))
        for name, fields in found.items():
            self._put(name, *fields)

    def _asked(self, names: list[str]) -> Any:
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.hmget(self._keys.procedure(name), FIELDS)
        return pipe

    def _put(self, name: str, vector: bytes, shuffle: bytes, env: bytes, status: bytes, facts: bytes, *texts: bytes) -> None:
        numbers, known = np.frombuffer(vector, np.float32), name in self._procedures.position
        at = self._procedures.put(name, numbers, float(shuffle), env=env.decode(), status=status.decode())
        self._texts[at : at + 1] = [texts]
        if not known:  # facts never change
            held = [self._facts.position[fact] for fact in fact_ids(facts) if fact in self._facts.position]
            self._owners.extend([at] * len(held))
            self._held.extend(held)

    def _hit(self, at: int, distance: float | None) -> Hit:
        revision, goal, body = self._texts[at]
        return Hit(self._procedures.names[at], int(revision), goal.decode(), Content.model_validate_json(body), distance)
