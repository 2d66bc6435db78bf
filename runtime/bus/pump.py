"""The heart of both processes: claim what there is room for, keep the leases, hand every delivery to a handler.

A handler settles its delivery itself (commit, apply, drop) and returns. What it raises decides the rest: `LeaseLost` and
`EpochClosed` drop the work; `LLMRejected` and `UsageError` end the process, as no other entry would fare better, and
all that is in hand is given back unspent; any other error gives the entry back for another delivery.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import structlog
from anyio.abc import TaskGroup

from runtime.bus.consumer import Consumer, Delivery
from runtime.bus.namespace import Namespace
from runtime.bus.scripts import UNSERVED, Parting, Scripts, is_unserved
from runtime.errors import BusError, LLMRejected, ServerError, UsageError
from runtime.tasks import open_tasks

log = structlog.get_logger()


class Work:
    """One delivery in hand; its scope is cancelled when the lease is lost or the process must stop."""

    def __init__(self, delivery: Delivery, free_slot: Callable[[], None]) -> None:
        self.delivery = delivery
        self.scope = anyio.CancelScope()
        self.settled = False
        """Nothing is left to give back."""
        self.lost = False
        """It is another's now."""
        self._free_slot: Callable[[], None] | None = free_slot

    def free_slot(self) -> None:
        """Say that this work only waits from here on, so that its slot may serve another."""
        if self._free_slot:
            self._free_slot()
            self._free_slot = None


class Backpressure:
    """Whether a worker may claim: not while `high_water` or more trajectories wait for the curators.

    It looks anew for every claim: by a look of a moment ago, quick episodes would run far past the mark.
    """

    def __init__(self, namespace: Namespace, high_water: int) -> None:
        self._namespace = namespace
        self._high_water = high_water

    async def may_claim(self) -> bool:
        return await self._namespace.backlog(self._high_water) < self._high_water


