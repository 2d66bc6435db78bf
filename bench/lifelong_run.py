"""One namespace from its first phase to its last: submission, restarts, and what memory holds after each phase."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import anyio

from bench import harness
from bench.chaos_fleet import open_fleet
from bench.chaos_record import Auditor, Course, Evidence, counters, read_evidence
from bench.lifelong_restarts import Restarts
from bench.lifelong_world import MODEL, Phase
from bench.surroundings import surroundings
from experiments.recorder import Recorder
from experiments.results import EpisodeRow
from memory.procedure import goal_digest
from memory.read import read_procedures
from runtime.bus.consumer import register_group
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import Client
from runtime.events import Task
from runtime.keys import CURATORS
from runtime.tasks import open_tasks

NAME, CONTROL = "lifelong", "lifelong-control"
WORKERS = 2
LEASE = 5.0
"""Seconds after which another takes over what a killed process held."""
PATIENCE = 900.0
"""Seconds that a phase may take on a busy machine."""
CURATOR = ("--model", MODEL, "--build", "proceduralization", "--update", "adjustment", "--same-goal", "merge")


@dataclass(frozen=True)
class Holding:
    """What memory holds after a phase."""

    active: int
    procedures: int
    goals: int
    """Different goals that were asked for so far, in this phase and before."""

    @property
    def deprecated(self) -> int:
        return self.procedures - self.active


@dataclass
class Life:
    """What a run leaves."""

    rows: list[EpisodeRow] = field(default_factory=list[EpisodeRow])
    control: list[EpisodeRow] = field(default_factory=list[EpisodeRow])
    holdings: list[Holding] = field(default_factory=list[Holding])
    restarts: dict[str, int] = field(default_factory=dict[str, int])
    failures: list[str] = field(default_factory=list[str])
    """Processes that ended of themselves, or did not end when they were told to."""
    rested: bool = False
    """Whether all that was submitted came to its end in time."""
    evidence: Evidence | None = None


@dataclass
class Stage:
    """What the life is led on: a server that is started again when it ends, a model, the games' folder."""

    client: Client
    url: str
    model_url: str
    games: Path
    data: Path
    """Where translations of games are kept."""
    folder: Path

    async def live(self, phases: list[Phase], within: int, seed: int) -> Life:
        """All phases, one after the other, with so many restarts within each and one of everything between two."""
        life, tasks = Life(), [task for phase in phases for task in phase.tasks]
        namespace, control = await open_namespace(self.client, NAME), await open_namespace(self.client, CONTROL)
        await register_group(self.client, namespace.keys.trajectories, CURATORS)
        auditor = Auditor(namespace, LEASE)
        await auditor.open()
        sample = [task for phase in phases for task in phase.sample()]
        async with (
            _recorded(namespace, self.folder / "life", tasks) as recorder,
            _recorded(control, self.folder / "control", sample) as beside,
        ):
            async with open_tasks() as background:
                for run in (auditor.run, recorder.run, beside.run):
                    background.start_soon(run)
                with suppress(TimeoutError):
                    await self._play(phases, namespace, control, life, within, Random(seed))
                    await harness.until(partial(_all_recorded, namespace, control, recorder, beside, len(tasks), len(sample)), 60)
                    life.rested = True
                background.cancel_scope.cancel()
            life.rows, life.control = list(recorder.rows), list(beside.rows)
            life.evidence = await read_evidence(namespace, Course(tuple(tasks)), auditor, [row.task_id for row in life.rows], [CONTROL])
        return life

    async def _play(self, phases: list[Phase], namespace: Namespace, control: Namespace, life: Life, within: int, chance: Random) -> None:
        """Fleet up, phases through, fleet down; nothing is done to the control's worker. TimeoutError where nothing goes on any more."""
        async with open_fleet(self._environment()) as beside, open_fleet(self._environment()) as fleet:
            beside.start("worker-control", ["worker", "--exp-name", CONTROL], self.folder)
            for number in range(WORKERS):
                fleet.start(f"worker-{number}", ["worker", "--exp-name", NAME], self.folder)
            fleet.start("curator", ["curator", "--exp-name", NAME, *CURATOR], self.folder)
            restarts = Restarts(fleet, self.client, chance)
            await harness.until(fleet.ready, 120)
            for number, phase in enumerate(phases):
                if number:
                    await restarts.all()
                await control.submit_tasks(phase.sample())
                await _lead(namespace, phase, phases[:number], restarts, within)
                life.holdings.append(await _look(namespace, phases[: number + 1]))
            await harness.until(partial(_ended, control, sum(len(phase.sample()) for phase in phases)), PATIENCE)
            await fleet.end()
            await beside.end()
            life.restarts, life.failures = dict(restarts.done), [*fleet.failures, *beside.failures]

    def _environment(self) -> dict[str, str]:
        settings = {"ALFWORLD_DATA": str(self.games), "MEMP_LEASE": str(LEASE), "MEMP_SLOTS": "8", "MEMP_MAX_DELIVERIES": "5"}
        return surroundings(self.url, self.model_url, self.data, **settings)


@asynccontextmanager
async def _recorded(namespace: Namespace, folder: Path, tasks: list[Task]) -> AsyncGenerator[Recorder]:
    """The product's own record of a run."""
    await anyio.Path(folder).mkdir()
    recorder = Recorder(namespace, folder / "episodes.jsonl", tasks, learns=namespace.keys.namespace == NAME)
    await recorder.open()
    try:
        yield recorder
    finally:
        await recorder.close()


async def _lead(namespace: Namespace, phase: Phase, before: list[Phase], restarts: Restarts, within: int) -> None:
    """Submit a phase, restart this and that while it is played, and wait until all of it is in memory."""
    played = sum(len(each.tasks) for each in before)
    await namespace.submit_tasks(phase.tasks)
    for number, (name, kind) in enumerate(restarts.planned(within), 1):
        await harness.until(partial(_ended, namespace, played + number * len(phase.tasks) // (within + 1)), PATIENCE, period=0.05)
        await restarts.one(name, kind)
    await harness.until(partial(_ended, namespace, played + len(phase.tasks)), PATIENCE, period=0.05)


async def _ended(namespace: Namespace, count: int) -> bool:
    """Whether nothing more will come of so many tasks; False while the server is away."""
    progress = await counters(namespace)
    if progress is None:
        return False
    learns = namespace.keys.namespace == NAME
    return (progress.applied if learns else progress.committed) + progress.dead >= count


async def _look(namespace: Namespace, phases: list[Phase]) -> Holding:
    """What memory holds now."""
    procedures = await read_procedures(namespace.client, namespace.keys)
    goals = {goal_digest(task.env, task.goal) for phase in phases for task in phase.tasks}
    return Holding(sum(each.current.status == "active" for each in procedures), len(procedures), len(goals))


async def _all_recorded(namespace: Namespace, control: Namespace, recorder: Recorder, beside: Recorder, tasks: int, sample: int) -> bool:
    """Whether both records are whole, and every group is done with the stream of the life."""
    left = await namespace.client.xlen(namespace.keys.trajectories) + await namespace.client.xlen(control.keys.trajectories)
    return len(recorder.rows) >= tasks and len(beside.rows) >= sample and left == 0
