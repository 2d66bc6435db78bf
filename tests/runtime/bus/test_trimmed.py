"""Tasks that were trimmed off their stream come back, and no others."""

import pytest

from runtime.bus import trimmed
from runtime.bus.namespace import Namespace
from runtime.bus.trimmed import restore_tasks
from runtime.events import Task
from tests.events import task, trajectory
from tests.support import commit


async def test_restore_adds_what_was_submitted_and_is_neither_there_nor_settled(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trimmed, "PAGE", 2)
    stream, tasks = namespace.keys.tasks, [task(index) for index in range(9)]
    assert await restore_tasks(namespace, tasks) == 0
    await commit(namespace, trajectory(tasks[0]), dead=(tasks[1],), unplayed=tuple(tasks[2:8]))
    entries = [entry for entry, _ in await namespace.client.xrange(stream)]
    await namespace.client.xdel(stream, entries[0], entries[4])
    assert await restore_tasks(namespace, tasks) == 2
    there = [Task.read(fields[b"event"]).index for _, fields in await namespace.client.xrange(stream)]
    assert there == [3, 4, 5, 7, 2, 6]
    assert await restore_tasks(namespace, tasks) == 0
