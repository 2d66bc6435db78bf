"""A model of a whole run of the reference, as a process that can be killed: batches in lock-step, a memory that lives in the process.

    python -m bench.reference.loop --model-url URL --results FILE --tasks N --batch B [--killed-after LINES]

A line of FILE is written as each episode ends: its task, and how many documents memory held while it was played. Started again, it
goes on with the first batch that is not whole. That a restart forgets, and plays again what was played, is known of the reference;
that it does so by whole batches is this model's guess.
"""

import argparse
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import anyio
from pydantic import SecretStr

from bench.lockstep import Played, play_batch
from bench.reference.model import ReferenceMemory
from envs.pool import EnvPool
from envs.registry import describe
from experiments.config import RunConfig, make_tasks
from memory.build import Builder
from runtime.config import Settings
from runtime.events import Recall, Retrieved, Task, Trajectory
from runtime.logs import configure_logs
from runtime.model.embeddings import open_embedder
from runtime.model.llm import Sampling, open_llm

ENV = "bench.reference.houses"


def wrapped(tasks: Sequence[Task], batch: int) -> list[list[Task]]:
    """Batches that are all full: where the tasks end, the last goes on with the first ones."""
    return [[tasks[(start + at) % len(tasks)] for at in range(batch)] for start in range(0, len(tasks), batch)]


def first_tasks(settings: Settings, count: int) -> list[Task]:
    """The first tasks of the split, to be learned from whatever their end."""
    config = RunConfig(mode="online", exp_name="houses", env=ENV, split="unseen", model="stand-in-strong", limit=count)
    return make_tasks(config, settings, epoch=1)


def trajectory(task: Task, played: Played) -> Trajectory:
    """What an episode in lock-step is learned from: all of them count, as with `vanilla`."""
    return Trajectory(
        id=f"1:{task.id}",
        task=task,
        outcome="finished",
        success=True,
        reward=float(played.done),
        first_observation=played.messages[1]["content"],
        steps=(),
        recall=Recall(arm="memory", retrieved=(Retrieved(procedure="any", revision=1),)),
        attempt=1,
        worker="reference",
        seconds=0.0,
    )


async def main(flags: argparse.Namespace) -> None:
    """Play what the results do not hold yet."""
    configure_logs("error")
    given = {"base_url": flags.model_url, "api_key": SecretStr("bench"), "embedding_base_url": flags.model_url}
    settings = Settings().model_copy(update={**given, "embedding_model": "stand-in-embedding", "env_processes": 1})
    done = written(flags.results)
    tasks = first_tasks(settings, flags.tasks)
    async with open_llm(settings) as llm, open_embedder(settings) as embedder, EnvPool.open(settings) as pool:
        memory = ReferenceMemory(Builder(llm, Sampling(model="stand-in-strong"), "trajectory", describe), embedder)
        for batch in wrapped(tasks, flags.batch)[done // flags.batch :]:
            played = await play_batch(llm, pool, batch)
            for task in batch:
                write(flags.results, {"task": task.id, "documents": len(memory.documents)}, flags.killed_after)
            await memory.update([trajectory(task, each) for task, each in zip(batch, played, strict=True)])


def written(results: Path) -> int:
    """Lines that are there."""
    return len(results.read_text().splitlines()) if results.is_file() else 0


def write(results: Path, line: dict[str, object], killed_after: int | None) -> None:
    """Add a line; SIGKILL to this very process once there are so many, so that each run of this is cut off at the same place."""
    with results.open("a") as file:
        file.write(json.dumps(line) + "\n")
    if killed_after is not None and written(results) >= killed_after:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-url", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--killed-after", type=int, default=None)
    anyio.run(main, parser.parse_args())
