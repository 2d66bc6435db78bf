"""Update: what each policy makes of a success and of a failure, with a real model behind the builder."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from envs.registry import describe
from experiments.stand_in.options import Options
from experiments.stand_in.server import Server, stand_in
from memory.build import Builder, FactExtractor
from memory.plan import Deprecation
from memory.procedure import Change, Revision, SameGoal, Update
from memory.store import Memory, decode
from memory.update import Policy, Updater, better
from runtime.errors import RevisionConflict
from runtime.model.llm import Sampling
from tests.events import task, trajectory
from tests.memory.changes import learn, new, put, revise, revision, stored
from tests.support import Place, arrive, models, opened, settings

GOAL = "put a mug in shelf."


@asynccontextmanager
async def updating(url: str, name: str, policy: Policy) -> AsyncGenerator[tuple[Updater, Memory, Server]]:
    """An updater of scripts over an empty memory."""
    async with stand_in(Options()) as server:
        over = settings(server.base_url)
        async with opened(Place(url, search=False), name, over) as memory, models(over) as clients:
            sampling = Sampling(model="stand-in")
            builder = Builder(clients.llm, sampling, "script", describe)
            yield Updater(memory, builder, FactExtractor(clients.llm, sampling, describe), policy), memory, server


def effect(change: Change) -> str:
    """What a change does, in a word or two."""
    writes = ["built anew" if write.expects == 0 else f"{write.revision.cause.kind} {write.procedure}" for write in change.writes]
    return ", ".join([*writes, *(f"source of {source.procedure}" for source in change.sources)])


BUILT = "built anew"


@pytest.mark.parametrize(
    ("update", "same_goal", "success", "expected"),
    [
        ("vanilla", "merge", True, "merged known"),
        ("vanilla", "merge", False, "source of known"),
        ("vanilla", "add", True, BUILT),
        ("vanilla", "add", False, BUILT),
        ("validation", "merge", True, "merged known"),
        ("validation", "merge", False, ""),
        ("validation", "add", True, BUILT),
        ("validation", "add", False, ""),
        ("adjustment", "merge", True, "merged known"),
        ("adjustment", "merge", False, "adjusted used"),
        ("adjustment", "add", True, BUILT),
        ("adjustment", "add", False, "adjusted used"),
    ],
)
async def test_policy_decides_what_an_episode_changes(
    server_url: str, namespace_name: str, update: Update, same_goal: SameGoal, success: bool, expected: str
) -> None:
    async with updating(server_url, namespace_name, Policy(update, same_goal)) as (updater, memory, _):
        await put(memory, new("known", GOAL, unique=True), new("used"))
        change = await updater.change(trajectory(task(0, goal=GOAL), success=success, retrieved=(("used", 1),)), success=success)
    assert effect(change) == expected
    assert [(use.procedure, use.revision, use.success) for use in change.uses] == [("used", 1, success)]


async def test_new_procedure_has_the_goals_vector_its_facts_and_its_cause(server_url: str, namespace_name: str) -> None:
    async with updating(server_url, namespace_name, Policy(facts=True)) as (updater, memory, _):
        played = trajectory(task(0, goal=GOAL), steps=4)
        [write] = (await updater.change(played, success=True)).writes
        [goal, mug] = await memory.embed([GOAL, "mug"])
    assert write.new is not None
    assert decode(write.new.vector).tolist() == goal.tolist()
    facts = {fact.name: fact for fact in write.new.facts}
    assert {name: fact.value for name, fact in facts.items()} == {"object": "mug", "operation": "put", "target": "shelf"}
    assert decode(facts["object"].vector or "").tolist() == mug.tolist()
    assert (write.revision.steps, write.revision.cause.trajectories, write.sources) == (4, (played.id,), (played.id,))


async def test_aborted_episode_changes_nothing_and_asks_nobody(server_url: str, namespace_name: str) -> None:
    async with updating(server_url, namespace_name, Policy("vanilla")) as (updater, memory, server):
        await put(memory, new("used"))
        aborted = trajectory(task(0), success=False, outcome="aborted", reason="budget", retrieved=(("used", 1),))
        assert (await updater.change(aborted, success=False)).empty
        assert server.stats.chat == 0


async def test_success_in_more_steps_is_one_more_source_and_builds_nothing(server_url: str, namespace_name: str) -> None:
    async with updating(server_url, namespace_name, Policy()) as (updater, memory, server):
        await put(memory, new("known", GOAL, unique=True, steps=3))
        change = await updater.change(trajectory(task(0, goal=GOAL), steps=3), success=True)
        assert (effect(change), server.stats.chat) == ("source of known", 0)


async def test_failure_adjusts_every_procedure_that_was_used_from_its_present_revision(server_url: str, namespace_name: str) -> None:
    async with updating(server_url, namespace_name, Policy()) as (updater, memory, server):
        await put(memory, new("p"), new("q"))
        await put(memory, revise("p", 1, script="Steps:\n1. Look for the mug in or on the cabinet."))
        used = (("p", 1), ("q", 1), ("gone", 1))
        change = await updater.change(trajectory(task(0, goal=GOAL), success=False, retrieved=used), success=False)
        assert [(write.procedure, write.expects, write.revision.number) for write in change.writes] == [("p", 2, 3), ("q", 1, 2)]
        assert "in or on the cabinet" in (change.writes[0].revision.content.script or "")
        assert server.stats.roles["adjustment"] == 2


@pytest.mark.parametrize(("same_goal", "procedures"), [("merge", 1), ("add", 8)])
async def test_eight_concurrent_new_goals_alike_give(server_url: str, namespace_name: str, same_goal: SameGoal, procedures: int) -> None:
    async with updating(server_url, namespace_name, Policy("adjustment", same_goal)) as (updater, memory, _):
        played = [trajectory(task(number, goal=GOAL), steps=9 - number) for number in range(8)]
        deliveries = await arrive(memory.namespace, *played)
        conflicts: list[str] = []

        async def one(number: int) -> None:
            while True:
                change = await updater.change(played[number], success=True)
                try:
                    return await memory.learn(change, played[number], deliveries[number], Deprecation())
                except RevisionConflict:
                    conflicts.append(played[number].id)

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(one, number)
        found = [await stored(memory, each) for each in await memory.ids()]
    assert len(found) == procedures
    assert bool(conflicts) == (same_goal == "merge")
    assert sorted(source for each in found for source in each.sources) == sorted(each.id for each in played)
    assert min(each.current.steps for each in found) == 2


async def test_merged_revision_keeps_the_older_one(server_url: str, namespace_name: str) -> None:
    async with updating(server_url, namespace_name, Policy()) as (updater, memory, _):
        for number, steps in enumerate((5, 3, 4)):
            played = trajectory(task(number, goal=GOAL), steps=steps)
            change = await updater.change(played, success=True)
            await learn(memory, played, *change.writes, sources=change.sources)
        [name] = await memory.ids()
        procedure = await stored(memory, name)
    assert [(each.steps, each.cause.kind) for each in procedure.revisions] == [(5, "built"), (3, "merged")]
    assert procedure.sources == ("1:task-0", "1:task-1", "1:task-2")


@pytest.mark.parametrize(
    ("steps", "success", "current", "wins"),
    [
        (4, True, revision(steps=5), True),
        (5, True, revision(steps=5), False),
        (4, False, revision(steps=5), False),
        (9, True, revision(steps=5, success=False), True),
        (4, False, revision(steps=5, success=False), False),
        (9, True, revision(steps=5, status="deprecated"), True),
        (1, False, revision(steps=5, status="deprecated", success=False), False),
    ],
)
def test_better_is_only_a_success_after_a_failure_or_with_fewer_steps(steps: int, success: bool, current: Revision, wins: bool) -> None:
    assert better(steps, success, current) == wins
