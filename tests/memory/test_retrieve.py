"""The three strategies, through a real model and both kinds of index."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from envs.registry import describe
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.build import FactExtractor
from memory.facts import Candidates, average_similarities
from memory.guidance import guidance
from memory.index import Vector
from memory.procedure import Content, Write
from memory.retrieve import Retriever, Thresholds
from memory.store import Memory
from runtime.events import Task
from runtime.model.llm import Sampling
from tests.events import task, trajectory
from tests.memory.changes import EAGER, at_angle, fact, learn, new, put
from tests.support import Place, models, opened, scripted, settings

GOALS = ("put a hot egg in shelf.", "put two soapbar in cart.", "look at pen under the desklamp.", "put a hot potato in shelf.")


@asynccontextmanager
async def recalling(place: Place, name: str, thresholds: Thresholds | None = None) -> AsyncGenerator[tuple[Retriever, Memory]]:
    """A retriever over a memory that has a procedure for each of the goals, with the facts that the model finds in them."""
    async with stand_in(Options()) as server:
        over = settings(server.base_url)
        async with opened(place, name, over) as memory, models(over) as clients:
            extractor = FactExtractor(clients.llm, Sampling(model="stand-in"), describe)
            await put(memory, *[await about(memory, extractor, goal) for goal in GOALS])
            yield Retriever(memory, extractor, thresholds or Thresholds()), memory


async def about(memory: Memory, extractor: FactExtractor, goal: str) -> Write:
    facts = await extractor.extract("alfworld", goal)
    at, *values = await memory.embed([goal, *facts.values()])
    made = tuple(fact(name, value, vector) for (name, value), vector in zip(facts.items(), values, strict=True))
    return new(facts["object"], goal, at=at, facts=made, script=f"how to {goal}")


def asked(goal: str, retrieve: str, top_k: int = 2, index: int = 0, seed: int = 0) -> Task:
    return task(index, goal=goal, retrieve=retrieve, top_k=top_k, seed=seed)


async def test_query_gives_the_closest_goals_first(place: Place, namespace_name: str) -> None:
    async with recalling(place, namespace_name) as (retriever, memory):
        recall = await retriever.recall(asked("put a hot egg in shelf.", "query"))
        assert [each.procedure for each in recall.retrieved] == ["egg", "potato"]
        assert recall.retrieved[0].distance == pytest.approx(0.0, abs=1e-5)
        assert (recall.arm, recall.memory_version, recall.facts) == ("memory", (await memory.namespace.progress()).version, {})
        scripts = [(goal, Content(script=f"how to {goal}")) for goal in (GOALS[0], GOALS[3])]
        assert recall.guidance == guidance(scripts)


@pytest.mark.parametrize("retrieve", ["query", "avefact"])
async def test_nothing_near_enough_is_an_empty_guidance(place: Place, namespace_name: str, retrieve: str) -> None:
    async with recalling(place, namespace_name, Thresholds(distance=1e-6, similarity=0.999)) as (retriever, _):
        recall = await retriever.recall(asked("clean some lettuce and put it in fridge.", retrieve))
        assert (recall.retrieved, recall.guidance) == ((), "")


async def test_random_is_repeatable_by_seed_and_task_and_reaches_all(place: Place, namespace_name: str) -> None:
    async with recalling(place, namespace_name) as (retriever, _):
        drawn = [await retriever.recall(asked("put a hot egg in shelf.", "random", 1, index)) for index in range(30)]
        assert {each.procedure for recall in drawn for each in recall.retrieved} == {"egg", "soapbar", "pen", "potato"}
        assert drawn[7] == await retriever.recall(asked("something else", "random", 1, 7))
        others = [await retriever.recall(asked("put a hot egg in shelf.", "random", 1, index, seed=1)) for index in range(30)]
        assert others != drawn
        assert drawn[0].retrieved[0].distance is None


async def test_avefact_ranks_by_the_facts_that_the_model_names(place: Place, namespace_name: str) -> None:
    async with recalling(place, namespace_name) as (retriever, _):
        recall = await retriever.recall(asked("heat some potato and put it in drawer.", "avefact", 3))
        assert recall.facts == {"object": "potato", "operation": "heat", "target": "drawer"}
        assert [each.procedure for each in recall.retrieved] == ["potato", "egg"]
        assert [each.distance for each in recall.retrieved] == pytest.approx([1 / 3, 2 / 3], abs=0.01)


async def test_avefact_leaves_out_the_deprecated(place: Place, namespace_name: str) -> None:
    async with recalling(place, namespace_name) as (retriever, memory):
        await learn(memory, trajectory(task(9), success=False, retrieved=(("potato", 1),)), rule=EAGER)
        recall = await retriever.recall(asked("heat some potato and put it in drawer.", "avefact"))
        assert [each.procedure for each in recall.retrieved] == ["egg"]


async def test_avefact_of_a_task_without_facts_gives_nothing(memory: Memory) -> None:
    await put(memory, new("p", facts=(fact("object", "mug", at_angle(0)),)))
    async with scripted(lambda _: "I see no facts.") as server, models(settings(server.base_url)) as clients:
        extractor = FactExtractor(clients.llm, Sampling(model="stand-in"), describe)
        recall = await Retriever(memory, extractor, Thresholds(similarity=0.0)).recall(asked("put a mug in shelf.", "avefact"))
    assert (recall.retrieved, recall.guidance, recall.facts) == ((), "", {})


MUG, CUP, SHELF = at_angle(0), at_angle(60), at_angle(90)
"""Cosines: mug and cup 0.5, cup and shelf 0.866, mug and shelf 0."""


@pytest.mark.parametrize(
    ("have", "threshold", "score"),
    [
        ([("object", MUG), ("target", SHELF)], 0.5, 1.0),
        ([("object", CUP), ("target", SHELF)], 0.4, 0.75),
        pytest.param([("object", CUP), ("target", SHELF)], 0.6, 0.5, id="below-the-threshold"),
        pytest.param([("object", CUP), ("object", MUG), ("target", SHELF)], 0.4, 1.0, id="best-of-a-name"),
        pytest.param([("thing", MUG), ("place", SHELF)], 0.5, 1.0, id="no-name-meets"),
        pytest.param([("object", MUG), ("place", CUP)], 0.5, 0.9330, id="one-name-meets"),
        pytest.param([("object", SHELF), ("target", MUG)], 0.5, 0.0, id="names-meet-values-do-not"),
        ([("object", MUG)], 0.5, 0.5),
        ([], 0.0, 0.0),
    ],
)
def test_average_fact_similarity_by_hand(have: list[tuple[str, Vector]], threshold: float, score: float) -> None:
    others = [[("object", SHELF)], [], [("object", MUG), ("target", SHELF)]]
    scores = average_similarities(["object", "target"], candidates([MUG, SHELF], have, *others), threshold)
    assert scores == pytest.approx([score, 0.5, 0.0, 1.0], abs=1e-4)


def test_average_fact_similarity_of_no_wanted_fact_is_zero() -> None:
    assert average_similarities([], candidates([], [("object", MUG)]), 0.0) == [0.0]


def candidates(wanted: list[Vector], *facts: list[tuple[str, Vector]]) -> Candidates:
    """A candidate for each list of facts."""
    owners = [owner for owner, each in enumerate(facts) for _ in each]
    names, vectors = [name for each in facts for name, _ in each], [vector for each in facts for _, vector in each]
    similarities = np.array([[vector @ each for vector in vectors] for each in wanted], np.float64)
    return Candidates([f"p{number}" for number in range(len(facts))], np.array(owners, np.intp), names, similarities)


async def test_withheld_procedures_are_told_and_not_shown_and_nothing_takes_their_place(place: Place, namespace_name: str) -> None:
    async with recalling(place, namespace_name) as (retriever, _):
        whole = await retriever.recall(asked(GOALS[0], "query", top_k=3))
        splits: set[tuple[int, int]] = set()
        for index in range(12):
            recall = await retriever.recall(task(index, goal=GOALS[0], top_k=3, procedure_dropout=0.5))
            splits.add((len(recall.retrieved), len(recall.withheld)))
            assert sorted((*recall.retrieved, *recall.withheld), key=whole.retrieved.index) == list(whole.retrieved)
            goals: dict[str, str] = dict(zip(("egg", "soapbar", "pen", "potato"), GOALS, strict=True))
            for each in whole.retrieved:
                assert (f"how to {goals[each.procedure]}" in recall.guidance) == (each in recall.retrieved)
        assert {sum(split) for split in splits} == {3}
        assert len(splits) > 1
