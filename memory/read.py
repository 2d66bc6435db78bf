"""Procedures as they stand in Redis; reading needs no model and no index."""

import base64
from collections.abc import Iterable, Sequence
from typing import Any

from memory.procedure import Credit, Fact, Procedure, Revision
from runtime.bus.scripts import Client, patiently
from runtime.keys import Keys

CHUNK = 100
"""Procedures per round trip: bounds a reply, and how long the server is held."""


async def procedure_ids(client: Client, keys: Keys) -> list[str]:
    """All procedures, deprecated ones too, in order of id."""
    prefix = keys.procedure("")
    return sorted([key.decode().removeprefix(prefix) async for key in client.scan_iter(match=f"{prefix}*", count=1000)])


async def read_procedures(client: Client, keys: Keys, names: Sequence[str] | None = None) -> list[Procedure]:
    """Those of these names that exist, in their order; by default all, in order of id."""
    if names is None:
        names = await procedure_ids(client, keys)
    found: list[Procedure] = []
    for start in range(0, len(names), CHUNK):
        found += await _read(client, keys, names[start : start + CHUNK])
    return found


async def read_procedure(client: Client, keys: Keys, procedure: str) -> Procedure | None:
    """A procedure with all its revisions, facts and counters; None if there is none of that id."""
    found = await read_procedures(client, keys, [procedure])
    return found[0] if found else None


async def read_facts(client: Client, keys: Keys, facts: Iterable[str]) -> dict[str, Fact]:
    """Those of these ids that exist."""
    ids = list(dict.fromkeys(facts))
    found = await patiently(lambda: _asked_facts(client, keys, ids).execute()) if ids else []
    return {
        id: Fact(name=name.decode(), value=value.decode(), vector=_base64(vector))
        for id, (name, value, vector) in zip(ids, found, strict=True)
        if vector
    }


def fact_ids(listed: bytes) -> list[str]:
    """The ids of a procedure's facts, as its hash lists them."""
    return listed.decode().split(",") if listed else []


async def _read(client: Client, keys: Keys, names: Sequence[str]) -> list[Procedure]:
    replies: list[Any] = await patiently(lambda: _asked(client, keys, names).execute())
    found = {name: stored for name, *stored in zip(names, *[iter(replies)] * 4, strict=True) if stored[0]}
    facts = await read_facts(client, keys, (id for fields, *_ in found.values() for id in fact_ids(fields[b"facts"])))
    return [_procedure(name, stored, facts) for name, stored in found.items()]


def _asked(client: Client, keys: Keys, names: Sequence[str]) -> Any:
    pipe = client.pipeline(transaction=True)
    for name in names:
        pipe.hgetall(keys.procedure(name))
        pipe.hgetall(keys.revisions(name))
        pipe.hgetall(keys.credit(name))
        pipe.lrange(keys.sources(name), 0, -1)
    return pipe


def _asked_facts(client: Client, keys: Keys, facts: Sequence[str]) -> Any:
    pipe = client.pipeline(transaction=False)
    for fact in facts:
        pipe.hmget(keys.fact(fact), "name", "value", "vector")
    return pipe


def _procedure(name: str, stored: Sequence[Any], facts: dict[str, Fact]) -> Procedure:
    fields, revisions, credit, sources = stored
    return Procedure(
        id=name,
        env=fields[b"env"].decode(),
        goal=fields[b"goal"].decode(),
        unique=fields[b"unique"] == b"1",
        revisions=tuple(Revision.model_validate_json(revisions[number]) for number in sorted(revisions, key=int)),
        sources=tuple(source.decode() for source in sources),
        credit=_credits(credit),
        facts=tuple(facts[id] for id in fact_ids(fields[b"facts"]) if id in facts),
        vector=_base64(fields[b"vector"]),
    )


def _base64(vector: bytes) -> str:
    return base64.b64encode(vector).decode()


def _credits(counters: dict[bytes, bytes]) -> dict[int, Credit]:
    revisions = sorted({int(name.split(b":")[1]) for name in counters})
    return {
        number: Credit.model_validate({name: int(counters.get(b"%s:%d" % (name.encode(), number), 0)) for name in Credit.model_fields})
        for number in revisions
    }
