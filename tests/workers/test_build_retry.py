"""A build that failed for good and is tried again: procedures come of it, and no credit."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from memory.procedure import Credit
from memory.store import Memory
from runtime.bus.dead import read_letters, retry
from runtime.events import DeadLetter, Progress, Trajectory
from runtime.keys import CURATORS
from tests.curating import applied, curating
from tests.events import task, trajectory
from tests.memory.changes import NEVER, learned, new, put, stored
from tests.support import Place, commit, curator, dead_letters, opened, running, scripted, until
from workers.memory_curator import MemoryCurator


@dataclass
class Builder:
    """A model that refuses to build until it is healed."""

    healed: bool = False

    def reply(self, _: list[dict[str, str]]) -> str | int:
        return "Steps:\n1. go" if self.healed else 400


async def put_back(memory: Memory) -> list[DeadLetter]:
    """Retry all letters; returns them."""
    found = [letter async for letter in read_letters(memory.namespace)]
    for letter in found:
        assert letter.kind(memory.namespace) == "build"
        await retry(memory.namespace, letter)
    return [letter.said for letter in found]


async def nothing_left(memory: Memory) -> Progress:
    """The counters, once the curator is done with all that is on its stream."""
    await until(lambda: memory.namespace.undone(CURATORS), lambda count: count == 0)
    assert await memory.namespace.client.xlen(memory.namespace.keys.trajectories) == 0
    return await memory.namespace.progress()


@asynccontextmanager
async def failed_build(url: str, name: str, played: Trajectory) -> AsyncGenerator[tuple[MemoryCurator, Builder]]:
    """A curator at work that has given up building from `played`, over a memory that holds the procedure `p`."""
    builder = Builder()
    async with scripted(builder.reply) as model, curating(url, name, model.base_url, max_deliveries=2) as works:
        await put(works.memory, new("p"))
        await commit(works.memory.namespace, played)
        async with running(works.pump(), works.turns.watch):
            await applied(works.memory, 1)
            yield works, builder


async def test_build_put_back_is_built_and_credits_nothing_again(server_url: str, namespace_name: str) -> None:
    async with failed_build(server_url, namespace_name, trajectory(task(0), retrieved=(("p", 1),))) as (works, builder):
        builder.healed = True
        await put_back(works.memory)
        progress = await nothing_left(works.memory)
        assert (progress.committed, progress.applied, progress.procedures) == (1, 1, 2)
        assert (await stored(works.memory, "p")).credit == {1: Credit(uses=1, successes=1)}
        [built] = [name for name in await works.memory.ids() if name != "p"]
        assert (await stored(works.memory, built)).sources == ("1:task-0",)
        assert await dead_letters(works.memory.namespace) == []


async def test_build_put_back_that_fails_for_good_again_has_one_letter_and_no_credit(server_url: str, namespace_name: str) -> None:
    async with failed_build(server_url, namespace_name, trajectory(task(0), retrieved=(("p", 1),))) as (works, builder):
        for _ in range(2):
            [letter] = await put_back(works.memory)
            assert letter.reason.startswith("build: RequestRejected")
            progress = await nothing_left(works.memory)
            assert (progress.applied, len(await dead_letters(works.memory.namespace))) == (1, 1)
            assert (await stored(works.memory, "p")).credit == {1: Credit(uses=1, successes=1)}
        builder.healed = True
        await put_back(works.memory)
        assert (await nothing_left(works.memory)).procedures == 2


async def test_adjustment_put_back_revises_what_was_used_and_credits_nothing_again(server_url: str, namespace_name: str) -> None:
    failed = trajectory(task(0), success=False, retrieved=(("p", 1),))
    async with failed_build(server_url, namespace_name, failed) as (works, builder):
        builder.healed = True
        await put_back(works.memory)
        await nothing_left(works.memory)
        revised = await stored(works.memory, "p")
        assert (revised.current.number, revised.current.cause.kind) == (2, "adjusted")
        assert revised.credit == {1: Credit(uses=1, successes=0)}


async def test_build_of_a_group_put_back_waits_for_no_turn(server_url: str, namespace_name: str) -> None:
    async with failed_build(server_url, namespace_name, trajectory(task(0, group=0))) as (works, builder):
        builder.healed = True
        await put_back(works.memory)
        assert (await nothing_left(works.memory)).procedures == 2


async def test_build_put_back_is_applied_once_though_its_reply_was_lost(server_url: str, namespace_name: str) -> None:
    async with opened(Place(server_url, search=False), namespace_name) as memory:
        played = trajectory(task(0)).model_copy(update={"retry": "7-0"})
        reader = curator(memory.namespace)
        await reader.register()
        await memory.namespace.client.xadd(memory.namespace.keys.trajectories, {"event": played.model_dump_json()})
        [delivery] = await reader.read(1, block=0.1)
        for _ in range(2):
            await memory.learn(learned(played, new("p")), played, delivery, NEVER)
        progress = await memory.namespace.progress()
        assert (progress.applied, progress.procedures, progress.version) == (0, 1, 1)


async def test_trajectory_of_an_environment_that_is_known_again_is_applied(server_url: str, namespace_name: str) -> None:
    builder = Builder(healed=True)
    async with scripted(builder.reply) as model, curating(server_url, namespace_name, model.base_url) as works:
        namespace = works.memory.namespace
        group = [trajectory(task(index, group=0, goal=f"put a mug in shelf {index}.")) for index in range(3)]
        await commit(namespace, *group)
        reader = curator(namespace, lease=0.0)
        await reader.register()
        [first] = await reader.read(1, block=0.1)
        await namespace.drop(first, "unknown environment")
        async with running(works.pump(), works.turns.watch):
            await applied(works.memory, 2)
            assert (await namespace.progress()).consumed == 3
            for letter in [letter async for letter in read_letters(namespace)]:
                await retry(namespace, letter)
            await applied(works.memory, 3)
        progress = await nothing_left(works.memory)
        assert (progress.dropped, progress.procedures) == (0, 3)
