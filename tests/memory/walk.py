"""A memory that goes through everything: changes drawn by seed, computed from what is there, applied as curators and people do."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from memory.index import Vector
from memory.plan import Deprecation
from memory.procedure import Change, Procedure, Source
from memory.revert import revert
from memory.store import Memory
from memory.transfer import export_memory, import_memory
from runtime.events import Trajectory
from tests.events import task, trajectory
from tests.memory.changes import EAGER, NEVER, fact, learned, new, revise
from tests.support import DIMENSION, arrive

RULES = (EAGER, NEVER, Deprecation(), Deprecation(uses=2, share=0.9))


class Walk:
    """One memory, step by step; `shelf` holds a file to import from."""

    def __init__(self, memory: Memory, seed: int, shelf: Path) -> None:
        self.memory = memory
        self.chance = random.Random(seed)
        self.dropouts = random.Random(seed)
        self._shelf = shelf
        self._tasks = 0
        self._left: list[Callable[[], Awaitable[None]]] = []
        self._steps: list[Callable[[], Awaitable[None]]] = [
            *[self._build, self._fail, self._fail] * 3,
            *[self._adjust, self._merge, self._join] * 2,
            self._give_up,
            self._build_anew,
            self._abort,
            self._import,
            self._revert,
            self._revert,
        ]

    async def step(self) -> None:
        """All kinds come in turn, in an order of chance."""
        self._left = self._left or self.chance.sample(self._steps, len(self._steps))
        await self._left.pop()()

    async def _build(self) -> None:
        number = self._tasks
        facts = tuple(fact(f"name {n}", f"välue {n}", self._vector()) for n in range(self.chance.randrange(3)))
        write = new(f"p{number:03}", at=self._vector(), facts=facts, unique=self.chance.random() < 0.5, script=f"script {number} – ü\n")
        await self._learn(learned(await self._played(True), write))

    async def _fail(self) -> None:
        await self._learn(learned(await self._played(self.chance.random() < 0.3)))

    async def _adjust(self) -> None:
        played = await self._played(False)
        used = await self.memory.get_all([each.procedure for each in played.recall.retrieved])
        await self._learn(learned(played, *(revise(each.id, each.current.number, script=f"mended {self._tasks}") for each in used)))

    async def _merge(self) -> None:
        for procedure in await self._some(1):
            played = await self._played(True)
            write = revise(procedure.id, procedure.current.number, "merged", steps=self.chance.randrange(9))
            await self._learn(learned(played, write.model_copy(update={"sources": (played.id,)})))

    async def _join(self) -> None:
        for procedure in await self._some(1):
            played = await self._played(True)
            source = Source(procedure=procedure.id, expects=procedure.current.number, trajectory=played.id)
            await self._learn(learned(played, sources=(source,)))

    async def _give_up(self) -> None:
        change = learned(await self._played(False))
        await self._learn(change.model_copy(update={"kind": "build_failed", "reason": "no answer"}), give_up="no answer")

    async def _build_anew(self) -> None:
        played = await self._played(True)
        await self._learn(Change(kind="learned", trajectory=played.id, writes=(new(f"r{self._tasks:03}", at=self._vector()),)))

    async def _abort(self) -> None:
        await self._learn(Change(kind="learned", trajectory=(await self._played(False)).id))

    async def _import(self) -> None:
        """Some of what is there (with its history, and status) comes in from elsewhere, under other names."""
        await export_memory(self.memory.namespace, self._shelf)
        header, *lines = self._shelf.read_text().splitlines()
        some = [line.replace('"id":"', f'"id":"i{self._tasks:03}-') for line in lines if self.chance.random() < 0.3]
        self._shelf.write_text("\n".join([header, *some]).replace('"unique":true', '"unique":false'))
        self._tasks += 1
        await import_memory(self.memory, self._shelf)

    async def _revert(self) -> None:
        revised = [procedure for procedure in await self._some(100) if len(procedure.revisions) > 1]
        for procedure in revised[:1]:
            await revert(self.memory.namespace, procedure.id, self.chance.randrange(1, procedure.current.number))

    async def _learn(self, change: Change, give_up: str | None = None) -> None:
        await self.memory.learn(change, self._now, self._delivery, self.chance.choice(RULES), give_up=give_up)

    async def _played(self, success: bool) -> Trajectory:
        """An episode that had retrieved up to three procedures, at their last revision or the one before; it has just come in."""
        used = [(each.id, max(1, each.current.number - self.chance.randrange(2))) for each in await self._some(3)]
        asked = task(self._tasks, procedure_dropout=self.dropouts.choice([0.0, 0.3, 0.5]))
        others = [name for name in await self.memory.ids() if name not in dict(used)] if asked.spec.procedure_dropout else []
        withheld = tuple((name, 1) for name in self.dropouts.sample(others, min(2, len(others))))
        self._now = trajectory(asked, success=success, retrieved=tuple(used), withheld=withheld)
        self._tasks += 1
        [self._delivery] = await arrive(self.memory.namespace, self._now)
        return self._now

    async def _some(self, count: int) -> list[Procedure]:
        names = await self.memory.ids()
        return await self.memory.get_all(self.chance.sample(names, min(count, len(names))))

    def _vector(self) -> Vector:
        found = np.array([self.chance.gauss(0, 1) for _ in range(DIMENSION)], np.float32)
        return found / np.float32(np.linalg.norm(found))
