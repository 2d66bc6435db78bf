"""Procedures as they stand in Redis; reading needs no model and no index."""

import base64

from memory.procedure import Credit, Fact, Procedure, Revision
from runtime.bus.scripts import Client, patiently
from runtime.keys import Keys


async def procedure_ids(client: Client, keys: Keys) -> list[str]:
    """All procedures, deprecated ones too, in order of id."""
    prefix = keys.procedure("")
    return sorted([key.decode().removeprefix(prefix) async for key in client.scan_iter(match=f"{prefix}*", count=1000)])


async def read_procedures(client: Client, keys: Keys) -> list[Procedure]:
    """All of them, in order of id."""
    found = [await read_procedure(client, keys, name) for name in await procedure_ids(client, keys)]
    return [procedure for procedure in found if procedure]


async def read_procedure(client: Client, keys: Keys, procedure: str) -> Procedure | None:
    """A procedure with all its revisions, facts and counters; None if there is none of that id."""
    pipe = client.pipeline(transaction=True)
    pipe.hgetall(keys.procedure(procedure))
    pipe.hgetall(keys.revisions(procedure))
    pipe.hgetall(keys.credit(procedure))
    pipe.lrange(keys.sources(procedure), 0, -1)
    fields, revisions, credit, sources = await patiently(pipe.execute)
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
        facts=await _facts(client, keys, procedure),
        vector=base64.b64encode(fields[b"vector"]).decode(),
    )


async def _facts(client: Client, keys: Keys, procedure: str) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    while stored := await client.hgetall(keys.fact(procedure, len(facts) + 1)):
        vector = base64.b64encode(stored[b"vector"]).decode()
        facts.append(Fact(name=stored[b"name"].decode(), value=stored[b"value"].decode(), vector=vector))
    return tuple(facts)


def _credits(counters: dict[bytes, bytes]) -> dict[int, Credit]:
    revisions = sorted({int(name.split(b":")[1]) for name in counters})
    return {
        number: Credit(uses=int(counters.get(b"uses:%d" % number, 0)), successes=int(counters.get(b"successes:%d" % number, 0)))
        for number in revisions
    }
