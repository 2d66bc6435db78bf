"""Groups that nobody serves any more: what their stream keeps only for them can go."""

from pathlib import Path

from runtime.bus.namespace import Namespace, groups_of
from runtime.bus.status import silence
from runtime.errors import UsageError
from runtime.keys import CURATORS, RECORDER, WORKERS

HERE = Path(__file__).parent
PAGE = 10
"""Entries per script, each with its whole payload: bounds how long the server is held."""
SILENT = 30.0
"""Seconds without a word from which a group counts as left; a recorder reads every half second."""


async def drain(namespace: Namespace, group: str, *, discard: bool = False) -> int:
    """Forget a group of the trajectory stream, and delete what every other group has had; returns how many entries that were.

    What another group has yet to work on stays. Where there is no other group nothing stays, which takes `discard`. Cut off, it
    is given again. The run whose recorder goes can't be resumed from here on, as its episodes would be missing. Raises
    `UsageError` for a group that is still served, or that works instead of watching, or that is not there: what one has left behind
    that went without deleting it (cut off, or with its driver) is deleted all the same.
    """
    await _check(namespace, group, discard)
    if group == RECORDER:
        await namespace.client.hset(namespace.keys.meta, "run", "drained")
    return await _sweep(namespace, group) + await leave(namespace, group)


async def leave(namespace: Namespace, group: str) -> int:
    """Take a group off the trajectory stream, and then delete what only it still held back; returns how many entries that were.

    Swept before, the stream could keep what the others finish meanwhile: nobody would ever delete that.
    """
    await namespace.remove_group(namespace.keys.trajectories, group)
    return await _sweep(namespace)


async def _sweep(namespace: Namespace, gone: str = "") -> int:
    """Delete what no group but `gone` still needs; without `gone`, nothing where there is no group at all."""
    deleted, start = 0, "-"
    while True:
        last, count = await namespace.scripts.call(HERE / "drain.lua", [namespace.keys.trajectories], [gone, start, PAGE])
        if last is None:
            return deleted
        deleted, start = deleted + count, f"({last.decode()}"


async def _check(namespace: Namespace, group: str, discard: bool) -> None:
    name = namespace.keys.namespace
    if group in (WORKERS, CURATORS):
        raise UsageError(f"--group {group}: its entries are work to be done; start `memp {group.removesuffix('s')}` to have it done")
    groups = {each["name"].decode() for each in await groups_of(namespace.client, namespace.keys.trajectories)}
    if group not in groups:
        left = await _sweep(namespace)
        gone = f", and {left} that one has left behind {'is' if left == 1 else 'are'} deleted" if left else ""
        raise UsageError(f"--group {group}: the trajectories of {name} have no such group{gone}: `memp status --exp-name {name}` shows all")
    heard = await silence(namespace.client, namespace.keys.trajectories, group)
    if heard is not None and heard < SILENT:
        raise UsageError(f"--group {group} was heard of {heard:.0f} s ago: end its run first, or wait until it is silent for {SILENT:g} s")
    if groups == {group} and not discard:
        raise UsageError(f"--group {group} is the only one, so nobody has learned from its trajectories: start a curator, or add --discard")
