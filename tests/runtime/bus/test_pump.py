"""The pump: slots, leases and what becomes of entries in hand when a process must end."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from runtime.bus.consumer import Consumer, Delivery
from runtime.bus.journal import opened_journal
from runtime.bus.namespace import Namespace
from runtime.bus.pump import Backpressure, Pump, Work
from runtime.errors import LLMRejected
from runtime.keys import WORKERS
from tests.events import task
from tests.faults.servers import own_server, stopped_server
from tests.support import namespace_at, until, worker


async def test_error_that_ends_the_process_gives_everything_in_hand_back_unspent(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(index) for index in range(4)])
    begun: list[Work] = []

    async def handle(work: Work) -> None:
        begun.append(work)
        if len(begun) < 4:
            await anyio.sleep_forever()
        raise LLMRejected("the key is wrong")

    with anyio.fail_after(10), pytest.raises(LLMRejected):
        await Pump(worker(namespace, "one"), handle, slots=4).run()
    taken = await worker(namespace, "heir").reclaim(10)
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

    pump = Pump(worker(namespace, "one"), handle, slots=2, grace=0.2)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pump.run)
            await both.wait()
            pump.stop()
    [left] = await worker(namespace, "heir").reclaim(10)
    assert len(ended) == 1
    assert left.entry not in ended
    assert left.deliveries == 1


async def test_reading_and_taking_over_together_fill_no_more_than_the_slots(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(index) for index in range(8)])
    dead = worker(namespace, "dead")
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

    pump = Pump(worker(namespace, "one", lease=0.4), handle, slots=3)
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

    pump = Pump(worker(namespace, "one"), handle, slots=2, writes=namespace.scripts)
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
    one = worker(namespace, "one", lease=0.3)
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


class SlowSweep:
    """Sweeps once `begin` is set, and keeps back the reply to the one that takes something over until `go` is; `swept`: it has come."""

    def __init__(self, of: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begin, self.swept, self.go = anyio.Event(), anyio.Event(), anyio.Event()
        self._reclaim = of.reclaim
        monkeypatch.setattr(of, "reclaim", self.reclaim)

    async def reclaim(self, count: int) -> list[Delivery]:
        taken = await self._reclaim(count) if self.begin.is_set() else []
        if taken:
            self.swept.set()
            await self.go.wait()
        return taken


async def failed_once(namespace: Namespace) -> None:
    """A task that another worker has given back, one delivery spent."""
    await namespace.submit_tasks([task(0)])
    other = worker(namespace, "other")
    await other.register()
    [delivery] = await other.read(1, block=0.1)
    await other.release(delivery, failed=True)


async def test_entry_that_a_slow_sweep_takes_over_after_stop_is_worked_within_the_grace(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await failed_once(namespace)
    one = worker(namespace, "one", lease=0.4)
    sweep = SlowSweep(one, monkeypatch)
    sweep.begin.set()

    async def handle(work: Work) -> None:
        await namespace.finish(work.delivery)

    pump = Pump(one, handle, slots=2)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pump.run)
            await sweep.swept.wait()
            pump.stop()
            await anyio.wait_all_tasks_blocked()
            sweep.go.set()
    assert await namespace.client.xlen(namespace.keys.tasks) == 0


@pytest.mark.parametrize("held", [0, 1])
async def test_entry_that_a_sweep_takes_over_after_the_grace_is_given_back_unspent(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    await failed_once(namespace)
    await namespace.submit_tasks([task(index) for index in range(1, 1 + held)])
    one = worker(namespace, "one", lease=0.4)
    sweep = SlowSweep(one, monkeypatch)

    async def in_hand() -> int:
        return len(pump.in_hand)

    async def all_given_back() -> bool:
        return pump.over and not pump.in_hand

    async def handle(_: Work) -> None:
        await anyio.sleep_forever()

    pump = Pump(one, handle, slots=2, grace=0.0)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pump.run)
            await until(in_hand, lambda count: count == held)
            sweep.begin.set()
            await sweep.swept.wait()
            pump.stop()
            await until(all_given_back)
            sweep.go.set()
    heir = worker(namespace, "heir", lease=0.4)
    taken = await until(lambda: heir.reclaim(10))
    assert sorted(delivery.deliveries for delivery in taken) == [1] * held + [2], "the last of each is the heir's own"


async def connections(namespace: Namespace, count: int) -> None:
    """So many that a worker has used at the same time, and that are free."""
    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(namespace.client.ping)


async def test_stop_while_the_server_answers_nothing_is_the_end_one_parting_after_the_grace_and_spends_no_delivery(
    tmp_path: Path, namespace_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.bus.scripts.PARTING", 1.0)
    async with own_server(tmp_path, "--no-module") as url, namespace_at(url, namespace_name) as namespace:
        await namespace.submit_tasks([task(0)])
        one, begun, hanging, ended = worker(namespace, "one"), anyio.Event(), anyio.Event(), anyio.Event()

        async def handle(work: Work) -> None:
            async with opened_journal(namespace.keys.journal(1, "task-0"), work.delivery, namespace.scripts) as journal:
                await journal.put("agent:0", b"answered")
                assert await one.renew(work.delivery)
                begun.set()
                await hanging.wait()
                await journal.put("agent:1", b"answered")

        pump = Pump(one, handle, 2, Backpressure(namespace, 10).may_claim, writes=namespace.scripts, grace=0.2)

        async def run() -> None:
            await pump.run()
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await begun.wait()
            await connections(namespace, 6)
            async with stopped_server(url):
                hanging.set()
                pump.stop()
                with anyio.fail_after(2.2):
                    await ended.wait()
        [left] = await until(lambda: worker(namespace, "heir").reclaim(10))
        assert left.deliveries == 1
        [held] = await namespace.client.xpending_range(namespace.keys.tasks, WORKERS, "-", "+", 9)
        assert (held["consumer"], held["times_delivered"]) == (b"heir", 1)
