"""What a run's results hold of tasks that died, were put back, or can't be read."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from experiments import recorder as recording_of
from experiments.recorder import Recorder
from experiments.results import EpisodeLog, read_rows
from runtime.bus.consumer import Consumer, register_group
from runtime.bus.dead import read_letters, retry
from runtime.bus.namespace import Namespace
from runtime.errors import MempError
from runtime.keys import CURATORS, RECORDER
from runtime.tasks import open_tasks
from tests.events import task, trajectory
from tests.faults.proxy import Proxy
from tests.support import commit, curator, namespace_at, until, worker


@asynccontextmanager
async def recording(namespace: Namespace, path: Path, tasks: int = 2, *, learns: bool = False) -> AsyncGenerator[Recorder]:
    """A recorder at work, closed as a driver does at the end of the block."""
    recorder = Recorder(namespace, path, [task(index) for index in range(tasks)], learns=learns)
    await recorder.open()
    async with open_tasks() as background:
        background.start_soon(recorder.run)
        yield recorder
        background.cancel_scope.cancel()
    await recorder.close()


async def recorded(recorder: Recorder, count: int) -> None:
    async def look() -> int:
        return recorder.recorded

    await until(look, lambda found: found == count)


async def put_back_and_commit(namespace: Namespace) -> None:
    """Retry all letters, and commit what comes of their tasks."""
    for letter in [letter async for letter in read_letters(namespace)]:
        await retry(namespace, letter)
    for delivery in await worker(namespace, "another").read(100, block=0.1):
        await namespace.commit(delivery, trajectory(task(0)))


def outcomes(path: Path) -> list[tuple[str, str]]:
    return [(row.task_id, row.outcome) for row in read_rows(path)]


def whole(path: Path) -> list[str]:
    """Ids in the file of trajectories that lies beside this one."""
    return [json.loads(line)["id"] for line in path.with_name("trajectories.jsonl").read_text().splitlines()]


async def test_task_put_back_during_a_run_is_recorded_by_what_came_of_it(namespace: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    async with recording(namespace, path) as recorder:
        await commit(namespace, trajectory(task(1)), dead=(task(0),))
        await recorded(recorder, 2)
        await put_back_and_commit(namespace)
    assert outcomes(path) == [("task-1", "finished"), ("task-0", "finished")]
    assert [row.task_id for row in recorder.rows] == ["task-1", "task-0"]
    assert await namespace.client.xinfo_groups(namespace.keys.trajectories) == []


async def test_task_put_back_after_a_run_is_recorded_when_it_goes_on(namespace: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    async with recording(namespace, path) as recorder:
        await commit(namespace, trajectory(task(1)), dead=(task(0),))
        await recorded(recorder, 2)
    assert sorted(outcomes(path)) == [("task-0", "dead"), ("task-1", "finished")]
    await put_back_and_commit(namespace)
    for _ in range(2):
        async with recording(namespace, path) as recorder:
            assert recorder.recorded == 2
        assert outcomes(path) == [("task-1", "finished"), ("task-0", "finished")]


async def test_trajectory_that_can_not_be_read_is_recorded_as_dead_and_by_itself_once_it_can(namespace: Namespace, tmp_path: Path) -> None:
    path, stream = tmp_path / "episodes.jsonl", namespace.keys.trajectories
    event = trajectory(task(0)).model_dump_json()
    async with recording(namespace, path) as recorder:
        await namespace.client.xadd(stream, {"event": event.replace('"v":1', '"v":2')})
        await recorded(recorder, 1)
        [kept] = recorder.rows
        assert (kept.outcome, (kept.reason or "")[:23]) == ("dead", "unreadable trajectory: ")
        await namespace.client.xadd(stream, {"event": event})
    assert outcomes(path) == [("task-0", "finished")]


async def test_build_that_is_tried_again_is_no_episode(namespace: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    await curator(namespace).register()
    async with recording(namespace, path) as recorder:
        again = trajectory(task(0)).model_copy(update={"retry": "7-0"})
        await namespace.client.xadd(namespace.keys.trajectories, {"event": again.model_dump_json()})
        await namespace.submit_trajectories([trajectory(task(1))])
        await recorded(recorder, 1)
    assert outcomes(path) == [("task-1", "finished")]
    assert len(await curator(namespace).read(100, block=0.1)) == 2


async def test_episode_whose_delivery_was_lost_with_its_reply_is_recorded_during_the_run(
    server_url: str, namespace: Namespace, tmp_path: Path
) -> None:
    async with Proxy(server_url).serving() as proxy, namespace_at(proxy.url, namespace.keys.namespace) as proxied:
        proxy.lose(1, b"XREADGROUP")
        await register_group(namespace.client, namespace.keys.trajectories, RECORDER)
        await commit(namespace, trajectory(task(0)))
        async with recording(proxied, tmp_path / "episodes.jsonl") as recorder:
            await recorded(recorder, 1)
        assert proxy.lost == 1


async def test_close_leaves_nothing_that_a_curator_finished_while_it_went(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning, destroy = curator(namespace), namespace.remove_group
    await learning.register()

    async def at_the_last_moment(stream: str, group: str) -> None:
        await namespace.submit_trajectories([trajectory(task(0)), trajectory(task(1))])
        [done] = await learning.read(1, block=0.1)
        await namespace.finish(done)
        await destroy(stream, group)

    monkeypatch.setattr(namespace, "remove_group", at_the_last_moment)
    async with recording(namespace, tmp_path / "episodes.jsonl"):
        pass
    assert await namespace.client.xlen(namespace.keys.trajectories) == 1
    [left] = await learning.read(10, block=0.1)
    await namespace.finish(left)
    assert await namespace.client.xlen(namespace.keys.trajectories) == 0


async def test_episode_of_a_learning_run_is_kept_for_its_curators_though_their_group_was_destroyed(
    namespace: Namespace, tmp_path: Path
) -> None:
    await curator(namespace).register()
    async with recording(namespace, tmp_path / "episodes.jsonl", learns=True) as recorder:
        await namespace.remove_group(namespace.keys.trajectories, CURATORS)
        await commit(namespace, trajectory(task(0)))
        await recorded(recorder, 1)
    assert len(await curator(namespace).read(100, block=0.1)) == 1


async def test_episode_whose_row_could_not_be_written_stands_in_both_files_once_when_the_run_goes_on(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "episodes.jsonl"
    await register_group(namespace.client, namespace.keys.trajectories, RECORDER)
    await commit(namespace, trajectory(task(0)))

    def full(*_: object) -> int:
        raise MempError("no space left")

    recorder = Recorder(namespace, path, [task(0)])
    await recorder.open()
    with monkeypatch.context() as patch:
        patch.setattr(EpisodeLog, "append", full)
        with pytest.raises(MempError, match="no space left"):
            await recorder.close()
    assert (read_rows(path), whole(path)) == ([], ["1:task-0"])
    async with recording(namespace, path) as recorder:
        await recorded(recorder, 1)
    assert (outcomes(path), whole(path)) == ([("task-0", "finished")], ["1:task-0"])


async def test_episodes_without_their_trajectories_are_told_when_a_run_goes_on(namespace: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    async with recording(namespace, path, tasks=3) as recorder:
        await commit(namespace, trajectory(task(0)), trajectory(task(1)), dead=(task(2),))
        await recorded(recorder, 3)
    for missing, told in ((False, []), (True, [2])):
        if missing:
            path.with_name("trajectories.jsonl").unlink()
        with capture_logs() as logs:
            async with recording(namespace, path, tasks=3):
                pass
        assert [line["count"] for line in logs if line["event"] == "trajectories_missing"] == told


async def test_close_records_a_task_that_died_after_the_last_look(namespace: Namespace, tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    recorder = Recorder(namespace, path, [task(0)])
    await recorder.open()
    await commit(namespace, dead=(task(0),))
    await recorder.close()
    assert outcomes(path) == [("task-0", "dead")]


async def test_open_takes_over_what_stands_behind_pages_of_deleted_entries(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_of, "BATCH", 2)
    stream, path = namespace.keys.trajectories, tmp_path / "episodes.jsonl"
    await register_group(namespace.client, stream, CURATORS)
    await namespace.submit_trajectories([trajectory(task(index)) for index in range(7)])
    dead = Consumer(namespace.client, stream, RECORDER, name="dead", lease=60.0)
    await dead.register()
    held = await dead.read(7, block=0.1)
    await namespace.client.xdel(stream, *(delivery.entry for delivery in held[:6]))
    recorder = Recorder(namespace, path, [task(index) for index in range(7)])
    await recorder.open()
    assert outcomes(path) == [("task-6", "finished")]
    await recorder.close()
