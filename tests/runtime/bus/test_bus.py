"""Streams, leases, fences and marks, against a real server."""

from collections.abc import Callable

import pytest

from runtime.bus.consumer import Consumer, Delivery, register_group
from runtime.bus.journal import Journal
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import Client
from runtime.errors import EpochClosed, LeaseLost, UsageError
from runtime.events import DeadLetter, Trajectory
from runtime.keys import CURATORS, RECORDER, WORKERS
from tests.events import task, trajectory
from tests.support import until

NO_LEASE = 0.0
"""A lease that has run out at once: what one consumer read, another may take."""


@pytest.fixture
def consumer(client: Client, namespace: Namespace) -> Callable[[str, float], Consumer]:
    return lambda name, lease: Consumer(client, namespace.keys.tasks, WORKERS, name=name, lease=lease)


async def _one(consumer: Consumer) -> Delivery:
    await consumer.register()
    [delivery] = await consumer.read(10, block=0.1)
    return delivery


async def test_submission_repeated_adds_nothing(namespace: Namespace) -> None:
    assert await namespace.submit_tasks([task(0), task(1)]) == 2
    assert await namespace.submit_tasks([task(0), task(1), task(2)]) == 1
    assert await namespace.client.xlen(namespace.keys.tasks) == 3


async def test_read_more_than_there_is_room_for_leaves_the_rest(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(index) for index in range(5)])
    one, other = consumer("one", 60.0), consumer("other", 60.0)
    await one.register()
    assert len(await one.read(2, block=0.1)) == 2
    assert len(await other.read(10, block=0.1)) == 3


