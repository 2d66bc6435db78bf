"""What learning costs: the apply script under its fence, and the curator's pump with a model of no latency."""

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from bench.memory_corpus import ENV, FACTS, SCRIPT, InstantLLM, procedure
from bench.report import quantile
from memory.plan import Deprecation
from memory.procedure import Cause, Change, Content, Fact, NewProcedure, Revision, Write
from memory.store import Memory, encode
from memory.update import Policy
from runtime.bus.consumer import Consumer, Delivery
from runtime.config import Settings
from runtime.events import EpisodeSpec, Recall, Step, Task, Trajectory
from runtime.keys import CURATORS
from runtime.model.llm import Sampling
from runtime.tasks import open_tasks
from workers.memory_curator import MemoryCurator

STEPS = tuple(Step(thought=f"thought {n}", action=f"go to shelf {n}", observation=f"You arrive at shelf {n}.") for n in range(9))


def trajectory(name: str, goal: str, index: int) -> Trajectory:
    """A success in nine steps."""
    task = Task(id=name, epoch=1, env=ENV, goal=goal, game={}, index=index, spec=EpisodeSpec(model="instant"))
    return Trajectory(
        id=f"1:{name}",
        task=task,
        outcome="finished",
        success=True,
        reward=1.0,
        first_observation=f"You are in a room. Your task is to: {goal}",
        steps=STEPS,
        recall=Recall(arm="memory"),
        attempt=1,
        worker="bench",
        seconds=1.0,
    )


async def apply_costs(memory: Memory, count: int, server_seconds: Callable[[], float], label: str) -> dict[str, float]:
    """Per `Memory.learn`: of a new procedure with its facts, and of a revision of one that is there."""
    new = [await _new(memory, f"{label}-{number}") for number in range(count)]
    revised = [await _revised(memory, number) for number in range(count)]
    figures: dict[str, float] = {}
    for kind, writes in (("new", new), ("revision", revised)):
        played = [trajectory(f"{label}-{kind}-{number}", f"{kind} goal {number}", number) for number in range(count)]
        deliveries = await _taken(memory, played)
        took: list[float] = []
        client, server = time.process_time(), server_seconds()
        for each, delivery, write in zip(played, deliveries, writes, strict=True):
            change = Change(kind="learned", trajectory=each.id, writes=(write,))
            began = time.perf_counter()
            await memory.learn(change, each, delivery, Deprecation())
            took.append((time.perf_counter() - began) * 1000)
        figures |= {
            f"{kind} p50 ms": quantile(took, 0.5),
            f"{kind} p99 ms": quantile(took, 0.99),
            f"{kind} client CPU ms": (time.process_time() - client) / count * 1000,
            f"{kind} server CPU ms": (server_seconds() - server) / count * 1000,
        }
    return figures


async def _new(memory: Memory, name: str) -> Write:
    vectors = await memory.embed([name, *(f"{fact} {name}" for fact in FACTS)])
    facts = tuple(Fact(name=fact, value=f"{fact} {name}", vector=encode(at)) for fact, at in zip(FACTS, vectors[1:], strict=True))
    made = NewProcedure(env=ENV, goal=name, unique=True, vector=encode(vectors[0]), facts=facts)
    return Write(procedure=f"new-{name}", expects=0, revision=_revision(1), new=made)


async def _revised(memory: Memory, number: int) -> Write:
    known = await memory.get(procedure(number))
    expects = known.current.number if known else 0
    return Write(procedure=procedure(number), expects=expects, revision=_revision(expects + 1))


def _revision(number: int) -> Revision:
    return Revision(number=number, content=Content(script=SCRIPT), steps=9, cause=Cause(kind="built"))


async def _taken(memory: Memory, played: list[Trajectory]) -> list[Delivery]:
    keys = memory.namespace.keys
    consumer = Consumer(memory.namespace.client, keys.trajectories, CURATORS, name="bench", lease=600)
    await consumer.register()
    await memory.namespace.submit_trajectories(played)
    return await consumer.read(len(played), block=0.5)


async def curate(memory: Memory, settings: Settings, goals: Iterable[str], label: str) -> dict[str, float]:
    """Events per second of one curator, from the first claim to the last apply, and this process's CPU per event."""
    played = [trajectory(f"{label}-{number}", goal, number) for number, goal in enumerate(goals)]
    before = (await memory.namespace.progress()).applied
    await memory.namespace.submit_trajectories(played)
    llm = InstantLLM()
    curator = MemoryCurator(memory, llm, Sampling(model="instant"), "script", Policy(), settings)
    began, process = time.perf_counter(), time.process_time()
    async with _running(curator.pump().run):
        while (await memory.namespace.progress()).applied < before + len(played):  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)
    took = time.perf_counter() - began
    used = (time.process_time() - process) / len(played) * 1000
    return {"events/s": len(played) / took, "CPU ms per event": used, "model calls": llm.calls}


@asynccontextmanager
async def _running(run: Callable[[], Any]) -> AsyncGenerator[None]:
    async with open_tasks() as tasks:
        tasks.start_soon(run)
        yield
        tasks.cancel_scope.cancel()
