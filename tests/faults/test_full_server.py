"""A server that has no memory left: what can't be written waits, and is written once when there is."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from memory.store import Memory
from runtime.bus.namespace import HERE, Namespace
from runtime.bus.scripts import Scripts, source
from runtime.errors import ServerError
from runtime.tasks import open_tasks
from tests.events import task, trajectory
from tests.faults.scene import LEARNING, Scene, own_scene, progressed, room, slowly
from tests.faults.servers import own_server, used_memory
from tests.memory.changes import NEVER, learned, new
from tests.support import Place, curator, dead_letters, opened, taken, until

pytestmark = pytest.mark.timeout(240)

TASKS = 24
SETTLE = HERE / "settle.lua"


async def told(playing: Scene, *commands: str) -> bool:
    return all("'maxmemory'" in playing.logs(command) for command in commands)


async def test_server_that_is_full_for_a_while_costs_no_answer_no_delivery_and_no_learning(
    namespace_name: str, household: Path, tmp_path: Path
) -> None:
    async with own_scene(namespace_name, household, tmp_path, slowly(0.1)) as playing:
        namespace, client = playing.namespace, playing.namespace.client
        await playing.start("worker", MEMP_SLOTS="4")
        await playing.start(*LEARNING)
        await playing.at_work(1)
        await namespace.submit_tasks([room(index, length=6) for index in range(TASKS // 2)])
        for due in (2, 8):
            await progressed(namespace, lambda now, due=due: now.applied >= due)
            await client.config_set("maxmemory", 1)
            async with open_tasks() as submitting:
                submitting.start_soon(namespace.submit_tasks, [room(index, length=6) for index in range(TASKS)])
                await until(lambda: told(playing, "worker"))
                full = await namespace.progress()
                # Longer than a lease: nobody must lose one meanwhile.
                with anyio.move_on_after(2):
                    await until(namespace.progress, lambda now, full=full: now.committed > full.committed)
                await client.config_set("maxmemory", 0)
        await progressed(namespace, lambda now: now.applied >= TASKS)
        progress = await namespace.progress()
        assert (progress.submitted, progress.committed, progress.dead, progress.applied) == (TASKS, TASKS, 0, TASKS)
        assert await dead_letters(namespace) == []
        asked = Counter(str(messages) for messages in playing.model.chats)
        assert set(asked.values()) == {1}, "an answer was paid for twice"
        assert await client.xlen(namespace.keys.changes) == TASKS
        assert await told(playing, "worker")


@asynccontextmanager
async def impatient(directory: Path, name: str) -> AsyncGenerator[Memory]:
    """A memory on a server of its own, whose scripts wait for it for a fifth of a second only."""
    async with own_server(directory, "--no-module") as url, opened(Place(url, search=False), name) as memory:
        memory.namespace.scripts = Scripts(memory.namespace.client, patience=0.2)
        yield memory


async def counts(namespace: Namespace) -> list[int]:
    """Lengths of tasks, trajectories and changes."""
    return [await namespace.client.xlen(stream) for stream in (namespace.keys.tasks, namespace.keys.trajectories, namespace.keys.changes)]


async def test_script_refused_by_a_full_server_has_done_nothing_and_is_done_once_later(tmp_path: Path, namespace_name: str) -> None:
    async with impatient(tmp_path, namespace_name) as memory:
        namespace, client, taught = memory.namespace, memory.namespace.client, trajectory(task(0))
        learning = curator(namespace)
        await learning.register()

        async def refused_then_done(call: Callable[[], Awaitable[object]], before: list[int], after: list[int]) -> None:
            progress = await namespace.progress()
            await client.config_set("maxmemory", 1)
            with pytest.raises(ServerError, match="memory"):
                await call()
            assert (await counts(namespace), await namespace.progress()) == (before, progress)
            await client.config_set("maxmemory", 0)
            for _ in range(2):
                await call()
                assert await counts(namespace) == after

        await refused_then_done(lambda: namespace.submit_tasks([task(0)]), [0, 0, 0], [1, 0, 0])
        delivery = await taken(namespace)
        await refused_then_done(lambda: namespace.commit(delivery, taught), [1, 0, 0], [0, 1, 0])
        [event] = await learning.read(1, block=0.1)
        await refused_then_done(lambda: memory.learn(learned(taught, new("p")), taught, event, NEVER), [0, 1, 0], [0, 0, 1])
        progress = await namespace.progress()
        assert (progress.submitted, progress.committed, progress.applied, progress.procedures) == (1, 1, 1, 1)


async def test_script_that_has_room_for_a_part_of_its_writes_does_none_or_all(tmp_path: Path, namespace_name: str) -> None:
    async with impatient(tmp_path, namespace_name) as memory:
        namespace, client = memory.namespace, memory.namespace.client
        namespace.scripts = Scripts(client, patience=0.0)
        await namespace.submit_tasks([task(0)])
        delivery = await taken(namespace)
        large = trajectory(task(0), first_observation="x" * (4 << 20))
        await client.script_load(source(SETTLE))
        refused = 0
        for room in range(0, 64 << 20, 1 << 20):
            await client.config_set("maxmemory", await used_memory(client) + room)
            try:
                await namespace.commit(delivery, large)
                break
            except ServerError:
                refused += 1
                assert (await counts(namespace), await namespace.in_flight()) == ([1, 0, 0], 1)
                assert (await namespace.progress()).committed == 0
        assert refused > 2, "some rooms were too small"
        assert ((await namespace.progress()).committed, await counts(namespace)) == (1, [0, 1, 0])
        assert await namespace.in_flight() == 0
