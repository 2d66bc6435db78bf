"""The recorder: the driver's own consumer of trajectories, which writes each down before it acknowledges it: a line of
`episodes.jsonl`, and the whole in `trajectories.jsonl`."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import structlog
from anyio.to_thread import run_sync
from pydantic import ValidationError

from experiments.results import EpisodeLog, EpisodeRow, dead_row, final, read_rows, row
from experiments.trajectory_log import TrajectoryLog
from runtime.bus.consumer import Consumer, Delivery, consumer_name, register_group
from runtime.bus.dead import Letter, read_letters
from runtime.bus.drain import leave
from runtime.bus.namespace import Namespace, dead_letter
from runtime.bus.scripts import UNSERVED, patiently
from runtime.events import DeadLetter, Task, Trajectory, trajectory_place, unreadable
from runtime.keys import CURATORS, RECORDER

log = structlog.get_logger()

BATCH = 100


class Recorder:
    """Appends every episode of the run to `episodes.jsonl`; what was recorded before a crash is not recorded twice. `tasks` are
    the run's, by which those are known whose events can't be read. A run that `learns` keeps all for its curators."""

    def __init__(self, namespace: Namespace, path: Path, tasks: Sequence[Task], *, learns: bool = False) -> None:
        self._namespace = namespace
        self._learns = learns
        self._tasks = {task.id: task for task in tasks}
        self._log = EpisodeLog(path)
        self._whole = TrajectoryLog(path.with_name("trajectories.jsonl"))
        self.rows = read_rows(path) if path.is_file() else []
        if (missing := sum(each.outcome != "dead" for each in self.rows) - len(self._whole.ids)) > 0:
            log.warning("trajectories_missing", path=str(path.with_name("trajectories.jsonl")), count=missing)
        self.dead_seen: str | None = None
        """The last dead letter that was read, and recorded."""
        keys = namespace.keys
        self._consumer = Consumer(namespace.client, keys.trajectories, RECORDER, name=consumer_name("recorder"), lease=0.0)

    @property
    def recorded(self) -> int:
        return len(self._log.tasks)

    async def open(self) -> None:
        """Register with the trajectory stream, before any task is submitted, and take over what a dead driver held."""
        await self._consumer.register()
        await self._take_over()

    async def run(self) -> None:
        """Record for ever; ended by cancelling."""
        while True:
            try:
                await self._take_over()  # also what was delivered while a connection broke: nobody would deliver it again
                while True:
                    await self._record(await self._consumer.read(BATCH, block=0.5))
                    await self._record_dead()
            except UNSERVED as error:
                log.warning("redis_not_serving", error=str(error))
                await anyio.sleep(0.5)

    async def close(self) -> None:
        """Record what came after all that was waited for (tasks that were put back), and leave the stream: what only this group
        held back can go."""
        while deliveries := await patiently(lambda: self._consumer.read(BATCH, block=0.001)):
            await self._record(deliveries)
        await self._take_over()
        await self._record_dead()
        await leave(self._namespace, RECORDER)
        self._log.close()
        self._whole.close()

    async def _take_over(self) -> None:
        """Record what was delivered, to whomever, and not acknowledged."""
        async for deliveries in self._consumer.reclaim_all(BATCH):
            await self._record(deliveries)

    async def _record(self, deliveries: list[Delivery]) -> None:
        events = {delivery.entry: delivery.payload or b"" for delivery in deliveries}
        await self._append([each for delivery in deliveries if (each := self._row(delivery))], events)
        if self._learns and deliveries:  # were their group gone, what they have not read would be deleted
            await register_group(self._namespace.client, self._namespace.keys.trajectories, CURATORS)
        for delivery in deliveries:
            await self._namespace.finish(delivery)

    def _row(self, delivery: Delivery) -> EpisodeRow | None:
        """None for what is no episode of this epoch, or was recorded before its build was put back."""
        try:
            trajectory = Trajectory.read(delivery.payload)
        except ValidationError as error:
            log.error("trajectory_unreadable", entry=delivery.entry)
            return self._unreadable(delivery, f"unreadable trajectory: {unreadable(error)}")
        ours = trajectory.task.epoch == self._namespace.epoch and trajectory.retry is None
        return row(trajectory, delivery.entry) if ours else None

    def _unreadable(self, delivery: Delivery, reason: str) -> EpisodeRow | None:
        """The row of an episode that is known by its task alone; the curator is who dead-letters it."""
        place = trajectory_place(delivery.payload or b"")
        task = self._tasks.get(place.id) if place and place.epoch == self._namespace.epoch else None
        if task is None:
            return None
        return dead_row(task, dead_letter(delivery, reason), delivery.entry).model_copy(update={"entry": delivery.entry})

    async def _record_dead(self) -> None:
        """Dead letters of tasks stay on their stream, for a person to look at; they are only read here."""
        async for letter in read_letters(self._namespace, self.dead_seen):
            if task := self._dead_task(letter):
                await self._append([dead_row(task, letter.said, letter.id)], {})
            self.dead_seen = letter.id

    async def record_without_letter(self, tasks: Sequence[Task]) -> int:
        """Record those as dead whose dead letter somebody threw away before it was read; returns how many these were."""
        gone = [task for task in tasks if task.id not in self._log.tasks and await self._namespace.left_behind(task)]
        said = DeadLetter(stream=self._namespace.keys.tasks, entry="", deliveries=0, reason="its dead letter was thrown away", payload="")
        await self._append([dead_row(task, said, task.id) for task in gone], {})
        return len(gone)

    def _dead_task(self, letter: Letter) -> Task | None:
        if letter.kind(self._namespace) != "task":
            return None
        try:
            return self._tasks.get(letter.said.task or "") or Task.model_validate_json(letter.said.payload)
        except ValidationError:
            return None

    async def _append(self, rows: list[EpisodeRow], events: dict[str, bytes]) -> None:
        """Write down what is new, the whole trajectories first; `events` are those by entry."""
        new = self._log.fresh(rows)
        if not new:
            return
        await run_sync(self._whole.append, [events[each.entry] for each in new if each.outcome != "dead"])
        again = any(each.task_id in self._log.dead for each in new)
        await run_sync(self._log.append, new)
        self.rows += new
        if again:
            self.rows[:] = final(self.rows)
