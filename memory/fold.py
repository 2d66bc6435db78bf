"""Memory is a fold over its changes: replayed in their order they make the same memory, as it was after any of them.

No model is asked and nothing embedded. What is not memory's (tasks, trajectories, an epoch's counters and marks) is not replayed.
"""

import hashlib
from typing import NamedTuple

from memory.apply import replay
from memory.changes import History, read_entry
from memory.procedure import CommittedChange
from memory.read import CHUNK, procedure_ids, read_procedures
from memory.store import REBUILDING, check_layout, open_index
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import patiently
from runtime.errors import DataError, ProcedureError, RevisionConflict, UsageError


class Fingerprint(NamedTuple):
    """What a memory is: two with the same hash have the same procedures in every respect (not the same evidence, if credit came to
    them in another order)."""

    sha256: str
    version: int
    procedures: int


async def fingerprint(namespace: Namespace) -> Fingerprint:
    """SHA-256 over all procedures as they are exported, vectors included, one JSON line each in order of id.

    Raises `ProcedureError` if memory was changed meanwhile.
    """
    version = (await namespace.progress()).version
    digest = hashlib.sha256()
    names = await procedure_ids(namespace.client, namespace.keys)
    for start in range(0, len(names), CHUNK):
        for procedure in await read_procedures(namespace.client, namespace.keys, names[start : start + CHUNK]):
            digest.update(procedure.model_dump_json().encode() + b"\n")
    after = (await namespace.progress()).version
    if after != version:
        raise ProcedureError(f"memory went from version {version} to {after} while it was read: try again when no curator is at work")
    return Fingerprint(digest.hexdigest(), version, len(names))


async def rebuild(history: History, into: Namespace, *, search: bool, exact_up_to: int, as_of: str | None = None) -> Fingerprint:
    """Make the memory of `into` what the history says, up to its end or `as_of` (an entry's id, or a version).

    It must have no procedures, or be an earlier state of this very history: where a rebuild was broken off, it goes on. Until it is
    whole nobody can open it. Raises `UsageError` for a memory of its own or of another layout and for what is not in the history,
    `DataError` for a history that is none, `EmbeddingMismatch` where the namespace is bound to another model.
    """
    await check_layout(into)
    reached = (await into.progress()).version
    aim, last = await _survey(history, as_of, reached)
    await _check_target(into, reached, aim, last)
    if not reached:
        into = await _own_epoch(history, into)
    header = history.header
    index = await open_index(into, header.embedding_model, header.dimension, search=search, exact_up_to=exact_up_to)
    await patiently(lambda: into.client.hset(into.keys.meta, REBUILDING, str(aim)))
    await _replay(history, into, reached, aim)
    await index.fit()
    await patiently(lambda: into.client.hdel(into.keys.meta, REBUILDING))
    return await _checked(into)


async def _survey(history: History, as_of: str | None, reached: int) -> tuple[int, CommittedChange | None]:
    """The version to stop at, and the change that made version `reached`; all is read before anything is written."""
    aim, made, last = 0, None, "it is empty"
    async for change in history.changes():
        if as_of is None or as_of in (change.entry, str(change.version)):
            aim = change.version
        made = change if change.version == reached else made
        last = f"it ends with version {change.version}, entry {change.entry}"
    if not aim:
        raise UsageError(f"the history has no change {as_of}: {last}" if as_of else f"there is nothing to rebuild from the history: {last}")
    return aim, made


async def _check_target(into: Namespace, reached: int, aim: int, made: CommittedChange | None) -> None:
    """Refuse what is neither without procedures nor an earlier state of the history."""
    name = into.keys.namespace
    if not reached and not await procedure_ids(into.client, into.keys):
        return
    if made is None or await read_entry(into, made.entry) != made:
        raise UsageError(f"{name} has a memory of its own (version {reached}): rebuild into another, empty namespace")
    if reached > aim:
        raise UsageError(f"{name} is at version {reached} of this history already, beyond {aim}: rebuild into another, empty namespace")


async def _own_epoch(history: History, into: Namespace) -> Namespace:
    """Under its old name a memory begins a new epoch: what is learned next must not get the ids of what was learned then."""
    header, keys = history.header, into.keys
    if header.namespace != keys.namespace or into.epoch > header.epoch:
        return into
    if (await into.progress()).submitted:
        raise UsageError(f"{keys.namespace} has tasks of epoch {into.epoch}, as the history has: rebuild into another, empty namespace")
    await patiently(lambda: into.client.hset(keys.meta, "epoch", str(header.epoch + 1)))
    return await open_namespace(into.client, keys.namespace)


async def _replay(history: History, into: Namespace, reached: int, aim: int) -> None:
    async for change in history.changes(until=aim):
        if change.version <= reached:
            continue
        try:
            await replay(into, change)
        except RevisionConflict:
            raise DataError(
                f"change {change.version} (entry {change.entry}) does not follow from those before it: the history is damaged, or "
                f"{into.keys.namespace} is learning meanwhile; rebuild into another, empty namespace"
            ) from None


async def _checked(into: Namespace) -> Fingerprint:
    """What was built; procedures that someone deleted are not there, whatever the version says."""
    found, counted = await fingerprint(into), (await into.progress()).procedures
    if found.procedures != counted:
        raise UsageError(
            f"{into.keys.namespace} should have {counted} procedures and has {found.procedures}: rebuild into another, empty namespace"
        )
    return found
