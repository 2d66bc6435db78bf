"""Memory is a fold over its changes: replayed elsewhere, and up to any of them, they make the same memory to the byte."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from memory.apply import command, replay
from memory.changes import History, archive_changes, open_history
from memory.fold import Fingerprint, fingerprint, rebuild
from memory.index import ProcedureIndex
from memory.procedure import Change, CommittedChange, Source
from memory.store import Memory
from memory.transfer import export_memory
from runtime.bus.namespace import Namespace, open_namespace
from runtime.errors import RevisionConflict, UsageError
from runtime.server import connect
from tests.events import task, trajectory
from tests.memory.changes import EAGER, fact, learn, new, put, revise, vector
from tests.memory.walk import Walk
from tests.support import Place, opened

STEPS = 30
"""More than there are kinds of change."""
MEMORYS = ("procedure", "revisions", "credit", "sources", "fact", "goals")
"""Kinds of keys that memory alone writes, besides its stream."""


async def raw(namespace: Namespace) -> dict[str, Any]:
    """All that memory keeps in Redis, as it stands there; the script's JSON and a stream's bytes are taken apart."""
    client, keys = namespace.client, namespace.keys
    pipe, names = client.pipeline(), [key for key in await keys_of(namespace) if key.split(":")[0] in MEMORYS]
    for name in names:
        key = keys.prefix + name
        _ = pipe.lrange(key, 0, -1) if name.startswith("sources:") else pipe.hgetall(key)
    found: dict[str, Any] = dict(zip(names, await pipe.execute(), strict=True))
    for name in names:
        if name.startswith("revisions:"):
            found[name] = {number: orjson.loads(text) for number, text in found[name].items()}
    entries: Any = await client.xrange(keys.changes)
    found["changes"] = [(entry, {name: orjson.loads(value) for name, value in fields.items()}) for entry, fields in entries]
    return found | {"meta": await client.hmget(keys.meta, "version", "procedures", "embedding")}


async def keys_of(namespace: Namespace) -> list[str]:
    """Names of all keys of a namespace, without its prefix."""
    prefix = namespace.keys.prefix
    return sorted([key.decode().removeprefix(prefix) async for key in namespace.client.scan_iter(match=f"{prefix}*", count=5000)])


async def whole(history: History, into: Namespace, as_of: str | None = None, *, search: bool = False) -> Fingerprint:
    return await rebuild(history, into, search=search, exact_up_to=1000, as_of=as_of)


async def stream_of(namespace: Namespace) -> History:
    return await open_history((), namespace)


async def another(namespace: Namespace, suffix: str = "copy") -> Namespace:
    return await open_namespace(namespace.client, f"{namespace.keys.namespace}-{suffix}")


async def fill(memory: Memory) -> None:
    """Four changes: two procedures, credit and a source, a revision, a deprecation."""
    facts = (fact("object", "mug", vector(0, 1)),)
    await put(memory, new("p", unique=True, facts=facts), new("q", at=vector(1, 1), facts=facts))
    await learn(memory, trajectory(task(0), retrieved=(("p", 1),)), sources=(Source(procedure="p", expects=1, trajectory="1:task-0"),))
    await put(memory, revise("p", 1, script="mended"))
    await learn(memory, trajectory(task(1), success=False, retrieved=(("q", 1),)), rule=EAGER)


@pytest.mark.parametrize("seed", range(3))
async def test_rebuild_as_of_every_version_is_what_memory_was_then(memory: Memory, tmp_path: Path, seed: int) -> None:
    walk, states, found = Walk(memory, seed, tmp_path / "memory.jsonl"), {}, {}
    for _ in range(STEPS):
        await walk.step()
        mark = await fingerprint(memory.namespace)
        states[mark.version], found[mark.version] = await raw(memory.namespace), mark
    history, grown = await stream_of(memory.namespace), await another(memory.namespace, "grown")
    for version in sorted(set(found) - {0}):  # one goes on from version to version, others begin anew
        into = grown if version % 8 else await another(memory.namespace, str(version))
        assert await whole(history, into, str(version)) == found[version]
        assert await raw(into) == states[version]
    assert {"built", "merged", "adjusted", "deprecated", "reverted"} <= {
        revision.cause.kind for procedure in await memory.get_all(await memory.ids()) for revision in procedure.revisions
    }


@pytest.mark.parametrize("seed", range(3, 5))
async def test_rebuild_on_another_server_from_a_file_is_the_same_and_found_at_once(
    server_url: str, plain_server_url: str, namespace_name: str, tmp_path: Path, seed: int
) -> None:
    here, there, file = Place(server_url, search=True), Place(plain_server_url, search=False), tmp_path / "changes.jsonl"
    for source, target in ((here, there), (there, here)):
        async with opened(source, namespace_name) as memory, connect(target.url) as client:
            walk = Walk(memory, seed, tmp_path / "memory.jsonl")
            for _ in range(STEPS):
                await walk.step()
            await archive_changes(memory.namespace, file)
            into = await open_namespace(client, f"{namespace_name}-copy")
            before = await fingerprint(memory.namespace)
            assert await whole(await open_history((file,), None), into, search=target.search) == before
            assert await raw(into) == await raw(memory.namespace)
            looked = await look(memory.index)
        async with opened(target, f"{namespace_name}-copy") as memory:
            assert await look(memory.index) == looked
        file.unlink()


async def look(index: ProcedureIndex) -> list[Any]:
    """What is found, by all ways; distances of two kinds of index differ in the last digit."""
    found = [await index.nearest(vector(1), 9, "alfworld"), await index.draw(0.4, 9, "alfworld")]
    found.append(await index.matching({"name 0": vector(1), "name 1": vector(0, 1)}, 0.01, 9, "alfworld"))
    assert found[-1].hits, "of no matches nothing would be compared"
    return [(each.version, [hit._replace(distance=pytest.approx(hit.distance, abs=2e-6)) for hit in each.hits]) for each in found]


async def test_rebuild_takes_deprecations_from_the_record_and_adds_no_bus_state(memory: Memory) -> None:
    await fill(memory)
    into = await another(memory.namespace)
    await whole(await stream_of(memory.namespace), into)
    assert {key.split(":")[0] for key in await keys_of(into)} == {"meta", "changes", *MEMORYS}
    assert await into.client.hget(into.keys.procedure("q"), "status") == b"deprecated"
    assert set(await into.client.hkeys(into.keys.meta)) == {b"epoch", b"version", b"procedures", b"embedding", b"layout"}


async def test_rebuilt_memory_is_rebuilt_in_its_turn_and_learns_on(server_url: str, namespace_name: str) -> None:
    place = Place(server_url, search=True)
    async with opened(place, namespace_name) as memory:
        await fill(memory)
        first = await whole(await stream_of(memory.namespace), await another(memory.namespace), search=True)
        assert first == await fingerprint(memory.namespace)
    async with opened(place, f"{namespace_name}-copy") as copy:
        second = await whole(await stream_of(copy.namespace), await another(copy.namespace, "again"))
        assert second == first
        await put(copy, revise("q", 2, script="mended"))
        assert [hit.content.script for hit in (await copy.index.nearest(vector(1, 1), 1, "alfworld")).hits] == ["mended"]


@dataclass(frozen=True)
class Broken(History):
    """A history whose reader ends after some changes."""

    after: int = 0

    async def changes(self, until: int | None = None) -> AsyncGenerator[CommittedChange]:
        async for change in super().changes(until):
            if until and change.version > self.after:
                raise KeyError("killed")
            yield change


@pytest.mark.parametrize("after", range(4))
async def test_rebuild_broken_off_is_noticed_and_goes_on_to_the_same(
    server_url: str, namespace_name: str, after: int, tmp_path: Path
) -> None:
    place = Place(server_url, search=True)
    async with opened(place, namespace_name) as memory:
        await fill(memory)
        history, into = await stream_of(memory.namespace), await another(memory.namespace)
        with pytest.raises(KeyError):
            await whole(Broken(history.header, (), memory.namespace, after), into, search=True)
        assert (await into.progress()).version == after
        with pytest.raises(UsageError, match="rebuilt in part only"):
            async with opened(place, into.keys.namespace):
                pass
        with pytest.raises(UsageError, match="rebuilt in part only"):
            await export_memory(into, tmp_path / "memory.jsonl")
        for _ in range(2):
            assert await whole(history, into, search=True) == await fingerprint(memory.namespace)
        assert await raw(into) == await raw(memory.namespace)


async def test_rebuild_into_a_memory_of_its_own_is_refused_and_leaves_it_alone(memory: Memory, server_url: str) -> None:
    await fill(memory)
    other = await another(memory.namespace, "other")
    async with opened(Place(server_url, search=False), other.keys.namespace) as living:
        await put(living, new("own"))
        before = await raw(other)
        with pytest.raises(UsageError, match="has a memory of its own"):
            await whole(await stream_of(memory.namespace), other)
        assert await raw(other) == before
        await put(living, new("more"))


async def test_rebuild_into_what_learned_on_is_refused(memory: Memory, server_url: str) -> None:
    await fill(memory)
    history, into = await stream_of(memory.namespace), await another(memory.namespace)
    await whole(history, into, "2")
    async with opened(Place(server_url, search=False), into.keys.namespace) as living:
        await put(living, new("own"))
    with pytest.raises(UsageError, match="has a memory of its own"):
        await whole(history, into)


async def test_rebuild_over_a_stream_that_grows_beside_it_is_refused_by_its_script(memory: Memory) -> None:
    await fill(memory)
    history, into = await stream_of(memory.namespace), await another(memory.namespace)
    changes = [change async for change in history.changes()]
    await replay(into, changes[0])
    await command(into, Change(kind="command", trajectory=None, writes=(new("own"),)))
    with pytest.raises(RevisionConflict):
        await replay(into, changes[1])
    await replay(into, changes[0])
    assert (await into.progress()).version == 2


@pytest.mark.parametrize("as_of", ["5", "0", "1-1", "soon"])
async def test_rebuild_as_of_what_the_history_has_not_is_refused_with_its_end(memory: Memory, as_of: str) -> None:
    await fill(memory)
    into = await another(memory.namespace)
    with pytest.raises(UsageError, match=f"has no change {as_of}: it ends with version 4, entry "):
        await whole(await stream_of(memory.namespace), into, as_of)
    assert (await into.progress()).version == 0


async def test_rebuild_as_of_an_entry_or_an_earlier_state_than_the_memory_is_at(memory: Memory) -> None:
    await fill(memory)
    history, into = await stream_of(memory.namespace), await another(memory.namespace)
    entries = [change.entry async for change in history.changes()]
    assert (await whole(history, into, entries[2])).version == 3
    with pytest.raises(UsageError, match="at version 3 of this history already, beyond 2"):
        await whole(history, into, "2")


async def test_rebuild_of_a_memory_whose_procedures_are_gone_says_so(memory: Memory) -> None:
    await fill(memory)
    into = await another(memory.namespace)
    await whole(await stream_of(memory.namespace), into)
    await into.client.delete(into.keys.procedure("p"))
    with pytest.raises(UsageError, match="should have 2 procedures and has 1"):
        await whole(await stream_of(memory.namespace), into)


async def test_rebuild_under_the_old_name_begins_a_new_epoch(memory: Memory, tmp_path: Path) -> None:
    await fill(memory)
    before, name = await fingerprint(memory.namespace), memory.namespace.keys.namespace
    await archive_changes(memory.namespace, tmp_path / "changes.jsonl")
    client = memory.namespace.client
    await client.delete(*[key async for key in client.scan_iter(match=f"{memory.namespace.keys.prefix}*")])
    history = await open_history((tmp_path / "changes.jsonl",), None)
    for _ in range(2):
        assert await whole(history, await open_namespace(client, name)) == before
        assert (await open_namespace(client, name)).epoch == 2


async def test_hash_tells_memories_apart_by_whatever_differs(memory: Memory) -> None:
    await fill(memory)
    client, keys = memory.namespace.client, memory.namespace.keys
    seen = {(await fingerprint(memory.namespace)).sha256}
    await client.hincrby(keys.credit("p"), "uses:1", 1)
    seen.add((await fingerprint(memory.namespace)).sha256)
    await client.rpush(keys.sources("p"), "one more")
    seen.add((await fingerprint(memory.namespace)).sha256)
    await client.hset(keys.procedure("p"), "vector", vector(0, 0, 1).tobytes())
    seen.add((await fingerprint(memory.namespace)).sha256)
    [fact] = [key async for key in client.scan_iter(match=keys.fact("*"))]
    await client.hset(fact, "value", "cup")
    seen.add((await fingerprint(memory.namespace)).sha256)
    await client.hdel(keys.revisions("p"), "1")
    assert len(seen | {(await fingerprint(memory.namespace)).sha256}) == 6


async def test_memory_of_another_layout_is_refused_and_rebuilt_from_its_history(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await fill(memory)
        await memory.namespace.client.hdel(memory.namespace.keys.meta, "layout")
        with pytest.raises(UsageError, match=f"`memp memory rebuild --exp-name {namespace_name} --into OTHER`"):
            async with opened(place, namespace_name):
                pass
        with pytest.raises(UsageError, match="stored by another version"):
            await whole(await stream_of(memory.namespace), memory.namespace, search=place.search)
        assert not await memory.namespace.client.hexists(memory.namespace.keys.meta, "layout")
        rebuilt = await whole(await stream_of(memory.namespace), await another(memory.namespace), search=place.search)
        assert rebuilt == await fingerprint(memory.namespace)
    async with opened(place, f"{namespace_name}-copy") as memory:
        assert [hit.procedure for hit in (await memory.index.matching({"object": vector(0, 1)}, 0.5, 1, "alfworld")).hits] == ["p"]
