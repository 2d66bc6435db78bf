"""Grouped mode: a group is applied in the order of its tasks, and not before all of it has ended."""

import pytest

from memory.apply import NotYourTurn
from memory.store import Memory
from runtime.bus.consumer import Delivery
from runtime.events import Trajectory
from tests.events import task, trajectory
from tests.memory.changes import EAGER, learned, new
from tests.support import arrive, commit


def group(*indices: int, number: int = 0) -> list[Trajectory]:
    return [trajectory(task(index, group=number)) for index in indices]


async def apply(memory: Memory, played: Trajectory, delivery: Delivery) -> None:
    await memory.learn(learned(played, new(f"of-{played.task.index}")), played, delivery, EAGER)


async def test_group_is_applied_in_task_order_however_it_came_in(memory: Memory) -> None:
    third, first, second = played = group(6, 4, 5)
    await commit(memory.namespace, *played)
    held = dict(zip((third.id, first.id, second.id), await arrive(memory.namespace), strict=True))
    for early in (third, second):
        with pytest.raises(NotYourTurn):
            await apply(memory, early, held[early.id])
    assert await memory.ids() == []
    for due in (first, second, third):
        await apply(memory, due, held[due.id])
    assert await memory.ids() == ["of-4", "of-5", "of-6"]


async def test_nothing_is_applied_before_the_group_has_ended(memory: Memory) -> None:
    [first] = group(0)
    await commit(memory.namespace, first, unplayed=(task(1, group=0),))
    [held] = await arrive(memory.namespace)
    with pytest.raises(NotYourTurn):
        await apply(memory, first, held)
    assert (await memory.ids(), await memory.namespace.turn(0)) == ([], None)


@pytest.mark.parametrize("dead", [0, 1, 2])
async def test_task_that_died_is_skipped(memory: Memory, dead: int) -> None:
    played = group(*(index for index in range(3) if index != dead))
    await commit(memory.namespace, *played, dead=(task(dead, group=0),))
    for each, delivery in zip(played, await arrive(memory.namespace), strict=True):
        await apply(memory, each, delivery)
    assert (await memory.namespace.progress()).applied == 2


async def test_groups_do_not_wait_for_each_other(memory: Memory) -> None:
    [fast] = group(2, number=1)
    await commit(memory.namespace, fast, unplayed=(task(0, group=0), task(1, group=0)))
    [held] = await arrive(memory.namespace)
    await apply(memory, fast, held)
    assert await memory.ids() == ["of-2"]
