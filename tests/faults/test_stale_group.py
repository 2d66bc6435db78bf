"""A driver that is gone for good: its group keeps trajectories for nobody, until a command drains it."""

from pathlib import Path

import pytest

from runtime.bus import drain as draining
from runtime.bus.consumer import Consumer, register_group
from runtime.bus.drain import drain
from runtime.bus.namespace import Namespace
from runtime.bus.status import read_status
from runtime.errors import UsageError
from runtime.keys import CURATORS, RECORDER
from tests.events import task, trajectory
from tests.experiments.command import Memp
from tests.faults.scene import LEARNING, acting, progressed, room, scene
from tests.support import curator

pytestmark = pytest.mark.timeout(240)

TASKS = 8


async def read_by(namespace: Namespace, group: str, count: int) -> Consumer:
    """A consumer of the group that has read so many trajectories."""
    consumer = Consumer(namespace.client, namespace.keys.trajectories, group, name=group, lease=60.0)
    await consumer.register()
    assert len(await consumer.read(count, block=0.1)) == count
    return consumer


@pytest.fixture
def silent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was heard of before counts as gone."""
    monkeypatch.setattr(draining, "SILENT", 0.0)


async def test_driver_gone_for_good_stalls_nobody_and_its_group_is_drained_by_a_command(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    stream = namespace.keys.trajectories
    await register_group(namespace.client, stream, RECORDER)
    async with scene(namespace, server_url, household, tmp_path, acting) as playing:
        await playing.start("worker", MEMP_HIGH_WATER="2")
        await playing.start(*LEARNING)
        await playing.at_work(1)
        await namespace.submit_tasks([room(index) for index in range(TASKS)])
        await progressed(namespace, lambda now: now.applied == TASKS)
        assert await namespace.client.xlen(stream) == TASKS
        memp = Memp(tmp_path, playing.model.base_url)
        given = ("--exp-name", namespace.keys.namespace)
        code, output = await memp.run("drain", *given, "--group", RECORDER, REDIS_URL=server_url)
        assert (code, f"{TASKS} trajectories are deleted" in output) == (0, True), output
        assert await namespace.client.xlen(stream) == 0
        await namespace.submit_tasks([room(TASKS)])
        await progressed(namespace, lambda now: now.applied == TASKS + 1)
        code, output = await memp.run("drain", *given, "--group", RECORDER, REDIS_URL=server_url)
        assert (code, "no such group" in output) == (2, True), output


@pytest.mark.usefixtures("silent_at_once")
async def test_drain_leaves_what_another_group_has_yet_to_work_on(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "PAGE", 2)
    await namespace.submit_trajectories([trajectory(task(index)) for index in range(6)])
    await read_by(namespace, RECORDER, 3)
    learning = curator(namespace)
    await learning.register()
    done, held = await learning.read(2, block=0.1)
    await namespace.finish(done)
    assert await drain(namespace, RECORDER) == 1
    left: list[tuple[bytes, object]] = await namespace.client.xrange(namespace.keys.trajectories)
    assert len(left) == 5
    assert left[0][0].decode() == held.entry
    assert len(await learning.read(10, block=0.1)) == 4
    assert await learning.renew(held)
    [group] = (await read_status(namespace)).streams[1].groups
    assert group.name == CURATORS


@pytest.mark.usefixtures("silent_at_once")
async def test_drain_of_the_only_group_asks_before_it_throws_away(namespace: Namespace) -> None:
    await namespace.submit_trajectories([trajectory(task(index)) for index in range(3)])
    await read_by(namespace, RECORDER, 2)
    with pytest.raises(UsageError, match="--discard"):
        await drain(namespace, RECORDER)
    assert await namespace.client.xlen(namespace.keys.trajectories) == 3
    assert await drain(namespace, RECORDER, discard=True) == 3


async def test_drain_of_a_group_that_is_served_or_has_work_to_do_is_refused(namespace: Namespace) -> None:
    await namespace.submit_trajectories([trajectory(task(0))])
    await read_by(namespace, RECORDER, 1)
    await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
    for group, complaint in ((RECORDER, "was heard of"), (CURATORS, "start `memp curator`"), ("other", "no such group")):
        with pytest.raises(UsageError, match=complaint):
            await drain(namespace, group)
    assert await namespace.client.xlen(namespace.keys.trajectories) == 1


@pytest.mark.usefixtures("silent_at_once")
async def test_run_whose_recorder_was_drained_is_not_resumed(namespace: Namespace) -> None:
    assert await namespace.claim("a run")
    await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
    await register_group(namespace.client, namespace.keys.trajectories, RECORDER)
    await drain(namespace, RECORDER)
    assert not await namespace.claim("a run")


@pytest.mark.usefixtures("silent_at_once")
@pytest.mark.parametrize("gone", [False, True])
async def test_drain_killed_before_or_after_the_group_has_gone_is_completed_when_it_is_given_again(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    learning, destroy = curator(namespace), namespace.remove_group
    await learning.register()
    await namespace.submit_trajectories([trajectory(task(0))])
    await read_by(namespace, RECORDER, 1)

    async def killed(stream: str, group: str) -> None:
        for delivery in await learning.read(10, block=0.1):
            await namespace.finish(delivery)  # after the first sweep: only the last can delete it
        if gone:
            await destroy(stream, group)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(namespace, "remove_group", killed)
        with pytest.raises(KeyboardInterrupt):
            await drain(namespace, RECORDER)
    assert await namespace.client.xlen(namespace.keys.trajectories) == 1
    if not gone:
        assert await drain(namespace, RECORDER) == 1
    for said in ("no such group, and 1 that one has left behind is deleted",) * gone + ("no such group:",):
        with pytest.raises(UsageError, match=said):
            await drain(namespace, RECORDER)
        assert await namespace.client.xlen(namespace.keys.trajectories) == 0


@pytest.mark.usefixtures("silent_at_once")
async def test_run_is_not_resumed_from_the_first_write_of_a_drain_on(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await namespace.claim("a run")
    await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
    await register_group(namespace.client, namespace.keys.trajectories, RECORDER)
    write = namespace.client.hset

    async def killed(*given: str) -> None:
        await write(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(namespace.client, "hset", killed)
        with pytest.raises(KeyboardInterrupt):
            await drain(namespace, RECORDER)
    assert not await namespace.claim("a run")
    assert await drain(namespace, RECORDER) == 0


async def test_drain_after_a_driver_was_killed_while_it_left_deletes_what_that_left_behind_and_refuses_no_run(namespace: Namespace) -> None:
    assert await namespace.claim("a run")
    learning = curator(namespace)
    await learning.register()
    await namespace.submit_trajectories([trajectory(task(index)) for index in range(3)])
    await read_by(namespace, RECORDER, 3)
    for delivery in await learning.read(2, block=0.1):
        await namespace.finish(delivery)
    await namespace.remove_group(namespace.keys.trajectories, RECORDER)
    with pytest.raises(UsageError, match="no such group, and 2 that one has left behind are deleted"):
        await drain(namespace, RECORDER)
    assert len(await learning.read(10, block=0.1)) == 1
    assert await namespace.claim("a run")


@pytest.mark.usefixtures("silent_at_once")
async def test_drain_leaves_nothing_that_is_finished_after_it_looked(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    learning, destroy = curator(namespace), namespace.remove_group
    await learning.register()
    await namespace.submit_trajectories([trajectory(task(0))])
    await read_by(namespace, RECORDER, 1)

    async def at_the_last_moment(stream: str, group: str) -> None:
        for delivery in await learning.read(10, block=0.1):
            await namespace.finish(delivery)
        await destroy(stream, group)

    monkeypatch.setattr(namespace, "remove_group", at_the_last_moment)
    assert await drain(namespace, RECORDER) == 1
    assert await namespace.client.xlen(namespace.keys.trajectories) == 0
