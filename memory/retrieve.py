"""Retrieve: the stored procedures that serve a new task best (paper §3.1 eq. 4 and 5, §4.2 "retrieval").

random    any k, the control
query     cosine between the tasks' texts
avefact   mean over the task's facts of the best match among the procedure's facts
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from memory.build import FactExtractor
from memory.guidance import guidance
from memory.holdout import shown
from memory.index import Found, Hit
from memory.store import Memory
from runtime.events import Recall, Retrieved, Task


@dataclass(frozen=True)
class Thresholds:
    """`distance`: cosine distance above which `query` retrieves nothing; `similarity`: cosine from which facts match."""

    distance: float = 1.0
    similarity: float = 0.5


class Retriever:
    """Retrieves for one task at a time, by the strategy that the task's spec names."""

    def __init__(self, memory: Memory, facts: FactExtractor, thresholds: Thresholds) -> None:
        self._memory = memory
        self._facts = facts
        self._thresholds = thresholds

    async def recall(self, task: Task) -> Recall:
        """What memory gives to this task; an empty memory, or nothing near enough, gives an empty guidance. What is withheld is
        replaced by nothing."""
        facts: dict[str, str] = {}
        if task.spec.retrieve == "random":
            found = await self._random(task)
        elif task.spec.retrieve == "query":
            found = await self._query(task)
        else:
            facts = await self._facts.extract(task.env, task.goal)
            found = await self._avefact(task, facts)
        given, withheld = shown(task, found.hits)
        return Recall(
            arm="memory",
            retrieved=_told(given),
            withheld=_told(withheld),
            guidance=guidance([(hit.goal, hit.content) for hit in given]),
            facts=facts,
            memory_version=found.version,
        )

    async def _random(self, task: Task) -> Found:
        """Drawn by a hash of (seed, task), so that a run can be repeated."""
        digest = hashlib.sha256(f"{task.spec.seed}/{task.id}".encode()).digest()
        return await self._memory.index.draw(int.from_bytes(digest[:6]) / 256**6, task.spec.top_k, task.env)

    async def _query(self, task: Task) -> Found:
        [vector] = await self._memory.embed([task.goal])
        version, hits = await self._memory.index.nearest(vector, task.spec.top_k, task.env)
        return Found(version, [hit for hit in hits if hit.distance is not None and hit.distance <= self._thresholds.distance])

    async def _avefact(self, task: Task, facts: dict[str, str]) -> Found:
        wanted = dict(zip(facts, await self._memory.embed(list(facts.values())), strict=True))
        return await self._memory.index.matching(wanted, self._thresholds.similarity, task.spec.top_k, task.env)


def _told(hits: Sequence[Hit]) -> tuple[Retrieved, ...]:
    return tuple(Retrieved(procedure=hit.procedure, revision=hit.revision, distance=hit.distance) for hit in hits)
