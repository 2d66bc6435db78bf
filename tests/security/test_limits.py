"""What comes from outside has a size that is read, and a clear end beyond it."""

import gzip
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from pydantic import ValidationError

from envs import wire
from envs.pool import EnvPool
from memory import importers, lines
from memory.changes import read_changes
from memory.importers import read_trajectories
from memory.transfer import read_memory
from runtime.bus.dead import read_letters, retry
from runtime.bus.letters import MAX_REASON
from runtime.bus.namespace import Namespace
from runtime.config import Settings
from runtime.errors import DataError, EnvError, LLMUnavailable, RequestRejected, UsageError
from runtime.events import MAX_EVENT, Task, Usage
from runtime.model.embeddings import MAX_VECTOR, open_embedder
from runtime.model.llm import Sampling, open_llm
from runtime.model.wire import MAX_ANSWER
from tests.events import task, trajectory
from tests.faults import poison_env
from tests.runtime.model_server import Reply, answers, chat, says, serving, settings
from tests.support import dead_letters, taken

MIB = 1 << 20
ASKED = Sampling(model="m")
BOUND = 1000


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events have no more bytes than `BOUND`."""
    for module in ("events", "bus.letters", "bus.namespace"):
        monkeypatch.setattr(f"runtime.{module}.MAX_EVENT", BOUND)


class Flood:
    """A reply of `pieces` MiB, or one without end; counts what went out."""

    def __init__(self, pieces: int | None, status: int = 200) -> None:
        self.sent, self._pieces, self._status = 0, pieces, status

    async def reply(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=self._status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while self._pieces is None or self.sent < self._pieces:
                await response.write(b" " * MIB)
                self.sent += 1
        except ConnectionError:
            pass
        return response


async def ask(*replies: Reply, **changes: float) -> str:
    async with serving(*replies) as server, open_llm(settings(server.url, **changes)) as llm:
        return (await llm.complete([{"role": "user", "content": "x"}], role="agent", sampling=ASKED)).text


@pytest.mark.parametrize("pieces", [50, None])
async def test_answer_of_50_mib_or_without_end_is_cut_off_and_the_request_given_up(pieces: int | None) -> None:
    flood = Flood(pieces)
    with pytest.raises(RequestRejected, match="larger than 4 MiB"):
        await ask(flood.reply)
    assert flood.sent < 25


async def test_answer_just_within_the_bound_is_taken() -> None:
    assert len(await ask(answers(**chat("x" * (MAX_ANSWER - 1000))))) == MAX_ANSWER - 1000


async def test_answer_that_unpacks_to_50_mib_is_given_up() -> None:
    async def packed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b" " * 50 * MIB), headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    with pytest.raises((RequestRejected, LLMUnavailable)):
        await ask(packed, llm_deadline=2.0)


async def test_error_with_a_body_of_50_mib_is_the_error_it_is() -> None:
    assert await ask(Flood(50, status=500).reply, answers()) == "Fine."


async def test_answer_that_trickles_without_end_ends_with_the_deadline() -> None:
    async def trickles(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await anyio.sleep(0.01)

    with pytest.raises(LLMUnavailable):
        await ask(trickles, llm_deadline=1.0)


async def test_embeddings_beyond_their_bound_are_given_up() -> None:
    flood = Flood(50)
    async with serving(flood.reply) as server, open_embedder(settings(server.url)) as embedder:
        with pytest.raises(RequestRejected, match=r"larger than 0\.5 MiB"):
            await embedder.embed(["x"])
    assert flood.sent < 20
    assert MAX_VECTOR > 25 * 8192  # numbers as JSON of the largest embeddings that are served


async def test_answer_nested_without_end_is_malformed_and_asked_for_again() -> None:
    assert await ask(says("[" * MIB), answers()) == "Fine."


async def test_observation_beyond_the_bound_is_the_end_of_its_episode_only() -> None:
    name = poison_env.__name__
    async with EnvPool.open(Settings(env_processes=1)) as pool, pool.env(name) as vast, pool.env(name) as other:
        await other.reset({"name": "room 1"})
        await vast.reset({"name": "room 2", "flood": wire.MAX_MESSAGE})
        with pytest.raises(EnvError, match="64 MiB, more than the 64 that are read"):
            await vast.step("look")
        assert (await other.step("look")).observation.startswith("You did look in room 1.")


async def test_observation_of_10_mib_is_taken_whole() -> None:
    async with EnvPool.open(Settings(env_processes=1)) as pool, pool.env(poison_env.__name__) as env:
        await env.reset({"name": "room 2", "flood": 10 * MIB})
        assert len((await env.step("look")).observation) > 10 * MIB


def test_event_beyond_the_bound_is_not_read() -> None:
    with pytest.raises(ValidationError, match="64 MiB, more than the 64"):
        Task.read(b" " * (MAX_EVENT + 1))


@pytest.mark.parametrize(("size", "kept"), [(10 * MIB, 10 * MIB), (MAX_EVENT, MAX_EVENT), (MAX_EVENT + 1, MIB)])
async def test_dead_letter_keeps_its_payload_up_to_the_bound(namespace: Namespace, size: int, kept: int) -> None:
    await namespace.client.xadd(namespace.keys.tasks, {"event": b"x" * size})
    await namespace.drop(await taken(namespace), "unreadable: " + "y" * 5000)
    [letter] = await dead_letters(namespace)
    assert len(letter.payload) == kept
    assert len(letter.reason) < MAX_REASON + 100
    assert (f"of {size} bytes, the first {MIB} are kept" in letter.reason) == (kept < size)
    await namespace.client.delete(namespace.keys.dead)


async def test_task_too_large_is_named_and_nothing_submitted(namespace: Namespace, bounds: None) -> None:
    large = task(1, group=3, goal="ä" * 500)
    assert len(large.model_dump_json()) < BOUND < len(large.model_dump_json().encode())
    with pytest.raises(UsageError, match=r"task task-1 has \d{4} bytes, more than the 1000"):
        await namespace.submit_tasks([task(0, group=3), large])
    assert ((await namespace.progress()).submitted, await namespace.client.exists(namespace.keys.group(1, 3))) == (0, 0)


async def test_trajectory_too_large_is_no_event_and_its_task_settled_as_dead_in_its_group(namespace: Namespace, bounds: None) -> None:
    tasks = [task(index, group=3) for index in range(2)]
    await namespace.submit_tasks(tasks)
    large = trajectory(tasks[0], first_observation="x" * BOUND, usage={"agent": Usage(input=5)})
    delivery = await taken(namespace)
    for _ in range(2):  # a reply may be lost
        assert not await namespace.commit(delivery, large)
    assert await namespace.commit(await taken(namespace), trajectory(tasks[1], steps=0))
    progress = await namespace.progress()
    assert (progress.committed, progress.dead, progress.tokens, await namespace.turn(3)) == (1, 1, 5, 1)
    assert await namespace.client.xlen(namespace.keys.trajectories) == 1
    [letter] = [letter async for letter in read_letters(namespace)]
    assert (letter.kind(namespace), letter.said.task) == ("task", "task-0")
    assert "its trajectory has" in letter.said.reason
    await retry(namespace, letter)
    assert (await namespace.progress()).dead == 0


@pytest.mark.parametrize("payload", [b"[1]", b'{"id":"task-0","epoch":1,"goal":"', b"\xff"])
async def test_event_too_large_of_which_nothing_can_be_told_is_dropped_and_settles_nothing(
    namespace: Namespace, bounds: None, payload: bytes
) -> None:
    await namespace.submit_tasks([task(0)])
    await namespace.drop((await taken(namespace))._replace(payload=payload + b"x" * 1000), "too large")
    assert ((await namespace.progress()).settled, len(await dead_letters(namespace))) == (0, 1)


def test_line_of_an_import_beyond_the_bound_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE", 1000)
    path = tmp_path / "memory.jsonl"
    path.write_text("\n" + "x" * 1001)
    for read in (read_memory, read_changes):
        with pytest.raises(DataError, match="line 2: longer than"):
            read(path)


def test_file_of_trajectories_beyond_the_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.truncate(importers.MAX_BYTES + 1)  # takes no room
    with pytest.raises(DataError, match="split it"):
        read_trajectories(path)
