"""The episode worker at work in this process: a real server, a real model over HTTP, real games where an episode is won."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from envs.alfworld_env.households import generate
from envs.pool import EnvPool
from envs.registry import describe, games
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.build import FactExtractor
from memory.retrieve import Retriever, Thresholds
from memory.store import Memory
from runtime.bus.consumer import Consumer, register_group
from runtime.bus.namespace import Namespace
from runtime.config import Settings
from runtime.errors import EnvCrashed, EnvError, LLMRejected, UsageError
from runtime.events import EpisodeSpec, Task, Trajectory
from runtime.keys import CURATORS, WORKERS
from runtime.model.llm import LLM, Sampling
from tests.events import task, trajectory
from tests.memory.changes import new, put
from tests.support import Place, dead_letters, models, opened, running, scripted, settings, until
from tests.workers.scripted_env import ScriptedPool
from workers.episode_worker import EpisodeWorker

LEASE = 2.0
"""What failed is taken up again after a quarter of it."""


@asynccontextmanager
async def working(
    url: str, name: str, over: Settings, pool: EnvPool | None = None, recalls: list[str] | None = None
) -> AsyncGenerator[tuple[EpisodeWorker, Memory]]:
    """A worker, not yet at work, and the memory that it recalls from; `recalls` is given the tasks that asked memory."""
    async with opened(Place(url, search=False), name, over) as memory, models(over) as clients:

        async def open_retriever(llm: LLM, asking: Task) -> Retriever:
            (recalls if recalls is not None else []).append(asking.id)
            return Retriever(memory, FactExtractor(llm, Sampling(model="stand-in"), describe), Thresholds())

        yield EpisodeWorker(memory.namespace, clients.llm, pool or ScriptedPool().as_pool(), open_retriever, over), memory


async def trajectories(namespace: Namespace) -> list[Trajectory]:
    entries: Any = await namespace.client.xrange(namespace.keys.trajectories)
    return [Trajectory.model_validate_json(fields[b"event"]) for _, fields in entries]


async def settled(namespace: Namespace, count: int) -> None:
    async def done() -> bool:
        return (await namespace.progress()).settled == count

    await until(done)


def acting(messages: list[dict[str, str]]) -> str:
    """An action that no other step of the episode has."""
    return f"Thought: go on\nAction: do {len(messages)}"


@pytest.fixture(scope="session")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("household")
    generate(1, 7, folder)
    return folder


async def test_real_game_is_played_with_what_memory_gives(server_url: str, namespace_name: str, household: Path) -> None:
    async with stand_in(Options()) as model:
        over = settings(model.base_url, alfworld_data=household, lease=60.0)
        async with EnvPool.open(over) as pool, working(server_url, namespace_name, over, pool) as (worker, memory):
            [found] = games("alfworld", "train", over)
            [vector] = await memory.embed([found.goal])
            await put(memory, new("p", found.goal, at=vector, script="Pitfalls: mind the gap"))
            asked = EpisodeSpec(model="stand-in", max_steps=8)
            game = {"goal": found.goal, "game": found.game}
            arms = (asked, asked.model_copy(update={"use_memory": False}))
            await memory.namespace.submit_tasks([task(n).model_copy(update={**game, "spec": spec}) for n, spec in enumerate(arms)])
            async with running(worker.pump()):
                await settled(memory.namespace, 2)
            informed, control = sorted(await trajectories(memory.namespace), key=lambda each: each.task.index)
    assert [(each.procedure, each.revision) for each in informed.recall.retrieved] == [("p", 1)]
    assert "mind the gap" in informed.recall.guidance
    assert (control.recall.arm, control.recall.guidance) == ("control", "")
    for each in (informed, control):
        assert (each.outcome, each.attempt, each.id) == ("finished", 1, f"1:{each.task.id}")
        assert each.task.goal in each.first_observation
        assert each.success or len(each.steps) == 8
        assert each.usage["agent"].calls >= len(each.steps)


async def test_task_that_fails_every_delivery_ends_among_the_dead_letters(server_url: str, namespace_name: str) -> None:
    pool = ScriptedPool(failure=lambda start, actions: EnvError("the game is broken"))
    async with scripted(acting) as model:
        over = settings(model.base_url, lease=LEASE)
        async with working(server_url, namespace_name, over, pool.as_pool()) as (worker, memory):
            await memory.namespace.submit_tasks([task(0)])
            async with running(worker.pump()):
                await settled(memory.namespace, 1)
            [letter] = await dead_letters(memory.namespace)
            assert (letter.reason, letter.deliveries, letter.task) == ("EnvError: the game is broken", 3, "task-0")
            assert (pool.starts, await trajectories(memory.namespace)) == (3, [])


async def test_task_whose_trajectory_nobody_could_read_ends_among_the_dead_letters_at_once(
    server_url: str, namespace_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(acting) as model, working(server_url, namespace_name, settings(model.base_url)) as (worker, memory):
        await memory.namespace.submit_tasks([task(0)])
        monkeypatch.setattr("runtime.bus.namespace.MAX_EVENT", len(task(0).model_dump_json()))
        async with running(worker.pump()):
            await settled(memory.namespace, 1)
        [letter] = await dead_letters(memory.namespace)
        assert (letter.deliveries, letter.task, "its trajectory has" in letter.reason) == (1, "task-0", True)
        assert await trajectories(memory.namespace) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "unreadable task"),
        (task(0).model_copy(update={"env": "elsewhere"}).model_dump_json(), "unknown environment 'elsewhere'"),
        (task(0).model_copy(update={"env": "wsgiref.validate"}).model_dump_json(), "unknown environment 'wsgiref.validate'"),
    ],
)
async def test_task_that_cannot_be_read_goes_to_the_dead_letters(
    server_url: str, namespace_name: str, payload: bytes | str, reason: str
) -> None:
    async with scripted(acting) as model, working(server_url, namespace_name, settings(model.base_url)) as (worker, memory):
        await memory.namespace.client.xadd(memory.namespace.keys.tasks, {"event": payload})
        await memory.namespace.submit_tasks([task(1)])
        async with running(worker.pump()):

            async def done() -> bool:
                return len(await dead_letters(memory.namespace)) + len(await trajectories(memory.namespace)) == 2

            await until(done)
        [letter] = await dead_letters(memory.namespace)
        assert letter.reason.startswith(reason)
        assert await memory.namespace.client.xlen(memory.namespace.keys.tasks) == 0
        assert "wsgiref.validate" not in sys.modules, "an event had a module imported"


async def test_task_under_which_worker_after_worker_ended_is_not_tried_again(server_url: str, namespace_name: str) -> None:
    pool = ScriptedPool()
    async with (
        scripted(acting) as model,
        working(server_url, namespace_name, settings(model.base_url, lease=LEASE), pool.as_pool()) as (worker, memory),
    ):
        await memory.namespace.submit_tasks([task(0)])
        lost = Consumer(memory.namespace.client, memory.namespace.keys.tasks, WORKERS, name="lost", lease=0.0)
        await lost.register()
        await lost.read(1, block=0.1)
        await lost.reclaim(1)
        [held] = await lost.reclaim(1)
        lost.lease = LEASE
        await lost.release(held, failed=True)
        async with running(worker.pump()):
            await settled(memory.namespace, 1)
        [letter] = await dead_letters(memory.namespace)
        assert (letter.reason, pool.starts) == ("3 workers ended while playing it", 0)


async def test_task_whose_entry_came_twice_is_played_once(server_url: str, namespace_name: str) -> None:
    pool = ScriptedPool()
    async with scripted(acting) as model, working(server_url, namespace_name, settings(model.base_url), pool.as_pool()) as (worker, memory):
        keys, client = memory.namespace.keys, memory.namespace.client
        await memory.namespace.submit_tasks([task(0)])
        async with running(worker.pump()):
            await settled(memory.namespace, 1)
            await client.xadd(keys.tasks, {"event": task(0).model_dump_json()})
            await until(lambda: client.xlen(keys.tasks), lambda left: left == 0)
        assert (pool.starts, len(await trajectories(memory.namespace))) == (1, 1)
        assert not await client.exists(keys.journal(1, "task-0"))


async def test_second_delivery_goes_on_where_the_first_was_cut_off(server_url: str, namespace_name: str) -> None:
    pool = ScriptedPool(length=5, failure=lambda start, actions: EnvCrashed("gone") if (start, actions) == (1, 4) else None)
    recalls: list[str] = []
    async with scripted(acting) as model:
        over = settings(model.base_url, lease=LEASE)
        async with working(server_url, namespace_name, over, pool.as_pool(), recalls) as (worker, memory):
            [vector] = await memory.embed([task(0).goal])
            await put(memory, new("before", at=vector))
            await memory.namespace.submit_tasks([task(0)])
            pump = worker.pump()
            async with running(pump):

                async def crashed() -> bool:
                    return pool.starts == 1 and len(model.chats) == 4

                await until(crashed)
                await put(memory, new("meanwhile", at=vector))
                await settled(memory.namespace, 1)
            [played] = await trajectories(memory.namespace)
            assert (played.attempt, played.success, len(played.steps), len(model.chats)) == (2, True, 5, 5)
            assert (recalls, [each.procedure for each in played.recall.retrieved]) == (["task-0"], ["before"])
            assert played.usage["agent"].calls == 5
            assert await memory.namespace.client.exists(memory.namespace.keys.journal(1, "task-0")) == 0


@pytest.mark.parametrize(("budget", "steps"), [({"episode_tokens": 25}, 3), ({"run_tokens": 0}, 0)])
async def test_spent_budget_ends_the_episode_as_aborted(server_url: str, namespace_name: str, budget: dict[str, Any], steps: int) -> None:
    async with scripted(acting) as model:
        pool = ScriptedPool(length=9).as_pool()
        async with working(server_url, namespace_name, settings(model.base_url), pool) as (worker, memory):
            await memory.namespace.submit_tasks([task(0, **budget)])
            async with running(worker.pump()):
                await settled(memory.namespace, 1)
            [played] = await trajectories(memory.namespace)
    assert (played.outcome, played.success, len(played.steps), len(model.chats)) == ("aborted", False, steps, steps)
    assert f"budget of {next(iter(budget.values()))} tokens is spent" in (played.reason or "")


async def test_run_budget_lets_no_further_episode_begin(server_url: str, namespace_name: str) -> None:
    async with scripted(acting) as model:
        over = settings(model.base_url, slots=1)
        async with working(server_url, namespace_name, over) as (worker, memory):
            await memory.namespace.submit_tasks([task(index, run_tokens=60) for index in range(4)])
            async with running(worker.pump()):
                await settled(memory.namespace, 4)
            played = await trajectories(memory.namespace)
    assert [each.outcome for each in played] == ["finished", "finished", "aborted", "aborted"]
    assert len(model.chats) == 6


async def test_wrong_key_ends_the_worker_and_spends_no_delivery(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda _: 401) as model, working(server_url, namespace_name, settings(model.base_url)) as (worker, memory):
        namespace = memory.namespace
        await namespace.submit_tasks([task(0)])
        with pytest.raises(LLMRejected):
            async with running(worker.pump()):
                await settled(namespace, 1)
        [held] = await namespace.client.xpending_range(namespace.keys.tasks, WORKERS, "-", "+", 1)
        assert (held["times_delivered"], await dead_letters(namespace)) == (0, [])


async def test_task_of_an_older_epoch_is_dropped_and_of_a_newer_one_ends_the_worker(server_url: str, namespace_name: str) -> None:
    async with scripted(acting) as model, working(server_url, namespace_name, settings(model.base_url)) as (worker, memory):
        namespace = memory.namespace
        add, length = namespace.client.xadd, lambda: namespace.client.xlen(namespace.keys.tasks)
        await add(namespace.keys.tasks, {"event": task(0, epoch=0).model_dump_json()})
        with pytest.raises(UsageError, match="was started afresh"):  # noqa: PT012 (what is done meanwhile)
            async with running(worker.pump()):
                await until(length, lambda left: left == 0)
                await namespace.client.hset(namespace.keys.meta, "epoch", "2")
                await add(namespace.keys.tasks, {"event": task(0, epoch=2).model_dump_json()})
                await anyio.sleep_forever()
        assert await length() == 1
        assert (await dead_letters(namespace), model.chats) == ([], [])


async def test_worker_claims_nothing_while_the_curator_is_behind(server_url: str, namespace_name: str) -> None:
    async with (
        scripted(acting) as model,
        working(server_url, namespace_name, settings(model.base_url, high_water=2, slots=1)) as (worker, memory),
    ):
        namespace = memory.namespace
        await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
        await namespace.submit_trajectories([trajectory(task(index)) for index in (8, 9)])
        await namespace.submit_tasks([task(0)])
        pump = worker.pump()
        await pump.consumer.register()
        async with running(pump):

            async def has_looked() -> bool:
                return pump.consumer.name.encode() in [
                    each["name"] for each in await namespace.client.xinfo_consumers(namespace.keys.tasks, WORKERS)
                ]

            await until(has_looked)
            assert await namespace.in_flight() == 0
            await namespace.client.xtrim(namespace.keys.trajectories, maxlen=1, approximate=False)
            await settled(namespace, 3)
