"""The recorder: the driver's own consumer of trajectories, which writes each down before it acknowledges it."""

from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio.to_thread import run_sync
from pydantic import ValidationError

from experiments.results import EpisodeLog, EpisodeRow, dead_row, read_rows, row
from runtime.bus.consumer import Consumer, Delivery, consumer_name
from runtime.bus.namespace import Namespace
from runtime.bus.scripts import CONNECTION_ERRORS
from runtime.events import DeadLetter, Task, Trajectory
from runtime.keys import RECORDER

log = structlog.get_logger()

BATCH = 100


class Recorder:
    """Appends every episode of the run to `episodes.jsonl`; what was recorded before a crash is not recorded twice."""

    def __init__(self, namespace: Namespace, path: Path, lease: float) -> None:
        self._namespace = namespace
        self._log = EpisodeLog(path)
        self.rows = read_rows(path) if path.is_file() else []
        self._dead_seen = "-"
        keys = namespace.keys
        self._consumer = Consumer(namespace.client, keys.trajectories, RECORDER, name=consumer_name("recorder"), lease=lease)

    @property
    def recorded(self) -> int:
        return len(self._log.tasks)

    async def open(self) -> None:
        """Register with the trajectory stream, before any task is submitted, and take over what a dead driver held."""
        await self._consumer.register()
        self._consumer.lease = 0.0
        while deliveries := await self._consumer.reclaim(BATCH):
            await self._record(deliveries)

    async def run(self) -> None:
        """Record for ever; ended by cancelling."""
        while True:
            try:
                await self._record(await self._consumer.read(BATCH, block=0.5))
                await self._record_dead()
            except CONNECTION_ERRORS as error:
                log.warning("redis_away", error=str(error))
                await anyio.sleep(0.5)

    async def close(self) -> None:
        """Leave the stream: what only this group held back can go."""
        await self._namespace.remove_group(self._namespace.keys.trajectories, RECORDER)
        self._log.close()

    async def _record(self, deliveries: list[Delivery]) -> None:
        trajectories = [(delivery.entry, _read(delivery)) for delivery in deliveries]
        await self._append([row(each, entry) for entry, each in trajectories if each and each.task.epoch == self._namespace.epoch])
        for delivery in deliveries:
            await self._namespace.finish(delivery)

    async def _record_dead(self) -> None:
        """Dead letters of tasks stay on their stream, for a person to look at; they are only read here."""
        since = self._dead_seen if self._dead_seen == "-" else f"({self._dead_seen}"
        entries: Any = await self._namespace.client.xrange(self._namespace.keys.dead, since, "+", count=BATCH)
        rows: list[EpisodeRow] = []
        for entry, fields in entries:
            letter = DeadLetter.model_validate_json(fields[b"event"])
            if letter.stream == self._namespace.keys.tasks and letter.task is not None:
                rows.append(dead_row(Task.model_validate_json(letter.payload), letter, entry.decode()))
            self._dead_seen = entry.decode()
        await self._append(rows)

    async def _append(self, rows: list[EpisodeRow]) -> None:
        new = [each for each in rows if each.task_id not in self._log.tasks]
        if new:
            await run_sync(self._log.append, new)
            self.rows += new


def _read(delivery: Delivery) -> Trajectory | None:
    """The trajectory, or None where it can't be read; the curator is who dead-letters it."""
    try:
        return Trajectory.model_validate_json(delivery.payload or b"")
    except ValidationError:
        log.error("trajectory_unreadable", entry=delivery.entry)
        return None
