"""Both kinds of index answer alike: the server's query engine, and the exact index in the process."""

from typing import Any

import anyio
import pytest

from memory.index import ProcedureIndex, Vector
from memory.local_index import LocalIndex
from memory.store import Memory
from tests.events import task, trajectory
from tests.memory.changes import EAGER, at_angle, fact, learn, new, put, revise, vector
from tests.support import Place, opened

ENV = "alfworld"


async def names(index: ProcedureIndex, k: int, env: str = ENV, degrees: float = 0.0) -> list[str]:
    return [hit.procedure for hit in (await index.nearest(at_angle(degrees), k, env)).hits]


async def test_nearest_come_in_order_with_their_cosine_distances(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, *(new(f"p{degrees}", at=at_angle(degrees), script=f"script {degrees}") for degrees in (90, 30, 60, 0)))
        _, hits = await memory.index.nearest(at_angle(0), 3, ENV)
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
        assert (await memory.index.draw(0.5, 3, ENV)).hits == []
        assert (await memory.index.near_facts({"object": vector(1)}, 3, ENV)).procedures == []


async def test_nearest_equally_close_are_cut_in_order_of_id(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, *(new(f"p{number}") for number in reversed(range(12))), new("closest", at=at_angle(10)))
        assert await names(memory.index, 4, degrees=10) == ["closest", "p0", "p1", "p10"]


async def test_nearest_see_a_revision_at_once(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, new("p"))
        assert await names(memory.index, 1) == ["p"]
        await put(memory, revise("p", 1, script="mended"))
        version, [hit] = await memory.index.nearest(vector(1), 1, ENV)
        assert (version, hit.revision, hit.content.script) == (2, 2, "mended")


async def test_draw_is_repeatable_and_every_procedure_has_its_turn(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, *(new(f"p{number}") for number in range(12)), new("elsewhere", env="other"))
        draws = [(await memory.index.draw(start / 100, 3, ENV)).hits for start in range(100)]
        assert draws[37] == (await memory.index.draw(0.37, 3, ENV)).hits
    assert all(len({hit.procedure for hit in drawn}) == 3 for drawn in draws)
    assert {hit.procedure for drawn in draws for hit in drawn} == {f"p{number}" for number in range(12)}
    assert {hit.distance for drawn in draws for hit in drawn} == {None}


async def test_draw_of_more_than_there_are_gives_each_once(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, new("p"), new("q"))
        assert sorted(hit.procedure for hit in (await memory.index.draw(0.999, 5, ENV)).hits) == ["p", "q"]


async def near_facts(memory: Memory, k: int, **wanted: Vector) -> list[str]:
    return (await memory.index.near_facts(wanted, k, ENV)).procedures


