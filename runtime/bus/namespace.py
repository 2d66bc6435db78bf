"""A namespace: its epoch, and what producers and drivers do to its streams."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import ResponseError

from runtime.bus.consumer import Delivery
from runtime.bus.letters import dead_letter
from runtime.bus.scripts import Client, Scripts, is_missing, patiently
from runtime.errors import EpochClosed, LeaseLost, UsageError
from runtime.events import MAX_EVENT, Place, Progress, Task, Trajectory, Usage, task_place, trajectory_place
from runtime.keys import CURATORS, WORKERS, Keys

log = structlog.get_logger()

HERE = Path(__file__).parent
BATCH = 200
"""Events per submission script: bounds how long the server is held."""


class Namespace:
    """Face of the bus for one namespace in one epoch; get one with `open_namespace`."""

    def __init__(self, client: Client, keys: Keys, epoch: int) -> None:
        self.client = client
        self.keys = keys
        self.epoch = epoch
        self.scripts = Scripts(client)

    async def claim(self, run: str) -> bool:
        """Bind this epoch to one run; False where it belongs to another."""
        await self._call(lambda: self.client.hsetnx(self.keys.meta, "run", run))
        return await self._call(lambda: self.client.hget(self.keys.meta, "run")) == run.encode()

    async def submit_tasks(self, tasks: Sequence[Task]) -> int:
        """Add tasks; those that were added before are skipped. Returns how many were new. Raises `UsageError`, and adds none, where
        one is too large to be read."""
        keys = self.keys
        events = [(task.id, task.model_dump_json().encode()) for task in tasks]
        for id, event in events:
            if said := _too_large(event):
                raise UsageError(f"task {id} {said}: shorten its goal, or what its game holds")
        groups: dict[int, list[int]] = {}
        for task in tasks:
            if task.group is not None:
                groups.setdefault(task.group, []).append(task.index)
        for number, indices in groups.items():
            await self._open_group(number, indices)
        return await self._submit(keys.tasks, keys.submitted(self.epoch), "submitted", events)

    async def submit_trajectories(self, trajectories: Sequence[Trajectory]) -> int:
        """Add trajectories that were played elsewhere; each is taken once."""
        keys = self.keys
        events = [(trajectory.id, trajectory.model_dump_json().encode()) for trajectory in trajectories]
        return await self._submit(keys.trajectories, keys.submitted(self.epoch), "committed", events)

    async def commit(self, delivery: Delivery, trajectory: Trajectory) -> bool:
        """Publish the trajectory and settle its task. True if this call or an earlier one with the same fence did it; False if it is
        too large to be read, and the task was dead-lettered instead (with another delivery it would be no smaller). Raises
        `LeaseLost` if the task is another's or settled by another, `EpochClosed` if its epoch is over."""
        event, tokens = trajectory.model_dump_json().encode(), sum(usage.tokens for usage in trajectory.usage.values())
        if said := _too_large(event):
            await self.dead_letter(delivery, trajectory.task, f"its trajectory {said}", tokens=tokens)
            return False
        await self._settle(delivery, trajectory.task, event, "committed", tokens)
        return True

    async def dead_letter(self, delivery: Delivery, task: Task | Place, reason: str, *, tokens: int = 0) -> None:
        """Settle a task that can't be finished; like `commit`, with the dead-letter stream as its end."""
        letter = dead_letter(delivery, reason, task=task.id)
        await self._settle(delivery, task, letter.model_dump_json(), "dead", tokens)

    async def drop(self, delivery: Delivery, reason: str) -> None:
        """Take an entry that can't be worked on off its stream, with a dead letter.

        Nobody waits for it any more: a task is settled as dead, a trajectory counted as dropped, if it can be told which one it is.
        """
        payload, keys = delivery.payload or b"", self.keys
        if delivery.stream == keys.tasks:
            task = task_place(payload)
            if task and await self._call(lambda: self.client.sismember(keys.submitted(task.epoch), task.id)):
                await self.dead_letter(delivery, task, reason)
                return
        place = trajectory_place(payload) if delivery.stream == keys.trajectories else None
        await self._finish(delivery, dead_letter(delivery, reason).model_dump_json(), place)

    async def finish(self, delivery: Delivery) -> None:
        """Acknowledge an entry, and delete it if no other group still needs it."""
        await self._finish(delivery, "", None)

    async def _finish(self, delivery: Delivery, letter: str, place: Place | None) -> None:
        keys, names, args = self.keys, [delivery.stream, self.keys.dead], [*delivery.fence, letter]
        if place:
            names += [keys.meta, keys.submitted(place.epoch), keys.committed(place.epoch), keys.applied(place.epoch)]
            names += [keys.progress(place.epoch), keys.group(place.epoch, place.group)]
            args += [place.epoch, f"{place.epoch}:{place.id}", place.id, "" if place.group is None else place.index]
        await self.scripts.call(HERE / "drop.lua", names, args)

    async def is_current(self) -> bool:
        """Whether the namespace is still in this epoch."""
        return await self._call(lambda: self.client.hget(self.keys.meta, "epoch")) == str(self.epoch).encode()

    async def admits(self, delivery: Delivery, epoch: int) -> bool:
        """Whether an entry of this epoch is to be worked on; one of another is taken off its stream.

        Raises `UsageError` where the namespace is in another epoch than this process, which can work on nothing any more.
        """
        if epoch == self.epoch:
            return True
        if not await self.is_current():
            raise UsageError(f"namespace {self.keys.namespace} was started afresh: start this process again, too")
        if epoch > self.epoch:  # somebody's invention; it must not end all workers
            await self.drop(delivery, f"epoch {epoch} has not begun")
        else:
            log.warning("entry_of_closed_epoch", stream=delivery.stream, entry=delivery.entry, epoch=epoch)
            await self.finish(delivery)
        return False

    async def is_settled(self, task: Task) -> bool:
        """Whether the task was committed or dead-lettered already: then its entry is one too many."""
        return bool(await self.scripts.ask("HEXISTS", self.keys.committed(task.epoch), task.id))

    async def progress(self) -> Progress:
        """Counters of this epoch, and of memory. Raises `EpochClosed` where the epoch is over: they would never change again."""
        fields: dict[bytes, bytes] = await self._call(lambda: self.client.hgetall(self.keys.progress(self.epoch)))
        epoch, procedures, version = await self._call(lambda: self.client.hmget(self.keys.meta, "epoch", "procedures", "version"))
        if epoch is None or int(epoch) != self.epoch:
            raise EpochClosed(f"namespace {self.keys.namespace} was emptied or started afresh meanwhile: give the command again")
        counters = {name.decode(): int(value) for name, value in fields.items()}
        usage: dict[Any, dict[str, int]] = {}
        for counter in [name for name in counters if ":" in name]:
            role, name = counter.split(":")
            usage.setdefault(role, {})[name] = counters.pop(counter)
        learning = {role: Usage(**spent) for role, spent in usage.items()}
        return Progress(**counters, procedures=int(procedures or 0), version=int(version or 0), learning=learning)

    async def in_flight(self) -> int:
        """Tasks that workers hold."""
        try:
            return int((await self._call(lambda: self.client.xpending(self.keys.tasks, WORKERS)))["pending"])
        except ResponseError as error:
            if not is_missing(error):
                raise
            return 0  # no worker has come yet

    async def backlog(self, mark: int = 1) -> int:
        """Trajectories that wait for the curators, beyond those of the group under way (it could not open otherwise);
        0 where no curator learns from this namespace. What is told of less than `mark` may be too high."""
        learning = await self._group(CURATORS)
        if learning is None:
            return 0
        if learning["lag"] is not None and (most := learning["pending"] + learning["lag"]) < mark:
            return most  # in one round trip: workers ask before each claim
        group_size = await self._call(lambda: self.client.hget(self.keys.meta, "group_size"))
        return max(0, await self._left(learning) - int(group_size or 0))

    async def undone(self, group: str) -> int:
        """Trajectories that this group is not done with; 0 only where that is none. A group that is not there has read none: its
        consumers create it anew, and it begins with the first."""
        found = await self._group(group)
        return await self._left(found) if found else await self._call(lambda: self.client.xlen(self.keys.trajectories))

    async def _group(self, name: str) -> dict[str, Any] | None:
        """What the server tells of a group of the trajectories."""
        groups = await self._call(lambda: groups_of(self.client, self.keys.trajectories))
        return next((each for each in groups if each["name"] == name.encode()), None)

    async def _left(self, group: dict[str, Any]) -> int:
        """What it holds, and what it was not given: looked for, as the `lag` that is told counts what was deleted unread, or is None."""
        newer, stream = f"({group['last-delivered-id'].decode()}", self.keys.trajectories
        if not await self._call(lambda: self.client.xrange(stream, newer, count=1)):
            return group["pending"]
        length = await self._call(lambda: self.client.xlen(stream))
        return group["pending"] + max(1, length if group["lag"] is None else min(length, group["lag"]))

    async def turn(self, group: int) -> int | None:
        """Index of the task whose trajectory is to be applied next; None while the group has not ended."""
        fields: dict[bytes, bytes] = await self._call(lambda: self.client.hgetall(self.keys.group(self.epoch, group)))
        shape = {name.decode(): int(value) for name, value in fields.items()}
        if shape.get("committed", 0) + shape.get("dead", 0) < shape.get("size", 0):
            return None
        index = shape.get("next", shape.get("first", 0))
        while f"dead:{index}" in shape:
            index += 1
        return index

    async def left_behind(self, task: Task) -> bool:
        """Whether its group goes on without it: it was dead, or its trajectory was dropped, before it was put back."""
        return bool(await self._call(lambda: self.client.hexists(self.keys.group(task.epoch, task.group), f"dead:{task.index}")))

    async def remove_group(self, stream: str, group: str) -> None:
        """Forget a consumer group."""
        try:
            await self._call(lambda: self.client.xgroup_destroy(stream, group))
        except ResponseError as error:
            if not is_missing(error):
                raise

    async def _open_group(self, number: int, indices: list[int]) -> None:
        """Say how many tasks the group has and where it begins; the curator waits for all of them."""
        shape = {"size": len(indices), "first": min(indices)}
        await self._call(lambda: self.client.hset(self.keys.group(self.epoch, number), mapping=shape))
        await self._call(lambda: self.client.hset(self.keys.meta, "group_size", str(len(indices))))

    async def _submit(self, stream: str, marks: str, counter: str, events: Sequence[tuple[str, bytes]]) -> int:
        new = 0
        for start in range(0, len(events), BATCH):
            flat: list[str | bytes] = [part for event in events[start : start + BATCH] for part in event]
            keys = [self.keys.meta, stream, marks, self.keys.progress(self.epoch)]
            try:
                new += await self.scripts.call(HERE / "submit.lua", keys, [self.epoch, counter, *flat])
            except ResponseError as error:
                if "EPOCH" not in str(error):
                    raise
                raise EpochClosed(f"namespace {self.keys.namespace} was started afresh by another run") from None
        return new

    async def _settle(self, delivery: Delivery, task: Task | Place, event: str | bytes, outcome: str, tokens: int) -> None:
        keys, destination = self.keys, self.keys.trajectories if outcome == "committed" else self.keys.dead
        answer: bytes = await self.scripts.call(
            HERE / "settle.lua",
            [
                keys.meta,
                keys.tasks,
                destination,
                keys.committed(task.epoch),
                keys.journal(task.epoch, task.id),
                keys.progress(task.epoch),
                keys.group(task.epoch, task.group),
            ],
            [task.epoch, *delivery.fence, task.id, delivery.token, event, outcome, task.index, tokens],
        )
        if answer == b"epoch":
            raise EpochClosed(f"task {task.id} belongs to epoch {task.epoch}, which is closed")
        if answer not in (b"settled", b"already"):
            raise LeaseLost(f"task {task.id} is settled or held by another delivery")

    async def _call(self, call: Any) -> Any:
        return await patiently(call)


