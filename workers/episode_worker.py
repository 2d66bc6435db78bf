"""The episode worker: claims tasks, plays each with what memory gives to it, commits the trajectory.

One task's way through this file, top to bottom: `_work` reads it, `_play` plays it, `_recall` asks memory, `_commit` ends it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import structlog
from pydantic import ValidationError

from envs.pool import EnvPool
from envs.registry import describe, is_allowed
from memory.holdout import arm
from memory.retrieve import Retriever
from runtime.bus.consumer import Consumer, Delivery, consumer_name
from runtime.bus.journal import JournaledLLM, opened_journal
from runtime.bus.namespace import Namespace
from runtime.bus.pump import Backpressure, Pump, Work
from runtime.bus.scripts import is_unserved
from runtime.config import Settings
from runtime.errors import BudgetSpent, BusError, LLMRejected, UsageError
from runtime.events import Recall, Task, Trajectory, unreadable
from runtime.keys import WORKERS
from runtime.loop import ABORTING, Agent, Episode
from runtime.model.llm import LLM

log = structlog.get_logger()

OpenRetriever = Callable[[LLM, Task], Awaitable[Retriever]]
"""Gives the retriever for a task, its own calls going through the given (journaled) LLM."""


@dataclass(frozen=True)
class EpisodeWorker:
    """One process's worker on one namespace; `run` until `pump.stop()`."""

    namespace: Namespace
    llm: LLM
    pool: EnvPool
    open_retriever: OpenRetriever
    settings: Settings

    def pump(self) -> Pump:
        """Claims as many tasks as there are free slots, none while too many trajectories wait for the curator."""
        settings, namespace = self.settings, self.namespace
        name = consumer_name("worker")
        consumer = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name=name, lease=settings.lease)
        may_claim = Backpressure(namespace, settings.high_water).may_claim
        return Pump(consumer, self._work, settings.slots, may_claim, writes=namespace.scripts)

    async def _work(self, work: Work) -> None:
        task = await self._read(work)
        if task is None:
            return
        with structlog.contextvars.bound_contextvars(task=task.id, attempt=work.delivery.deliveries):
            try:
                trajectory = await self._play(task, work.delivery)
            except (BusError, LLMRejected, UsageError):
                raise
            except Exception as error:
                if is_unserved(error) or work.delivery.deliveries < self.settings.max_deliveries:
                    raise
                await self._give_up(work, task, f"{type(error).__name__}: {error}")
            else:
                await self._commit(work, trajectory)

    async def _read(self, work: Work) -> Task | None:
        """The task, or None where there is nothing to play: unreadable, of another epoch, settled, unknown here, or delivered too often."""
        delivery = work.delivery
        try:
            task = Task.read(delivery.payload)
        except ValidationError as error:
            log.error("task_unreadable", entry=delivery.entry)
            await self.namespace.drop(delivery, f"unreadable task: {unreadable(error)}")
            return None
        if not await self.namespace.admits(delivery, task.epoch):
            return None
        if await self.namespace.is_settled(task):  # its entry came twice: no model need be asked
            await self.namespace.finish(delivery)
            return None
        if not is_allowed(task.env, self.settings):
            await self._give_up(work, task, f"unknown environment {task.env!r:.80}: MEMP_ENVIRONMENTS names those of one's own")
            return None
        if delivery.deliveries > self.settings.max_deliveries:
            await self._give_up(work, task, f"{delivery.deliveries - 1} workers ended while playing it")
            return None
        return task

    async def _play(self, task: Task, delivery: Delivery) -> Trajectory:
        """Play the task from its beginning; what the journal holds of an earlier delivery is not asked again."""
        started = anyio.current_time()
        key = self.namespace.keys.journal(task.epoch, task.id)
        async with opened_journal(key, delivery, self.namespace.scripts) as journal:
            llm = JournaledLLM(self.llm, journal, task.spec.episode_tokens)
            episode, recall = Episode(), journal.recall()
            try:
                if recall is None:
                    await self._check_run_budget(task)
                    recall = await journal.put_recall(await self._recall(task, llm))
            except ABORTING as error:
                episode.aborted = f"{type(error).__name__}: {error}"
                recall = Recall(arm=arm(task))
            else:
                async with self.pool.env(task.env) as env:
                    await Agent(llm, describe(task.env), task.spec).play(env, task.game, recall.guidance, episode)
        return _trajectory(task, delivery, episode, recall, llm, anyio.current_time() - started)

    async def _recall(self, task: Task, llm: LLM) -> Recall:
        if arm(task) == "control":
            return Recall(arm="control")
        return await (await self.open_retriever(llm, task)).recall(task)

    async def _check_run_budget(self, task: Task) -> None:
        budget = task.spec.run_tokens
        if budget is not None and (await self.namespace.progress()).tokens >= budget:
            raise BudgetSpent(f"the run's budget of {budget} tokens is spent")

    async def _commit(self, work: Work, trajectory: Trajectory) -> None:
        if await self.namespace.commit(work.delivery, trajectory):
            log.info("episode_committed", success=trajectory.success, steps=len(trajectory.steps), outcome=trajectory.outcome)
        else:
            log.error("task_dead_lettered", task=trajectory.task.id, reason="its trajectory is too large")

    async def _give_up(self, work: Work, task: Task, reason: str) -> None:
        await self.namespace.dead_letter(work.delivery, task, reason)
        log.error("task_dead_lettered", task=task.id, reason=reason)


def _trajectory(task: Task, delivery: Delivery, episode: Episode, recall: Recall, llm: JournaledLLM, seconds: float) -> Trajectory:
    outcome: dict[str, Any] = {"outcome": "aborted" if episode.aborted else "finished", "reason": episode.aborted}
    return Trajectory(
        id=f"{task.epoch}:{task.id}",
        task=task,
        success=not episode.aborted and episode.success,
        reward=episode.reward,
        first_observation=episode.first_observation,
        steps=tuple(episode.steps),
        recall=recall,
        usage=llm.spent,
        attempt=delivery.deliveries,
        worker=delivery.consumer,
        seconds=round(seconds, 3),
        judgement=episode.judgement,
        **outcome,
    )
