"""What a namespace's streams hold, for people and monitors."""

from typing import Any

from pydantic import BaseModel
from redis.exceptions import ResponseError

from runtime.bus.namespace import Namespace, groups_of
from runtime.bus.scripts import Client, is_missing
from runtime.events import Progress


class GroupStatus(BaseModel):
    """`lag`: entries that the group has not been given yet; None where the server can't tell. `silent`: seconds since one of its
    consumers was last heard of; None where it has none."""

    name: str
    consumers: int
    pending: int
    lag: int | None
    silent: float | None


class StreamStatus(BaseModel):
    """One stream; one that nobody has written to has no entries and no groups."""

    name: str
    entries: int
    groups: list[GroupStatus]


class Status(BaseModel):
    """One namespace."""

    epoch: int
    progress: Progress
    streams: list[StreamStatus]


async def read_status(namespace: Namespace) -> Status:
    """Look at the four streams and the counters."""
    keys = namespace.keys
    streams = {"tasks": keys.tasks, "trajectories": keys.trajectories, "changes": keys.changes, "dead": keys.dead}
    return Status(
        epoch=namespace.epoch,
        progress=await namespace.progress(),
        streams=[await _stream(namespace, name, key) for name, key in streams.items()],
    )


async def _stream(namespace: Namespace, name: str, key: str) -> StreamStatus:
    client = namespace.client
    found = [
        GroupStatus(
            name=group["name"].decode(),
            consumers=group["consumers"],
            pending=group["pending"],
            lag=group.get("lag"),
            silent=await silence(client, key, group["name"].decode()),
        )
        for group in await groups_of(client, key)
    ]
    return StreamStatus(name=name, entries=await client.xlen(key), groups=found)


async def silence(client: Client, stream: str, group: str) -> float | None:
    """Seconds since any consumer of the group was last heard of; None where there is none, or the group is gone."""
    try:
        consumers: list[dict[str, Any]] = await client.xinfo_consumers(stream, group)
    except ResponseError as error:
        if not is_missing(error):
            raise
        return None  # destroyed since it was listed
    return min((each["idle"] / 1000 for each in consumers), default=None)
