"""One namespace under load, from its first task to its rest: real workers, curators and recorders, and what is done to them."""

import argparse
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench import harness
from bench.chaos_deeds import Havoc, Recovery
from bench.chaos_fleet import Fleet, open_fleet
from bench.chaos_record import Auditor, Evidence, counters, read_evidence
from bench.chaos_tasks import course
from bench.surroundings import surroundings
from experiments.recorder import Recorder
from runtime.bus.consumer import register_group
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import Client, patiently
from runtime.events import Task
from runtime.keys import CURATORS
from runtime.tasks import open_tasks

SLOTS = 8
"""Episodes of a worker at once, and trajectories of a curator."""
DELIVERIES = 5
"""Deliveries of an entry: so many that chance does not kill one task's workers as often."""
WAITING = 300
"""Tasks on the stream from which no more are submitted for the moment."""
BATCH = 50
RECORDED = 10.0
"""Seconds that the recorders have once everything else is over."""
PATIENCE = 120.0
"""Seconds from one thing that happens to the next, and from the last submission to the rest."""
POLICIES = (("adjustment", "script"), ("validation", "proceduralization"))
"""Update and form of every other curator, so that memory goes all of its ways."""


@dataclass
class Play:
    """Tasks on their way through one namespace, and what is done meanwhile."""

    namespace: Namespace
    tasks: tuple[Task, ...]
    seconds: float | None
    """From here on no more tasks are submitted."""
    began: float = field(default_factory=harness.now)
    submitted: int = 0
    fed: bool = False

    @property
    def grouped(self) -> bool:
        return self.tasks[0].group is not None

    async def feed(self) -> None:
        """Submit batch after batch as there is room; in grouped mode, group after group as each is applied."""
        for batch in self._batches():
            await harness.until(self._room, PATIENCE, period=0.02)
            if self._late():
                break
            await self.namespace.submit_tasks(batch)
            self.submitted += len(batch)
        self.fed = True

    def _batches(self) -> list[list[Task]]:
        size = sum(task.group == self.tasks[0].group for task in self.tasks) if self.grouped else BATCH
        return [list(self.tasks[start : start + size]) for start in range(0, len(self.tasks), size)]

    async def _room(self) -> bool:
        if self.grouped:
            return await self.ended() >= self.submitted or self._late()
        return await patiently(lambda: self.namespace.client.xlen(self.namespace.keys.tasks)) < WAITING

    def _late(self) -> bool:
        return self.seconds is not None and harness.now() - self.began > self.seconds

    async def ended(self) -> int:
        """Tasks of which nothing more will come."""
        progress = await counters(self.namespace)
        return progress.applied + progress.dead if progress else 0

    async def done(self) -> bool:
        """Whether all that was submitted, and will be, is over."""
        return self.fed and await self.ended() >= self.submitted

    async def reached(self, share: float) -> bool:
        """Whether this share of its tasks, or of its time, is over."""
        timed = (harness.now() - self.began) / self.seconds if self.seconds else 0.0
        return timed >= share or await self.ended() >= share * len(self.tasks) or await self.done()


@dataclass(frozen=True)
class Measured:
    """What one play showed while it went on."""

    tasks: int
    seconds: float
    """From the first submission to the last application."""
    rested: bool
    """Whether all that was submitted came to its end in time."""
    done: Counter[str]
    recoveries: list[Recovery]
    starts: int
    refused: int
    failures: list[str]
    calls: dict[str, dict[str, int]]
    """By role of the model: `requests`, how many of them were `repeated`, and how often the most frequent came."""

    @property
    def repeated(self) -> int:
        return sum(calls["repeated"] for calls in self.calls.values())

    @property
    def most(self) -> int:
        return max(calls["most"] for calls in self.calls.values())


