"""The curator at work in this process: a real server, a real model over HTTP."""

from dataclasses import replace
from typing import Any

import anyio
import pytest

from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.procedure import Change
from memory.store import Memory, open_memory
from memory.update import Policy
from runtime.bus.consumer import Consumer, Delivery
from runtime.bus.journal import Journal
from runtime.errors import LLMRejected, UsageError
from runtime.keys import CURATORS, WORKERS
from runtime.model.llm import Completion
from tests.curating import LEASE, applied, curating
from tests.events import task, trajectory
from tests.memory.changes import new, put, stored
from tests.support import commit, curator, dead_letters, running, scripted, until


async def dead(memory: Memory, count: int) -> None:
    async def done() -> bool:
        return len(await dead_letters(memory.namespace)) == count

    await until(done)


async def begun(memory: Memory, delivery: Delivery) -> None:
    """What a curator leaves behind that ended while it built."""
    key = memory.namespace.keys.journal(1, "curator:task-0")
    await Journal(key, delivery, memory.namespace.scripts).put(f"attempt:{delivery.deliveries}", b"")


async def changes(memory: Memory) -> list[Change]:
    entries: Any = await memory.namespace.client.xrange(memory.namespace.keys.changes)
    return [Change.model_validate_json(fields[b"event"]) for _, fields in entries]


async def test_success_becomes_a_procedure_with_what_it_cost(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url) as works:
        memory = works.memory
        await memory.namespace.submit_trajectories([trajectory(task(0))])
        async with running(works.pump()):
            await applied(memory, 1)
        [name] = await memory.ids()
        assert (await stored(memory, name)).goal == task(0).goal
        [change] = await changes(memory)
        assert change.usage["builder"].input > 100
        assert await memory.namespace.client.xlen(memory.namespace.keys.trajectories) == 0


async def test_success_is_by_the_environments_threshold_of_reward(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url, policy=Policy("validation")) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(0), success=True, reward=0.9)])
        async with running(works.pump()):
            await applied(works.memory, 1)
        assert await works.memory.ids() == []


async def test_aborted_episode_is_applied_without_credit(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url, policy=Policy("vanilla")) as works:
        await put(works.memory, new("p"))
        aborted = trajectory(task(0), success=False, outcome="aborted", reason="budget", retrieved=(("p", 1),))
        await works.memory.namespace.submit_trajectories([aborted])
        async with running(works.pump()):
            await applied(works.memory, 1)
        assert (await stored(works.memory, "p")).credit == {}
        assert (await works.memory.ids(), model.stats.chat) == (["p"], 0)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff{", "unreadable trajectory"),
        (b'{"v": 2}', "unreadable trajectory"),
        (trajectory(task(0).model_copy(update={"env": "elsewhere"})).model_dump_json().encode(), "unknown environment 'elsewhere'"),
        (trajectory(task(0).model_copy(update={"env": "wsgiref.validate"})).model_dump_json().encode(), "unknown environment 'wsgiref"),
    ],
)
async def test_event_that_cannot_be_read_goes_to_the_dead_letters(
    server_url: str, namespace_name: str, payload: bytes, reason: str
) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url) as works:
        namespace = works.memory.namespace
        await namespace.client.xadd(namespace.keys.trajectories, {"event": payload})
        await namespace.submit_trajectories([trajectory(task(1))])
        async with running(works.pump()):
            await applied(works.memory, 1)
            await dead(works.memory, 1)
        [letter] = await dead_letters(namespace)
        assert letter.reason.startswith(reason)
        assert await namespace.client.xlen(namespace.keys.trajectories) == 0


async def test_second_delivery_asks_the_model_nothing_again(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda _: "Steps:\n1. go") as model, curating(server_url, namespace_name, model.base_url) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(0))])
        model.refused_embeddings = 2
        async with running(works.pump()):
            await applied(works.memory, 1)
        assert (len(await works.memory.ids()), model.refused_embeddings, len(model.chats)) == (1, 0, 1)
        assert await works.memory.namespace.client.exists(works.memory.namespace.keys.journal(1, "curator:task-0")) == 0


