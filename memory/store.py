"""Memory in Redis: what is stored of procedures, and the one way to change it."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from runtime.embeddings import Embedder

from memory.index import ProcedureIndex, RedisIndex, Vector
from memory.local_index import LocalIndex
from memory.procedure import Change, Credit, Fact, Procedure, Revision, Write, goal_digest
from runtime.bus.consumer import Delivery
from runtime.bus.namespace import Namespace, dead_letter
from runtime.bus.scripts import Client
from runtime.errors import EmbeddingMismatch, LeaseLost, RevisionConflict
from runtime.events import Trajectory

APPLY = Path(__file__).parent / "apply.lua"


@dataclass(frozen=True)
class Deprecation:
    """When a revision is taken out of retrieval: from `uses` uses on, if its share of successes is below `share`."""

    uses: int = 3
    share: float = 0.5


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

    async def version(self) -> int:
        """Number of changes that memory has absorbed."""
        return int(await self._client.hget(self._keys.meta, "version") or 0)

    async def ids(self) -> list[str]:
        """All procedures, deprecated ones too, in order of id."""
        prefix = self._keys.procedure("")
        return sorted([key.decode().removeprefix(prefix) async for key in self._client.scan_iter(match=f"{prefix}*", count=1000)])

    async def serving(self, env: str, goal: str) -> Procedure | None:
        """The procedure that holds this goal under `--same-goal merge`."""
        held = await self._client.hget(self._keys.goals, goal_digest(env, goal))
        return await self.get(held.decode()) if held else None

    async def get(self, procedure: str) -> Procedure | None:
        """A procedure with all its revisions, facts and counters; None if there is none of that id."""
        keys = self._keys
        pipe = self._client.pipeline(transaction=True)
        pipe.hgetall(keys.procedure(procedure))
        pipe.hgetall(keys.revisions(procedure))
        pipe.hgetall(keys.credit(procedure))
        pipe.lrange(keys.sources(procedure), 0, -1)
        fields, revisions, credit, sources = await pipe.execute()
        if not fields:
            return None
        return Procedure(
            id=procedure,
            env=fields[b"env"].decode(),
            goal=fields[b"goal"].decode(),
            unique=fields[b"unique"] == b"1",
            revisions=tuple(Revision.model_validate_json(revisions[number]) for number in sorted(revisions, key=int)),
            sources=tuple(source.decode() for source in sources),
            credit=_credits(credit),
            facts=await self._facts(procedure),
            vector=base64.b64encode(fields[b"vector"]).decode(),
        )

    async def learn(
        self, change: Change, trajectory: Trajectory, delivery: Delivery, rule: Deprecation, *, give_up: str | None = None
    ) -> None:
        """Apply what a trajectory taught and acknowledge its event, in one step and once.

        With `give_up` (why building failed for good) a dead letter of the build is written along. Raises
        `RevisionConflict` where a procedure moved on meanwhile, `NotYourTurn` where a group must be waited for,
        `LeaseLost` where the event is another's now.
        """
        task = trajectory.task
        letter = dead_letter(delivery, f"build: {give_up}", task=task.id).model_dump_json() if give_up else ""
        index = "" if task.group is None else task.index
        answer = await self._apply(change, rule, task.epoch, (*delivery.fence, trajectory.id, index), task.group, task.id, letter)
        if answer == b"turn":
            raise NotYourTurn(f"task {task.id} waits for its group")
        if answer == b"lost":
            raise LeaseLost(f"entry {delivery.entry} is another's now")

    async def command(self, change: Change) -> None:
        """Apply what a person asked for (revert, restore, import). Raises `RevisionConflict`."""
        await self._apply(change, Deprecation(), self.namespace.epoch, ("", "", "", 0, "", ""), None, "-", "")

    async def _apply(
        self, change: Change, rule: Deprecation, epoch: int, event: tuple[Any, ...], group: int | None, task: str, letter: str
    ) -> bytes:
        keys = self._keys
        plan, vectors = _plan(change, rule)
        answer: bytes = await self.namespace.scripts.call(
            APPLY,
            [
                keys.meta,
                keys.trajectories,
                keys.changes,
                keys.applied(epoch),
                keys.progress(epoch),
                keys.group(epoch, group),
                keys.goals,
                keys.journal(epoch, f"curator:{task}"),
                keys.dead,
            ],
            [keys.prefix, epoch, *event, "" if change.empty else change.model_dump_json(), orjson.dumps(plan), letter, *vectors],
        )
        if answer == b"conflict":
            raise RevisionConflict("a procedure was revised meanwhile; compute the change anew")
        return answer

    async def _facts(self, procedure: str) -> tuple[Fact, ...]:
        facts: list[Fact] = []
        while True:
            key = self._keys.fact(procedure, len(facts) + 1)
            stored: dict[bytes, bytes] = await self._client.hgetall(key)
            if not stored:
                return tuple(facts)
            vector = base64.b64encode(stored[b"vector"]).decode()
            facts.append(Fact(name=stored[b"name"].decode(), value=stored[b"value"].decode(), vector=vector))


class NotYourTurn(RevisionConflict):
    """Grouped mode: the group has not ended, or an earlier task of it is not applied yet. Try again later."""


async def open_memory(namespace: Namespace, embedder: Embedder, *, search: bool) -> Memory:
    """Memory of a namespace, its index created if missing. Raises `EmbeddingMismatch` for another model's vectors."""
    client, keys = namespace.client, namespace.keys
    await _claim_embedding(client, keys.meta, embedder)
    dimension = await embedder.dimension()
    if not search:
        return Memory(namespace, LocalIndex(client, keys), embedder)
    index = RedisIndex(client, keys, dimension)
    await index.create()
    return Memory(namespace, index, embedder)


