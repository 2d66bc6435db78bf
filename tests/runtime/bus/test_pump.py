"""The pump: slots, leases and what becomes of entries in hand when a process must end."""

from collections.abc import Sequence

import anyio
import pytest

from runtime.bus.consumer import Consumer, Delivery
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
    most, ended, full = [0], [0], anyio.Event()

    async def handle(work: Work) -> None:
        most[0] = max(most[0], len(pump.in_hand))
        if len(pump.in_hand) == 3:
            full.set()
        await full.wait()
        await namespace.finish(work.delivery)
        ended[0] += 1
        if ended[0] == 8:
            pump.stop()

    pump = Pump(consumer(namespace, "one", lease=0.4), handle, slots=3)
    with anyio.fail_after(20):
        await pump.run()
    assert most[0] == 3


async def test_commit_on_its_way_when_the_process_must_end_is_not_overtaken_by_the_release(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(index) for index in range(2)])
    second = anyio.Event()

    async def handle(work: Work) -> None:
        if work.delivery.entry == min(each.delivery.entry for each in pump.in_hand):
            await second.wait()
            raise LLMRejected("the key is wrong")
        second.set()
        await namespace.finish(work.delivery)

    pump = Pump(consumer(namespace, "one"), handle, slots=2, writes=namespace.scripts)
    with anyio.fail_after(10), pytest.raises(LLMRejected):
        await pump.run()
    assert await namespace.client.xlen(namespace.keys.tasks) == 1


async def test_write_that_hangs_costs_no_lease(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    await namespace.submit_tasks([task(0)])
    hanging, renewed = anyio.Event(), anyio.Event()

    async def hang(_: object) -> None:
        hanging.set()
        await anyio.sleep_forever()

    async def handle(work: Work) -> None:
        await namespace.finish(work.delivery)

    monkeypatch.setattr(namespace.scripts, "exchange", hang)
    one = consumer(namespace, "one", lease=0.3)
    renew = one.renew_all

    async def renew_all(deliveries: Sequence[Delivery]) -> list[Delivery]:
        lost = await renew(deliveries)
        if hanging.is_set() and deliveries and not lost:
            renewed.set()
        return lost

    monkeypatch.setattr(one, "renew_all", renew_all)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Pump(one, handle, slots=1, writes=namespace.scripts).run)
            await renewed.wait()
            monkeypatch.undo()
            tasks.cancel_scope.cancel()