async def test_goals_alike_of_two_curators_conflict_and_are_recomputed_from_the_journal(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options(latency_ms=50)) as model, curating(server_url, namespace_name, model.base_url, curator_slots=3) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(number), steps=9 - number) for number in range(6)])
        async with running(works.pump()), running(replace(works).pump()):
            await applied(works.memory, 6)
        [name] = await works.memory.ids()
        procedure = await stored(works.memory, name)
        assert (len(procedure.sources), procedure.current.steps) == (6, 4)
        assert [role for role in model.stats.repeated() if role.startswith("builder")] == []


async def test_goals_alike_of_one_curator_are_built_once(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options(latency_ms=50)) as model, curating(server_url, namespace_name, model.base_url) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(number)) for number in range(6)])
        async with running(works.pump()):
            await applied(works.memory, 6)
        [name] = await works.memory.ids()
        assert len((await stored(works.memory, name)).sources) == 6
        assert model.stats.roles["builder"] == 1


async def test_failures_under_one_procedure_are_each_adjusted_on_once(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options(latency_ms=50)) as model, curating(server_url, namespace_name, model.base_url) as works:
        await put(works.memory, new("p"), new("q"), new("r"))
        used = ((("p", 1), ("q", 1)), (("q", 1), ("p", 1)), (("r", 1),))
        failed = [trajectory(task(number), success=False, retrieved=each) for number, each in enumerate(used)]
        await works.memory.namespace.submit_trajectories(failed)
        async with running(works.pump()):
            await applied(works.memory, 3)
        assert [(await stored(works.memory, name)).current.number for name in "pqr"] == [3, 3, 2]
        assert model.stats.roles["adjustment"] == 5


async def test_index_that_memory_outgrew_is_replaced_by_the_curator(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url) as works:
        memory = await open_memory(works.memory.namespace, works.memory.embedder, search=True, exact_up_to=1)
        await put(memory, new("p"), new("q"))

        async def grown() -> bool:
            return f"{memory.namespace.keys.index}@hnsw".encode() in await memory.namespace.client.execute_command("FT._LIST")

        async with running(works.pump(), replace(works, memory=memory).tend):
            await until(grown)


async def test_build_failing_for_good_gives_the_credit_and_a_dead_letter_of_the_build(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda _: 400) as model, curating(server_url, namespace_name, model.base_url) as works:
        await put(works.memory, new("p"))
        await works.memory.namespace.submit_trajectories([trajectory(task(0), retrieved=(("p", 1),))])
        async with running(works.pump()):
            await applied(works.memory, 1)
        [letter] = await dead_letters(works.memory.namespace)
        assert letter.reason.startswith("build: RequestRejected")
        assert (letter.deliveries, len(model.chats)) == (3, 3)
        assert (await stored(works.memory, "p")).credit[1].successes == 1
        assert (await changes(works.memory))[-1].kind == "build_failed"
        assert await works.memory.ids() == ["p"]


async def test_build_that_ended_every_curator_is_given_up_without_another_try(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda _: "Steps:\n1. go") as model, curating(server_url, namespace_name, model.base_url) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(0))])
        lost = curator(works.memory.namespace, "lost", lease=0.0)
        await lost.register()
        [held] = await lost.read(1, block=0.1)
        await begun(works.memory, held)
        for _ in range(2):
            [held] = await lost.reclaim(1)
            await begun(works.memory, held)
        lost.lease = LEASE
        await lost.release(held, failed=True)
        async with running(works.pump()):
            await applied(works.memory, 1)
        [letter] = await dead_letters(works.memory.namespace)
        assert (letter.reason, model.chats) == ("build: ProcedureError: 3 curators ended while building it", [])


async def test_trajectory_that_only_waited_while_curators_ended_is_built(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda _: "Steps:\n1. go") as model, curating(server_url, namespace_name, model.base_url) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(0))])
        lost = curator(works.memory.namespace, "lost", lease=0.0)
        await lost.register()
        await lost.read(1, block=0.1)
        deliveries = [(await lost.reclaim(1))[0] for _ in range(3)]
        lost.lease = LEASE
        await lost.release(deliveries[-1], failed=True)
        async with running(works.pump()):
            await applied(works.memory, 1)
        assert len(await works.memory.ids()) == 1
        assert await dead_letters(works.memory.namespace) == []