async def test_near_facts_are_by_name_and_among_all(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        mug, shelf = fact("object", "mug", at_angle(0)), fact("place", "shelf", at_angle(40))
        await put(memory, new("p", facts=(mug, shelf)), new("q", facts=(fact("place", "cup", at_angle(5)),)))
        await put(memory, new("elsewhere", env="other", facts=(mug,)))
        assert await near_facts(memory, 1, object=at_angle(0)) == ["p"]
        assert await near_facts(memory, 1, place=at_angle(0)) == ["p", "q"]
        assert await near_facts(memory, 1, tool=at_angle(5)) == ["q"]
        assert await near_facts(memory, 1, tool=at_angle(5), object=at_angle(40)) == ["p", "q"]
        candidates = await memory.index.near_facts({"object": at_angle(0)}, 5, ENV)
    assert (candidates.version, candidates.procedures, candidates.owners.tolist()) == (2, ["p", "q"], [0, 0, 1])
    assert candidates.names == ["object", "place", "place"]
    assert candidates.vectors.tolist() == [at_angle(degrees).tolist() for degrees in (0, 40, 5)]


async def test_near_facts_are_not_crowded_out_by_those_of_the_deprecated(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        facts = (fact("object", "mug", at_angle(0)), fact("object", "cup", at_angle(1)))
        await put(memory, new("failing", facts=facts), new("p", facts=(fact("object", "pan", at_angle(30)),)))
        assert await near_facts(memory, 2, object=at_angle(0)) == ["failing"]
        await learn(memory, trajectory(task(0), success=False, retrieved=(("failing", 1),)), rule=EAGER)
        assert await near_facts(memory, 2, object=at_angle(0)) == ["p"]
        await put(memory, revise("failing", 2))
        assert await near_facts(memory, 2, object=at_angle(0)) == ["failing"]


async def test_hits_come_as_asked_for_with_what_is_there_now(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await put(memory, new("p"), new("q"), new("r"))
        await put(memory, revise("q", 1, script="mended"))
        await memory.index.draw(0.0, 1, ENV)
        hits = await memory.index.hits([("q", 0.5), ("p", 0.25)])
        assert [(hit.procedure, hit.revision, hit.content.script, hit.distance) for hit in hits] == [
            ("q", 2, "mended", 0.5),
            ("p", 1, "do it", 0.25),
        ]
        assert await memory.index.hits([]) == []


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
    there, missed = len((await index.nearest(vector(1), 100, ENV)).hits), 0

    async def pause(steps: int) -> None:
        for _ in range(steps):
            await memory.namespace.client.ping()

    async def ask(steps: int) -> None:
        nonlocal missed
        while there < 60:
            await pause(steps)  # out of step with the others
            at_least = there
            missed += max(0, at_least - len((await index.nearest(vector(1), 100, ENV)).hits))

    async with anyio.create_task_group() as tasks:
        for steps in range(4):
            tasks.start_soon(ask, steps)
        for number in range(20):
            await pause(10)
            await put(memory, new(f"later-{number}"))
            there += 1
    assert (missed, len((await index.nearest(vector(1), 100, ENV)).hits)) == (0, 60)


async def test_local_index_whose_changes_were_archived_reads_all_anew(memory: Memory) -> None:
    await put(memory, new("p"))
    index = LocalIndex(memory.namespace.client, memory.namespace.keys)
    assert await names(index, 5) == ["p"]
    await put(memory, new("q"))
    await memory.namespace.client.xtrim(memory.namespace.keys.changes, maxlen=0, approximate=False)
    await put(memory, new("r"))
    assert await names(index, 5) == ["p", "q", "r"]


class Flaky:
    """A client that loses its connection once, when it reads procedures."""

    def __init__(self, client: Any) -> None:
        self._client, self._lost = client, False

    def __getattr__(self, name: str) -> Any:
        if name == "pipeline" and not self._lost:
            self._lost = True
            raise KeyError("no connection")
        return getattr(self._client, name)


async def test_local_index_that_was_interrupted_misses_nothing_afterwards(memory: Memory) -> None:
    await put(memory, new("p"))
    client: Any = Flaky(memory.namespace.client)
    index = LocalIndex(client, memory.namespace.keys)
    with pytest.raises(KeyError):
        await index.nearest(vector(1), 5, ENV)
    assert await names(index, 5) == ["p"]


async def test_draw_from_many_is_the_same_by_arc_and_by_ring(server_url: str, namespace_name: str) -> None:
    async with opened(Place(server_url, search=True), namespace_name) as memory:
        await put(memory, *(new(f"p{number}") for number in range(120)))
        local = LocalIndex(memory.namespace.client, memory.namespace.keys)
        for start in (0.0, 0.3, 0.97, 0.999999999):
            assert await memory.index.draw(start, 2, ENV) == await local.draw(start, 2, ENV)
        await learn(memory, trajectory(task(0), success=False, retrieved=tuple((f"p{n}", 1) for n in range(118))), rule=EAGER)
        for start in (0.0, 0.3, 0.97):
            assert (await memory.index.draw(start, 3, ENV)).hits == (await local.draw(start, 3, ENV)).hits
