"""4. What a restart leaves.

The model of the reference (`loop`) keeps its memory in the process and goes on by whole batches: killed by SIGKILL and started again it
knows nothing, and plays again what it had played. memp's worker and curator are processes over streams: both are killed by SIGKILL in the
middle of their work, and started again.
"""

import json
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio

from bench.chaos_fleet import Fleet, open_fleet
from bench.chaos_record import Auditor
from bench.reference.loop import ENV, first_tasks
from bench.reference.stage import Stage, until
from bench.reference.verdicts import Finding, Range, exactly
from bench.surroundings import surroundings
from memory.read import procedure_ids
from runtime.bus.consumer import register_group
from runtime.bus.namespace import Namespace, open_namespace
from runtime.keys import CURATORS
from runtime.tasks import open_tasks

TASKS, BATCH, KILLED_AFTER = 40, 10, 15
LEASE = 1.0
DUE = {
    "results at the SIGKILL": Range(KILLED_AFTER, TASKS - 1),
    "share of what was learned before that is there after": exactly(1),
    "tasks with two results": exactly(0),
    "tasks with none": exactly(0),
}


async def find(stage: Stage) -> Finding:
    """Forty short tasks, each learned from; killed after the fifteenth result, and started again."""
    reference = await _reference(stage, stage.folder / "results.jsonl")
    return Finding(4, f"{TASKS} tasks, SIGKILL in the middle of them, and a new start", DUE, reference, await _memp(stage))


async def _reference(stage: Stage, results: Path) -> dict[str, float]:
    flags = {"--model-url": stage.settings.base_url, "--results": results, "--tasks": TASKS, "--batch": BATCH}
    command = [sys.executable, "-m", "bench.reference.loop", *(str(part) for pair in flags.items() for part in pair)]
    killed = await anyio.run_process([*command, "--killed-after", str(KILLED_AFTER)], check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    await anyio.run_process(command)
    lines = [json.loads(line) for line in (await anyio.Path(results).read_text()).splitlines()]
    before, after = (lines[at]["documents"] for at in (KILLED_AFTER - 1, KILLED_AFTER))
    return _figures(stage, KILLED_AFTER, after / before, [line["task"] for line in lines])


async def _memp(stage: Stage) -> dict[str, float]:
    namespace = await open_namespace(stage.client, "restart")
    await register_group(stage.client, namespace.keys.trajectories, CURATORS)
    auditor = Auditor(namespace, LEASE)
    await auditor.open()
    environment = surroundings(stage.url, str(stage.settings.base_url), stage.folder, MEMP_ENVIRONMENTS=ENV, MEMP_LEASE=str(LEASE))
    async with open_tasks() as background, open_fleet(environment) as fleet:
        background.start_soon(auditor.run)
        _start(fleet, namespace, stage.folder)
        await until(fleet.ready)
        at_kill, kept = await _killed(stage, namespace, fleet)
        await until(partial(_at_rest, namespace))
        background.cancel_scope.cancel()
    return _figures(stage, at_kill, kept, [each.task for each in auditor.seen.values()])


def _start(fleet: Fleet, namespace: Namespace, folder: Path) -> None:
    """A worker, and a curator that learns from every episode, without a call to the model."""
    name = namespace.keys.namespace
    learning = ["--model", "stand-in-strong", "--build", "trajectory", "--update", "vanilla", "--same-goal", "add"]
    fleet.start("worker", ["worker", "--exp-name", name], folder)
    fleet.start("curator", ["curator", "--exp-name", name, *learning], folder)


async def _killed(stage: Stage, namespace: Namespace, fleet: Fleet) -> tuple[int, float]:
    """Kill both in the middle; gives the results until then, and the share of what was learned before that is there in the end."""
    tasks = first_tasks(stage.settings, TASKS)
    await namespace.submit_tasks(tasks[:KILLED_AFTER])
    await until(partial(_applied, namespace, KILLED_AFTER))
    before = set(await procedure_ids(stage.client, namespace.keys))
    await namespace.submit_tasks(tasks)  # as a driver that is started again does: all of them
    await until(partial(_holding, namespace))
    for member in fleet.members:
        member.send(signal.SIGKILL)
    at_kill = (await namespace.progress()).committed
    await until(partial(_applied, namespace, TASKS))
    return at_kill, len(before & set(await procedure_ids(stage.client, namespace.keys))) / len(before)


def _figures(stage: Stage, at_kill: int, kept: float, results: Sequence[str]) -> dict[str, float]:
    counted = Counter(results)
    missing = {task.id for task in first_tasks(stage.settings, TASKS)} - counted.keys()
    return dict(zip(DUE, (at_kill, kept, sum(times > 1 for times in counted.values()), len(missing)), strict=True))


async def _applied(namespace: Namespace, count: int) -> bool:
    return (await namespace.progress()).applied >= count


async def _holding(namespace: Namespace) -> bool:
    """Whether the worker is in the middle of something."""
    return await namespace.in_flight() > 0 or await _applied(namespace, TASKS)


async def _at_rest(namespace: Namespace) -> bool:
    """Whether every group, the auditor's too, is done with everything."""
    left = [await namespace.client.xlen(stream) for stream in (namespace.keys.tasks, namespace.keys.trajectories)]
    return not any(left)
