"""What is known after a run under chaos: what was asked, what every trajectory said, and what streams and memory hold now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import anyio

from memory.changes import open_history, streamed
from memory.fold import fingerprint, rebuild
from memory.procedure import CommittedChange, Procedure
from memory.read import procedure_ids, read_procedures
from runtime.bus.consumer import Consumer, Delivery, consumer_name
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import UNSERVED, is_unserved
from runtime.bus.status import StreamStatus, read_status
from runtime.config import Settings
from runtime.errors import MempError
from runtime.events import DeadLetter, Progress, Task, Trajectory
from runtime.keys import Keys

AUDITOR = "auditor"
"""Consumer group of the driver on the trajectory stream."""
BATCH = 200
EXACT_UP_TO: int = Settings.model_fields["exact_up_to"].default


class Course(NamedTuple):
    """Tasks, and what is to come of them: the ids of those that no worker can play, and of those of which nothing can be built."""

    tasks: tuple[Task, ...]
    doomed: frozenset[str] = frozenset()
    hopeless: frozenset[str] = frozenset()

    def up_to(self, count: int) -> "Course":
        """The first tasks of it alone."""
        ids = {task.id for task in self.tasks[:count]}
        return Course(self.tasks[:count], self.doomed & ids, self.hopeless & ids)


class Seen(NamedTuple):
    """One entry of the trajectory stream."""

    entry: str
    trajectory: str
    task: str
    finished: bool
    success: bool
    used: tuple[tuple[str, int], ...]
    """Procedure and revision of all that was retrieved."""


def seen(entry: str, trajectory: Trajectory) -> Seen:
    """What an entry tells of credits."""
    used = tuple((each.procedure, each.revision) for each in trajectory.recall.retrieved)
    return Seen(entry, trajectory.id, trajectory.task.id, trajectory.outcome == "finished", trajectory.reward >= 1.0, used)


class Auditor:
    """Reads every entry of the trajectory stream, in a group of its own. One that is delivered again is one entry still; a
    trajectory that was committed twice is two."""

    def __init__(self, namespace: Namespace, lease: float) -> None:
        self.seen: dict[str, Seen] = {}
        self._namespace = namespace
        self._consumer = Consumer(namespace.client, namespace.keys.trajectories, AUDITOR, name=consumer_name(AUDITOR), lease=lease)

    async def open(self) -> None:
        """Register, before any task is submitted."""
        await self._consumer.register()

    async def run(self) -> None:
        """For ever; ended by cancelling."""
        while True:
            try:
                await self._take(await self._consumer.read(BATCH, block=0.2))
                await self._take(await self._consumer.reclaim(BATCH))  # what was delivered while the connection broke
            except Exception as error:
                if not is_unserved(error):
                    raise
                await anyio.sleep(0.1)

    async def _take(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self.seen[delivery.entry] = seen(delivery.entry, Trajectory.model_validate_json(delivery.payload or b""))
        for delivery in deliveries:
            await self._namespace.finish(delivery)


@dataclass(frozen=True)
class Evidence:
    """All that the checks look at; plain data, so that they can be tried on a small scene."""

    namespace: str
    epoch: int
    course: Course
    """What was submitted."""
    seen: tuple[Seen, ...]
    rows: tuple[str, ...]
    """Task ids of `episodes.jsonl`, which the product's own recorder wrote."""
    letters: tuple[DeadLetter, ...]
    changes: tuple[CommittedChange, ...]
    applied: frozenset[str]
    marked: frozenset[str]
    progress: Progress
    procedures: tuple[Procedure, ...]
    goals: dict[str, str]
    """Digest of a goal to its procedure."""
    streams: tuple[StreamStatus, ...]
    keys: tuple[str, ...]
    """All keys of the server, but for those of other namespaces."""
    hashes: tuple[str, str]
    """Of memory, and of what its changes made again in an empty namespace (or why they did not)."""


async def read_evidence(
    namespace: Namespace, course: Course, auditor: Auditor, rows: Sequence[str], others: Sequence[str] = ()
) -> Evidence:
    """Look at everything; nothing may be at work any more. `others` are namespaces on the same server."""
    client, keys, epoch = namespace.client, namespace.keys, namespace.epoch
    strangers = tuple(Keys(other).prefix for other in others)
    return Evidence(
        namespace=keys.namespace,
        epoch=epoch,
        course=course,
        seen=tuple(auditor.seen.values()),
        rows=tuple(rows),
        letters=tuple([DeadLetter.model_validate_json(fields[b"event"]) for _, fields in await client.xrange(keys.dead)]),
        changes=tuple([change async for change in streamed(namespace)]),
        applied=frozenset(_texts(await client.smembers(keys.applied(epoch)))),
        marked=frozenset(_texts(await client.hkeys(keys.committed(epoch)))),
        progress=await namespace.progress(),
        procedures=tuple(await read_procedures(client, keys, await procedure_ids(client, keys))),
        goals={digest.decode(): procedure.decode() for digest, procedure in (await client.hgetall(keys.goals)).items()},
        streams=tuple((await read_status(namespace)).streams),
        keys=tuple(key for key in _texts([key async for key in client.scan_iter(count=1000)]) if not key.startswith(strangers)),
        hashes=((await fingerprint(namespace)).sha256, await _rebuilt(namespace)),
    )


async def _rebuilt(namespace: Namespace) -> str:
    """The hash of a memory that is made anew from the changes, or why it can't be."""
    into = await open_namespace(namespace.client, f"{namespace.keys.namespace}-rebuilt")
    try:
        return (await rebuild(await open_history((), namespace), into, search=True, exact_up_to=EXACT_UP_TO)).sha256
    except MempError as error:
        return str(error)


def _texts(found: Any) -> list[str]:
    return sorted({each.decode() for each in found})


async def counters(namespace: Namespace) -> Progress | None:
    """The counters; None while the server is away (`Namespace.progress` would wait for it)."""
    try:
        with anyio.fail_after(0.2):
            return await namespace.progress()
    except (TimeoutError, *UNSERVED):
        return None
