"""The index in the server's query engine, asked through redisvl: version and search in one round trip."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from redis.exceptions import ResponseError
from redisvl.query import FilterQuery, VectorQuery
from redisvl.query.filter import FilterExpression, Num, Tag

from memory.grown_index import GrownIndex
from memory.index import DIGITS, Candidates, Found, Hit, Vector
from memory.procedure import Content
from memory.read import ask_facts
from runtime.bus.scripts import Client, patiently
from runtime.keys import Keys

RETURNED = ["revision", "goal", "body"]
MOST = 10_000
"""Results that a server gives to one query at most: of more that are equally close, any may come."""
Query = tuple[str, VectorQuery | FilterQuery]
"""An alias, and what is asked of the index behind it."""
Stored = list[list[tuple[bytes, bytes, bytes]]]
"""Per procedure its facts: name, value, vector."""
ROOMY = 8
"""How many times the wanted number an arc of the ring should hold, so that it hardly ever holds fewer."""


class Reply(NamedTuple):
    """A query's answer: how many it matched in all; then, of those returned, key and flat fields in turn, or keys alone."""

    total: int
    keys: list[Any]

    @property
    def rows(self) -> list[dict[bytes, bytes]]:
        """The fields, with the key as `id`."""
        pairs = zip(self.keys[::2], self.keys[1::2], strict=True)
        return [{b"id": key} | dict(zip(*[iter(fields)] * 2, strict=True)) for key, fields in pairs]


class RedisIndex:
    """Implements `memory.index.ProcedureIndex` over the procedure and fact hashes."""

    def __init__(self, client: Client, keys: Keys, dimension: int, exact_up_to: int) -> None:
        self._client = client
        self._keys = keys
        self._matched: dict[str, int] = {}
        """About how many active procedures each environment has."""
        self._indexes = (
            GrownIndex(client, keys.index, keys.procedure(""), dimension, {"status": "tag", "shuffle": "numeric"}, exact_up_to),
            GrownIndex(client, keys.fact_index, f"{keys.prefix}fact:", dimension, {"status": "tag", "name": "tag"}, exact_up_to),
        )

    async def create(self) -> None:
        """Create what is missing; safe to call from several processes at once."""
        for index in self._indexes:
            await index.create()

    async def drop(self) -> None:
        """Remove all indexes of this namespace; the hashes stay."""
        for index in self._indexes:
            await index.drop()

    async def fit(self) -> None:
        for index in self._indexes:
            await index.fit()

    async def nearest(self, vector: Vector, k: int, env: str) -> Found:
        size = k + 1
        while True:
            query = VectorQuery(vector.tobytes(), "vector", return_fields=RETURNED, num_results=size, filter_expression=_active(env))
            version, [reply] = await self._ask((self._keys.index, query))
            hits = sorted(map(self._hit, reply.rows), key=lambda hit: (hit.distance, hit.procedure))
            if len(hits) < size or size == MOST or hits[-1].distance != hits[k - 1].distance:
                return Found(version, hits[:k])
            size = min(4 * size, MOST)  # the cut goes through equally close ones, of which the server picks any

    async def draw(self, start: float, k: int, env: str) -> Found:
        """The server sorts all that it matches: so it is asked for an arc that should hold enough, and for the ring only if not."""
        arc = min(1.0, ROOMY * k / self._matched.get(env, 1))
        while True:
            version, replies = await self._ask(*((self._keys.index, query) for query in _arcs(start, start + arc, k, env)))
            hits = [self._hit(row) for reply in replies for row in reply.rows][:k]
            self._matched[env] = max(1, int(sum(reply.total for reply in replies) / arc))
            if len(hits) == k or arc == 1.0:
                return Found(version, hits)
            arc = 1.0

    async def near_facts(self, wanted: Mapping[str, Vector], k: int, env: str) -> Candidates:
        """Two round trips: all searches, then all facts of what they found (of which the searches show but the closest)."""
        queries = [
            VectorQuery(vector.tobytes(), "vector", num_results=k, filter_expression=among, return_score=False)
            for name, vector in wanted.items()
            for among in (_active(env) & (Tag("name") == name), _active(env))
        ]
        for query in queries:
            query.no_content()  # a fact's key says whose it is
        version, replies = await self._ask(*((self._keys.fact_index, query) for query in queries))
        procedures = sorted({key.decode().rsplit(":", 2)[1] for reply in replies for key in reply.keys})
        stored: Stored = await patiently(lambda: ask_facts(self._client, self._keys, procedures)) if procedures else []
        facts = [fact for each in stored for fact in each]
        owners = np.repeat(np.arange(len(stored)), list(map(len, stored)))
        vectors = np.frombuffer(b"".join(vector for _, _, vector in facts), np.float32).reshape(len(facts), -1 if facts else 0)
        return Candidates(version, procedures, owners, [name.decode() for name, _, _ in facts], vectors)

    async def hits(self, scored: Sequence[tuple[str, float]]) -> list[Hit]:
        rows: list[tuple[bytes, bytes, bytes, bytes]] = await patiently(lambda: self._bodies([name for name, _ in scored]).execute())
        # One may have been deprecated since it was found, or be gone.
        found = [(name, row, distance) for (name, distance), row in zip(scored, rows, strict=True) if row[0] == b"active"]
        return [_made(name, *row[1:], distance) for name, row, distance in found]

    def _bodies(self, names: list[str]) -> Any:
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.hmget(self._keys.procedure(name), ["status", *RETURNED])
        return pipe

    async def _ask(self, *queries: Query) -> tuple[int, list[Reply]]:
        """Memory's version, then the queries, in one round trip."""
        try:
            version, *replies = await patiently(lambda: self._asked(queries).execute())
        except ResponseError as error:
            if "no such index" not in str(error).lower():
                raise
            await self.create()  # the server was emptied
            version, *replies = await patiently(lambda: self._asked(queries).execute())
        return int(version or 0), [Reply(reply[0], reply[1:]) for reply in replies]

    def _asked(self, queries: Sequence[Query]) -> Any:
        pipe = self._client.pipeline(transaction=False)
        pipe.hget(self._keys.meta, "version")
        for alias, query in queries:
            params = [part for pair in query.params.items() for part in pair]
            pipe.execute_command("FT.SEARCH", alias, *query.get_args(), *(["PARAMS", len(params), *params] if params else []))
        return pipe

    def _hit(self, row: dict[bytes, bytes]) -> Hit:
        distance = round(float(row[b"vector_distance"]), DIGITS) if b"vector_distance" in row else None
        name = row[b"id"].decode().removeprefix(self._keys.procedure(""))
        return _made(name, row[b"revision"], row[b"goal"], row[b"body"], distance)


def _active(env: str) -> FilterExpression:
    return (Tag("env") == env) & (Tag("status") == "active")


def _arcs(start: float, end: float, k: int, env: str) -> list[FilterQuery]:
    """The arc of the ring from `start` to `end`, which may lie beyond its seam at 1."""
    shuffle = Num("shuffle")
    # As one range: the server would read both halves of an intersection whole.
    arcs = [shuffle.between(start, end, "left")] if end < 1 else [shuffle >= start, shuffle < min(start, end - 1)]
    return [FilterQuery(return_fields=RETURNED, num_results=k, filter_expression=_active(env) & arc, sort_by="shuffle") for arc in arcs]


def _made(name: str, revision: bytes, goal: bytes, body: bytes, distance: float | None) -> Hit:
    return Hit(name, int(revision), goal.decode(), Content.model_validate_json(body), distance)
