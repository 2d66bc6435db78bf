"""10,000 malformed entries on a stream at once, good ones between them: each of those is a dead letter, once; these are done."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from experiments.recorder import Recorder
from experiments.results import read_rows
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from runtime.bus.consumer import register_group
from runtime.bus.dead import read_letters, retry
from runtime.bus.namespace import Namespace
from runtime.errors import UsageError
from runtime.events import DeadLetter, Event, Task, Trajectory, task_place, trajectory_place
from runtime.keys import CURATORS, WORKERS
from tests.curating import curating
from tests.events import task, trajectory
from tests.faults.scene import acting
from tests.security.mutations import mutants
from tests.support import dead_letters, running, scripted, settings, until
from tests.workers.test_episode_worker import working

COUNT = 10_000
GOOD = 5
pytestmark = pytest.mark.timeout(400)


def malformed(kind: type[Event], valid: list[Any], seed: int) -> Iterator[bytes]:
    """Mutants that are no such event any more."""
    left = COUNT
    for content in mutants(valid, 3 * COUNT, seed):
        try:
            kind.read(content)
        except ValidationError:
            left -= 1
            yield content
            if not left:
                return


async def push(namespace: Namespace, stream: str, bad: list[bytes], good: list[Event]) -> list[str]:
    """Put them all on the stream, the good ones spread over the bad ones; returns the ids of the bad ones."""
    ids: list[str] = []
    every = len(bad) // max(1, len(good))
    for start in range(0, len(bad), 500):
        pipe = namespace.client.pipeline(transaction=False)
        for number, content in enumerate(bad[start : start + 500], start):
            pipe.xadd(stream, {"event" if number % 50 else "other": content})
        ids += [entry.decode() for entry in await pipe.execute()]
        if start % every == 0 and good:
            await namespace.client.xadd(stream, {"event": good.pop().model_dump_json()})
    assert not good
    return ids


async def check(namespace: Namespace, stream: str, group: str, ids: list[str], bad: list[bytes]) -> None:
    """Every bad entry is a dead letter, once, with its payload; nothing else is, and nothing is left."""
    letters = [letter for letter in await dead_letters(namespace) if letter.stream == stream]
    assert sorted(letter.entry for letter in letters) == sorted(ids)
    held = dict(zip(ids, bad, strict=True))
    for number, entry in enumerate(ids):
        held[entry] = held[entry] if number % 50 else b""
    assert all(letter.payload == held[letter.entry].decode(errors="replace") for letter in letters)
    assert all(letter.reason.startswith("unreadable") and letter.deliveries == 1 for letter in letters)
    assert (await namespace.client.xpending(stream, group))["pending"] == 0


async def test_worker_with_10000_malformed_tasks_dead_letters_each_once_and_plays_the_others(server_url: str, namespace_name: str) -> None:
    bad = list(malformed(Task, [orjson.loads(task(n + 50).model_dump_json()) for n in range(3)], seed=21))
    assert any(task_place(content) for content in bad)
    async with scripted(acting) as model, working(server_url, namespace_name, settings(model.base_url)) as (worker, memory):
        namespace = memory.namespace
        good = [task(n, use_memory=False) for n in range(GOOD)]
        ids = await push(namespace, namespace.keys.tasks, bad, [*good])
        async with running(worker.pump()):
            await until(lambda: namespace.client.xlen(namespace.keys.tasks), lambda left: left == 0, 300)
        await check(namespace, namespace.keys.tasks, WORKERS, ids, bad)
        entries: Any = await namespace.client.xrange(namespace.keys.trajectories)
        played = [Trajectory.read(fields[b"event"]) for _, fields in entries]
        assert sorted(each.task.id for each in played) == [each.id for each in good]
        assert all(each.success for each in played)


async def test_curator_and_recorder_with_10000_malformed_trajectories_account_for_each_and_use_the_others(
    server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    bad = list(malformed(Trajectory, [orjson.loads(trajectory(task(n + 50)).model_dump_json()) for n in range(3)], seed=22))
    assert any(trajectory_place(content) for content in bad)
    async with stand_in(Options()) as model, curating(server_url, namespace_name, model.base_url, form="trajectory") as works:
        namespace = works.memory.namespace
        stream = namespace.keys.trajectories
        good = [trajectory(task(n, goal=f"put a mug in shelf {n}.")) for n in range(GOOD)]
        recorder = Recorder(namespace, tmp_path / "episodes.jsonl", [each.task for each in good])
        await recorder.open()
        await register_group(namespace.client, stream, CURATORS)
        ids = await push(namespace, stream, bad, [*good])
        async with running(works.pump(), recorder.run):
            await until(lambda: namespace.client.xlen(stream), lambda left: left == 0, 300)
        await check(namespace, stream, CURATORS, ids, bad)
        assert (await namespace.progress()).applied == len(await works.memory.ids()) == GOOD
        await recorder.close()
    assert sorted(each.task_id for each in read_rows(tmp_path / "episodes.jsonl")) == [each.task.id for each in good]


async def test_letters_10000_malformed_are_all_shown_and_put_back_or_refused(namespace: Namespace) -> None:
    keys = namespace.keys
    played = trajectory(task(0)).model_dump_json()
    place: dict[str, Any] = {"entry": "1-1", "deliveries": 3, "reason": "no"}
    valid = [
        DeadLetter(stream=keys.tasks, payload=task(0).model_dump_json(), task="task-0", **place),
        DeadLetter(stream=keys.trajectories, payload=played, **place),
        DeadLetter(stream=keys.trajectories, payload=played, **place).model_copy(update={"reason": "build: no"}),
    ]
    await register_group(namespace.client, keys.trajectories, CURATORS)
    pipe = namespace.client.pipeline(transaction=False)
    for content in mutants([orjson.loads(each.model_dump_json()) for each in valid], COUNT, seed=23):
        pipe.xadd(keys.dead, {"event": content})
    ids = [entry.decode() for entry in await pipe.execute()]
    letters = [letter async for letter in read_letters(namespace)]
    assert [letter.id for letter in letters] == ids
    refusals: list[str] = []
    for letter in letters[::10]:
        try:
            await retry(namespace, letter)
        except UsageError as error:
            refusals.append(str(error))
    assert all("letter" in said for said in refusals)
    back = len(letters[::10]) - len(refusals)
    streams = [await namespace.client.xlen(stream) for stream in (keys.tasks, keys.trajectories)]
    assert sum(streams) == back > 0
    assert await namespace.client.xlen(keys.dead) == COUNT - back


async def test_event_of_an_epoch_that_has_not_begun_ends_nobody(server_url: str, namespace_name: str) -> None:
    async with scripted(acting) as model, working(server_url, namespace_name, settings(model.base_url)) as (worker, memory):
        namespace = memory.namespace
        await namespace.client.xadd(namespace.keys.tasks, {"event": task(0, epoch=99).model_dump_json()})
        await namespace.client.xadd(namespace.keys.tasks, {"event": task(1, use_memory=False).model_dump_json()})
        async with running(worker.pump()):
            await until(lambda: namespace.client.xlen(namespace.keys.tasks), lambda left: left == 0)
        [letter] = await dead_letters(namespace)
        assert letter.reason == "epoch 99 has not begun"
        assert await namespace.client.xlen(namespace.keys.trajectories) == 1
