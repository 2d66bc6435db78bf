"""The memory curator: consumes trajectories, computes what each changes in memory, and applies it exactly once."""

from dataclasses import dataclass, field

import anyio
import structlog
from pydantic import ValidationError

from envs.registry import describe, is_allowed
from memory.apply import NotYourTurn
from memory.build import Builder, FactExtractor
from memory.plan import Deprecation
from memory.procedure import Change, Deprecate, Form, goal_digest
from memory.store import Memory
from memory.update import Policy, Updater, credits
from runtime.bus.consumer import Consumer, Delivery, consumer_name
from runtime.bus.journal import Journal, JournaledLLM, opened_journal
from runtime.bus.pump import Pump, Work
from runtime.bus.scripts import is_unserved
from runtime.config import Settings
from runtime.errors import BusError, LLMRejected, ProcedureError, RevisionConflict, ServerError, UsageError
from runtime.events import Trajectory, unreadable
from runtime.keys import CURATORS
from runtime.masking import masked
from runtime.model.llm import LLM, Sampling
from workers.queues import Queues
from workers.turns import Turns

log = structlog.get_logger()

NO_BUILD_ERRORS = (BusError, ServerError, LLMRejected, UsageError)
"""What says nothing of the build. All else makes it fail: it is tried again with the next delivery, given up with the last."""

CONFLICTS = 100
"""Times that a change is computed anew within one delivery."""

TEND_PERIOD = 10.0
"""Seconds between two looks at whether memory has outgrown its index."""


