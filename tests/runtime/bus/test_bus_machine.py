"""The bus against a model of it: any order of claims, crashes, take-overs and commits, on a real server.

Time is made, not waited for: the lease is long, and a rule of its own lets one run out.
"""

import asyncio
import secrets
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule, run_state_machine_as_test

from runtime.bus.consumer import Consumer, Delivery, register_group
from runtime.bus.namespace import Namespace, open_namespace
from runtime.errors import LeaseLost
from runtime.events import DeadLetter, Task, Trajectory
from runtime.keys import CURATORS, WORKERS
from runtime.server import connect
from tests.events import task, trajectory

T = TypeVar("T")
LEASE = 60.0


class BusMachine(RuleBasedStateMachine):
    """Tasks, consumers that come and go, and the deliveries they hold or believe to hold."""

    url = ""
    deliveries: Bundle[tuple[Delivery, Task]] = Bundle("deliveries")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.client: Any = self.runner.run(self._connected())
        self.namespace: Namespace = self.do(open_namespace(self.client, f"machine-{secrets.token_hex(6)}"))
        self.consumers: list[Consumer] = []
        self.submitted: dict[str, Task] = {}
        self.settled: dict[str, str] = {}
        """Task to `committed` or `dead`."""
        self.settled_by: dict[str, Delivery] = {}
        self.holder: dict[str, Delivery] = {}
        """Task to the delivery that may settle it."""

    def do(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    async def _connected(self) -> Any:
        return connect(self.url)

    def teardown(self) -> None:
        """Whatever has happened: once all leases have run out, a last worker can settle all that is left, each task once."""
        try:
            self._settle_the_rest()
        finally:
            self.do(self._disconnected())
            self.runner.close()

    async def _disconnected(self) -> None:
        await self.client.aclose()
        await asyncio.sleep(0)  # the transport closes with the loop's next turn

    def _settle_the_rest(self) -> None:
        for task_id in self.holder:
            self._run_out(task_id)
        last = self._start("last")
        for held in self._taken(last, self.do(last.reclaim(1000))) + self._taken(last, self.do(last.read(1000, 0.01))):
            self._settle(held, "committed")
        assert self.settled.keys() == self.submitted.keys()
        self.what_is_settled_is_published_once()

    def _start(self, name: str) -> Consumer:
        consumer = Consumer(self.client, self.namespace.keys.tasks, WORKERS, name=name, lease=LEASE)
        self.do(consumer.register())
        self.consumers.append(consumer)
        return consumer

    def _taken(self, by: Consumer, found: list[Delivery]) -> list[tuple[Delivery, Task]]:
        taken = [(delivery, Task.model_validate_json(delivery.payload or b"")) for delivery in found]
        for delivery, of in taken:
            assert of.id not in self.settled, "what is settled is delivered again"
            assert delivery.consumer == by.name
            self.holder[of.id] = delivery
        return taken

    def _holds(self, delivery: Delivery, of: Task) -> bool:
        return of.id not in self.settled and self.holder[of.id].fence == delivery.fence

    def _run_out(self, task_id: str) -> None:
        """Let the lease of a task end now."""
        held = self.holder[task_id]
        if task_id not in self.settled:
            stream, idle = self.namespace.keys.tasks, int(LEASE * 1000) + 1
            made = {"idle": idle, "retrycount": held.deliveries, "justid": True}
            self.do(self.client.xclaim(stream, WORKERS, held.consumer, 0, [held.entry], **made))

    @initialize()
    def begin(self) -> None:
        self.do(register_group(self.client, self.namespace.keys.trajectories, CURATORS))
        self._start("first")

    @rule()
    def start_a_worker(self) -> None:
        if len(self.consumers) < 4:
            self._start(f"worker-{len(self.consumers)}")

    @rule(number=st.integers(0, 7))
    def submit(self, number: int) -> None:
        of = task(number)
        new = self.do(self.namespace.submit_tasks([of]))
        assert new == (of.id not in self.submitted)
        self.submitted[of.id] = of

    @rule(target=deliveries, by=st.integers(0, 3), count=st.integers(1, 3))
    def claim(self, by: int, count: int) -> Any:
        consumer = self.consumers[by % len(self.consumers)]
        return multiple(*self._taken(consumer, self.do(consumer.read(count, 0.001))))

    @rule(target=deliveries, by=st.integers(0, 3))
    def take_over(self, by: int) -> Any:
        consumer = self.consumers[by % len(self.consumers)]
        return multiple(*self._taken(consumer, self.do(consumer.reclaim(10))))

    @rule(held=deliveries)
    def let_a_lease_run_out(self, held: tuple[Delivery, Task]) -> None:
        self._run_out(held[1].id)

    @rule(held=deliveries)
    def renew(self, held: tuple[Delivery, Task]) -> None:
        delivery, of = held
        consumer = next(each for each in self.consumers if each.name == delivery.consumer)
        assert self.do(consumer.renew(delivery)) == self._holds(delivery, of)

    @rule(held=consumes(deliveries), failed=st.booleans())
    def give_back(self, held: tuple[Delivery, Task], failed: bool) -> None:
        delivery, of = held
        consumer = next(each for each in self.consumers if each.name == delivery.consumer)
        mine = self._holds(delivery, of)
        assert self.do(consumer.release(delivery, failed=failed)) == mine
        if mine and not failed:
            self.holder[of.id] = delivery._replace(deliveries=delivery.deliveries - 1)

    @rule(held=deliveries)
    def commit(self, held: tuple[Delivery, Task]) -> None:
        self._settle(held, "committed")

    @rule(held=deliveries)
    def dead_letter(self, held: tuple[Delivery, Task]) -> None:
        self._settle(held, "dead")

    def _settle(self, held: tuple[Delivery, Task], outcome: str) -> None:
        delivery, of = held
        mine, repeated = self._holds(delivery, of), self.settled_by.get(of.id) == delivery
        try:
            if outcome == "committed":
                self.do(self.namespace.commit(delivery, trajectory(of)))
            else:
                self.do(self.namespace.dead_letter(delivery, of, "tried"))
        except LeaseLost:
            refused = True
        else:
            refused = False
        assert refused != (mine or repeated)
        if mine:
            self.settled[of.id], self.settled_by[of.id] = outcome, delivery

    @invariant()
    def what_is_settled_is_published_once(self) -> None:
        trajectories = self.do(self.client.xrange(self.namespace.keys.trajectories))
        letters = self.do(self.client.xrange(self.namespace.keys.dead))
        published = [Trajectory.model_validate_json(fields[b"event"]).task.id for _, fields in trajectories]
        buried = [DeadLetter.model_validate_json(fields[b"event"]).task for _, fields in letters]
        assert sorted(published) == sorted(name for name, outcome in self.settled.items() if outcome == "committed")
        assert sorted(map(str, buried)) == sorted(name for name, outcome in self.settled.items() if outcome == "dead")

    @invariant()
    def what_is_not_settled_is_on_the_stream(self) -> None:
        entries = self.do(self.client.xrange(self.namespace.keys.tasks))
        there = {Task.model_validate_json(fields[b"event"]).id for _, fields in entries}
        assert there == self.submitted.keys() - self.settled.keys()


@pytest.mark.timeout(300)
def test_bus_in_any_order_of_events_loses_nothing_and_settles_nothing_twice(server_url: str) -> None:
    BusMachine.url = server_url
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    many = settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(BusMachine, settings=many)
