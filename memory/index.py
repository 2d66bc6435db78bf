"""The vector index over procedures: one protocol, served by redisvl where the server has a query engine."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from redis.exceptions import ResponseError
from redisvl.index import AsyncSearchIndex
from redisvl.query import FilterQuery, VectorQuery
from redisvl.query.filter import FilterExpression, Num, Tag

from memory.procedure import Content
from runtime.bus.scripts import Client
from runtime.keys import Keys

Vector = NDArray[np.float32]
"""Shape (dimension,), of length 1."""
DIGITS = 6
"""Decimals of a distance: beyond them, what two ways of adding up give for the same vectors differs."""


class Hit(NamedTuple):
    """One active procedure as retrieval finds it; `distance` is 1 − cosine, None where nothing was compared."""

    procedure: str
    revision: int
    goal: str
    content: Content
    distance: float | None


class ProcedureIndex(Protocol):
    """What retrieval asks of an index, about procedures of `env` only; hits are active ones, ties in order of id."""

    async def nearest(self, vector: Vector, k: int, env: str) -> list[Hit]:
        """The k procedures whose goals are closest, the closest first."""
        ...

    async def draw(self, start: float, k: int, env: str) -> list[Hit]:
        """Any k: those that follow `start` (in [0, 1)) on the ring of their hashed ids."""
        ...

    async def near_fact(self, vector: Vector, k: int, env: str, name: str | None) -> set[str]:
        """Procedures, deprecated ones too, with one of the k facts closest to `vector`, among facts called `name` (None: any)."""
        ...


RETURNED = ["goal", "revision", "body"]


class RedisIndex:
    """FLAT (exact) indexes of redisvl over the procedure and fact hashes, addressed through their aliases."""

    def __init__(self, client: Client, keys: Keys, dimension: int) -> None:
        self._client = client
        self._keys = keys
        self._procedures = _index(client, keys.index, keys.procedure(""), dimension, {"status": "tag", "shuffle": "numeric"})
        self._facts = _index(client, keys.fact_index, f"{keys.prefix}fact:", dimension, {"name": "tag"})

    async def create(self) -> None:
        """Create what is missing; safe to call from several processes at once."""
        for index, alias in ((self._procedures, self._keys.index), (self._facts, self._keys.fact_index)):
            for command in (index.create, lambda a=alias: self._client.execute_command("FT.ALIASADD", a, f"{a}@1")):
                try:
                    await command()
                except Exception as error:
                    if "already exists" not in str(error).lower() and "already exists" not in str(error.__cause__).lower():
                        raise

    async def drop(self) -> None:
        """Remove both indexes; the hashes stay."""
        for alias in (self._keys.index, self._keys.fact_index):
            try:
                await self._client.execute_command("FT.DROPINDEX", f"{alias}@1")
            except ResponseError as error:
                if "no such index" not in str(error).lower() and "unknown index" not in str(error).lower():
                    raise

    async def nearest(self, vector: Vector, k: int, env: str) -> list[Hit]:
        size = k + 1
        while True:
            query = VectorQuery(vector.tolist(), "vector", return_fields=RETURNED, num_results=size, filter_expression=_active(env))
            found = [self._hit(row) for row in await self._query(self._procedures, self._keys.index, query)]
            hits = sorted(found, key=lambda hit: (hit.distance, hit.procedure))
            if len(hits) < size or hits[-1].distance != hits[k - 1].distance:
                return hits[:k]
            size *= 4  # the cut goes through equally close ones, of which the server picks any

    async def draw(self, start: float, k: int, env: str) -> list[Hit]:
        hits: dict[str, Hit] = {}
        for arc in (Num("shuffle") >= start, Num("shuffle") < start):
            query = FilterQuery(return_fields=RETURNED, num_results=k, filter_expression=_active(env) & arc, sort_by="shuffle")
            hits |= {hit.procedure: hit for hit in map(self._hit, await self._query(self._procedures, self._keys.index, query))}
        return list(hits.values())[:k]

    async def near_fact(self, vector: Vector, k: int, env: str, name: str | None) -> set[str]:
        condition = Tag("env") == env
        if name is not None:
            condition = condition & (Tag("name") == name)
        query = VectorQuery(vector.tolist(), "vector", return_fields=["procedure"], num_results=k, filter_expression=condition)
        return {str(row["procedure"]) for row in await self._query(self._facts, self._keys.fact_index, query)}

    async def _query(self, index: AsyncSearchIndex, alias: str, query: Any) -> list[dict[str, Any]]:
        index.schema.index.name = alias
        return await index.query(query)

    def _hit(self, row: dict[str, Any]) -> Hit:
        distance = round(float(row["vector_distance"]), DIGITS) if "vector_distance" in row else None
        name = str(row["id"]).removeprefix(self._keys.procedure(""))
        return Hit(name, int(row["revision"]), row["goal"], Content.model_validate_json(row["body"]), distance)


def _active(env: str) -> FilterExpression:
    return (Tag("env") == env) & (Tag("status") == "active")


def _index(client: Client, alias: str, prefix: str, dimension: int, fields: dict[str, str]) -> AsyncSearchIndex:
    vector = {"dims": dimension, "algorithm": "flat", "distance_metric": "cosine", "datatype": "float32"}
    plain = [{"name": name, "type": kind, **({"attrs": {"sortable": True}} if kind == "numeric" else {})} for name, kind in fields.items()]
    schema = {
        "index": {"name": f"{alias}@1", "prefix": prefix.removesuffix(":"), "key_separator": ":", "storage_type": "hash"},
        "fields": [{"name": "env", "type": "tag"}, *plain, {"name": "vector", "type": "vector", "attrs": vector}],
    }
    return AsyncSearchIndex.from_dict(schema, redis_client=client)
