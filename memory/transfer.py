"""Memory that migrates: export to a file, import into another namespace, for another model if need be (paper §5).

The file is JSON lines: a `Header`, then one `Procedure` per line.
"""

from pathlib import Path

from memory.lines import numbered_lines, parse_line, replacing
from memory.procedure import Change, Credit, Fact, Header, NewProcedure, Procedure, Write, goal_digest
from memory.read import read_procedures
from memory.store import Memory, check_usable, encode, fits, stored_embedding
from runtime.bus.namespace import Namespace
from runtime.errors import DataError, RevisionConflict, UsageError

WRITER = "memp memory export"
BATCH = 50
"""Procedures per import command: bounds a change's size and how long the server is held."""


async def export_memory(namespace: Namespace, path: Path, *, vectors: bool = True) -> int:
    """Write all procedures, in order of id; returns how many. It needs no model.

    An existing file is replaced only once the new one is whole. Raises `UsageError` for a namespace without a memory, or with one
    that was rebuilt in part or stored by another version.
    """
    await check_usable(namespace)
    embedding = await stored_embedding(namespace)
    if embedding is None:
        raise UsageError(f"{namespace.keys.namespace} has no memory: no run with memory has been played under that name")
    rows = [Header(embedding_model=embedding[0], dimension=embedding[1]).model_dump_json()]
    for procedure in await read_procedures(namespace.client, namespace.keys):
        rows.append((procedure if vectors else _without_vectors(procedure)).model_dump_json())
    with replacing(path) as file:
        file.write("\n".join(rows) + "\n")
    return len(rows) - 1


def read_memory(path: Path) -> tuple[Header, list[Procedure]]:
    """An exported memory. Raises `DataError`, which names the line, for what is none."""
    lines = list(numbered_lines(path))
    if not lines:
        raise DataError(f"{path} is empty; expected a file that `{WRITER}` wrote")
    header = parse_line(Header, path, *lines[0], WRITER)
    read: list[Procedure] = []
    taken: set[str] = set()
    for number, line in lines[1:]:
        read.append(procedure := _procedure(header, path, number, line))
        claims = {procedure.id, *([goal_digest(procedure.env, procedure.goal)] if procedure.unique else [])}
        if claims & taken:
            raise DataError(f"{path}, line {number}: its id, or the goal that it alone may serve, is an earlier procedure's")
        taken |= claims
    return header, read


async def import_memory(memory: Memory, path: Path) -> int:
    """Add the procedures of a file; returns how many were new. Those that are there already are left as they are. What was tried of
    them by chance stays behind: it was tried on other tasks, maybe by another model.

    Vectors are taken over if they are of the same embedding model, and made anew if not, or if the file has none.
    """
    header, procedures = read_memory(path)
    same = (header.embedding_model, header.dimension) == (memory.embedder.model, await memory.embedder.dimension())
    known = set(await memory.ids())
    new = [procedure for procedure in procedures if procedure.id not in known]
    for start in range(0, len(new), BATCH):
        writes = [await _write(memory, procedure, same) for procedure in new[start : start + BATCH]]
        try:
            await memory.command(Change(kind="command", trajectory=None, writes=tuple(writes), reason=f"imported from {path.name}"))
        except RevisionConflict:
            raise DataError(
                f"{path} holds procedures for goals that this memory serves already: import it into an empty namespace "
                "(another --exp_name, or --overwrite)"
            ) from None
    await memory.index.fit()
    return len(new)


async def _write(memory: Memory, procedure: Procedure, same: bool) -> Write:
    goal, facts = procedure.vector, procedure.facts
    if not (same and goal and all(fact.vector for fact in facts)):
        vectors = [encode(vector) for vector in await memory.embed([procedure.goal, *(fact.value for fact in facts)])]
        goal = vectors[0]
        facts = tuple(Fact(name=fact.name, value=fact.value, vector=vector) for fact, vector in zip(facts, vectors[1:], strict=True))
    return Write(
        procedure=procedure.id,
        expects=0,
        revision=procedure.current,
        new=NewProcedure(env=procedure.env, goal=procedure.goal, unique=procedure.unique, vector=goal, facts=facts),
        history=procedure.revisions[:-1],
        credit={number: Credit(uses=credit.uses, successes=credit.successes) for number, credit in procedure.credit.items()},
        sources=procedure.sources,
    )


def _procedure(header: Header, path: Path, number: int, line: str) -> Procedure:
    procedure = parse_line(Procedure, path, number, line, WRITER)
    numbers = [revision.number for revision in procedure.revisions]
    if numbers != sorted(set(numbers)):
        raise DataError(f"{path}, line {number}: its revisions are not in order")
    for vector in (procedure.vector, *(fact.vector for fact in procedure.facts)):
        if vector is not None and not fits(vector, header.dimension):
            raise DataError(f"{path}, line {number}: a vector that is not base64 of {header.dimension} float32 numbers")
    return procedure


def _without_vectors(procedure: Procedure) -> Procedure:
    facts = tuple(Fact(name=fact.name, value=fact.value) for fact in procedure.facts)
    return procedure.model_copy(update={"vector": None, "facts": facts})
