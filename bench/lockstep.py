"""A model of how the reference plays, to measure against: batches in lock-step, each step waiting for the slowest call.

It is a clean-room model of that one property, and a kind one: environments run in our own processes, side by side, and
calls go out together through our own client. What the reference adds on top (its client, its locks) is not counted.
"""

import time
from dataclasses import dataclass, field

import anyio

from envs.pool import EnvPool, PooledEnv
from envs.registry import describe
from runtime import prompts
from runtime.config import Settings
from runtime.events import EpisodeSpec, Task
from runtime.loop import Agent
from runtime.model.llm import LLM, Message, Sampling, open_llm
from runtime.parsing import parse


@dataclass
class Played:
    """One episode of a batch."""

    env: PooledEnv
    messages: list[Message] = field(default_factory=list[Message])
    action: str = ""
    steps: int = 0
    done: bool = False


@dataclass(frozen=True)
class Pace:
    """What a lock-step run reached."""

    episodes: int
    steps: int
    won: int
    seconds: float


async def play(settings: Settings, tasks: list[Task], batch: int) -> Pace:
    """Play all tasks, `batch` at a time; a batch ends with its last episode. The first is played once more before, uncounted."""
    steps, won = 0, 0
    async with open_llm(settings) as llm, EnvPool.open(settings) as pool:
        await play_batch(llm, pool, tasks[:batch])  # not counted: processes start, engines are made
        began = time.perf_counter()
        for start in range(0, len(tasks), batch):
            played = await play_batch(llm, pool, tasks[start : start + batch])
            steps += sum(each.steps for each in played)
            won += sum(each.done for each in played)
    return Pace(len(tasks), steps, won, time.perf_counter() - began)


async def play_batch(llm: LLM, pool: EnvPool, tasks: list[Task]) -> list[Played]:
    """Play one batch to the end of its last episode; in the order of its tasks."""
    played = [Played(pool.env(task.env)) for task in tasks]
    async with anyio.create_task_group() as group:
        for each, task in zip(played, tasks, strict=True):
            group.start_soon(_reset, llm, each, task)
    for _ in range(tasks[0].spec.max_steps):
        live = [each for each in played if not each.done]
        async with anyio.create_task_group() as group:
            for each in live:
                group.start_soon(_ask, llm, each, tasks[0].spec)
        async with anyio.create_task_group() as group:
            for each in live:
                group.start_soon(_act, each)
    for each in played:
        await each.env.__aexit__(None, None, None)
    return played


async def _reset(llm: LLM, played: Played, task: Task) -> None:
    agent = Agent(llm, describe(task.env), task.spec)
    played.messages = agent.opening("", await played.env.reset(task.game))


async def _ask(llm: LLM, played: Played, spec: EpisodeSpec) -> None:
    completion = await llm.complete(played.messages, role="agent", sampling=Sampling(model=spec.model))
    played.messages.append(Message(role="assistant", content=completion.text))
    played.action = parse(completion.text).action or ""


async def _act(played: Played) -> None:
    result = await played.env.step(played.action)
    played.messages.append(Message(role="user", content=prompts.OBSERVATION.format(observation=result.observation)))
    played.steps, played.done = played.steps + 1, result.done
