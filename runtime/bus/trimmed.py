"""Tasks that somebody trimmed off their stream: a resumed run puts them there again."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from runtime.bus.namespace import BATCH, Namespace
from runtime.bus.scripts import patiently
from runtime.events import Task, task_place

PAGE = 20
"""Entries of one read: each holds a whole payload."""


async def restore_tasks(namespace: Namespace, tasks: Sequence[Task]) -> int:
    """Add those again that were submitted, are not settled, and stand on the stream no more. Returns how many."""
    client, keys, epoch = namespace.client, namespace.keys, namespace.epoch
    submitted = await _marked(tasks, lambda ids: client.smismember(keys.submitted(epoch), ids))
    if not submitted:
        return 0
    # In this order: what is settled between the two looks was still seen on the stream.
    there = {id async for id in _on_stream(namespace)}
    absent = [task for task in tasks if task.id in submitted and task.id not in there]
    settled = await _marked(absent, lambda ids: client.hmget(keys.committed(epoch), ids))
    lost = [task for task in absent if task.id not in settled]
    for task in lost:
        # Added twice after a lost reply, it would be settled once all the same.
        event = task.model_dump_json()
        await patiently(lambda event=event: client.xadd(keys.tasks, {"event": event}))
    return len(lost)


async def _marked(tasks: Sequence[Task], look: Callable[[list[str]], Awaitable[Any]]) -> set[str]:
    """Ids of those that the look finds."""
    found: set[str] = set()
    for start in range(0, len(tasks), BATCH):
        ids = [task.id for task in tasks[start : start + BATCH]]
        marks = await patiently(partial(look, ids))
        found.update(id for id, mark in zip(ids, marks, strict=True) if mark)
    return found


async def _on_stream(namespace: Namespace) -> AsyncGenerator[str]:
    """Ids of the tasks that stand on the stream."""
    client, stream, start = namespace.client, namespace.keys.tasks, "-"
    while entries := await patiently(lambda start=start: client.xrange(stream, start, count=PAGE)):
        for _, fields in entries:
            if place := task_place(fields.get(b"event", b"")):
                yield place.id
        start = f"({entries[-1][0].decode()}"
