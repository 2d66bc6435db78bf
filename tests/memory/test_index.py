"""Both kinds of index answer alike: the server's query engine, and the exact index in the process."""

import anyio
import pytest

from memory.index import ProcedureIndex
from memory.local_index import LocalIndex
from memory.store import Memory
from tests.events import task, trajectory
from tests.memory.changes import EAGER, at_angle, fact, learn, new, put, revise, vector
from tests.support import Place, opened

ENV = "alfworld"


async def names(index: ProcedureIndex, k: int, env: str = ENV, degrees: float = 0.0) -> list[str]:
    return [hit.procedure for hit in await index.nearest(at_angle(degrees), k, env)]


async def test_nearest_come_in_order_with_their_cosine_distances(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, *(new(f"p{degrees}", at=at_angle(degrees), script=f"script {degrees}") for degrees in (90, 30, 60, 0)))
        hits = await memory.index.nearest(at_angle(0), 3, ENV)
    assert [(hit.procedure, hit.revision, hit.goal, hit.content.script) for hit in hits] == [
        (f"p{degrees}", 1, f"goal of p{degrees}", f"script {degrees}") for degrees in (0, 30, 60)
    ]
    assert [hit.distance for hit in hits] == pytest.approx([0.0, 1 - 3**0.5 / 2, 0.5], abs=1e-5)


async def test_nearest_leave_out_other_environments_and_the_deprecated(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, new("here"), new("failing"), new("elsewhere", env="other"))
        await learn(memory, trajectory(task(0), success=False, retrieved=(("failing", 1),)), rule=EAGER)
        assert await names(memory.index, 5) == ["here"]
        assert await names(memory.index, 5, "other") == ["elsewhere"]
        assert await names(memory.index, 5, "travelplanner") == []


async def test_nearest_of_an_empty_memory_is_nothing(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        assert await names(memory.index, 3) == []
        assert await memory.index.draw(0.5, 3, ENV) == []
        assert await memory.index.near_fact(vector(1), 3, ENV, None) == set()


async def test_nearest_equally_close_are_cut_in_order_of_id(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, *(new(f"p{number}") for number in reversed(range(12))), new("closest", at=at_angle(10)))
        assert await names(memory.index, 4, degrees=10) == ["closest", "p0", "p1", "p10"]


async def test_nearest_see_a_revision_at_once(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, new("p"))
        assert await names(memory.index, 1) == ["p"]
        await put(memory, revise("p", 1, script="mended"))
        [hit] = await memory.index.nearest(vector(1), 1, ENV)
        assert (hit.revision, hit.content.script) == (2, "mended")


async def test_draw_is_repeatable_and_every_procedure_has_its_turn(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, *(new(f"p{number}") for number in range(12)), new("elsewhere", env="other"))
        draws = [await memory.index.draw(start / 100, 3, ENV) for start in range(100)]
        assert draws[37] == await memory.index.draw(0.37, 3, ENV)
    assert all(len({hit.procedure for hit in drawn}) == 3 for drawn in draws)
    assert {hit.procedure for drawn in draws for hit in drawn} == {f"p{number}" for number in range(12)}
    assert {hit.distance for drawn in draws for hit in drawn} == {None}


async def test_draw_of_more_than_there_are_gives_each_once(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, new("p"), new("q"))
        assert sorted(hit.procedure for hit in await memory.index.draw(0.999, 5, ENV)) == ["p", "q"]


async def test_near_fact_asks_by_name_or_among_all(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        mug, shelf = fact("object", "mug", at_angle(0)), fact("target place", "shelf", at_angle(40))
        await put(memory, new("p", facts=(mug, shelf)), new("q", facts=(fact("target place", "mug", at_angle(5)),)))
        await put(memory, new("elsewhere", env="other", facts=(mug,)))
        assert await memory.index.near_fact(at_angle(0), 1, ENV, "object") == {"p"}
        assert await memory.index.near_fact(at_angle(0), 1, ENV, "target place") == {"q"}
        assert await memory.index.near_fact(at_angle(0), 2, ENV, None) == {"p", "q"}
        assert await memory.index.near_fact(at_angle(0), 5, ENV, "tool") == set()


async def test_both_indexes_draw_and_order_the_same(server_url: str, namespace_name: str) -> None:
    async with opened(Place(server_url, search=True), namespace_name) as memory:
        await put(memory, *(new(f"p{number}", at=at_angle(number % 7)) for number in range(30)))
        local = LocalIndex(memory.namespace.client, memory.namespace.keys)
        assert await memory.index.draw(0.4, 30, ENV) == await local.draw(0.4, 30, ENV)
        for k in (1, 5, 30):
            assert await names(memory.index, k) == await names(local, k)


async def test_local_index_asked_by_many_while_it_grows_misses_nothing(memory: Memory) -> None:
    await put(memory, *(new(f"p{number}") for number in range(40)))
    index = LocalIndex(memory.namespace.client, memory.namespace.keys)
    there, missed = len(await index.nearest(vector(1), 100, ENV)), 0

    async def pause(steps: int) -> None:
        for _ in range(steps):
            await memory.namespace.client.ping()

    async def ask(steps: int) -> None:
        nonlocal missed
        while there < 60:
            await pause(steps)  # out of step with the others
            at_least = there
            missed += max(0, at_least - len(await index.nearest(vector(1), 100, ENV)))

    async with anyio.create_task_group() as tasks:
        for steps in range(4):
            tasks.start_soon(ask, steps)
        for number in range(20):
            await pause(10)
            await put(memory, new(f"later-{number}"))
            there += 1
    assert (missed, len(await index.nearest(vector(1), 100, ENV))) == (0, 60)


async def test_local_index_whose_changes_were_archived_reads_all_anew(memory: Memory) -> None:
    await put(memory, new("p"))
    index = LocalIndex(memory.namespace.client, memory.namespace.keys)
    assert await names(index, 5) == ["p"]
    await put(memory, new("q"))
    await memory.namespace.client.xtrim(memory.namespace.keys.changes, maxlen=0, approximate=False)
    await put(memory, new("r"))
    assert await names(index, 5) == ["p", "q", "r"]
