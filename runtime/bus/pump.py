"""The heart of both processes: claim what there is room for, keep the leases, hand every delivery to a handler.

A handler settles its delivery itself (commit, apply, drop). What it raises decides the rest: `LeaseLost` and
`EpochClosed` drop the work; `LLMRejected` and `UsageError` end the process, as no other entry would fare better; any
other error gives the entry back for another delivery.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import structlog
from anyio.abc import TaskGroup

from runtime.bus.consumer import Consumer, Delivery
from runtime.bus.scripts import CONNECTION_ERRORS
from runtime.errors import BusError, LeaseLost, LLMRejected, UsageError
from runtime.tasks import open_tasks

log = structlog.get_logger()


class Work:
    """One delivery in hand; its scope is cancelled when the lease is lost or the process must stop."""

    def __init__(self, delivery: Delivery, free_slot: Callable[[], None]) -> None:
        self.delivery = delivery
        self.scope = anyio.CancelScope()
        self.settled = False
        """Set by the handler once nothing is left to give back."""
        self.lost = False
        self._free_slot: Callable[[], None] | None = free_slot

    def free_slot(self) -> None:
        """Say that this work only waits from here on, so that its slot may serve another."""
        if self._free_slot:
            self._free_slot()
            self._free_slot = None


class Pump:
    """Runs `handle` on what `consumer` gets, at most `slots` at once, while `may_claim` (backpressure) allows it."""

    def __init__(
        self,
        consumer: Consumer,
        handle: Callable[[Work], Awaitable[None]],
        slots: int,
        may_claim: Callable[[], Awaitable[bool]] | None = None,
        *,
        grace: float = 5.0,
    ) -> None:
        self.consumer = consumer
        self.in_hand: set[Work] = set()
        self._handle = handle
        self._slots = slots
        self._busy = 0
        self._freed = anyio.Event()
        self._may_claim = may_claim
        self._grace = grace
        self._stopping = anyio.Event()

    def stop(self) -> None:
        """Claim no more; give what is in hand `grace` seconds to end, then release it."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`; returns when nothing is in hand and the consumer is retired."""
        await self.consumer.register()
        async with open_tasks() as tasks, self._background(tasks):
            while not self._stopping.is_set():
                await self._claim(tasks)
            with anyio.move_on_after(self._grace):
                while self.in_hand:
                    await self._slot_freed()
            for work in self.in_hand:
                work.scope.cancel()
            while self.in_hand:
                await self._slot_freed()
        await self.consumer.retire()

    @asynccontextmanager
    async def _background(self, tasks: TaskGroup) -> AsyncGenerator[None]:
        async with open_tasks() as background:
            background.start_soon(self._keep_leases)
            background.start_soon(self._sweep, tasks)
            try:
                yield
            finally:
                background.cancel_scope.cancel()

    async def _claim(self, tasks: TaskGroup) -> None:
        """One read of as many entries as there are free slots; a short wait where there is none or none may be claimed."""
        if self._busy >= self._slots:
            await self._unless_stopping(self._slot_freed)
            return
        try:
            if self._may_claim and not await self._may_claim():
                await self._unless_stopping(lambda: anyio.sleep(0.2))
                return
            deliveries = await self.consumer.read(self._slots - self._busy, block=0.5)
        except CONNECTION_ERRORS as error:
            log.warning("redis_away", error=str(error))
            await self._unless_stopping(lambda: anyio.sleep(0.5))
            return
        for delivery in deliveries:
            self._start(tasks, delivery)

    async def _sweep(self, tasks: TaskGroup) -> None:
        """Take over what others left, several times per lease, so that a death costs at most 1.3 leases."""
        while True:
            free = self._slots - self._busy
            if free > 0 and not self._stopping.is_set():
                for delivery in await self.consumer.reclaim(free):
                    log.info("entry_taken_over", entry=delivery.entry, deliveries=delivery.deliveries)
                    self._start(tasks, delivery)
            await anyio.sleep(self.consumer.lease / 4)

    async def _keep_leases(self) -> None:
        while True:
            await anyio.sleep(self.consumer.lease / 3)
            for work in list(self.in_hand):
                if not work.settled and not await self.consumer.renew(work.delivery):
                    self._lose(work)

    def _lose(self, work: Work) -> None:
        if work in self.in_hand and not work.settled:
            log.warning("lease_lost", entry=work.delivery.entry)
            work.lost = True
            work.scope.cancel()

    def _start(self, tasks: TaskGroup, delivery: Delivery) -> None:
        self._busy += 1
        work = Work(delivery, self._free_slot)
        self.in_hand.add(work)
        tasks.start_soon(self._work, work)

    async def _work(self, work: Work) -> None:
        try:
            with work.scope:
                await self._handle(work)
            if work.scope.cancelled_caught and not work.lost:
                await self.consumer.release(work.delivery, failed=False)
        except LeaseLost:
            log.warning("lease_lost", entry=work.delivery.entry)
        except (LLMRejected, UsageError):
            await self.consumer.release(work.delivery, failed=False)
            raise
        except BusError as error:
            log.info("work_dropped", entry=work.delivery.entry, reason=str(error))
        except Exception:
            log.exception("delivery_failed", entry=work.delivery.entry, deliveries=work.delivery.deliveries)
            await self.consumer.release(work.delivery, failed=True)
        finally:
            self.in_hand.discard(work)
            work.free_slot()
            self._freed.set()

    def _free_slot(self) -> None:
        self._busy -= 1
        self._freed.set()

    async def _slot_freed(self) -> None:
        self._freed = anyio.Event()
        await self._freed.wait()

    async def _unless_stopping(self, wait: Callable[[], Awaitable[None]]) -> None:
        async with open_tasks() as race:

            async def stop() -> None:
                await self._stopping.wait()
                race.cancel_scope.cancel()

            race.start_soon(stop)
            await wait()
            race.cancel_scope.cancel()
