"""Real curators as processes of their own, on trajectories that a test writes, with a model that counts what it is asked."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process

from experiments.stand_in.scribe import parts, role
from memory.procedure import Change
from memory.store import Memory
from runtime.bus.namespace import open_namespace
from runtime.keys import CURATORS
from runtime.server import connect
from tests.faults.scene import Scene, acting, pid_of, scene
from tests.support import Place, opened, settings, until

BUILDING = ("--model", "m", "--build", "script")
"""What every curator is started with."""
APPLICATION = b'"kind":"learned"'
"""What only the request holds that changes memory."""


@dataclass
class Teacher:
    """A model whose answers follow from its requests, and which keeps those of some roles waiting while it is told to."""

    asked: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """How often each request came, by (role, text)."""
    held: set[str] = field(default_factory=set[str])
    """Roles whose requests are kept waiting."""
    refuses: int | str | None = None
    """What builders are answered instead: a status, or a text."""

    async def reply(self, messages: list[dict[str, str]]) -> str | int:
        text = messages[-1]["content"]
        whose = role(text)
        if whose == "agent":
            return acting(messages)
        self.asked[whose, text] += 1
        while whose in self.held:  # noqa: ASYNC110 (the test sets a plain attribute)
            await anyio.sleep(0.01)
        if whose == "builder" and self.refuses is not None:
            return self.refuses
        return self.answer(whose, text)

    def answer(self, whose: str, text: str) -> str:
        if whose == "facts":
            return json.dumps({"thing": parts(text)["task"]})
        return f"Steps:\n1. {whose} {hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def requests(self, whose: str) -> int:
        """How many requests of a role came so far."""
        return sum(times for (role, _), times in self.asked.items() if role == whose)

    def repeated(self) -> Counter[str]:
        """How many requests of each role came that had been made before."""
        found: Counter[str] = Counter()
        for (whose, _), times in self.asked.items():
            found[whose] += times - 1
        return +found


@dataclass
class Curation:
    """Curators on one memory."""

    playing: Scene
    memory: Memory
    teacher: Teacher

    async def start(self, *flags: str, **environment: str) -> Process:
        """A curator, at work once `at_work` says so."""
        return await self.playing.start("curator", *BUILDING, *flags, **environment)

    async def at_work(self, count: int) -> None:
        """Wait until so many curators that live read the stream."""
        await until(self._reading, lambda found: found >= count)

    async def _reading(self) -> int:
        return len([name for name in await self.consumers() if self.process(name).returncode is None])

    async def consumers(self) -> list[str]:
        """Names of the curators' consumers, dead ones too."""
        namespace = self.memory.namespace
        try:
            found: Any = await namespace.client.xinfo_consumers(namespace.keys.trajectories, CURATORS)
        except Exception:  # no group yet
            return []
        return [each["name"].decode() for each in found if pid_of(each["name"].decode()) in self.playing.processes]

    def process(self, consumer: str) -> Process:
        """The process behind a consumer's name."""
        return self.playing.processes[pid_of(consumer)]

    async def pending(self) -> list[dict[str, Any]]:
        """What curators hold: consumer, time_since_delivered (ms), times_delivered of each."""
        namespace = self.memory.namespace
        return await namespace.client.xpending_range(namespace.keys.trajectories, CURATORS, "-", "+", 1000)

    async def holder(self) -> str | None:
        """The consumer that has the only trajectory."""
        held = await self.pending()
        return held[0]["consumer"].decode() if held else None

    async def changes(self) -> list[Change]:
        """All that was done to memory."""
        namespace = self.memory.namespace
        entries: Any = await namespace.client.xrange(namespace.keys.changes)
        return [Change.model_validate_json(fields[b"event"]) for _, fields in entries]

    async def learned(self) -> Counter[str]:
        """How often each trajectory was applied."""
        return Counter(change.trajectory for change in await self.changes() if change.trajectory)

    async def applied(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many trajectories are in memory."""

        async def so_far() -> int:
            return (await self.memory.namespace.progress()).applied

        await until(so_far, lambda found: found >= count, seconds)

    async def requested(self, whose: str, count: int) -> None:
        """Wait until so many requests of a role have come."""

        async def so_far() -> int:
            return self.teacher.requests(whose)

        await until(so_far, lambda found: found >= count)

    async def waiting(self) -> int:
        """Entries of the trajectory stream."""
        return await self.memory.namespace.client.xlen(self.memory.namespace.keys.trajectories)


@asynccontextmanager
async def curation(
    url: str, name: str, folder: Path, *, through: str | None = None, search: bool = True, teacher: Teacher | None = None
) -> AsyncGenerator[Curation]:
    """A namespace with a model and a memory, which the test sees at `url` and the processes at `through` (by default there, too)."""
    teacher = teacher or Teacher()
    async with connect(url) as client:
        namespace = await open_namespace(client, name)
        async with (
            scene(namespace, through or url, folder / "household", folder, teacher.reply) as playing,
            opened(Place(url, search), name, settings(playing.model.base_url)) as memory,
        ):
            yield Curation(playing, memory, teacher)
