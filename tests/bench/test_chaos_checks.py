"""The chaos driver's proof: a small scene passes it, and whatever is broken in the scene is told."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from bench.chaos_checks import wrong
from bench.chaos_record import Auditor, Course, Evidence, read_evidence
from memory.procedure import Source
from memory.store import Memory
from runtime.bus.consumer import Consumer
from runtime.events import Trajectory
from runtime.keys import WORKERS
from runtime.tasks import open_tasks
from tests.events import task, trajectory
from tests.memory.changes import NEVER, learned, new, revise
from tests.support import Place, commit, curator, opened, until

TASKS = (task(0), task(1), task(2), task(3))


@dataclass
class Scene:
    """Four tasks that have ended: one built a procedure, one was another source of it, one had it adjusted, one is dead."""

    memory: Memory
    auditor: Auditor
    course: Course
    rows: list[str]

    async def evidence(self) -> Evidence:
        """As the driver reads it, but for the keys that other tests keep on this server."""
        found = await read_evidence(self.memory.namespace, self.course, self.auditor, self.rows)
        return replace(found, keys=tuple(key for key in found.keys if key.startswith(self.memory.namespace.keys.prefix)))


async def play(memory: Memory) -> None:
    """Commit and apply all, as workers and a curator do."""
    built = trajectory(TASKS[0])
    again = trajectory(TASKS[1], steps=9, retrieved=(("p", 1),))
    failed = trajectory(TASKS[2], success=False, retrieved=(("p", 1),))
    learns = [
        (built, learned(built, new("p", TASKS[0].goal, unique=True).model_copy(update={"sources": (built.id,)}))),
        (again, learned(again, sources=(Source(procedure="p", expects=1, trajectory=again.id),))),
        (failed, learned(failed, revise("p", 1))),
    ]
    consumer = curator(memory.namespace)
    await consumer.register()
    await commit(memory.namespace, built, again, failed, dead=(TASKS[3],))
    held = {Trajectory.model_validate_json(delivery.payload or b"").id: delivery for delivery in await consumer.read(100, block=0.1)}
    for by, change in learns:
        await memory.learn(change, by, held[by.id], NEVER)


@asynccontextmanager
async def scene(url: str, name: str) -> AsyncGenerator[Scene]:
    async with opened(Place(url, search=False), name) as memory:
        auditor = Auditor(memory.namespace, lease=1.0)
        await auditor.open()
        async with open_tasks() as background:
            background.start_soon(auditor.run)
            await play(memory)
            await until(lambda: memory.namespace.client.xlen(memory.namespace.keys.trajectories), lambda left: left == 0)
            background.cancel_scope.cancel()
        yield Scene(memory, auditor, Course(TASKS, frozenset({"task-3"})), [each.id for each in TASKS])


async def test_scene_in_which_all_went_well_passes(server_url: str, namespace_name: str) -> None:
    async with scene(server_url, namespace_name) as ended:
        evidence = await ended.evidence()
    assert wrong(evidence) == []
    assert len(evidence.changes) == len(evidence.seen) == 3


async def record_forgets_one(ended: Scene) -> None:
    ended.auditor.seen.popitem()


async def trajectory_committed_twice(ended: Scene) -> None:
    ended.auditor.seen["9-9"] = next(iter(ended.auditor.seen.values()))


async def line_is_missing(ended: Scene) -> None:
    ended.rows.pop()


async def line_is_there_twice(ended: Scene) -> None:
    ended.rows.append("task-0")


async def task_without_an_end(ended: Scene) -> None:
    ended.course = ended.course._replace(tasks=(*TASKS, task(4)))


async def innocent_is_dead(ended: Scene) -> None:
    ended.course = ended.course._replace(doomed=frozenset())


async def credit_given_twice(ended: Scene) -> None:
    await ended.memory.namespace.client.hincrby(ended.memory.namespace.keys.credit("p"), "uses:1", 1)


async def success_not_counted(ended: Scene) -> None:
    await ended.memory.namespace.client.hincrby(ended.memory.namespace.keys.credit("p"), "successes:1", -1)


async def change_made_twice(ended: Scene) -> None:
    client, stream = ended.memory.namespace.client, ended.memory.namespace.keys.changes
    [(_, fields)] = await client.xrevrange(stream, count=1)
    await client.xadd(stream, {**fields, b"version": b"4"})


async def change_lost(ended: Scene) -> None:
    client, stream = ended.memory.namespace.client, ended.memory.namespace.keys.changes
    [(entry, _)] = await client.xrange(stream, count=1)
    await client.xdel(stream, entry)


async def mark_of_application_lost(ended: Scene) -> None:
    await ended.memory.namespace.client.srem(ended.memory.namespace.keys.applied(1), "1:task-1")


async def source_lost(ended: Scene) -> None:
    await ended.memory.namespace.client.lpop(ended.memory.namespace.keys.sources("p"))


async def revision_lost(ended: Scene) -> None:
    await ended.memory.namespace.client.hdel(ended.memory.namespace.keys.revisions("p"), 1)


async def journal_left(ended: Scene) -> None:
    await ended.memory.namespace.client.hset(ended.memory.namespace.keys.journal(1, "task-0"), "agent:0", "{}")


async def key_of_no_kind(ended: Scene) -> None:
    await ended.memory.namespace.client.set(f"{ended.memory.namespace.keys.prefix}scratch", "1")


async def entry_pending(ended: Scene) -> None:
    namespace = ended.memory.namespace
    await namespace.client.xadd(namespace.keys.tasks, {"event": "{}"})
    await Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="w", lease=60.0).read(1, block=0.1)


@pytest.mark.parametrize(
    ("breaking", "told"),
    [
        (record_forgets_one, "tasks lost: 1"),
        (trajectory_committed_twice, "tasks committed more than once: 1 (task-0)"),
        (line_is_missing, "tasks without a line in episodes.jsonl: 1 (task-3)"),
        (line_is_there_twice, "tasks with more than one line in episodes.jsonl: 1 (task-0)"),
        (task_without_an_end, "tasks lost: 1 (task-4)"),
        (innocent_is_dead, "dead-lettered tasks that could be played: 1 (task-3)"),
        (credit_given_twice, "credits that are wrong: 1 (('p', 1) has (3, 1), due are (2, 1))"),
        (success_not_counted, "credits that are wrong: 1 (('p', 1) has (2, 0), due are (2, 1))"),
        (credit_given_twice, "memory's hash is"),
        (change_made_twice, "trajectories in more than one change: 1 (1:task-2)"),
        (change_lost, "trajectories without their change: 1 (1:task-0)"),
        (change_lost, "the versions of the changes are not 1, 2, 3 and so on"),
        (mark_of_application_lost, "trajectories not applied: 1 (1:task-1)"),
        (source_lost, "sources and successes that differ: 1 (1:task-0)"),
        (revision_lost, "procedures whose revisions have gaps: 1 (p)"),
        (journal_left, "keys leaked: 1"),
        (key_of_no_kind, "keys leaked: 1"),
        (entry_pending, "entries pending: 1 (1 of workers)"),
        (entry_pending, "entries on the task stream: 1 instead of 0"),
    ],
)
async def test_scene_that_is_broken_is_told_by_what_is_wrong(
    server_url: str, namespace_name: str, breaking: Callable[[Scene], Awaitable[None]], told: str
) -> None:
    async with scene(server_url, namespace_name) as ended:
        await breaking(ended)
        faults = wrong(await ended.evidence())
    assert any(fault.startswith(told) for fault in faults), faults
