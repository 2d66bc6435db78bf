"""A model of how the reference keeps its memory: a list of documents in the process, and an index of it that is made anew with each
update. No line of the reference is in it; it follows from the list of its defects alone, which the files beside this one name.

Prompts, embeddings and the model endpoint are memp's own, so that nothing but the algorithm differs. The reference's index is
FAISS's; here numpy takes its place, which makes it of the same vectors in the same way.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from memory.build import Builder
from memory.index import Matrix, Vector
from memory.procedure import Content
from runtime.events import Trajectory
from runtime.model.embeddings import Embedder

USES, SHARE = 3, 0.5
"""A document is evicted from so many uses on, with a lower share of successes."""


@dataclass
class Document:
    """What the reference knows of a task. `revision` counts how often the text was rewritten: the reference does not, but without
    it nobody could tell what a credit was given to."""

    name: str
    goal: str
    text: str
    vector: Vector
    steps: int = 0
    sources: list[str] = field(default_factory=list[str])
    revision: int = 1
    uses: int = 0
    successes: int = 0
    credited: Counter[int] = field(default_factory=Counter[int])
    """Revision to the uses that were counted while it stood."""


@dataclass
class ReferenceMemory:
    """The documents, in the order of their coming, and the index over them."""

    builder: Builder
    embedder: Embedder
    documents: list[Document] = field(default_factory=list[Document])
    index: Matrix = field(default_factory=lambda: np.empty((0, 0), np.float32))

    async def put(self, name: str, goal: str, text: str, uses: int = 0) -> None:
        """A document that is there from the beginning, with failures under it."""
        [vector] = await self.embedder.embed([goal])
        self.documents.append(Document(name, goal, text, vector, uses=uses))
        self.rebuild()

    async def update(self, batch: Sequence[Trajectory]) -> None:
        """What a batch changes, in the reference's order: credit, eviction, adjustment, new documents, and the index."""
        self._credit(batch)
        self.documents = [each for each in self.documents if each.uses < USES or each.successes / each.uses >= SHARE]
        await self._adjust([each for each in batch if not each.success])
        await self._append([each for each in batch if each.success])
        self.rebuild()

    def rebuild(self) -> None:
        """Make the index anew, of every document that there is."""
        if self.documents:
            rows = np.stack([each.vector for each in self.documents])
            self.index = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    async def nearest(self, key: str, k: int) -> list[tuple[float, Document]]:
        """The k documents closest to a key, with their cosine distances."""
        [vector] = await self.embedder.embed([key])
        distances = 1 - self.index @ vector
        return [(float(distances[at]), self.documents[at]) for at in np.argsort(distances, kind="stable")[:k]]

    def _used(self, trajectory: Trajectory) -> Document | None:
        """The first of what the episode retrieved; that there is a first is taken for granted."""
        name = trajectory.recall.retrieved[0].procedure
        return next((each for each in self.documents if each.name == name), None)

    def _credit(self, batch: Sequence[Trajectory]) -> None:
        for trajectory in batch:
            if (used := self._used(trajectory)) is not None:
                used.uses += 1
                used.successes += trajectory.success
                used.credited[used.revision] += 1

    async def _adjust(self, failures: Sequence[Trajectory]) -> None:
        """Each failure rewrites the text that stood before the batch, so that of several the last one stays."""
        before = {each.name: each.text for each in self.documents}
        for trajectory in failures:
            if (used := self._used(trajectory)) is not None:
                content = await self.builder.adjust(Content(script=before[used.name]), used.goal, trajectory)
                used.text, used.revision = content.script or "", used.revision + 1

    async def _append(self, successes: Sequence[Trajectory]) -> None:
        """A goal that was known before the batch is known, and its new success is dropped; within the batch nobody looks."""
        known = {each.goal for each in self.documents}
        for trajectory in successes:
            goal = trajectory.task.goal
            if goal not in known:
                content = await self.builder.build(trajectory)
                [vector] = await self.embedder.embed([goal])
                text, steps = content.script or content.trajectory or "", len(trajectory.steps)
                self.documents.append(Document(trajectory.id, goal, text, vector, steps, [trajectory.id]))
