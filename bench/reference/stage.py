"""What both sides stand on: one embedded server and one stand-in model for all defects, memp's parts over them, and the inputs."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from bench import harness
from bench.reference.model import ReferenceMemory
from envs.registry import describe
from memory.build import Builder, FactExtractor
from memory.procedure import Cause, Change, Content, Credit, Form, NewProcedure, Procedure, Revision, Write
from memory.store import Memory, encode, open_memory
from memory.update import Policy
from runtime.bus.consumer import Consumer
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import Client
from runtime.config import Settings
from runtime.events import EpisodeSpec, Recall, Retrieved, Step, Task, Trajectory
from runtime.keys import WORKERS
from runtime.model.embeddings import Embedder, open_embedder
from runtime.model.llm import LLM, Sampling, open_llm
from runtime.server import connect, open_server
from runtime.tasks import open_tasks
from workers.memory_curator import MemoryCurator

SAMPLING = Sampling(model="stand-in-strong")
PATIENCE = 60.0
"""Seconds after which something will not happen any more."""


@dataclass(frozen=True)
class Stage:
    """Server and model, and what is opened over them; every defect has namespaces of its own."""

    client: Client
    url: str
    settings: Settings
    llm: LLM
    embedder: Embedder
    folder: Path

    @property
    def builder(self) -> Builder:
        """Scripts, by the stand-in."""
        return Builder(self.llm, SAMPLING, "script", describe)

    @property
    def facts(self) -> FactExtractor:
        """Facts, by the stand-in."""
        return FactExtractor(self.llm, SAMPLING, describe)

    def reference(self) -> ReferenceMemory:
        """An empty memory of the reference's kind."""
        return ReferenceMemory(self.builder, self.embedder)

    async def memory(self, name: str) -> Memory:
        """An empty memory of memp's, in a namespace of this name."""
        namespace = await open_namespace(self.client, name)
        return await open_memory(namespace, self.embedder, search=True, exact_up_to=self.settings.exact_up_to)

    @asynccontextmanager
    async def curating(self, memory: Memory, policy: Policy, form: Form = "script") -> AsyncGenerator[None]:
        """A curator at work."""
        curator = MemoryCurator(memory, self.llm, SAMPLING, form, policy, self.settings)
        async with open_tasks() as tasks:
            tasks.start_soon(curator.turns.watch)
            tasks.start_soon(curator.pump().run)
            yield
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncGenerator[Stage]:
    """Server, stand-in and clients for the time of the block."""
    async with harness.stand_in(0.0) as model, open_server(Settings(data_dir=folder, REDIS_URL=None)) as server:  # pyright: ignore[reportCallIssue]
        settings = harness.pointed_at(Settings(data_dir=folder), model.base_url).model_copy(
            update={
                "redis_url": SecretStr(server.url),
                "embedding_model": "stand-in-embedding",
                "embedding_base_url": model.base_url,
                "environments": ("bench.toy_env", "bench.reference.houses"),
                "env_processes": 1,
            }
        )
        async with connect(server.url) as client, open_llm(settings) as llm, open_embedder(settings) as embedder:
            yield Stage(client, server.url, settings, llm, embedder, folder)


async def applied(namespace: Namespace, count: int) -> None:
    """Wait until so many trajectories are in memory."""

    async def done() -> bool:
        return (await namespace.progress()).applied >= count

    await harness.until(done, PATIENCE, period=0.01)


async def stored(memory: Memory, procedure: str) -> Procedure:
    """A procedure that is there."""
    found = await memory.get(procedure)
    assert found is not None, procedure
    return found


async def put(memory: Memory, name: str, goal: str, script: str, uses: int = 0) -> None:
    """A procedure that is there from the beginning, with failures under it."""
    [vector] = await memory.embed([goal])
    revision = Revision(number=1, content=Content(script=script), steps=9, cause=Cause(kind="built"))
    new = NewProcedure(env="alfworld", goal=goal, unique=True, vector=encode(vector))
    write = Write(procedure=name, expects=0, revision=revision, new=new, credit={1: Credit(uses=uses)} if uses else {})
    await memory.command(Change(kind="command", trajectory=None, writes=(write,)))


async def commit(namespace: Namespace, played: Sequence[Trajectory]) -> None:
    """Submit the tasks of these, and commit them as a worker does."""
    consumer = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="player", lease=PATIENCE)
    await consumer.register()
    await namespace.submit_tasks([each.task for each in played])
    held = {Task.read(delivery.payload).id: delivery for delivery in await consumer.read(len(played), block=0.5)}
    for each in played:
        await namespace.commit(held[each.task.id], each)


def episode(
    index: int, goal: str, *, success: bool, places: Sequence[str], uses: Sequence[str] = (), group: int | None = None
) -> Trajectory:
    """One that went to these places, one after the other, and found nothing there; `uses` are the procedures that it was given, in
    their first revision."""
    spec = EpisodeSpec(model=SAMPLING.model)
    task = Task(id=f"task-{index}", epoch=1, env="alfworld", goal=goal, game={"path": f"game-{index}"}, index=index, group=group, spec=spec)
    return Trajectory(
        id=f"1:task-{index}",
        task=task,
        outcome="finished",
        success=success,
        reward=float(success),
        first_observation=f"You are in the middle of a room. Your task is to: {goal}",
        steps=tuple(map(_visit, places)),
        recall=Recall(arm="memory", retrieved=tuple(Retrieved(procedure=name, revision=1) for name in uses)),
        attempt=1,
        worker="bench",
        seconds=1.0,
    )


def _visit(place: str) -> Step:
    seen = f"You arrive at {place} 1. On the {place} 1, you see nothing."
    return Step(thought="", action=f"go to {place} 1", observation=seen)


until = partial(harness.until, seconds=PATIENCE, period=0.02)
"""Wait for what happens elsewhere and tells nobody."""
