"""All scripts on a server in cluster mode, one node that owns all slots: it refuses a script whose keys are on several."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from memory.fold import fingerprint
from memory.plan import Deprecation
from memory.procedure import Change
from memory.store import Memory
from memory.update import credits
from runtime.bus import scripts
from runtime.bus.consumer import Consumer
from runtime.bus.dead import read_letters, retry
from runtime.bus.drain import drain
from runtime.bus.journal import opened_journal
from runtime.bus.namespace import Namespace, open_namespace
from runtime.errors import LeaseLost
from runtime.keys import CURATORS, RECORDER, WORKERS
from runtime.server import connect, probe
from tests.events import task, trajectory
from tests.memory.changes import EAGER, fact, learned, new, put, revise, vector
from tests.security.servers import free_port, valkey
from tests.support import Place, arrive, commit, curator, dead_letters, opened, until

SEEN = set[tuple[str, tuple[str, ...]]]


@pytest.fixture
async def url(tmp_path: Path) -> AsyncGenerator[str]:
    """A cluster of one node, without a query engine, as modules of that kind are coordinated differently there."""
    port = free_port()
    lines = ["cluster-enabled yes", f"port {port}", f"cluster-port {free_port()}", "bind 127.0.0.1"]
    async with valkey(tmp_path, *lines, search=False) as path, connect(f"unix://{path}") as client:
        await client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")

        async def state() -> Any:
            return await client.execute_command("CLUSTER", "INFO")

        await until(state, lambda found: b"cluster_state:ok" in found)
        yield f"unix://{path}"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> SEEN:
    """The scripts that are called, each with its keys."""
    found: SEEN = set()
    send = scripts.Scripts.send

    async def watched(self: scripts.Scripts, path: Path, keys: Any, args: Any) -> scripts.Call:
        found.add((path.name, tuple(keys)))
        return await send(self, path, keys, args)

    monkeypatch.setattr(scripts.Scripts, "send", watched)
    return found


async def play(namespace: Namespace) -> None:
    """Tasks submitted, journaled, renewed, released, taken over, committed and dead-lettered; the consumer retired."""
    await namespace.submit_tasks([task(index) for index in range(4)])
    first = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="first", lease=0.0)
    second = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="second", lease=0.0)
    await first.register()
    held = await first.read(3, block=0.1)
    async with opened_journal(namespace.keys.journal(1, "task-0"), held[0], namespace.scripts) as journal:
        await journal.put("agent:x", b"answer")
    assert await first.renew(held[0])
    await namespace.commit(held[0], trajectory(task(0)))
    await namespace.dead_letter(held[1], task(1), "it raised")
    assert await first.release(held[2], failed=True)
    await namespace.client.xadd(namespace.keys.tasks, {"event": "no event"})
    taken = [*await second.reclaim(10), *await second.read(10, block=0.1)]
    with pytest.raises(LeaseLost):
        await namespace.commit(held[2], trajectory(task(2)))
    await namespace.commit(taken[0], trajectory(task(2)))
    await namespace.client.xdel(namespace.keys.tasks, taken[1].entry)
    await second.renew(taken[1])  # puts the entry back
    await namespace.drop(taken[2], "unreadable")
    await first.retire()


async def learn(memory: Memory) -> None:
    """Procedures made, credited, revised and deprecated, with facts; a build given up."""
    facts = (fact("object", "mug", vector(1)), fact("place", "shelf", vector(1)))
    await put(memory, new("p", "put a mug in shelf.", unique=True, facts=facts), new("q"))
    consumer = curator(memory.namespace)
    await consumer.register()
    [first, *others] = await consumer.read(10, block=0.1)
    used = trajectory(task(0), success=False, retrieved=(("p", 1), ("q", 1)))
    await memory.learn(learned(used, revise("p", 1)), used, first, EAGER)
    failed = trajectory(task(2))
    given_up = Change(kind="build_failed", trajectory=failed.id, uses=credits(failed, False), reason="no")
    await memory.learn(given_up, failed, others[0], Deprecation(), give_up="no")


async def test_every_script_runs_on_a_cluster_node_with_its_keys_on_one_slot(url: str, namespace_name: str, seen: SEEN) -> None:
    async with opened(Place(url, search=False), namespace_name) as memory:
        namespace = memory.namespace
        await play(namespace)
        await learn(memory)
        assert len(await dead_letters(namespace)) == 3
        assert [letter.id async for letter in read_letters(namespace)]
        for letter in [letter async for letter in read_letters(namespace)]:
            await retry(namespace, letter)
        assert [(each.id, each.current.status, len(each.facts)) for each in await memory.get_all(["p", "q"])] == [
            ("p", "active", 2),
            ("q", "deprecated", 0),
        ]
        assert (await fingerprint(namespace)).procedures == 2
        left = Consumer(namespace.client, namespace.keys.trajectories, RECORDER, name="left", lease=60.0)
        await left.register()
        await drain(namespace, RECORDER)
        progress = await namespace.progress()
        assert (progress.submitted, progress.committed, progress.dead, progress.applied) == (4, 2, 0, 2)
        assert {key_slot(key) async for key in namespace.client.scan_iter(match="*")} == {key_slot(namespace.keys.meta.encode())}
        async for key in namespace.client.scan_iter(match="*"):
            assert key.startswith(namespace.keys.prefix.encode())
    ours = {path.name for folder in ("runtime/bus", "memory") for path in (Path(scripts.__file__).parents[2] / folder).glob("*.lua")}
    assert {name for name, _ in seen} == ours - {"prelude.lua"}  # it is before all others
    assert all(len({key_slot(key.encode()) for key in keys}) == 1 for _, keys in seen)


async def test_namespace_started_afresh_on_a_cluster_node_is_emptied(url: str, namespace_name: str) -> None:
    async with connect(url) as client:
        facts = await probe(client)
        assert not facts.search
        namespace = await open_namespace(client, namespace_name)
        await commit(namespace, trajectory(task(0)), dead=(task(1),))
        again = await open_namespace(client, namespace_name, overwrite=True)
        assert again.epoch == 2
        assert [key async for key in client.scan_iter(match="*")] == [again.keys.meta.encode()]
        assert len(await arrive(again, trajectory(task(5, epoch=2)))) == 1
        assert (await client.xinfo_groups(again.keys.trajectories))[0]["name"] == CURATORS.encode()