@dataclass
class MemoryCurator:
    """One process's curator on one namespace; `pump` runs beside `turns` and `tend`."""

    memory: Memory
    llm: LLM
    sampling: Sampling
    form: Form
    policy: Policy
    settings: Settings
    deprecate: Deprecate = "share"
    turns: Turns = field(init=False)
    queues: Queues = field(init=False, default_factory=Queues)

    def __post_init__(self) -> None:
        self.turns = Turns(self.memory.namespace)

    @property
    def _rule(self) -> Deprecation:
        fdr = self.settings.deprecate_fdr if self.deprecate == "uplift" else None
        return Deprecation(self.settings.deprecate_uses, self.settings.deprecate_share, fdr)

    def pump(self) -> Pump:
        namespace = self.memory.namespace
        name = consumer_name("curator")
        consumer = Consumer(namespace.client, namespace.keys.trajectories, CURATORS, name=name, lease=self.settings.lease)
        return Pump(consumer, self._work, self.settings.curator_slots, writes=namespace.scripts)

    async def tend(self) -> None:
        """Keep the index fit for the size of memory, as long as the curator runs; what fails is tried again, and the one that
        is there goes on serving."""
        while True:
            try:
                await self.memory.index.fit()
            except Exception as error:
                log.warning("index_not_fitted", error=str(error))
            await anyio.sleep(TEND_PERIOD)

    async def _work(self, work: Work) -> None:
        trajectory = await self._read(work.delivery)
        if trajectory is None:
            return
        with structlog.contextvars.bound_contextvars(trajectory=trajectory.id, attempt=work.delivery.deliveries):
            success = trajectory.reward >= describe(trajectory.task.env).success_reward
            async with self.queues.hold(*self._touched(trajectory, success)):
                await self._learn(work, trajectory, success)

    async def _read(self, delivery: Delivery) -> Trajectory | None:
        """The trajectory, or None where there is nothing to learn from: unreadable, of another epoch, or unknown here."""
        namespace = self.memory.namespace
        try:
            trajectory = Trajectory.read(delivery.payload)
        except ValidationError as error:
            log.error("trajectory_unreadable", entry=delivery.entry)
            await namespace.drop(delivery, f"unreadable trajectory: {unreadable(error)}")
            return None
        if not await namespace.admits(delivery, trajectory.task.epoch):
            return None
        if trajectory.id != f"{trajectory.task.epoch}:{trajectory.task.id}":  # by its id it is applied once
            await namespace.drop(delivery, "its id is not <epoch>:<task id>")
            return None
        if not is_allowed(trajectory.task.env, self.settings):
            await namespace.drop(delivery, f"unknown environment {trajectory.task.env!r:.80}: MEMP_ENVIRONMENTS names those of one's own")
            return None
        return trajectory

    def _touched(self, trajectory: Trajectory, success: bool) -> list[str]:
        """What trajectories queue up for within this process: side by side each would pay the model, and all but one for nothing.

        Across processes the compare-and-set decides alone. A group has its own order, which queues could only bring to a halt.
        """
        task = trajectory.task
        if task.group is not None or trajectory.outcome == "aborted":
            return []
        if not success and self.policy.update == "adjustment":
            return [retrieved.procedure for retrieved in trajectory.recall.retrieved]
        if not success and self.policy.update == "validation":
            return []
        return [goal_digest(task.env, task.goal)] if self.policy.same_goal == "merge" else []

    async def _learn(self, work: Work, trajectory: Trajectory, success: bool) -> None:
        if await self.memory.has_learned(trajectory):  # its event came twice: no model need be asked
            await self.memory.learn(Change(kind="learned", trajectory=trajectory.id), trajectory, work.delivery, self._rule)
            return
        key = self.memory.namespace.keys.journal(trajectory.task.epoch, f"curator:{trajectory.task.id}")
        async with opened_journal(key, work.delivery, self.memory.namespace.scripts) as journal:
            await self._absorb(work, trajectory, success, journal)

    async def _absorb(self, work: Work, trajectory: Trajectory, success: bool, journal: Journal) -> None:
        """Compute the change and apply it; anew as often as memory moved on in between (journaled answers are not asked again)."""
        llm = JournaledLLM(self.llm, journal)
        if not success:
            # Adjusting starts from the revision that the tasks before this one left: computed earlier, it would be paid for twice.
            await self._turn(work, trajectory)
        for _ in range(CONFLICTS):
            change, failure = await self._change(journal, llm, work.delivery, trajectory, success)
            await self._turn(work, trajectory)
            if trajectory.task.group is not None:
                await self._note(journal, "applying", work.delivery)
            try:
                await self._apply(work, change, trajectory, failure)
            except NotYourTurn:
                await anyio.sleep(0.05)
            except RevisionConflict:
                log.info("change_recomputed")
            else:
                return
        raise ProcedureError(f"memory moved on {CONFLICTS} times while the change was computed")

    async def _change(
        self, journal: Journal, llm: JournaledLLM, delivery: Delivery, trajectory: Trajectory, success: bool
    ) -> tuple[Change, str | None]:
        """The change, and why building failed for good; the credit is due in any case, but for an aborted episode."""
        if trajectory.outcome == "aborted":
            return Change(kind="learned", trajectory=trajectory.id), None
        attempts = await self._count_attempt(journal, delivery)
        try:
            if attempts > self.settings.max_deliveries:
                raise ProcedureError(f"{attempts - 1} curators ended while building it")
            change = await self._updater(llm).change(trajectory, success=success)
        except NO_BUILD_ERRORS:
            raise
        except Exception as error:
            if is_unserved(error) or attempts < self.settings.max_deliveries:
                raise
            failure = masked(f"{type(error).__name__}: {error}")
            log.error("build_failed", reason=failure)
            uses = credits(trajectory, success)
            return Change(kind="build_failed", trajectory=trajectory.id, uses=uses, reason=failure, usage=llm.spent), failure
        if trajectory.task.group is not None:  # it may wait for long now
            await self._note(journal, "built", delivery)
        return change.model_copy(update={"usage": llm.spent}), None

    def _updater(self, llm: JournaledLLM) -> Updater:
        builder, facts = Builder(llm, self.sampling, self.form, describe), FactExtractor(llm, self.sampling, describe)
        return Updater(self.memory, builder, facts, self.policy)

    async def _count_attempt(self, journal: Journal, delivery: Delivery) -> int:
        """Deliveries in which this was begun, building or (its turn had come) applying: those that only waited are none."""
        await self._note(journal, "attempt", delivery)
        return journal.count("attempt:") - journal.count("built:") + journal.count("applying:")

    async def _note(self, journal: Journal, what: str, delivery: Delivery) -> None:
        field = f"{what}:{delivery.deliveries}"
        if journal.get(field) is None:
            await journal.put(field, b"")

    async def _turn(self, work: Work, trajectory: Trajectory) -> None:
        """In grouped mode, wait for the whole group and the tasks before this one, without keeping a slot."""
        if trajectory.task.group is not None:
            work.free_slot()
        await self.turns.wait(trajectory.task)

    async def _apply(self, work: Work, change: Change, trajectory: Trajectory, failure: str | None) -> None:
        await self.memory.learn(change, trajectory, work.delivery, self._rule, give_up=failure)
        self.turns.passed(trajectory.task)
        log.info("trajectory_applied", writes=len(change.writes), uses=len(change.uses), kind=change.kind)