def _too_large(event: bytes) -> str | None:
    """What is wrong with an event that nobody would read."""
    return f"has {len(event)} bytes, more than the {MAX_EVENT} that are read" if len(event) > MAX_EVENT else None


async def groups_of(client: Client, stream: str) -> list[dict[str, Any]]:
    """Consumer groups of a stream; none where nobody has written to it yet."""
    try:
        return await client.xinfo_groups(stream)
    except ResponseError as error:
        if not is_missing(error):
            raise
        return []


async def open_namespace(client: Client, name: str, *, overwrite: bool = False) -> Namespace:
    """The namespace in its present epoch (the first is 1); `overwrite` deletes what it holds and raises the epoch."""
    keys = Keys(name)
    if overwrite:
        await patiently(lambda: client.hset(keys.meta, "clearing", "1"))
    if await patiently(lambda: client.hexists(keys.meta, "clearing")):
        await patiently(lambda: _clear(client, keys))
    await patiently(lambda: client.hsetnx(keys.meta, "epoch", "1"))
    epoch = await patiently(lambda: client.hget(keys.meta, "epoch"))
    return Namespace(client, keys, int(epoch))


async def _clear(client: Client, keys: Keys) -> None:
    """Raise the epoch first, so that no commit of the old one lands in between; then delete all that the namespace holds.

    The field `clearing` goes last: whoever opens a namespace that was left half cleared finishes that first.
    """
    await client.hincrby(keys.meta, "epoch", 1)
    fields = [field for field in await client.hkeys(keys.meta) if field not in (b"epoch", b"clearing")]
    if fields:
        await client.hdel(keys.meta, *fields)
    async for key in client.scan_iter(match=f"{keys.prefix}*", count=1000):
        if key != keys.meta.encode():
            await client.unlink(key)
    await client.hdel(keys.meta, "clearing")