async def test_group_destroyed_is_rebuilt_and_nothing_is_lost(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    reader = consumer("one", 60.0)
    await reader.register()
    await namespace.remove_group(namespace.keys.tasks, WORKERS)
    assert await reader.read(1, block=0.1) == []
    assert len(await reader.read(1, block=0.1)) == 1


async def test_commit_settles_the_task_and_leaves_one_trajectory(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    delivery = await _one(consumer("one", 60.0))
    assert await namespace.commit(delivery, trajectory(task(0)))
    [(_, fields)] = await namespace.client.xrange(namespace.keys.trajectories)
    assert Trajectory.model_validate_json(fields[b"event"]) == trajectory(task(0))
    assert await namespace.client.xlen(namespace.keys.tasks) == 0
    assert (await namespace.client.xpending(namespace.keys.tasks, WORKERS))["pending"] == 0
    assert (await namespace.progress()).committed == 1


async def test_commit_repeated_after_a_lost_reply_is_no_second_event(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    delivery = await _one(consumer("one", 60.0))
    assert await namespace.commit(delivery, trajectory(task(0)))
    assert await namespace.commit(delivery, trajectory(task(0)))
    assert await namespace.client.xlen(namespace.keys.trajectories) == 1
    assert (await namespace.progress()).committed == 1


async def test_commit_of_a_zombie_is_refused_and_the_others_stands(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    zombie = await _one(consumer("zombie", 60.0))
    [taken] = await consumer("heir", NO_LEASE).reclaim(1)
    assert taken.deliveries == 2
    with pytest.raises(LeaseLost):
        await namespace.commit(zombie, trajectory(task(0), steps=1))
    assert await namespace.commit(taken, trajectory(task(0), steps=2))
    with pytest.raises(LeaseLost):
        await namespace.commit(zombie, trajectory(task(0), steps=1))
    [(_, fields)] = await namespace.client.xrange(namespace.keys.trajectories)
    assert len(Trajectory.model_validate_json(fields[b"event"]).steps) == 2


async def test_commit_of_a_closed_epoch_is_refused(client: Client, namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    delivery = await _one(consumer("one", 60.0))
    afresh = await open_namespace(client, namespace.keys.namespace, overwrite=True)
    assert afresh.epoch == namespace.epoch + 1
    with pytest.raises(EpochClosed):
        await namespace.commit(delivery, trajectory(task(0)))
    with pytest.raises(EpochClosed):
        await namespace.submit_tasks([task(1)])
    assert await client.xlen(namespace.keys.trajectories) == 0


async def test_renewal_keeps_the_entry_and_its_delivery_count(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    holder = consumer("one", 60.0)
    delivery = await _one(holder)
    for _ in range(3):
        assert await holder.renew(delivery)
    assert await consumer("other", 60.0).reclaim(1) == []
    [pending] = await namespace.client.xpending_range(namespace.keys.tasks, WORKERS, "-", "+", 1)
    assert (pending["consumer"], pending["times_delivered"]) == (b"one", 1)


async def test_renewal_of_a_lost_lease_takes_nothing_back(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    loser = consumer("loser", 60.0)
    delivery = await _one(loser)
    await consumer("heir", NO_LEASE).reclaim(1)
    assert not await loser.renew(delivery)
    assert not await loser.release(delivery, failed=False)
    [pending] = await namespace.client.xpending_range(namespace.keys.tasks, WORKERS, "-", "+", 1)
    assert pending["consumer"] == b"heir"


@pytest.mark.parametrize(("failed", "deliveries"), [(False, 1), (True, 2)])
async def test_release_gives_back_at_once_and_counts_only_failures(
    namespace: Namespace, consumer: Callable[..., Consumer], failed: bool, deliveries: int
) -> None:
    await namespace.submit_tasks([task(0)])
    holder = consumer("one", 60.0)
    assert await holder.release(await _one(holder), failed=failed)
    [taken] = await consumer("other", 60.0).reclaim(1)
    assert taken.deliveries == deliveries


async def test_consumer_that_holds_something_is_not_retired(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    holder = consumer("one", 60.0)
    delivery = await _one(holder)
    await holder.retire()
    assert len(await namespace.client.xinfo_consumers(namespace.keys.tasks, WORKERS)) == 1
    await namespace.commit(delivery, trajectory(task(0)))
    await holder.retire()
    assert await namespace.client.xinfo_consumers(namespace.keys.tasks, WORKERS) == []


async def test_dead_letter_settles_the_task_with_its_reason_once(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    delivery = await _one(consumer("one", 60.0))
    await namespace.dead_letter(delivery, task(0), "it raised")
    await namespace.dead_letter(delivery, task(0), "it raised")
    [(_, fields)] = await namespace.client.xrange(namespace.keys.dead)
    letter = DeadLetter.model_validate_json(fields[b"event"])
    assert (letter.reason, letter.task, letter.payload) == ("it raised", "task-0", task(0).model_dump_json())
    progress = await namespace.progress()
    assert (progress.committed, progress.dead) == (0, 1)


async def test_unreadable_entry_goes_to_the_dead_letters_once(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.client.xadd(namespace.keys.tasks, {"event": b"\xff{"})
    delivery = await _one(consumer("one", 60.0))
    await namespace.drop(delivery, "unreadable")
    await namespace.drop(delivery, "unreadable")
    assert await namespace.client.xlen(namespace.keys.dead) == 1
    assert await namespace.client.xlen(namespace.keys.tasks) == 0


async def test_entry_stays_until_every_group_has_had_it(client: Client, namespace: Namespace) -> None:
    stream = namespace.keys.trajectories
    curator, recorder = (Consumer(client, stream, group, name=group, lease=60.0) for group in (CURATORS, RECORDER))
    await curator.register()
    await recorder.register()
    await namespace.submit_trajectories([trajectory(task(0))])
    [first] = await curator.read(1, block=0.1)
    await namespace.finish(first)
    assert await client.xlen(stream) == 1
    [second] = await recorder.read(1, block=0.1)
    assert await client.xlen(stream) == 1
    await namespace.finish(second)
    assert await client.xlen(stream) == 0


async def test_group_registered_late_gets_all_that_is_there(client: Client, namespace: Namespace) -> None:
    await namespace.submit_trajectories([trajectory(task(0))])
    await register_group(client, namespace.keys.trajectories, CURATORS)
    late = Consumer(client, namespace.keys.trajectories, CURATORS, name="late", lease=60.0)
    assert len(await late.read(1, block=0.1)) == 1


async def test_journal_of_a_zombie_is_refused(client: Client, namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    zombie = await _one(consumer("zombie", 60.0))
    key = namespace.keys.journal(1, "task-0")
    journal = await Journal(key, zombie, namespace.scripts).load()
    await journal.put("agent:1", b"first")
    [taken] = await consumer("heir", NO_LEASE).reclaim(1)
    with pytest.raises(LeaseLost):
        await journal.put("agent:2", b"late")
    heir = await Journal(key, taken, namespace.scripts).load()
    assert (heir.get("agent:1"), heir.get("agent:2")) == (b"first", None)


async def test_journal_is_gone_once_its_task_is_settled(client: Client, namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    await namespace.submit_tasks([task(0)])
    delivery = await _one(consumer("one", 60.0))
    await (await Journal(namespace.keys.journal(1, "task-0"), delivery, namespace.scripts).load()).put("agent:1", b"answer")
    await namespace.commit(delivery, trajectory(task(0)))
    assert await client.exists(namespace.keys.journal(1, "task-0")) == 0


async def test_turn_waits_for_the_whole_group_and_skips_the_dead(namespace: Namespace, consumer: Callable[..., Consumer]) -> None:
    tasks = [task(index, group=0) for index in (4, 5)]
    await namespace.submit_tasks(tasks)
    reader = consumer("one", 60.0)
    await reader.register()
    first, second = await reader.read(2, block=0.1)
    await namespace.commit(second, trajectory(tasks[1]))
    assert await namespace.turn(0) is None
    await namespace.dead_letter(first, tasks[0], "it raised")
    assert await namespace.turn(0) == 5


async def test_consumer_that_left_nothing_and_was_silent_for_long_is_forgotten(
    namespace: Namespace, consumer: Callable[..., Consumer]
) -> None:
    client, stream = namespace.client, namespace.keys.tasks
    await namespace.submit_tasks([task(0)])
    await _one(consumer("silent but holding", 60.0))
    await client.xgroup_createconsumer(stream, WORKERS, "gone")
    sweeper, careful = consumer("sweeper", 0.02), consumer("careful", 60.0)

    async def names() -> set[str]:
        return {each["name"].decode() for each in await client.xinfo_consumers(stream, WORKERS)}

    async def idle() -> int:
        return min(each["idle"] for each in await client.xinfo_consumers(stream, WORKERS))

    await until(idle, lambda milliseconds: milliseconds > 20 * 20)
    assert await careful.reclaim(1) == []
    assert await names() >= {"silent but holding", "gone"}
    [taken] = await sweeper.reclaim(1)
    assert await names() == {"sweeper", "careful"}, "one held nothing, the entry of the other was taken over"
    assert await sweeper.renew(taken)


async def test_entry_of_another_epoch_is_taken_off_while_the_namespace_is_in_ours(
    namespace: Namespace, consumer: Callable[..., Consumer]
) -> None:
    ours = await open_namespace(namespace.client, namespace.keys.namespace, overwrite=True)
    await ours.submit_tasks([task(0).model_copy(update={"epoch": 2})])
    delivery = await _one(consumer("one", 60.0))
    assert await ours.admits(delivery, 2)
    assert not await ours.admits(delivery, 1)
    assert await namespace.client.xlen(namespace.keys.tasks) == 0


@pytest.mark.parametrize("started_afresh", ["flushed", "overwritten"])
async def test_entry_of_the_epoch_that_follows_ends_the_process_and_stays(
    namespace: Namespace, consumer: Callable[..., Consumer], started_afresh: str
) -> None:
    name = namespace.keys.namespace
    ours = await open_namespace(namespace.client, name, overwrite=True)
    if started_afresh == "flushed":
        await namespace.client.delete(namespace.keys.meta)  # its epochs begin again at 1
    theirs = await open_namespace(namespace.client, name, overwrite=started_afresh == "overwritten")
    await theirs.submit_tasks([task(0).model_copy(update={"epoch": theirs.epoch})])
    delivery = await _one(consumer("one", 60.0))
    with pytest.raises(UsageError, match="start this process again"):
        await ours.admits(delivery, theirs.epoch)
    assert await namespace.client.xlen(namespace.keys.tasks) == 1
