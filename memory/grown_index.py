"""An index that grows with memory: FLAT (exact) while memory is small, HNSW (a graph of neighbours) beyond a bound.

The graph is built beside the exact index, over the same hashes, while that one serves all queries; then the alias is moved
to it, and the exact one is dropped. Each step begins with a look at what the server has, so it does not matter which
process takes it, how many do at once, or where the last one was cut off.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio
import structlog
from redis.exceptions import ResponseError
from redisvl.index import AsyncSearchIndex

from runtime.bus.scripts import Client, patiently

log = structlog.get_logger()

GRAPH = {"m": 16, "ef_construction": 64, "ef_runtime": 128}
"""Neighbours of a node, and how many candidates are kept while one is put in or searched for. That of searches stands in the
index and not in the queries: whoever asks needs not know which kind is behind the alias (an exact one refuses it)."""
PERIOD = 0.5
"""Seconds between two looks at a graph that is being built."""


class State(NamedTuple):
    """What the server says of an index."""

    name: str
    rows: int
    building: bool


class GrownIndex:
    """One alias, and the two indexes that may stand behind it."""

    def __init__(self, client: Client, alias: str, prefix: str, dimension: int, fields: dict[str, str], exact_up_to: int) -> None:
        self.alias = alias
        self._client = client
        self._exact_up_to = exact_up_to
        self._exact = _index(client, f"{alias}@flat", prefix, fields, {"algorithm": "flat", "dims": dimension})
        self._graph = _index(client, f"{alias}@hnsw", prefix, fields, {"algorithm": "hnsw", "dims": dimension, **GRAPH})

    async def create(self) -> None:
        """Have an index behind the alias; safe to call from several processes at once."""
        if await self._state(self.alias) is None:
            await _unless("already exists", self._exact.create)
            await _unless("already exists", lambda: self._client.execute_command("FT.ALIASADD", self.alias, self._exact.name))

    async def drop(self) -> None:
        """Remove the indexes; the hashes stay."""
        for index in (self._exact, self._graph):
            await self._drop(index.name)

    async def fit(self) -> None:
        """Grow if memory has; returns when no step is left to take."""
        while await self._step():  # noqa: ASYNC110 - the server has no event for it
            await anyio.sleep(PERIOD)

    async def _step(self) -> bool:
        """Whether another look is due."""
        serving = await self._state(self.alias)
        if serving is None or (serving.name == self._exact.name and serving.rows <= self._exact_up_to):
            return False
        if serving.name == self._exact.name:
            await _unless("already exists", self._graph.create)
            graph = await self._state(self._graph.name)
            if graph is None or graph.building:
                return True
            if graph.rows < serving.rows:  # a build that was broken off is done, too, and would hide the rest for good
                log.warning("index_incomplete", index=self._graph.name, rows=graph.rows, of=serving.rows)
                await self._drop(self._graph.name)
                return False
            await self._client.execute_command("FT.ALIASUPDATE", self.alias, self._graph.name)
            log.info("index_grown", index=self._graph.name, rows=graph.rows)
        await self._drop(self._exact.name)
        return False

    async def _drop(self, name: str) -> None:
        await _unless("unknown index", lambda: _unless("no such index", lambda: self._client.execute_command("FT.DROPINDEX", name)))

    async def _state(self, name: str) -> State | None:
        try:
            reply: list[Any] = await patiently(lambda: self._client.execute_command("FT.INFO", name))
        except ResponseError as error:
            if _says("unknown index", error) or _says("no such index", error):
                return None
            raise
        facts = dict(zip(reply[::2], reply[1::2], strict=True))
        return State(facts[b"index_name"].decode(), int(facts[b"num_docs"]), int(facts[b"indexing"]) != 0)


async def _unless(said: str, command: Callable[[], Awaitable[Any]]) -> None:
    """Run a command that may find its work done already, and then says so."""
    try:
        await command()
    except Exception as error:
        if not (_says(said, error) or _says(said, error.__cause__)):
            raise


def _says(what: str, error: BaseException | None) -> bool:
    return what in str(error).lower()


def _index(client: Client, name: str, prefix: str, fields: dict[str, str], vector: dict[str, Any]) -> AsyncSearchIndex:
    vector = {**vector, "distance_metric": "cosine", "datatype": "float32"}
    plain = [{"name": name, "type": kind, **({"attrs": {"sortable": True}} if kind == "numeric" else {})} for name, kind in fields.items()]
    schema = {
        "index": {"name": name, "prefix": prefix.removesuffix(":"), "key_separator": ":", "storage_type": "hash"},
        "fields": [{"name": "env", "type": "tag"}, *plain, {"name": "vector", "type": "vector", "attrs": vector}],
    }
    return AsyncSearchIndex.from_dict(schema, redis_client=client)
