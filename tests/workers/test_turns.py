"""Waiting for one's turn in a group."""

import anyio

from runtime.bus.namespace import Namespace
from tests.events import task, trajectory
from tests.support import commit
from workers.turns import Turns


class Group(Namespace):
    """Tells when somebody has asked for the turn and been answered."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(namespace.client, namespace.keys, namespace.epoch)
        self.answered = anyio.Event()

    async def turn(self, group: int) -> int | None:
        index = await super().turn(group)
        self.answered.set()
        return index


async def test_turn_of_a_free_running_task_is_always(namespace: Namespace) -> None:
    with anyio.fail_after(5):
        await Turns(namespace).wait(task(0))


async def test_second_delivery_of_a_task_is_woken_though_the_first_gave_up(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(0, group=0)])
    group = Group(namespace)
    turns = Turns(group)
    first, woken = anyio.CancelScope(), anyio.Event()

    async def wait(scope: anyio.CancelScope) -> None:
        with scope:
            await turns.wait(task(0, group=0))
            woken.set()

    async with anyio.create_task_group() as tasks:
        for scope in (first, anyio.CancelScope()):
            tasks.start_soon(wait, scope)
            await group.answered.wait()
            group.answered = anyio.Event()
        first.cancel()
        tasks.start_soon(turns.watch)
        await commit(namespace, trajectory(task(0, group=0)))
        with anyio.fail_after(10):
            await woken.wait()
        tasks.cancel_scope.cancel()


async def test_next_of_a_group_is_woken_by_the_one_before_it_without_a_watch(namespace: Namespace) -> None:
    played = [trajectory(task(index, group=0)) for index in range(2)]
    await commit(namespace, *played)
    group = Group(namespace)
    turns, woken = Turns(group), anyio.Event()

    async def wait() -> None:
        await turns.wait(played[1].task)
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await group.answered.wait()
        await namespace.client.hset(namespace.keys.group(namespace.epoch, 0), "next", "1")
        with anyio.fail_after(10):
            while not woken.is_set():  # it may not have begun to wait yet
                turns.passed(played[0].task)
                await anyio.sleep(0.01)
