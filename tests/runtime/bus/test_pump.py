"""The pump: slots, leases and what becomes of entries in hand when a process must end."""

import anyio
import pytest

from runtime.bus.consumer import Consumer
from runtime.bus.namespace import Namespace
from runtime.bus.pump import Pump, Work
from runtime.errors import LLMRejected
from runtime.keys import WORKERS
from tests.events import task


def consumer(namespace: Namespace, name: str, lease: float = 60.0) -> Consumer:
    return Consumer(namespace.client, namespace.keys.tasks, WORKERS, name=name, lease=lease)


async def test_error_that_ends_the_process_gives_everything_in_hand_back_unspent(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(index) for index in range(4)])
    begun: list[Work] = []

    async def handle(work: Work) -> None:
        begun.append(work)
        if len(begun) < 4:
            await anyio.sleep_forever()
        raise LLMRejected("the key is wrong")

    with anyio.fail_after(10), pytest.raises(LLMRejected):
        await Pump(consumer(namespace, "one"), handle, slots=4).run()
    taken = await consumer(namespace, "heir").reclaim(10)
    assert [delivery.deliveries for delivery in taken] == [1, 1, 1, 1]


async def test_stop_lets_work_end_and_releases_what_does_not(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(index) for index in range(2)])
    ended: list[str] = []
    both = anyio.Event()

    async def handle(work: Work) -> None:
        if len(pump.in_hand) == 2:
            both.set()
        if work.delivery.entry != min(each.delivery.entry for each in pump.in_hand):
            await anyio.sleep_forever()
        await both.wait()
        await namespace.finish(work.delivery)
        ended.append(work.delivery.entry)

    pump = Pump(consumer(namespace, "one"), handle, slots=2, grace=0.2)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pump.run)
            await both.wait()
            pump.stop()
    [left] = await consumer(namespace, "heir").reclaim(10)
    assert len(ended) == 1
    assert left.entry not in ended
    assert left.deliveries == 1


async def test_reading_and_taking_over_together_fill_no_more_than_the_slots(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(index) for index in range(8)])
    dead = consumer(namespace, "dead")
    await dead.register()
    for delivery in await dead.read(4, block=0.1):
        await dead.release(delivery, failed=True)
    most, full = [0], anyio.Event()

    async def handle(work: Work) -> None:
        most[0] = max(most[0], len(pump.in_hand))
        if len(pump.in_hand) == 3:
            full.set()
        await full.wait()
        await namespace.finish(work.delivery)
        if await namespace.client.xlen(namespace.keys.tasks) == 0:
            pump.stop()

    pump = Pump(consumer(namespace, "one", lease=0.4), handle, slots=3)
    with anyio.fail_after(20):
        await pump.run()
    assert most[0] == 3