async def test_build_that_waited_for_its_group_while_curators_ended_is_applied(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda _: "Steps:\n1. go") as model, curating(server_url, namespace_name, model.base_url) as works:
        namespace, (first, second) = works.memory.namespace, [trajectory(task(number, group=0)) for number in range(2)]
        lost = curator(namespace, "lost", lease=0.0)
        await lost.register()
        await commit(namespace, first, unplayed=(second.task,))
        for deliveries in range(1, 5):
            async with running(works.pump()):
                await until(lambda key=f"built:{deliveries}": namespace.client.hexists(namespace.keys.journal(1, "curator:task-0"), key))
            [held] = await lost.reclaim(1)
            lost.lease = LEASE
            await lost.release(held, failed=True)
            lost.lease = 0.0
        worker = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="worker", lease=0.0)
        await namespace.commit((await worker.reclaim(1))[0], second)
        async with running(works.pump(), works.turns.watch):
            await applied(works.memory, 2)
        assert (len(await works.memory.ids()), len(model.chats)) == (1, 2)
        assert await dead_letters(namespace) == []


class Broken:
    """A model layer with a bug."""

    async def complete(self, *_: Any, **__: Any) -> Completion:
        raise KeyError("choices")


async def test_bug_in_building_does_not_go_round_for_ever(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url, max_deliveries=2) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(0))])
        async with running(replace(works, llm=Broken()).pump()):
            await applied(works.memory, 1)
        [letter] = await dead_letters(works.memory.namespace)
        assert (letter.reason, letter.deliveries) == ("build: KeyError: 'choices'", 2)


async def test_wrong_key_ends_the_curator_and_spends_no_delivery(server_url: str, namespace_name: str) -> None:
    async with scripted(lambda _: 401) as model, curating(server_url, namespace_name, model.base_url) as works:
        await works.memory.namespace.submit_trajectories([trajectory(task(0))])
        with pytest.raises(LLMRejected):
            async with running(works.pump()):
                await applied(works.memory, 1)
        namespace = works.memory.namespace
        [held] = await namespace.client.xpending_range(namespace.keys.trajectories, CURATORS, "-", "+", 1)
        assert (held["times_delivered"], await dead_letters(namespace), len(model.chats)) == (0, [], 1)


async def test_group_is_applied_in_task_order(server_url: str, namespace_name: str) -> None:
    async with (
        stand_in(Options()) as model,
        curating(server_url, namespace_name, model.base_url, form="trajectory", curator_slots=2) as works,
    ):
        group = [trajectory(task(index, group=0, goal=f"put a mug in shelf {index}.")) for index in range(6)]
        async with running(works.pump(), works.turns.watch):
            await commit(works.memory.namespace, *reversed(group[:2] + group[3:]), dead=(group[2].task,))
            await applied(works.memory, 5)
        assert [change.trajectory for change in await changes(works.memory)] == [f"1:task-{index}" for index in (0, 1, 3, 4, 5)]


async def test_two_failures_in_a_group_adjust_one_after_the_other(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url) as works:
        await put(works.memory, new("p"))
        group = [trajectory(task(index, group=0), success=False, retrieved=(("p", 1),)) for index in range(2)]
        async with running(works.pump(), works.turns.watch):
            await commit(works.memory.namespace, *reversed(group))
            await applied(works.memory, 2)
        assert [each.cause.trajectories for each in (await stored(works.memory, "p")).revisions] == [(), ("1:task-0",), ("1:task-1",)]
        assert model.stats.roles["adjustment"] == 2


async def test_event_of_an_older_epoch_is_dropped_and_of_a_newer_one_ends_the_curator(server_url: str, namespace_name: str) -> None:
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url) as works:
        namespace = works.memory.namespace
        add, length = namespace.client.xadd, lambda: namespace.client.xlen(namespace.keys.trajectories)
        await add(namespace.keys.trajectories, {"event": trajectory(task(0, epoch=0)).model_dump_json()})
        with pytest.raises(UsageError, match="was started afresh"):  # noqa: PT012 (what is done meanwhile)
            async with running(works.pump()):
                await until(length, lambda left: left == 0)
                await namespace.client.hset(namespace.keys.meta, "epoch", "2")
                await add(namespace.keys.trajectories, {"event": trajectory(task(0, epoch=2)).model_dump_json()})
                await anyio.sleep_forever()
        assert await length() == 1
        assert await dead_letters(namespace) == []
