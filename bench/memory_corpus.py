"""A memory of any size for benchmarks: procedures in clusters with facts from a vocabulary, and a model of no latency."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import anyio.lowlevel
import numpy as np
from numpy.typing import NDArray

from memory.index import Matrix
from memory.procedure import Cause, Content, Revision
from runtime.bus.scripts import Client
from runtime.events import Role, Usage
from runtime.keys import Keys
from runtime.model.llm import Completion, Message, Sampling

ENV = "alfworld"
PER_CLUSTER = 100
SPREAD = 0.6
"""Length of the noise around a cluster's centre: two of one cluster have a cosine of about 1 / (1 + 0.6²) = 0.74."""
VALUES = 2000
"""Distinct values of a fact, so that each is shared by many procedures, as `mug` is."""
FACTS = ("object", "place")
SCRIPT = "When to use: to put a thing in a place\nSteps:\n" + "\n".join(f"{n}. go to the place and look into it" for n in range(1, 25))
CHUNK = 500


@dataclass
class Corpus:
    """Vectors by seed: goals in clusters of 100 around centres drawn evenly from the sphere, facts from the vocabulary."""

    size: int
    dimension: int
    facts: bool
    goals: Matrix = field(init=False)
    values: Matrix = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(7)
        self._centres = self._sphere(max(1, self.size // PER_CLUSTER))
        self.values = self._sphere(VALUES)
        self.goals = self.draw(self.size)

    def draw(self, count: int) -> Matrix:
        """More goals of the same clusters, shape (count, dimension)."""
        near = np.empty((count, self.dimension), np.float32)
        for start in range(0, count, 10_000):
            some = near[start : start + 10_000]
            some[:] = self._centres[self._random.integers(0, len(self._centres), len(some))] + SPREAD * self._sphere(len(some))
            some /= np.linalg.norm(some, axis=1, keepdims=True)
        return near

    def nearest(self, queries: Matrix, k: int) -> NDArray[np.float32]:
        """The k smallest cosine distances of each query, found exactly; shape (queries, k)."""
        return np.stack([np.sort(np.partition(1 - self.goals @ query, k - 1)[:k]) for query in queries])

    async def load(self, client: Client, keys: Keys) -> None:
        """Write the hashes in bulk, as the apply script would have left them."""
        rows = iter(range(self.size))
        while some := list(islice(rows, CHUNK)):
            pipe = client.pipeline(transaction=False)
            for at in some:
                for key, fields in self._hashes(keys, at):
                    pipe.hset(key, mapping=fields)
            await pipe.execute()
        await client.hset(keys.meta, mapping={"version": self.size, "procedures": self.size})

    def _hashes(self, keys: Keys, at: int) -> Iterator[tuple[str, dict[str, Any]]]:
        name = procedure(at)
        place = int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12
        fixed = {"env": ENV, "goal": f"goal {at}", "unique": "0", "shuffle": f"{place:.9f}", "vector": self.goals[at].tobytes()}
        yield keys.procedure(name), {**fixed, "revision": "1", "status": "active", "steps": "9", "body": _BODY}
        yield keys.revisions(name), {"1": _REVISION}
        for number, fact in enumerate(FACTS if self.facts else (), 1):
            value = (at * 31 + number * 977) % VALUES
            fields = {"procedure": name, "env": ENV, "status": "active", "name": fact, "value": f"{fact} {value}"}
            yield keys.fact(name, number), {**fields, "vector": self.values[value].tobytes()}

    def _sphere(self, count: int) -> Matrix:
        drawn = self._random.standard_normal((count, self.dimension)).astype(np.float32)
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


_BODY = Content(script=SCRIPT).model_dump_json()
_REVISION = Revision(number=1, content=Content(script=SCRIPT), steps=9, cause=Cause(kind="built")).model_dump_json()


def procedure(at: int) -> str:
    """The id of a procedure of the corpus."""
    return f"{at:016x}"


@dataclass
class InstantEmbedder:
    """Vectors without a model: those given for a text, else of the text's hash."""

    size: int
    given: dict[str, NDArray[np.float32]] = field(default_factory=dict[str, NDArray[np.float32]])
    model: str = "instant"

    async def embed(self, texts: list[str]) -> Matrix:
        return np.stack([self.given[text] if text in self.given else self._hashed(text) for text in texts])

    async def dimension(self) -> int:
        return self.size

    def _hashed(self, text: str) -> NDArray[np.float32]:
        drawn = np.random.default_rng(list(hashlib.sha256(text.encode()).digest())).standard_normal(self.size).astype(np.float32)
        return (drawn / np.linalg.norm(drawn)).astype(np.float32)


@dataclass
class InstantLLM:
    """Answers all questions with the same text, at the next turn of the event loop."""

    answer: str = SCRIPT
    calls: int = 0

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion:  # noqa: ARG002
        self.calls += 1
        await anyio.lowlevel.checkpoint()
        return Completion(
            text=self.answer, model="instant", usage=Usage(input=len(messages[0]["content"]) // 4, output=100, calls=1, attempts=1)
        )
