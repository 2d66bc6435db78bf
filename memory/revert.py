"""Going back: a procedure gets an earlier revision's content anew; a deprecated one comes back into retrieval."""

from memory.apply import command
from memory.procedure import Cause, Change, Procedure, Revision, Write
from memory.read import read_procedure
from memory.store import check_usable
from runtime.bus.namespace import Namespace
from runtime.errors import RevisionConflict, UsageError

TRIES = 10
"""Times that a revert is computed anew, as a curator has revised the procedure meanwhile."""


async def revert(namespace: Namespace, procedure: str, to: int) -> Revision:
    """Add a revision that says what revision `to` said, active and with no uses yet; returns it.

    Raises `UsageError` for a procedure or revision that is not there, where nothing would change, and where memory can't be used.
    """
    await check_usable(namespace)
    for _ in range(TRIES):
        revision = _back(await _found(namespace, procedure), to)
        write = Write(procedure=procedure, expects=revision.number - 1, revision=revision)
        try:
            await command(namespace, Change(kind="command", trajectory=None, writes=(write,), reason=f"reverted to revision {to}"))
        except RevisionConflict:
            continue
        return revision
    raise RevisionConflict(f"procedure {procedure} is revised again and again: try again later")


async def _found(namespace: Namespace, procedure: str) -> Procedure:
    found = await read_procedure(namespace.client, namespace.keys, procedure)
    if found is None:
        name = namespace.keys.namespace
        raise UsageError(f"{name} has no procedure {procedure}: `memp procedures list --exp-name {name}` shows those it has")
    return found


def _back(procedure: Procedure, to: int) -> Revision:
    current = procedure.current
    old = next((revision for revision in procedure.revisions if revision.number == to), None)
    if old is None:
        numbers = ", ".join(str(revision.number) for revision in procedure.revisions)
        raise UsageError(f"procedure {procedure.id} has no revision {to}: it has {numbers}")
    if to == current.number and current.status == "active":
        raise UsageError(f"procedure {procedure.id} is at revision {to}, active: there is nothing to revert")
    cause = Cause(kind="reverted", trajectories=old.cause.trajectories)
    return old.model_copy(update={"number": current.number + 1, "status": "active", "cause": cause})