async def _claim_embedding(client: Client, meta: str, embedder: Embedder) -> None:
    """The first to come writes model and dimension down; all others must have the same."""
    mine = f"{embedder.model}/{await embedder.dimension()}"
    await client.hsetnx(meta, "embedding", mine)
    stored = (await client.hget(meta, "embedding")).decode()
    if stored != mine:
        model, dimension = stored.rsplit("/", 1)
        raise EmbeddingMismatch(
            f"this memory was embedded by {model} ({dimension} dimensions), not by {embedder.model}: set MEMP_EMBEDDING_MODEL={model}, "
            "or move it with `memp memory export` and `memp memory import`, which embeds it anew"
        )


def encode(vector: Vector) -> str:
    """Base64 of little-endian float32, as changes and exports carry it."""
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def decode(vector: str) -> Vector:
    """Inverse of `encode`."""
    return np.frombuffer(base64.b64decode(vector), "<f4")


def _credits(counters: dict[bytes, bytes]) -> dict[int, Credit]:
    revisions = sorted({int(name.split(b":")[1]) for name in counters})
    return {
        number: Credit(uses=int(counters.get(b"uses:%d" % number, 0)), successes=int(counters.get(b"successes:%d" % number, 0)))
        for number in revisions
    }


def _plan(change: Change, rule: Deprecation) -> tuple[dict[str, Any], list[bytes]]:
    """What the script needs of a change: flat fields, and the vectors as bytes, numbered from 1."""
    vectors: list[bytes] = []
    return {
        "uses": [use.model_dump() for use in change.uses],
        "writes": [_write(write, vectors) for write in change.writes],
        "sources": [source.model_dump() for source in change.sources],
        "deprecate_uses": rule.uses,
        "deprecate_share": rule.share,
    }, vectors


def _write(write: Write, vectors: list[bytes]) -> dict[str, Any]:
    def number(vector: str | None) -> int:
        vectors.append(base64.b64decode(vector or ""))
        return len(vectors)

    revision, new = write.revision, write.new
    fields = {
        "revision": str(revision.number),
        "status": revision.status,
        "steps": str(revision.steps),
        "body": revision.content.model_dump_json(),
    }
    plan: dict[str, Any] = {"procedure": write.procedure, "expects": write.expects, "number": revision.number}
    plan |= {"revision": revision.model_dump_json(), "facts": [], "sources": list(write.sources), "credit": []}
    plan["history"] = [[old.number, old.model_dump_json()] for old in write.history]
    for of, credit in write.credit.items():
        plan["credit"] += [[f"uses:{of}", credit.uses], [f"successes:{of}", credit.successes]]
    if new:
        fields |= {"env": new.env, "goal": new.goal, "unique": str(int(new.unique)), "shuffle": f"{int(write.procedure, 16) / 16 ** len(write.procedure):.9f}"}
        plan |= {"vector": number(new.vector), **({"goal": goal_digest(new.env, new.goal)} if new.unique else {})}
        plan["facts"] = [{"env": new.env, "name": fact.name, "value": fact.value, "vector": number(fact.vector)} for fact in new.facts]
    plan["fields"] = [part for pair in fields.items() for part in pair]
    return plan
