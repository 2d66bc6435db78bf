"""Grouped mode under faults: the barrier opens, whatever becomes of single tasks, and however large the group is."""

from pathlib import Path

import anyio

from envs.local import GameTask
from runtime.events import EpisodeSpec, Task
from tests.faults.curation import Curation, curation
from tests.faults.scene import room, task_of
from tests.support import dead_letters, until

HIGH_WATER = 2
SIZE = 6
GARBAGE = "json_2.1.1/train/garbage/game.tw-pddl"


def group(number: int, *others: Task) -> list[Task]:
    """A group of rooms, some of its tasks others."""
    given = {each.index: each for each in others}
    indices = range(number * SIZE, (number + 1) * SIZE)
    return [given.get(index, room(index)).model_copy(update={"group": number}) for index in indices]


def unreadable(index: int) -> Task:
    """A task of a game that is no game."""
    spec = EpisodeSpec(model="m", use_memory=False, max_steps=10)
    return task_of(GameTask("put a mug in shelf.", {"path": GARBAGE}), index, spec=spec)


async def opened(works: Curation, done: int) -> None:
    """What the driver waits for before it submits the next group."""

    async def ended() -> int:
        progress = await works.memory.namespace.progress()
        return progress.consumed + progress.dead

    await until(ended, lambda count: count >= done)


async def test_barrier_opens_for_a_group_with_dead_tasks_that_is_larger_than_the_high_water_mark(
    server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    async with curation(server_url, namespace_name, tmp_path) as works:
        namespace = works.memory.namespace
        garbage = anyio.Path(works.playing.data / GARBAGE)
        await garbage.parent.mkdir(parents=True)
        await garbage.write_bytes(b"\xff{")
        await works.start(MEMP_CURATOR_SLOTS="2")
        await works.playing.start("worker", MEMP_SLOTS="2", MEMP_HIGH_WATER=str(HIGH_WATER), MEMP_MAX_DELIVERIES="2")
        await works.at_work(1)
        await works.playing.at_work(1)

        await namespace.submit_tasks(group(0, room(0, poison="refuse"), unreadable(3)))
        await opened(works, SIZE)
        await namespace.submit_tasks(group(1, room(SIZE * 2 - 1, poison="exit")))
        await opened(works, SIZE * 2)

        assert {letter.task for letter in await dead_letters(namespace)} == {"t0", "t3", "t11"}
        assert [change.trajectory for change in await works.changes()] == [f"1:t{index}" for index in (1, 2, 4, 5, 6, 7, 8, 9, 10)]
        assert (await namespace.backlog(), await works.waiting(), await namespace.in_flight()) == (0, 0, 0)
