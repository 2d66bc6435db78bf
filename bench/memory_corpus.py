"""A memory of any size for benchmarks: procedures in clusters with facts from a vocabulary, and a model of no latency."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import anyio.lowlevel
import numpy as np
from numpy.typing import NDArray

from memory.facts import fact_id, name_id
from memory.index import Matrix
from memory.procedure import Cause, Content, Fact, Revision
from runtime.bus.scripts import Client
from runtime.events import Role, Usage
from runtime.keys import Keys
from runtime.model.llm import Completion, Message, Sampling

ENV = "alfworld"
PER_CLUSTER = 100
SPREAD = 0.6
"""Length of the noise around a cluster's centre: two of one cluster have a cosine of about 1 / (1 + 0.6²) = 0.74."""
VALUES = 2000
"""Distinct values of a fact, so that each is shared by many procedures, as `mug` is; the first are the most common."""
PER_MEANING = 10
"""Values that mean nearly the same, as `mug` and `cup` do: so many match a wanted one."""
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
        self.values = self._around(np.repeat(self._sphere(VALUES // PER_MEANING), PER_MEANING, axis=0))
        self.goals = self.draw(self.size)
        self._held = [self.common(self.size) for _ in FACTS]

    def draw(self, count: int) -> Matrix:
        """More goals of the same clusters, shape (count, dimension)."""
        near = np.empty((count, self.dimension), np.float32)
        for start in range(0, count, 10_000):
            some = near[start : start + 10_000]
            some[:] = self._around(self._centres[self._random.integers(0, len(self._centres), len(some))])
        return near

    def common(self, count: int) -> NDArray[np.intp]:
        """Values as they occur, shape (count,): half of all are of the commonest quarter."""
        return (VALUES * self._random.random(count) ** 2).astype(np.intp)

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
        facts = [self._fact(at, number) for number in range(len(FACTS))] if self.facts else []
        fixed = {"env": ENV, "goal": f"goal {at}", "unique": "0", "shuffle": f"{place:.9f}", "vector": self.goals[at].tobytes()}
        names = sorted(name_id(ENV, name) for name in FACTS) if facts else []
        listed = {"facts": ",".join(id for id, _ in facts), "fact_names": ",".join(names)}
        yield keys.procedure(name), fixed | listed | {"revision": "1", "status": "active", "steps": "9", "body": _BODY}
        yield keys.revisions(name), {"1": _REVISION}
        for id, fields in facts:
            yield keys.fact(id), fields

    def _fact(self, at: int, number: int) -> tuple[str, dict[str, Any]]:
        value = int(self._held[number][at])
        fact = Fact(name=FACTS[number], value=f"{FACTS[number]} {value}")
        fields = {"env": ENV, "name": fact.name, "value": fact.value, "vector": self.values[value].tobytes()}
        return fact_id(ENV, fact), fields

    def _around(self, centres: Matrix) -> Matrix:
        near = centres + SPREAD * self._sphere(len(centres))
        return near / np.linalg.norm(near, axis=1, keepdims=True)

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
        usage = Usage(input=len(messages[0]["content"]) // 4, output=100, calls=1, attempts=1)
        return Completion(text=self.reply(messages), model="instant", usage=usage)

    def reply(self, messages: list[Message]) -> str:  # noqa: ARG002
        return self.answer


class FactFinder(InstantLLM):
    """Finds facts of their own in the goal of each query."""

    def reply(self, messages: list[Message]) -> str:
        goal = re.findall(r"query \d+", messages[-1]["content"])[-1]
        return json.dumps({fact: f"{fact} of {goal}" for fact in FACTS})
