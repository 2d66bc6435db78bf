"""6. Whose facts they are, and how old.

The model of the reference extracts facts once per source (the file or run that documents come from), for whatever comes from it, and
gathers them once, with the first question. In memp facts belong to a procedure, and each question looks at what is there.
Both score by memp's own `average_similarities`.
"""

from dataclasses import dataclass, field

import numpy as np

from bench.reference.stage import Stage, episode
from bench.reference.verdicts import Finding, exactly
from memory.build import FactExtractor
from memory.facts import Candidates, average_similarities
from memory.index import Vector
from memory.procedure import Change
from memory.retrieve import Retriever, Thresholds
from memory.update import Policy, Updater
from runtime.events import EpisodeSpec, Task
from runtime.model.embeddings import Embedder

GOALS = ("put a hot potato in drawer.", "put two soapbar in cart.", "put a hot egg in shelf.")
THINGS = ("potato", "soapbar", "egg")
ASKED = "heat some potato and put it in drawer."
EXPECTED = ([0], [0], [0, 2])
"""The goals to be found, in their order, after each was added: the first is the same in other words, the last has some of its facts."""
DUE = {"of 3 procedures, those with their own facts": exactly(3), "of 3 questions, answered by what is there": exactly(3)}


@dataclass
class FactsOfSources:
    """The model of the reference; all goals come from one source."""

    extractor: FactExtractor
    embedder: Embedder
    goals: list[str] = field(default_factory=list[str])
    of_source: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    gathered: list[tuple[int, str, Vector]] | None = None
    """Facts: whose, name, vector."""

    async def add(self, goal: str) -> None:
        """One more document."""
        if "run" not in self.of_source:
            self.of_source["run"] = await self.extractor.extract("alfworld", goal)
        self.goals.append(goal)

    def facts(self, goal: str) -> dict[str, str]:
        """What is taken for the facts of a document."""
        return self.of_source["run"] if goal in self.goals else {}

    async def ask(self, goal: str, k: int) -> list[int]:
        """The documents whose facts match, the best first."""
        if self.gathered is None:
            self.gathered = await self._gather()
        facts = await self.extractor.extract("alfworld", goal)
        wanted = dict(zip(facts, await self.embedder.embed(list(facts.values())), strict=True))
        owners, names, vectors = zip(*self.gathered, strict=True)
        similarities = np.array([*wanted.values()]) @ np.array(vectors).T
        scores = average_similarities([*wanted], Candidates(self.goals, np.array(owners), [*names], similarities), Thresholds().similarity)
        return [at for at in np.argsort([-score for score in scores], kind="stable").tolist() if scores[at] > 0][:k]

    async def _gather(self) -> list[tuple[int, str, Vector]]:
        facts = [(at, name, value) for at, goal in enumerate(self.goals) for name, value in self.facts(goal).items()]
        vectors = await self.embedder.embed([value for _, _, value in facts])
        return [(at, name, vector) for (at, name, _), vector in zip(facts, vectors, strict=True)]


async def find(stage: Stage) -> Finding:
    """Three goals, one after the other; after each the same question."""
    return Finding(
        6, "facts of procedures from one source, asked for after each that is added", DUE, await _reference(stage), await _memp(stage)
    )


async def _reference(stage: Stage) -> dict[str, float]:
    model = FactsOfSources(stage.facts, stage.embedder)
    answers: list[list[int]] = []
    for goal in GOALS:
        await model.add(goal)
        answers.append(await model.ask(ASKED, 5))
    return _figures([model.facts(goal).get("object", "") for goal in GOALS], answers)


async def _memp(stage: Stage) -> dict[str, float]:
    memory = await stage.memory("facts")
    updater, retriever = Updater(memory, stage.builder, stage.facts, Policy(facts=True)), Retriever(memory, stage.facts, Thresholds())
    names: list[str] = []
    answers: list[list[int]] = []
    for index, goal in enumerate(GOALS):
        played = episode(index, goal, success=True, places=["shelf"])
        change = await updater.change(played, success=True)
        await memory.command(Change(kind="command", trajectory=None, writes=change.writes))
        names.append(change.writes[0].procedure)
        answers.append([names.index(each.procedure) for each in (await retriever.recall(_question())).retrieved])
    found = await memory.get_all(names)
    return _figures([next(fact.value for fact in each.facts if fact.name == "object") for each in found], answers)


def _question() -> Task:
    spec = EpisodeSpec(model="stand-in-strong", retrieve="avefact", top_k=5)
    return Task(id="question", epoch=1, env="alfworld", goal=ASKED, game={}, index=9, spec=spec)


def _figures(things: list[str], answers: list[list[int]]) -> dict[str, float]:
    own = sum(found == thing for found, thing in zip(things, THINGS, strict=True))
    return dict(zip(DUE, (own, sum(found == due for found, due in zip(answers, EXPECTED, strict=True))), strict=True))
