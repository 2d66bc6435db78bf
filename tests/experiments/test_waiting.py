"""What a run waits for: never for what is lost, and never too short for what was only late."""

from pathlib import Path

import anyio
import pytest

from experiments import waiting as waiting_of
from experiments.config import RunConfig
from experiments.recorder import Recorder
from experiments.results import read_rows
from experiments.waiting import Waiting
from runtime.bus.namespace import Namespace
from runtime.errors import MempError
from runtime.events import Progress
from runtime.tasks import open_tasks
from tests.events import task, trajectory
from tests.support import commit, until, worker

CONTROL = RunConfig(mode="online", exp_name="run", model="m", use_memory=False)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven equal looks are believed, a hundredth of a second apart."""
    monkeypatch.setattr(waiting_of, "POLL", 0.01)
    monkeypatch.setattr(waiting_of, "STILL", 0.1)


async def test_trajectory_that_is_gone_is_believed_after_so_many_looks_however_long_they_take(namespace: Namespace, tmp_path: Path) -> None:
    await commit(namespace, trajectory(task(0)))
    await namespace.client.xtrim(namespace.keys.trajectories, maxlen=0, approximate=False)
    recorder = Recorder(namespace, tmp_path / "episodes.jsonl", [task(0)])
    await recorder.open()
    looks = 0

    async def slow() -> Progress:
        nonlocal looks
        looks += 1
        await anyio.sleep(0.06)  # a server that takes its time
        return await namespace.progress()

    with pytest.raises(MempError, match="1 trajectory can't be recorded: it left the stream before"):
        await Waiting(CONTROL, namespace, slow).until_played([task(0)], recorder)
    assert looks >= 10
    await recorder.close()


async def test_tasks_trimmed_during_a_run_are_added_again_and_played(namespace: Namespace, tmp_path: Path) -> None:
    tasks = [task(index) for index in range(3)]
    recorder = Recorder(namespace, tmp_path / "episodes.jsonl", tasks)
    await recorder.open()
    await commit(namespace, trajectory(tasks[0]), unplayed=(tasks[1],))
    await namespace.submit_tasks(tasks[2:])
    await namespace.client.delete(namespace.keys.tasks)
    async with open_tasks() as background:
        background.start_soon(recorder.run)
        background.start_soon(Waiting(CONTROL, namespace, namespace.progress).until_played, tasks, recorder)
        playing = worker(namespace, "another")

        async def played() -> int:
            for delivery in await playing.read(1, block=0.1):
                [index] = [each.index for each in tasks if f'"{each.id}"'.encode() in (delivery.payload or b"")]
                await namespace.commit(delivery, trajectory(tasks[index]))
            return (await namespace.progress()).committed

        await until(played, lambda committed: committed == 3)
        await until(lambda: recorded(recorder), lambda count: count == 3)
        background.cancel_scope.cancel()
    await recorder.close()


async def test_task_whose_dead_letter_was_thrown_away_unread_is_recorded_as_dead(namespace: Namespace, tmp_path: Path) -> None:
    path, tasks = tmp_path / "episodes.jsonl", [task(0), task(1)]
    await commit(namespace, trajectory(tasks[0]), dead=(tasks[1],))
    await namespace.client.xtrim(namespace.keys.dead, maxlen=0, approximate=False)
    recorder = Recorder(namespace, path, tasks)
    await recorder.open()
    async with open_tasks() as background:
        background.start_soon(recorder.run)
        await Waiting(CONTROL, namespace, namespace.progress).until_played(tasks, recorder)
        background.cancel_scope.cancel()
    await recorder.close()
    [first, second] = read_rows(path)
    assert (first.outcome, second.task_id, second.outcome, second.reason) == (
        "finished",
        "task-1",
        "dead",
        "its dead letter was thrown away",
    )


async def recorded(recorder: Recorder) -> int:
    return recorder.recorded


@pytest.mark.parametrize(
    ("mode", "use_memory", "words", "not_said"),
    [
        ("online", True, ("episodes.jsonl", "memory export"), ()),
        ("online", False, ("episodes.jsonl",), ("memory export",)),
        ("build", True, ("memory export",), ("episodes.jsonl",)),
    ],
)
async def test_what_is_lost_is_told_with_what_is_left_of_this_run(
    namespace: Namespace, mode: str, use_memory: bool, words: tuple[str, ...], not_said: tuple[str, ...]
) -> None:
    config = RunConfig.model_validate(CONTROL.model_dump() | {"mode": mode, "use_memory": use_memory})
    await namespace.submit_trajectories([trajectory(task(0))])
    await namespace.client.xtrim(namespace.keys.trajectories, maxlen=0, approximate=False)
    with pytest.raises(MempError) as raised:
        await Waiting(config, namespace, namespace.progress, experience=1).until_built()
    said = str(raised.value)
    assert "1 trajectory can't be learned from" in said
    assert ([word in said for word in words], [word in said for word in not_said]) == ([True] * len(words), [False] * len(not_said))
