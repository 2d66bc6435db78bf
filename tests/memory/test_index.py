"""Both kinds of index answer alike: the server's query engine, and the exact index in the process."""

import random
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from memory import redis_index
from memory.index import ProcedureIndex, Vector
from memory.local_index import LocalIndex
from memory.procedure import Fact
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
        assert (await memory.index.matching({"object": vector(1)}, 0.5, 3, ENV)).hits == []


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


async def matches(index: ProcedureIndex, k: int = 9, threshold: float = 0.5, **wanted: Vector) -> list[tuple[str, float]]:
    """Who matches, and how well."""
    hits = (await index.matching(wanted, threshold, k, ENV)).hits
    return [(hit.procedure, round(1 - (hit.distance or 0.0), 4)) for hit in hits]


async def test_matching_are_by_name_and_by_any_where_none_has_it(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        mug, shelf = fact("object", "mug", at_angle(0)), fact("place", "shelf", at_angle(90))
        await put(memory, new("p", facts=(mug, shelf)), new("q", facts=(fact("place", "cup", at_angle(60)),)), new("bare"))
        await put(memory, new("elsewhere", env="other", facts=(mug,)))
        assert await matches(memory.index, object=at_angle(0)) == [("p", 1.0), ("q", 0.5)]
        assert await matches(memory.index, threshold=0.51, object=at_angle(0)) == [("p", 1.0)]
        assert await matches(memory.index, place=at_angle(0)) == [("q", 0.5)], "a shelf is no mug, though it is the place"
        assert await matches(memory.index, tool=at_angle(90)) == [("p", 1.0), ("q", 0.866)]
        assert await matches(memory.index, object=at_angle(0), place=at_angle(90)) == [("p", 1.0), ("q", 0.683)]
        assert await matches(memory.index, k=1, object=at_angle(0), place=at_angle(90)) == [("p", 1.0)]
        [hit] = (await memory.index.matching({"object": at_angle(0)}, 0.9, 2, ENV)).hits
        assert (hit.goal, hit.revision, hit.content.script) == ("goal of p", 1, "do it")


async def test_matching_leave_out_the_deprecated_until_they_are_back(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        facts = (fact("object", "mug", at_angle(0)), fact("object", "cup", at_angle(1)))
        await put(memory, new("failing", facts=facts), new("p", facts=(fact("object", "pan", at_angle(30)), facts[0])))
        assert await matches(memory.index, object=at_angle(0)) == [("failing", 1.0), ("p", 1.0)]
        await learn(memory, trajectory(task(0), success=False, retrieved=(("failing", 1),)), rule=EAGER)
        assert await matches(memory.index, object=at_angle(0)) == [("p", 1.0)]
        await put(memory, revise("failing", 2))
        version, hits = await memory.index.matching({"object": at_angle(0)}, 0.5, 9, ENV)
        assert (version, [(hit.procedure, hit.revision) for hit in hits]) == (3, [("failing", 3), ("p", 1)])


async def test_fact_of_many_is_stored_once_and_belongs_to_each(memory: Memory) -> None:
    mug, otherwise = fact("object", "mug", at_angle(0)), fact("object", "mug", at_angle(1))
    await put(memory, *(new(f"p{number}", facts=(mug, fact("place", f"shelf {number}", vector(1)))) for number in range(3)))
    await put(memory, new("embedded-otherwise", facts=(otherwise, otherwise)), new("elsewhere", env="other", facts=(otherwise,)))
    keys = memory.namespace.keys
    assert len([key async for key in memory.namespace.client.scan_iter(match=keys.fact("*"))]) == 1 + 3 + 1
    found = {each.id: each.facts for each in await memory.get_all(await memory.ids())}
    assert found["p2"] == (mug, fact("place", "shelf 2", vector(1)))
    assert (found["embedded-otherwise"], found["elsewhere"]) == ((mug, mug), (otherwise,)), "the first vector stands"


async def test_local_index_takes_in_those_who_share_a_fact_that_it_knows(memory: Memory) -> None:
    mug = fact("object", "mug", at_angle(0))
    await put(memory, new("p", facts=(mug,)))
    index = LocalIndex(memory.namespace.client, memory.namespace.keys)
    assert await matches(index, object=at_angle(0)) == [("p", 1.0)]
    await put(memory, new("q", facts=(fact("object", "cup", at_angle(60)), mug)), revise("p", 1))
    assert await matches(index, object=at_angle(60)) == [("q", 1.0), ("p", 0.5)]


async def test_matching_of_no_facts_is_nothing_and_at_both_ends_of_the_threshold_alike(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        env = "travelplanner-sole"
        writes = (new(f"p{degrees}", env=env, facts=(fact("city", str(degrees), at_angle(degrees)),)) for degrees in (0, 45, 90, 135))
        await put(memory, *writes, new("bare", env=env))
        found = {at: (await memory.index.matching({"city": vector(1)}, at, 9, env)).hits for at in (0.0, 0.5, 1.0)}
        assert {at: [hit.procedure for hit in hits] for at, hits in found.items()} == {0.0: ["p0", "p45"], 0.5: ["p0", "p45"], 1.0: ["p0"]}
        assert (await memory.index.matching({}, 0.0, 9, env)).hits == []


@pytest.mark.parametrize("names", [("object",), ("object", "place", "tool")])
async def test_both_indexes_match_the_same_among_many_equally_good(server_url: str, namespace_name: str, names: tuple[str, ...]) -> None:
    """More of them are as good than the server is asked for at first; what is wanted is not what anyone has."""
    chance = random.Random(1)
    # All their cosines have few decimals: which of two is better is nobody's rounding.
    pairs = [(1, 0), (0.96, 0.28), (0.8, 0.6), (0.6, 0.8), (0.28, 0.96), (0, 1), (-0.28, 0.96), (-0.6, 0.8)]
    stored, asked = [pairs[at] for at in (0, 2, 3, 5, 7)], [pairs[at] for at in (1, 4, 6)]

    def some() -> tuple[Fact, ...]:
        drawn = [(chance.choice((*names, "else")), chance.choice(stored)) for _ in range(chance.randrange(4))]
        return tuple(fact(name, str(pair), vector(*pair)) for name, pair in drawn)

    async with opened(Place(server_url, search=True), namespace_name) as memory:
        await put(memory, *(new(f"p{number:03}", facts=some()) for number in range(400)))
        local = LocalIndex(memory.namespace.client, memory.namespace.keys)
        with capture_logs() as told:
            for k in (1, 3, 10, 100):
                wanted = {name: vector(*pair) for name, pair in zip(names, chance.sample(asked, len(names)), strict=True)}
                expected = await matches(local, k, 0.7, **wanted)
                assert len(expected) == k
                assert await matches(memory.index, k, 0.7, **wanted) == expected
    assert told == [], "the server ranks as we do"


async def test_matching_among_many_reads_no_more_pages_than_it_must(
    server_url: str, namespace_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[int] = []
    ranked = redis_index._ranked  # pyright: ignore[reportPrivateUsage]

    def counted(similar: Any, size: int, least: int) -> Any:
        pages.append(size)
        return ranked(similar, size, least)

    async def asked(memory: Memory, **wanted: Vector) -> tuple[list[str], list[int]]:
        pages.clear()
        return [name for name, _ in await matches(memory.index, 5, 0.5, **wanted)], pages

    monkeypatch.setattr(redis_index, "_ranked", counted)
    mug, pan, knife, shelf = (vector(*pair) for pair in ((1, 0), (0.8, 0.6), (0, 0, 1), (0, 0, 0, 1)))
    both, one = (fact("object", "mug", mug), fact("place", "shelf", shelf)), (fact("object", "pan", pan),)
    other, own = (fact("object", "mug", mug), fact("tool", "knife", knife)), (fact("object", "knife", knife),)
    async with opened(Place(server_url, search=True), namespace_name) as memory:
        for name, count, facts in (("both", 6, both), ("one", 60, one), ("other", 60, other), ("own", 2, own)):
            await put(memory, *(new(f"{name}-{number}", facts=facts) for number in range(count)))
        first = [f"both-{number}" for number in range(5)]
        assert await asked(memory, object=mug, place=shelf) == (first, [40]), "nobody who lacks one of them is better"
        assert await asked(memory, object=knife) == (["own-0", "own-1"], [40]), "with a mug and a knife one has no knife for an object"
        assert await asked(memory, object=mug) == ([*first], [40, 160]), "60 others are as good"


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
