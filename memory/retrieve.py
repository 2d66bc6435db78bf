"""Retrieve: the stored procedures that serve a new task best (paper §3.1 eq. 4 and 5, §4.2 "retrieval").

random    any k, the control
query     cosine between the tasks' texts
avefact   mean over the task's facts of the best match among the procedure's facts
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from memory.build import FactExtractor
from memory.guidance import guidance
from memory.index import Hit, Vector
from memory.procedure import Procedure
from memory.store import Memory, decode
from runtime.events import Recall, Retrieved, Task

CANDIDATES = 100
"""Facts that each fact of the task may bring in before procedures are scored exactly."""


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
        """What memory gives to this task; an empty memory, or nothing near enough, gives an empty guidance."""
        version = await self._memory.version()
        facts: dict[str, str] = {}
        if task.spec.retrieve == "random":
            hits = await self._random(task)
        elif task.spec.retrieve == "query":
            hits = await self._query(task)
        else:
            facts = await self._facts.extract(task.env, task.goal)
            hits = await self._avefact(task, facts)
        return Recall(
            arm="memory",
            retrieved=tuple(Retrieved(procedure=hit.procedure, revision=hit.revision, distance=hit.distance) for hit in hits),
            guidance=guidance([(hit.goal, hit.content) for hit in hits]),
            facts=facts,
            memory_version=version,
        )

    async def _random(self, task: Task) -> list[Hit]:
        """Drawn by a hash of (seed, task), so that a run can be repeated."""
        digest = hashlib.sha256(f"{task.spec.seed}/{task.id}".encode()).digest()
        return await self._memory.index.draw(int.from_bytes(digest[:6]) / 256**6, task.spec.top_k, task.env)

    async def _query(self, task: Task) -> list[Hit]:
        [vector] = await self._memory.embed([task.goal])
        hits = await self._memory.index.nearest(vector, task.spec.top_k, task.env)
        return [hit for hit in hits if hit.distance is not None and hit.distance <= self._thresholds.distance]

    async def _avefact(self, task: Task, facts: dict[str, str]) -> list[Hit]:
        wanted = dict(zip(facts, await self._memory.embed(list(facts.values())), strict=True))
        found: set[str] = set()
        for name, vector in wanted.items():
            for among in (name, None):
                found |= await self._memory.index.near_fact(vector, CANDIDATES, task.env, among)
        procedures = [procedure for each in sorted(found) if (procedure := await self._memory.get(each))]
        scored = [(self._score(wanted, procedure), procedure) for procedure in procedures if procedure.current.status == "active"]
        best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].id))[: task.spec.top_k]
        return [Hit(each.id, each.current.number, each.goal, each.current.content, round(1.0 - score, 6)) for score, each in best]

    def _score(self, wanted: dict[str, Vector], procedure: Procedure) -> float:
        have = [(fact.name, decode(fact.vector or "")) for fact in procedure.facts]
        return average_fact_similarity(wanted, have, self._thresholds.similarity)


def average_fact_similarity(wanted: dict[str, Vector], have: list[tuple[str, Vector]], threshold: float) -> float:
    """Mean over the wanted facts of their highest cosine among the facts of the same name (of any, where none has it).

    A cosine below `threshold` is no match and counts as 0. In [0, 1]; 0 where either side has no facts.
    """
    total = 0.0
    for name, vector in wanted.items():
        rivals = [other for called, other in have if called == name] or [other for _, other in have]
        similarity = max((float(np.dot(vector, other)) for other in rivals), default=0.0)
        total += similarity if similarity >= threshold else 0.0
    return min(1.0, total / len(wanted)) if wanted else 0.0
