"""The ten points in which the method's reference implementation is known to go wrong, each shown to be right here."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from envs.alfworld_env import households
from envs.registry import describe
from experiments.config import RunConfig, make_tasks
from experiments.stand_in.options import Options
from experiments.stand_in.server import Server, stand_in
from memory.build import Builder, FactExtractor
from memory.plan import Deprecation
from memory.procedure import SameGoal
from memory.retrieve import Retriever, Thresholds
from memory.store import Memory
from memory.update import Policy, Updater
from runtime.bus.namespace import open_namespace
from runtime.config import Settings
from runtime.env import EnvDescription
from runtime.events import Progress, Trajectory
from runtime.model.llm import LLM, Sampling
from tests.curating import applied, curating
from tests.events import task, trajectory
from tests.memory.changes import NEVER, at_angle, learned, new, put, revise, stored
from tests.support import Place, arrive, commit, models, opened, running, scripted, settings, until
from tests.workers.scripted_env import ScriptedPool
from workers.episode_worker import EpisodeWorker

GOAL = "put a hot egg in shelf."
SAMPLING = Sampling(model="stand-in")


def retriever(memory: Memory, llm: LLM, thresholds: Thresholds | None = None) -> Retriever:
    return Retriever(memory, FactExtractor(llm, SAMPLING, describe), thresholds or Thresholds())


async def test_1_credit_goes_to_every_retrieved_procedure_and_to_the_revision_retrieved(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url, policy=Policy("validation")) as works:
        await put(works.memory, *(new(f"p{number}") for number in range(10)))
        await put(works.memory, revise("p7", 1))
        used = tuple((f"p{number}", 2 if number == 7 else 1) for number in range(10))
        await works.memory.namespace.submit_trajectories([trajectory(task(0), success=False, retrieved=used)])
        async with running(works.pump()):
            await applied(works.memory, 1)
        for name, revision in used:
            credit = (await stored(works.memory, name)).credit
            assert {number: each.uses for number, each in credit.items()} == {revision: 1}


@pytest.mark.parametrize(("same_goal", "procedures"), [("merge", 1), ("add", 8)])
async def test_2_eight_concurrent_successes_for_one_goal_are_merged_or_added_and_none_is_dropped(
    server_url: str, namespace_name: str, same_goal: SameGoal, procedures: int
) -> None:
    policy = Policy("adjustment", same_goal)
    async with stand_in(Options(latency_ms=20)) as model, curating(server_url, namespace_name, model.base_url, policy=policy) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(index, goal=GOAL)) for index in range(8)])
        async with running(works.pump()):
            await applied(works.memory, 8)
        found = [await stored(works.memory, name) for name in await works.memory.ids()]
    assert len(found) == procedures
    assert sorted(source for each in found for source in each.sources) == [f"1:task-{index}" for index in range(8)]


async def test_3_two_failures_on_one_procedure_in_one_group_both_count_and_eviction_never_precedes_adjustment(
    server_url: str, namespace_name: str
) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url, deprecate_uses=1) as works:
        await put(works.memory, new("p"))
        async with running(works.pump(), works.turns.watch):
            await commit(works.memory.namespace, *(trajectory(task(n, group=0), success=False, retrieved=(("p", 1),)) for n in range(2)))
            await applied(works.memory, 2)
        procedure = await stored(works.memory, "p")
    assert [(each.cause.kind, each.cause.trajectories, each.status) for each in procedure.revisions[1:]] == [
        ("adjusted", ("1:task-0",), "active"),
        ("adjusted", ("1:task-1",), "active"),
    ]


async def test_4_restart_keeps_what_was_learned_and_neither_repeats_nor_skips_a_task(server_url: str, namespace_name: str) -> None:
    played = [trajectory(task(index, goal=f"put a mug in shelf {index}.")) for index in range(4)]
    async with stand_in(Options()) as model:
        async with curating(server_url, namespace_name, model.base_url) as works:
            await commit(works.memory.namespace, *played[:2], unplayed=(played[2].task,))
            async with running(works.pump()):
                await applied(works.memory, 2)
            before = [await stored(works.memory, name) for name in await works.memory.ids()]
        asked = model.stats.roles["builder"]
        async with curating(server_url, namespace_name, model.base_url) as works:
            assert [await stored(works.memory, name) for name in await works.memory.ids()] == before
            assert await works.memory.namespace.submit_tasks([each.task for each in played]) == 1
            assert await works.memory.namespace.client.xlen(works.memory.namespace.keys.tasks) == 2
            await works.memory.namespace.submit_trajectories(played[3:])
            async with running(works.pump()):
                await applied(works.memory, 3)
            assert len(await works.memory.ids()) == 3
            assert model.stats.roles["builder"] == asked + 1


async def test_5_retrieval_key_is_the_tasks_text_on_both_sides(place: Place, namespace_name: str) -> None:
    async with stand_in(Options()) as model:
        over = settings(model.base_url)
        async with opened(place, namespace_name, over) as memory, models(over) as clients:
            builder, facts = Builder(clients.llm, SAMPLING, "trajectory", describe), FactExtractor(clients.llm, SAMPLING, describe)
            room = "You are in the middle of a room. " + "Looking quickly around you, you see a bed 1, a desk 1. " * 20
            played = trajectory(task(0, goal=GOAL), first_observation=f"{room}\n\nYour task is to: {GOAL}")
            change = await Updater(memory, builder, facts, Policy()).change(played, success=True)
            await put(memory, *change.writes)
            [found] = (await retriever(memory, clients.llm).recall(task(1, goal=GOAL))).retrieved
            assert found.distance == pytest.approx(0.0, abs=1e-5)
            assert (await stored(memory, found.procedure)).goal == GOAL


async def test_6_facts_belong_to_their_procedure_and_none_is_found_stale(place: Place, namespace_name: str) -> None:
    async with stand_in(Options()) as model:
        over = settings(model.base_url)
        async with opened(place, namespace_name, over) as memory, models(over) as clients:
            builder, facts = Builder(clients.llm, SAMPLING, "trajectory", describe), FactExtractor(clients.llm, SAMPLING, describe)
            updater, asking = Updater(memory, builder, facts, Policy(facts=True)), retriever(memory, clients.llm)
            wanted = task(9, goal="heat some potato and put it in drawer.", retrieve="avefact", top_k=5)
            goals = ("put a hot potato in drawer.", "put two soapbar in cart.", "put a hot egg in shelf.")
            names: list[str] = []
            for index, (goal, expected) in enumerate(zip(goals, ([0], [0], [0, 2]), strict=True)):
                [write] = (await updater.change(trajectory(task(index, goal=goal)), success=True)).writes
                await put(memory, write)
                names.append(write.procedure)
                recall = await asking.recall(wanted)  # by the same retriever each time
                assert [each.procedure for each in recall.retrieved] == [names[number] for number in expected]
            things = [[fact.value for fact in (await stored(memory, name)).facts if fact.name == "object"] for name in names]
            assert things == [["potato"], ["soapbar"], ["egg"]]
            await put(memory, revise(names[0], 1, status="deprecated"))
            assert [each.procedure for each in (await asking.recall(wanted)).retrieved] == [names[2]]


def travel(env: str) -> EnvDescription:
    return EnvDescription(env, f"RULES OF {env}", (), 0.8)


async def test_7_prompts_speak_of_the_environment_at_hand_and_hold_no_worked_solution() -> None:
    async with scripted(lambda _: '{"a": "b"}') as model, models(settings(model.base_url)) as clients:
        played = trajectory(task(0, goal="GOAL").model_copy(update={"env": "travel"}), steps=0, first_observation="OBSERVED")
        builder = Builder(clients.llm, SAMPLING, "script", travel)
        content = await builder.build(played)
        await builder.adjust(content, "GOAL", played)
        await FactExtractor(clients.llm, SAMPLING, travel).extract("travel", "GOAL")
    for [message] in model.chats:
        assert "RULES OF travel" in message["content"]
        words = set(re.findall(r"[a-z]+", message["content"].lower()))
        assert not words & {"alfworld", "household", "room", "microwave", "fridge", "sinkbasin", "desklamp", "heat", "cool", "clean", "mug"}
    assert len(model.chats) == 3


@pytest.mark.parametrize("group_size", [None, 4, 5, 100])
def test_8_every_game_of_a_split_is_played_exactly_once(tmp_path: Path, group_size: int | None) -> None:
    for index in range(13):
        made = households.game(index, 3, "dev")
        (tmp_path / made.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / made.path).write_text(json.dumps(made.content))
    over = Settings(alfworld_data=tmp_path)  # pyright: ignore[reportCallIssue]
    tasks = make_tasks(RunConfig(mode="online", exp_name="e", model="m", group_size=group_size, batch_size=6), over, epoch=1)
    assert len({each.game["path"] for each in tasks}) == len({each.id for each in tasks}) == len(tasks) == 13
    assert [each.index for each in tasks] == list(range(13))
    assert [each.group for each in tasks] == [group_size and index // group_size for index in range(13)]


async def test_9_nothing_near_enough_is_no_error_and_neither_is_no_memory(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda messages: f"Action: do {len(messages)}") as model:
        over = settings(model.base_url)
        async with opened(Place(server_url, search=True), namespace_name, over) as memory, models(over) as clients:
            await put(memory, new("far", at=at_angle(90)))
            asking = retriever(memory, clients.llm, Thresholds(distance=0.01))

            async def open_retriever(*_: Any) -> Retriever:
                return asking

            worker = EpisodeWorker(memory.namespace, clients.llm, ScriptedPool().as_pool(), open_retriever, over)
            await memory.namespace.submit_tasks([task(0), task(1, use_memory=False)])
            stream = memory.namespace.keys.trajectories
            async with running(worker.pump()):

                async def both_played() -> bool:
                    return await memory.namespace.client.xlen(stream) == 2

                await until(both_played)
            entries: Any = await memory.namespace.client.xrange(stream)
    found = sorted((Trajectory.model_validate_json(fields[b"event"]) for _, fields in entries), key=lambda each: each.task.index)
    assert [(each.recall.arm, each.recall.retrieved, each.recall.guidance) for each in found] == [("memory", (), ""), ("control", (), "")]
    assert all(each.success for each in found)


@asynccontextmanager
async def counting(memory: Memory, model: Server, cost: list[dict[str, int]]) -> AsyncGenerator[None]:
    """Adds to `cost` how often each command of the server and each role of the model was called in the block."""

    async def calls() -> dict[str, int]:
        commands = await memory.namespace.client.info("commandstats")
        return {name: each["calls"] for name, each in commands.items() if name != "cmdstat_info"} | dict(model.stats.roles)

    before = await calls()
    yield
    cost.append({name: count - before.get(name, 0) for name, count in (await calls()).items() if count != before.get(name, 0)})


async def test_10_update_costs_the_same_whatever_the_size_of_the_memory(place: Place, namespace_name: str) -> None:
    cost: list[dict[str, int]] = []
    async with stand_in(Options()) as model:
        over = settings(model.base_url)
        async with opened(place, namespace_name, over) as memory, models(over) as clients:
            builder, facts = Builder(clients.llm, SAMPLING, "script", describe), FactExtractor(clients.llm, SAMPLING, describe)
            updater = Updater(memory, builder, facts, Policy())
            for size in (10, 1000):
                for start in range(len(await memory.ids()), size, 50):
                    await put(memory, *(new(f"p{number}", at=at_angle(number / 10)) for number in range(start, min(start + 50, size))))
                won = trajectory(task(size, goal=f"put a mug in shelf {size}."), retrieved=(("p3", 1),))
                lost = trajectory(task(size + 1), success=False, retrieved=(("p3", 1), ("p5", 1)))
                deliveries = await arrive(memory.namespace, won, lost)
                async with counting(memory, model, cost):
                    for each, delivery in zip((won, lost), deliveries, strict=True):
                        change = await updater.change(each, success=each.success)
                        await memory.learn(change, each, delivery, Deprecation())
    small, large = cost
    assert large == small
    assert {role: small[role] for role in ("builder", "adjustment", "embedding")} == {"builder": 1, "adjustment": 2, "embedding": 1}


async def test_overwritten_namespace_knows_nothing_of_what_was(server_url: str, namespace_name: str) -> None:
    async with opened(Place(server_url, search=True), namespace_name) as memory:
        await put(memory, new("p", unique=True))
        played = trajectory(task(0))
        [delivery] = await arrive(memory.namespace, played)
        await memory.learn(learned(played), played, delivery, NEVER)
        afresh = await open_namespace(memory.namespace.client, namespace_name, overwrite=True)
        assert await afresh.progress() == Progress()
        assert (await memory.index.nearest(at_angle(0), 5, "alfworld")).hits == []
        assert await memory.serving("alfworld", "goal of p") is None
