"""Memory in Redis: what is stored of procedures, bound to one embedding model."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from memory.apply import command, learn
from memory.index import ProcedureIndex, Vector
from memory.local_index import LocalIndex
from memory.plan import Deprecation
from memory.procedure import Change, Procedure, goal_digest
from memory.read import procedure_ids, read_procedure, read_procedures
from memory.redis_index import RedisIndex
from runtime.bus.consumer import Delivery
from runtime.bus.namespace import Namespace
from runtime.bus.scripts import patiently
from runtime.errors import EmbeddingMismatch, UsageError
from runtime.events import Trajectory
from runtime.model.embeddings import Embedder

REBUILDING = "rebuilding"
"""Field of the namespace's hash: its memory is not whole yet."""
LAYOUT = b"2"
"""How procedures are stored (the namespace's hash says so in `layout`); in the first layout, each had facts of its own."""


class Memory:
    """The procedures of one namespace; get one with `open_memory`."""

    def __init__(self, namespace: Namespace, index: ProcedureIndex, embedder: Embedder) -> None:
        self.namespace = namespace
        self.index = index
        self.embedder = embedder
        self._client = namespace.client
        self._keys = namespace.keys

    async def embed(self, texts: list[str]) -> list[Vector]:
        """One vector of length 1 per text."""
        return list(await self.embedder.embed(texts)) if texts else []

    async def serving(self, env: str, goal: str) -> Procedure | None:
        """The procedure that holds this goal under `--same-goal merge`."""
        held = await patiently(lambda: self._client.hget(self._keys.goals, goal_digest(env, goal)))
        return await self.get(held.decode()) if held else None

    async def ids(self) -> list[str]:
        """All procedures, deprecated ones too, in order of id."""
        return await procedure_ids(self._client, self._keys)

    async def get(self, procedure: str) -> Procedure | None:
        """A procedure with all its revisions, facts and counters; None if there is none of that id."""
        return await read_procedure(self._client, self._keys, procedure)

    async def get_all(self, procedures: Sequence[str]) -> list[Procedure]:
        """Those of them that exist, in their order."""
        return await read_procedures(self._client, self._keys, procedures)

    async def has_learned(self, trajectory: Trajectory) -> bool:
        """Whether it is applied already: then `learn` only acknowledges its event, and takes away what is left of its work."""
        return bool(await patiently(lambda: self._client.sismember(self._keys.applied(trajectory.task.epoch), trajectory.mark)))

    async def learn(
        self, change: Change, trajectory: Trajectory, delivery: Delivery, rule: Deprecation, *, give_up: str | None = None
    ) -> None:
        """Apply what a trajectory taught; see `memory.apply.learn`."""
        await learn(self.namespace, change, trajectory, delivery, rule, give_up=give_up)

    async def command(self, change: Change) -> None:
        """Apply what a person asked for (an import). Raises `RevisionConflict`."""
        await command(self.namespace, change)


async def open_memory(namespace: Namespace, embedder: Embedder, *, search: bool, exact_up_to: int) -> Memory:
    """Memory of a namespace, its index created if missing; beyond `exact_up_to` procedures, `ProcedureIndex.fit` makes it a graph.

    Raises `EmbeddingMismatch` for another model's vectors, `UsageError` for a memory that was rebuilt in part, or stored by
    another version.
    """
    await check_usable(namespace)
    index = await open_index(namespace, embedder.model, await embedder.dimension(), search=search, exact_up_to=exact_up_to)
    return Memory(namespace, index, embedder)


async def open_index(namespace: Namespace, model: str, dimension: int, *, search: bool, exact_up_to: int) -> ProcedureIndex:
    """The index of a namespace whose layout was looked at, for vectors of this model, created if missing. Raises `EmbeddingMismatch`."""
    client, keys = namespace.client, namespace.keys
    first = await _claim_embedding(namespace, model, dimension)
    if not search:
        return LocalIndex(client, keys)
    index = RedisIndex(client, keys, dimension, exact_up_to)
    if first:  # what an overwritten memory left may have another dimension
        await index.drop()
    await index.create()
    return index


async def check_usable(namespace: Namespace) -> None:
    """Raises `UsageError` while a rebuild of this memory is under way, where one was broken off, and for another version's memory."""
    await check_layout(namespace)
    if await patiently(lambda: namespace.client.hexists(namespace.keys.meta, REBUILDING)):
        raise UsageError(f"the memory of {namespace.keys.namespace} is rebuilt in part only: finish it with the same `memp memory rebuild`")


async def check_layout(namespace: Namespace) -> None:
    """Raises `UsageError` for a memory that another version stored."""
    name, meta = namespace.keys.namespace, namespace.keys.meta
    embedding, layout = await patiently(lambda: namespace.client.hmget(meta, "embedding", "layout"))
    if embedding and layout != LAYOUT:
        make = f"`memp memory rebuild --exp-name {name} --into OTHER`"
        raise UsageError(f"the memory of {name} was stored by another version: {make} makes a new one of its history")


async def stored_embedding(namespace: Namespace) -> tuple[str, int] | None:
    """Model and dimension of a memory's vectors; None for a namespace without a memory."""
    stored: bytes | None = await patiently(lambda: namespace.client.hget(namespace.keys.meta, "embedding"))
    if stored is None:
        return None
    model, dimension = stored.decode().rsplit("/", 1)
    return model, int(dimension)


async def _claim_embedding(namespace: Namespace, model: str, dimension: int) -> bool:
    """The first to come writes model and dimension down (True); all others must have the same."""
    mine = f"{model}/{dimension}"
    first, _ = await patiently(lambda: _claimed(namespace, mine).execute())
    stored = await stored_embedding(namespace)
    if stored is not None and stored != (model, dimension):
        raise EmbeddingMismatch(
            f"this memory was embedded by {stored[0]} ({stored[1]} dimensions), not by {model} ({dimension}): set "
            f"MEMP_EMBEDDING_MODEL={stored[0]}, or move it with `memp memory export` and `memp memory import`, which embeds it anew"
        )
    return bool(first)


def _claimed(namespace: Namespace, embedding: str) -> Any:
    pipe = namespace.client.pipeline(transaction=True)
    pipe.hsetnx(namespace.keys.meta, "embedding", embedding)
    pipe.hsetnx(namespace.keys.meta, "layout", LAYOUT)
    return pipe


def encode(vector: Vector) -> str:
    """Base64 of little-endian float32, as changes and exports carry it."""
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def decode(vector: str) -> Vector:
    """Inverse of `encode`."""
    return np.frombuffer(base64.b64decode(vector), "<f4")


def fits(vector: str, dimension: int) -> bool:
    """Whether this encodes a vector of that dimension."""
    try:
        return decode(vector).shape == (dimension,)
    except ValueError:
        return False