@dataclass
class Stage:
    """What all plays have in common."""

    flags: argparse.Namespace
    client: Client
    url: str
    model: harness.ModelServer
    folder: Path
    played: list[str] = field(default_factory=list[str])
    """Namespaces of earlier plays."""

    def environment(self) -> dict[str, str]:
        """Variables of the processes; the settings of whoever started this stay out."""
        return surroundings(
            self.url,
            self.model.base_url,
            self.folder,
            MEMP_ENVIRONMENTS="bench.toy_env",
            MEMP_SLOTS=str(SLOTS),
            MEMP_CURATOR_SLOTS=str(SLOTS),
            MEMP_LEASE=str(self.flags.lease),
            MEMP_MAX_DELIVERIES=str(DELIVERIES),
        )

    def start(self, fleet: Fleet, name: str) -> None:
        """All workers and curators."""
        logs = self.folder / name
        logs.mkdir()
        for number in range(self.flags.workers):
            fleet.start(f"worker-{number}", ["worker", "--exp-name", name], logs)
        for number in range(self.flags.curators):
            update, form = POLICIES[number % len(POLICIES)]
            options = ["--model", "chaos", "--update", update, "--build", form, "--facts"]
            fleet.start(f"curator-{number}", ["curator", "--exp-name", name, *options], logs)

    async def play(self, name: str, first: int, count: int, deeds: list[str]) -> tuple[Measured, Evidence]:
        """One namespace from its first task to its rest: what was measured, and what is left."""
        namespace = await open_namespace(self.client, name)
        given = course(name, first, count, self.flags)
        await register_group(self.client, namespace.keys.trajectories, CURATORS)
        auditor = Auditor(namespace, self.flags.lease)
        await auditor.open()
        recorder = Recorder(namespace, self.folder / f"{name}.jsonl", given.tasks, learns=True)
        await recorder.open()
        async with open_tasks() as background, open_fleet(self.environment()) as fleet:
            background.start_soon(auditor.run)
            background.start_soon(recorder.run)
            self.start(fleet, name)
            await harness.until(fleet.ready, PATIENCE)
            measured = await self._run(Play(namespace, given.tasks, self.flags.seconds if deeds else None), fleet, deeds)
            await _in_time(lambda: harness.until(lambda: _recorded(namespace, recorder, measured.tasks), RECORDED))
            background.cancel_scope.cancel()
        rows = [row.task_id for row in recorder.rows]
        evidence = await read_evidence(namespace, given.up_to(measured.tasks), auditor, rows, self.played)
        await recorder.close()
        self.played += [name, f"{name}-rebuilt"]
        return measured, evidence

    async def _run(self, play: Play, fleet: Fleet, deeds: list[str]) -> Measured:
        before = self.model.stats()["roles"]
        havoc = Havoc(fleet, play.namespace, self.client, random.Random(self.flags.seed), 1.5 * self.flags.lease)
        rested = await _in_time(partial(self._until_rest, play, havoc, deeds))
        seconds = harness.now() - play.began
        await fleet.end()
        return Measured(
            tasks=play.submitted,
            seconds=seconds,
            rested=rested,
            done=havoc.done,
            recoveries=havoc.recoveries,
            starts=sum(member.starts for member in fleet.members),
            refused=fleet.refused,
            failures=fleet.failures,
            calls=_calls(before, self.model.stats()["roles"]),
        )

    async def _until_rest(self, play: Play, havoc: Havoc, deeds: list[str]) -> None:
        """Feed and do deeds, each when its time has come, until all is over. TimeoutError where nothing goes on any more."""
        async with open_tasks() as tasks:
            tasks.start_soon(play.feed)
            for number, deed in enumerate(deeds, 1):
                await harness.until(partial(play.reached, number / (len(deeds) + 1)), PATIENCE, period=0.02)
                await havoc.do(deed, tasks)
        await harness.until(play.done, PATIENCE, period=0.02)


def _calls(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Requests since then, and how many of them had been made before; facts and embeddings are asked for again by their nature."""
    told: dict[str, dict[str, int]] = {}
    for role in ("agent", "builder", "adjustment"):
        new = {name: after.get(role, {}).get(name, 0) - before.get(role, {}).get(name, 0) for name in ("requests", "distinct")}
        told[role] = {**new, "repeated": new["requests"] - new["distinct"], "most": after.get(role, {}).get("most", 0)}
    return told


async def _recorded(namespace: Namespace, recorder: Recorder, count: int) -> bool:
    """Whether the run's record is complete, and nothing is left on the stream."""
    return len(recorder.rows) >= count and await namespace.client.xlen(namespace.keys.trajectories) == 0


async def _in_time(work: Callable[[], Awaitable[None]]) -> bool:
    """Do something; whether it was done in time."""
    try:
        await work()
    except TimeoutError:
        return False
    return True