class Pump:
    """Runs `handle` on what `consumer` gets, at most `slots` at once, while `may_claim` (backpressure) allows it.

    `writes`: scripts of the handlers that are to share round trips. Leases have round trips of their own, so that a write
    that hangs costs no lease.
    """

    def __init__(
        self,
        consumer: Consumer,
        handle: Callable[[Work], Awaitable[None]],
        slots: int,
        may_claim: Callable[[], Awaitable[bool]] | None = None,
        *,
        writes: Scripts | None = None,
        grace: float = 5.0,
    ) -> None:
        self.consumer = consumer
        self.in_hand: set[Work] = set()
        self._handle = handle
        self._slots = slots
        self._busy = 0
        self._freed = anyio.Event()
        self._may_claim = may_claim
        self._writes = writes
        self._parting = Parting()
        if writes:
            writes.parting = self._parting
        self._grace = grace
        self._stopping = anyio.Event()
        self.over = False
        """The grace is over: what is claimed even now is given back at once."""
        self._claiming = anyio.Lock()
        """Held from counting the free slots until they are filled: reading and taking over must not fill the same ones."""

    def stop(self) -> None:
        """Claim no more; give what is in hand `grace` seconds to end, then release it."""
        self._stopping.set()
        self._freed.set()

    async def run(self) -> None:
        """Until `stop`; returns when nothing is in hand and the consumer is retired.

        A server that does not serve then delays all that follows the grace by no more than `PARTING`, and its beginning not at all.
        A claim that is cancelled while the server hangs may still be carried out when that goes on: it spends a delivery, and the
        entry waits for a lease.
        """
        async with open_tasks() as tasks, self._background(tasks):
            await self._stopping.wait()
            with anyio.move_on_after(self._grace):
                await self._claimed()
                await self._emptied()
            self.over = True
            self._parting.begin()
            for work in self.in_hand:
                work.scope.cancel()
            with self._parting.scope():
                await self._claimed()
            await self._emptied()
        with self._parting.scope():  # left behind, others' sweeps forget it
            await self.consumer.retire()

    @asynccontextmanager
    async def _background(self, tasks: TaskGroup) -> AsyncGenerator[None]:
        async with open_tasks() as background:
            if self._writes:
                background.start_soon(self._writes.run)
            background.start_soon(self._keep_leases)
            background.start_soon(self._claim_all, tasks)
            background.start_soon(self._sweep, tasks)
            try:
                yield
            finally:
                background.cancel_scope.cancel()

    async def _claim_all(self, tasks: TaskGroup) -> None:
        await self.consumer.register()
        while not self._stopping.is_set():
            await self._claim(tasks)

    async def _claim(self, tasks: TaskGroup) -> None:
        """One read of as many entries as there are free slots; a short wait where there is none or none may be claimed."""
        if self._busy >= self._slots:
            await self._slot_freed()
            return
        room = self._slots - self._busy  # those that free up during the look have added to what waits
        try:
            if self._may_claim and not await self._may_claim():
                await self._stopped_within(0.2)
                return
            async with self._claiming:
                free = min(room, self._free())
                for delivery in await self.consumer.read(free, block=0.5) if free > 0 else ():
                    self._start(tasks, delivery)
        except UNSERVED as error:
            log.warning("redis_not_serving", error=str(error))
            await self._stopped_within(0.5)

    async def _sweep(self, tasks: TaskGroup) -> None:
        """Take over what others left, several times per lease, so that a death costs at most 1.3 leases."""
        while True:
            async with self._claiming:
                free = self._free()
                for delivery in await self.consumer.reclaim(free) if free > 0 else ():
                    log.info("entry_taken_over", entry=delivery.entry, deliveries=delivery.deliveries)
                    self._start(tasks, delivery)
            await anyio.sleep(self.consumer.lease / 4)

    async def _keep_leases(self) -> None:
        while True:
            await anyio.sleep(self.consumer.lease / 3)
            held = {work.delivery: work for work in self.in_hand if not work.settled}
            for delivery in await self.consumer.renew_all(list(held)):
                self._lose(held[delivery])

    def _lose(self, work: Work) -> None:
        if work in self.in_hand and not work.settled:
            log.warning("lease_lost", entry=work.delivery.entry)
            work.lost = True
            work.scope.cancel()

    def _start(self, tasks: TaskGroup, delivery: Delivery) -> None:
        self._busy += 1
        work = Work(delivery, self._free_slot)
        self.in_hand.add(work)
        if self.over:
            work.scope.cancel()
        tasks.start_soon(self._work, work)

    async def _work(self, work: Work) -> None:
        failed = False
        try:
            with work.scope:
                await self._handle(work)
                work.settled = True
        except BusError as error:
            work.settled = True
            log.info("work_dropped", entry=work.delivery.entry, reason=str(error))
        except (LLMRejected, UsageError):
            raise
        except Exception as error:
            failed = not is_unserved(error)
            log.exception("delivery_failed", entry=work.delivery.entry, deliveries=work.delivery.deliveries)
        finally:
            if not (work.settled or work.lost):
                await self._give_back(work, failed)
            self.in_hand.discard(work)
            work.free_slot()
            self._freed.set()

    async def _give_back(self, work: Work, failed: bool) -> None:
        """Release what is not settled, whatever ended it; only its own failure spends the delivery."""
        with self._parting.scope():
            try:
                await self.consumer.release(work.delivery, failed=failed)
            except ServerError as error:
                log.warning("entry_not_released", entry=work.delivery.entry, reason=str(error))

    def _free_slot(self) -> None:
        self._busy -= 1
        self._freed.set()

    def _free(self) -> int:
        """Slots to claim for."""
        return 0 if self._stopping.is_set() else self._slots - self._busy

    async def _claimed(self) -> None:
        """Until what is being read or taken over is in hand, too."""
        async with self._claiming:
            pass

    async def _emptied(self) -> None:
        while self.in_hand:
            await self._slot_freed()

    async def _slot_freed(self) -> None:
        self._freed = anyio.Event()
        await self._freed.wait()

    async def _stopped_within(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._stopping.wait()
