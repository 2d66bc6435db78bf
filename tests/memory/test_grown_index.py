"""An index that memory has outgrown is replaced while it serves, whoever does it and wherever they were cut off."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from memory.index import ProcedureIndex
from memory.redis_index import RedisIndex
from memory.store import Memory, open_memory
from tests.events import task, trajectory
from tests.memory.changes import at_angle, fact, learn, new, put, revise
from tests.support import DIMENSION, Place, opened

ENV = "alfworld"
SIZE = 40


@asynccontextmanager
async def filled(url: str, name: str) -> AsyncGenerator[Memory]:
    """A memory of `SIZE` procedures with a fact each, over an exact index."""
    async with opened(Place(url, search=True), name) as memory:
        writes = [new(f"p{at:02}", at=at_angle(at), facts=(fact("object", "mug", at_angle(at)),)) for at in range(SIZE)]
        await put(memory, *writes)
        yield memory


def small(memory: Memory, exact_up_to: int = SIZE - 1) -> RedisIndex:
    """The same index to somebody who holds that memory has outgrown it."""
    return RedisIndex(memory.namespace.client, memory.namespace.keys, DIMENSION, exact_up_to)


async def kinds(memory: Memory) -> list[str]:
    """The indexes of this namespace."""
    names: list[bytes] = await memory.namespace.client.execute_command("FT._LIST")
    prefix = memory.namespace.keys.prefix
    return sorted(name.decode().removeprefix(prefix) for name in names if name.decode().startswith(prefix))


async def answers(index: ProcedureIndex) -> Any:
    """What each kind of query is answered."""
    vector = at_angle(10.2)
    return await index.nearest(vector, 5, ENV), await index.draw(0.5, 5, ENV), await index.matching({"object": vector}, 0.5, 3, ENV)


async def test_outgrown_index_becomes_a_graph_that_answers_alike(server_url: str, namespace_name: str) -> None:
    async with filled(server_url, namespace_name) as memory:
        assert await kinds(memory) == ["facts@flat", "procedures@flat"]
        before = await answers(memory.index)
        await small(memory).fit()
        assert await kinds(memory) == ["facts@flat", "procedures@hnsw"]
        assert await answers(memory.index) == before
        await put(memory, new("later", at=at_angle(10.2)))
        assert (await memory.index.nearest(at_angle(10.2), 1, ENV)).hits[0].procedure == "later"


async def test_index_within_its_bound_stays_exact(server_url: str, namespace_name: str) -> None:
    async with filled(server_url, namespace_name) as memory:
        await small(memory, SIZE).fit()
        assert await kinds(memory) == ["facts@flat", "procedures@flat"]


class PacedClient:
    """A client that looks away before each command that is given to itself."""

    def __init__(self, client: Any, look_away: Callable[[], Awaitable[None]]) -> None:
        self._client, self._look_away = client, look_away

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        await self._look_away()
        return await self._client.execute_command(*args, **options)


async def test_queries_are_served_whole_while_several_grow_the_index(server_url: str, namespace_name: str) -> None:
    async with filled(server_url, namespace_name) as memory:
        before, answered = await answers(memory.index), anyio.Event()

        async def ask() -> None:
            nonlocal answered
            while True:
                assert await answers(memory.index) == before
                answered.set()
                answered = anyio.Event()

        async def until_answered() -> None:
            await answered.wait()

        client: Any = PacedClient(memory.namespace.client, until_answered)
        async with anyio.create_task_group() as asking:
            asking.start_soon(ask)
            async with anyio.create_task_group() as growing:
                for _ in range(3):
                    growing.start_soon(RedisIndex(client, memory.namespace.keys, DIMENSION, SIZE - 1).fit)
            asking.cancel_scope.cancel()
        assert await kinds(memory) == ["facts@flat", "procedures@hnsw"]


class Cut(Exception):
    """Stands for the end of a process."""


class CutClient:
    """A client that ends with its n-th command that changes an index, before or after that has reached the server."""

    def __init__(self, client: Any, lives: int, *, reached: bool) -> None:
        self._client, self._lives, self._reached = client, lives, reached

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def execute_command(self, command: str, *args: Any, **options: Any) -> Any:
        if command != "FT.INFO":
            self._lives -= 1
        if self._lives > 0:
            return await self._client.execute_command(command, *args, **options)
        if self._reached:
            await self._client.execute_command(command, *args, **options)
        raise Cut


@pytest.mark.parametrize("reached", [False, True])
@pytest.mark.parametrize("lives", [1, 2])
async def test_growth_cut_off_anywhere_is_finished_by_the_next(server_url: str, namespace_name: str, lives: int, reached: bool) -> None:
    async with filled(server_url, namespace_name) as memory:
        before = await answers(memory.index)
        cut: Any = CutClient(memory.namespace.client, lives, reached=reached)
        with pytest.raises(Cut):
            await RedisIndex(cut, memory.namespace.keys, DIMENSION, SIZE - 1).fit()
        assert await answers(memory.index) == before
        again = await open_memory(memory.namespace, memory.embedder, search=True, exact_up_to=SIZE - 1)
        await again.index.fit()
        assert await kinds(memory) == ["facts@flat", "procedures@hnsw"]
        assert await answers(memory.index) == before


async def test_memory_opened_again_after_growth_keeps_the_graph(server_url: str, namespace_name: str) -> None:
    async with filled(server_url, namespace_name) as memory:
        await small(memory).fit()
        again = await open_memory(memory.namespace, memory.embedder, search=True, exact_up_to=SIZE)
        await again.index.fit()
        assert await kinds(memory) == ["facts@flat", "procedures@hnsw"]
        assert len((await again.index.nearest(at_angle(0), 3, ENV)).hits) == 3


async def test_drop_removes_either_kind_and_keeps_the_procedures(server_url: str, namespace_name: str) -> None:
    async with filled(server_url, namespace_name) as memory:
        for index in (small(memory, SIZE), small(memory)):
            await index.create()
            await index.fit()
            await index.drop()
            assert await kinds(memory) == []
        assert len(await memory.ids()) == SIZE


async def test_revision_and_credit_do_not_put_the_vector_into_the_index_anew(server_url: str, namespace_name: str) -> None:
    async with filled(server_url, namespace_name) as memory:
        await put(memory, new("one more", at=at_angle(90)))
        given = await rows_given(memory)
        await learn(memory, trajectory(task(0), retrieved=(("p00", 1),)), revise("p00", 1, script="better"))
        assert await rows_given(memory) == given
        [hit] = (await memory.index.nearest(at_angle(0), 1, ENV)).hits
        assert (hit.revision, hit.content.script) == (2, "better")
        await put(memory, revise("p00", 2, status="deprecated"))
        assert await rows_given(memory) == given + 1


async def rows_given(memory: Memory) -> int:
    """How often the server has put a procedure into the index, or put it in again."""
    reply: list[Any] = await memory.namespace.client.execute_command("FT.INFO", memory.namespace.keys.index)
    return int(dict(zip(reply[::2], reply[1::2], strict=True))[b"max_doc_id"])
