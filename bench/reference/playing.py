"""Real episode workers in this process, and what they commit."""

from collections.abc import Sequence
from typing import Any

from bench.reference.stage import SAMPLING, Stage, until
from envs.pool import EnvPool
from envs.registry import describe
from memory.build import FactExtractor
from memory.retrieve import Retriever, Thresholds
from memory.store import open_memory
from runtime.bus.namespace import Namespace
from runtime.events import Task, Trajectory
from runtime.model.llm import LLM
from runtime.tasks import open_tasks
from workers.episode_worker import EpisodeWorker


async def play(stage: Stage, namespace: Namespace, tasks: Sequence[Task], thresholds: Thresholds = Thresholds()) -> list[Trajectory]:  # noqa: B008 (frozen)
    """Have a worker play these, and give what it committed; a task that ends as a dead letter has nothing there."""
    memory = await open_memory(namespace, stage.embedder, search=True, exact_up_to=stage.settings.exact_up_to)

    async def open_retriever(llm: LLM, _: Task) -> Retriever:
        return Retriever(memory, FactExtractor(llm, SAMPLING, describe), thresholds)

    async with EnvPool.open(stage.settings) as pool, open_tasks() as background:
        worker = EpisodeWorker(namespace, stage.llm, pool, open_retriever, stage.settings)
        background.start_soon(worker.pump().run)
        await namespace.submit_tasks(tasks)

        async def settled() -> bool:
            progress = await namespace.progress()
            return progress.settled >= progress.submitted

        await until(settled)
        background.cancel_scope.cancel()
    entries: Any = await stage.client.xrange(namespace.keys.trajectories)
    return [Trajectory.read(fields[b"event"]) for _, fields in entries]
