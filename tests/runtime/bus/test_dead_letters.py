"""Dead letters put back or thrown away, and what they had settled."""

import pytest
from redis.exceptions import ResponseError

from runtime.bus.consumer import register_group
from runtime.bus.dead import Letter, discard, find_letters, read_letters, retry
from runtime.bus.namespace import Namespace
from runtime.errors import LeaseLost, UsageError
from runtime.events import Task
from runtime.keys import CURATORS, WORKERS
from tests.events import task, trajectory
from tests.faults.proxy import Proxy
from tests.support import arrive, commit, curator, dead_letters, namespace_at, taken

NEWER = b'"v":2,"mood":"good",'
"""What a later version may write into an event."""


async def letters(namespace: Namespace) -> list[Letter]:
    return [letter async for letter in read_letters(namespace)]


async def payloads(namespace: Namespace, stream: str) -> list[bytes]:
    return [fields[b"event"] for _, fields in await namespace.client.xrange(stream)]


def newer(event: Task) -> bytes:
    """The task as a later version would put it."""
    return event.model_dump_json().encode().replace(b'"v":1,', NEWER)


async def test_task_put_back_is_open_again_and_committed_once(namespace: Namespace) -> None:
    await commit(namespace, dead=(task(0),))
    [letter] = await letters(namespace)
    assert letter.kind(namespace) == "task"
    await retry(namespace, letter)
    assert (await letters(namespace), (await namespace.progress()).settled) == ([], 0)
    delivery = await taken(namespace)
    assert delivery.payload == task(0).model_dump_json().encode()
    assert await namespace.commit(delivery, trajectory(task(0)))
    progress = await namespace.progress()
    assert (progress.submitted, progress.committed, progress.dead) == (1, 1, 0)
    assert len(await payloads(namespace, namespace.keys.trajectories)) == 1


async def test_task_put_back_that_dies_again_has_one_letter(namespace: Namespace) -> None:
    await commit(namespace, dead=(task(0),))
    [first] = await letters(namespace)
    await retry(namespace, first)
    await namespace.dead_letter(await taken(namespace), task(0), "it raised again")
    [letter] = await dead_letters(namespace)
    assert (letter.reason, (await namespace.progress()).dead) == ("it raised again", 1)


async def test_reply_to_a_retry_lost_puts_the_work_back_once(server_url: str, namespace_name: str) -> None:
    async with Proxy(server_url).serving() as proxy, namespace_at(proxy.url, namespace_name) as namespace:
        await commit(namespace, dead=(task(0),))
        [letter] = await letters(namespace)
        proxy.lose(2)
        await retry(namespace, letter)
        assert proxy.lost == 2
        assert len(await payloads(namespace, namespace.keys.tasks)) == 1
        assert (await letters(namespace), (await namespace.progress()).dead) == ([], 0)


async def test_letter_put_back_twice_is_put_back_once(namespace: Namespace) -> None:
    await commit(namespace, dead=(task(0),))
    [letter] = await letters(namespace)
    for _ in range(2):
        await retry(namespace, letter)
    assert len(await payloads(namespace, namespace.keys.tasks)) == 1
    assert (await namespace.progress()).dead == 0


async def test_retry_whose_write_fails_leaves_letter_and_mark(namespace: Namespace) -> None:
    await commit(namespace, dead=(task(0),))
    [letter] = await letters(namespace)
    await namespace.client.delete(namespace.keys.tasks)
    await namespace.client.set(namespace.keys.tasks, "no stream")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await retry(namespace, letter)
    assert (await letters(namespace), (await namespace.progress()).dead) == ([letter], 1)
    assert await namespace.client.hexists(namespace.keys.committed(1), "task-0")


async def test_zombie_that_let_a_task_die_can_not_settle_it_once_it_is_put_back(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(0)])
    zombie = await taken(namespace)
    await namespace.dead_letter(zombie, task(0), "it raised")
    await retry(namespace, (await letters(namespace))[0])
    for late in (namespace.commit(zombie, trajectory(task(0))), namespace.dead_letter(zombie, task(0), "it raised")):
        with pytest.raises(LeaseLost):
            await late
    assert (await letters(namespace), (await namespace.progress()).settled) == ([], 0)
    assert await namespace.commit(await taken(namespace), trajectory(task(0)))


async def test_task_settled_otherwise_meanwhile_is_not_put_back(namespace: Namespace) -> None:
    await commit(namespace, dead=(task(0),))
    [letter] = await letters(namespace)
    await namespace.client.hset(namespace.keys.committed(1), "task-0", "another/1-1/1")
    with pytest.raises(UsageError, match="settled otherwise"):
        await retry(namespace, letter)
    assert await letters(namespace) == [letter]


async def test_group_neither_opens_early_nor_waits_for_a_task_put_back(namespace: Namespace) -> None:
    group = [task(index, group=0) for index in range(3)]
    await namespace.submit_tasks(group)
    await namespace.dead_letter(await taken(namespace), group[0], "it raised")
    second, third = await taken(namespace), await taken(namespace)
    await retry(namespace, (await letters(namespace))[0])
    await namespace.commit(await taken(namespace), trajectory(group[0]))
    await namespace.commit(second, trajectory(group[1]))
    assert await namespace.turn(0) is None
    await namespace.commit(third, trajectory(group[2]))
    assert await namespace.turn(0) == 1
    assert [await namespace.left_behind(each) for each in group] == [True, False, False]


async def test_letter_of_a_closed_epoch_is_not_put_back_and_can_be_thrown_away(namespace: Namespace) -> None:
    await commit(namespace, dead=(task(0),))
    await namespace.client.hincrby(namespace.keys.meta, "epoch", 1)
    [letter] = await letters(namespace)
    with pytest.raises(UsageError, match="epoch 1, which is closed"):
        await retry(namespace, letter)
    assert await letters(namespace) == [letter]
    await discard(namespace, [letter.id])
    assert await letters(namespace) == []


async def test_letter_of_an_epoch_that_has_not_begun_says_so(namespace: Namespace) -> None:
    await register_group(namespace.client, namespace.keys.tasks, WORKERS)
    await namespace.client.xadd(namespace.keys.tasks, {"event": task(0, epoch=7).model_dump_json()})
    await namespace.drop(await taken(namespace), "epoch 7 has not begun")
    with pytest.raises(UsageError, match="epoch 7, which has not begun"):
        await retry(namespace, (await letters(namespace))[0])


async def test_reason_of_a_letter_holds_nothing_that_a_terminal_obeys(namespace: Namespace) -> None:
    await namespace.submit_tasks([task(0)])
    await namespace.dead_letter(await taken(namespace), task(0), "KeyError: \x1b[2J")
    assert [letter.reason for letter in await dead_letters(namespace)] == [r"KeyError: \x1b[2J"]


async def test_task_thrown_away_stays_settled(namespace: Namespace) -> None:
    await commit(namespace, dead=(task(0),))
    await discard(namespace, [(await letters(namespace))[0].id])
    assert (await letters(namespace), (await namespace.progress()).dead) == ([], 1)


@pytest.mark.parametrize("unknown", ["1-1", "nonsense", "-", "+"])
async def test_letter_that_is_not_there_is_told_with_what_to_do(namespace: Namespace, unknown: str) -> None:
    await commit(namespace, dead=(task(0),))
    with pytest.raises(UsageError, match=f"no dead letter .*memp dead list --exp-name {namespace.keys.namespace}"):
        await find_letters(namespace, [(await letters(namespace))[0].id, unknown])


async def test_letters_beyond_a_page_are_read_in_their_order(namespace: Namespace) -> None:
    await commit(namespace, dead=tuple(task(index) for index in range(45)))
    found = await letters(namespace)
    assert len({letter.id for letter in found}) == 45
    assert [letter.id async for letter in read_letters(namespace, found[29].id)] == [letter.id for letter in found[30:]]


async def test_letter_of_another_version_is_shown_and_only_thrown_away(namespace: Namespace) -> None:
    await namespace.client.xadd(namespace.keys.dead, {"event": b'{"v": 2}\xff'})
    [letter] = await letters(namespace)
    assert letter.said.payload == '{"v": 2}\ufffd'
    with pytest.raises(UsageError, match="another version"):
        await retry(namespace, letter)
    await discard(namespace, [letter.id])
    assert await letters(namespace) == []


async def test_garbage_on_the_tasks_goes_back_as_it_was_and_counts_for_nothing(namespace: Namespace) -> None:
    await register_group(namespace.client, namespace.keys.tasks, WORKERS)
    await namespace.client.xadd(namespace.keys.tasks, {"event": b"{ no task"})
    await namespace.drop(await taken(namespace), "unreadable")
    [letter] = await letters(namespace)
    assert (letter.kind(namespace), (await namespace.progress()).dead) == ("entry", 0)
    await retry(namespace, letter)
    assert (await letters(namespace), await payloads(namespace, namespace.keys.tasks)) == ([], [b"{ no task"])


async def test_task_of_a_later_version_is_settled_as_dead_and_open_again_when_put_back(namespace: Namespace) -> None:
    later = task(0, group=0)
    await namespace.submit_tasks([later, task(1, group=0)])
    first = await taken(namespace)
    await namespace.drop(first._replace(payload=newer(later)), "unreadable task")
    await namespace.commit(await taken(namespace), trajectory(task(1, group=0)))
    assert ((await namespace.progress()).settled, await namespace.turn(0)) == (2, 1)
    [letter] = await letters(namespace)
    assert (letter.kind(namespace), letter.said.task) == ("task", "task-0")
    await retry(namespace, letter)
    assert (await namespace.progress()).dead == 0
    assert (await taken(namespace)).payload == newer(later)


async def test_task_of_a_later_version_is_settled_however_long_its_goal(namespace: Namespace) -> None:
    later = task(0, goal="put a mug " * 150_000)
    await namespace.submit_tasks([later])
    await namespace.drop((await taken(namespace))._replace(payload=newer(later)), "unreadable task")
    assert (await namespace.progress()).dead == 1


async def test_trajectory_that_no_curator_can_use_counts_as_dropped_once(namespace: Namespace) -> None:
    [delivery] = await arrive(namespace, trajectory(task(0)))
    for _ in range(2):
        await namespace.drop(delivery, "unknown environment")
    progress = await namespace.progress()
    assert (progress.committed, progress.applied, progress.dropped, progress.consumed) == (1, 0, 1, 1)
    assert len(await letters(namespace)) == 1


@pytest.mark.parametrize("payload", [b"{ nothing", trajectory(task(7)).model_dump_json().encode()])
async def test_trajectory_that_nobody_committed_is_not_counted_as_dropped(namespace: Namespace, payload: bytes) -> None:
    await namespace.client.xadd(namespace.keys.trajectories, {"event": payload})
    [delivery] = await arrive(namespace)
    await namespace.drop(delivery, "unreadable")
    assert ((await namespace.progress()).dropped, len(await letters(namespace))) == (0, 1)


async def test_trajectory_too_large_is_dropped_and_its_letter_not_put_back(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.bus.letters.MAX_EVENT", 2 << 20)
    played = trajectory(task(0))
    [delivery] = await arrive(namespace, played)
    large = played.model_copy(update={"first_observation": "a mug " * (1 << 19)})
    await namespace.drop(delivery._replace(payload=large.model_dump_json().encode()), "too large")
    assert (await namespace.progress()).dropped == 1
    [letter] = await letters(namespace)
    with pytest.raises(UsageError, match="too large"):
        await retry(namespace, letter)
    assert await letters(namespace) == [letter]


async def test_trajectory_dropped_and_put_back_is_waited_for_again(namespace: Namespace) -> None:
    [delivery] = await arrive(namespace, trajectory(task(0)))
    await namespace.drop(delivery, "unknown environment")
    await retry(namespace, (await letters(namespace))[0])
    assert ((await namespace.progress()).consumed, await letters(namespace)) == (0, [])
    [again] = await curator(namespace).read(1, block=0.1)
    assert again.payload == delivery.payload


async def test_group_goes_on_without_a_trajectory_that_was_dropped(namespace: Namespace) -> None:
    group = [trajectory(task(index, group=0)) for index in range(2)]
    await commit(namespace, *group)
    first, _ = await arrive(namespace)
    await namespace.drop(first, "unknown environment")
    assert await namespace.turn(0) == 1


async def test_trajectory_where_nobody_learns_is_not_put_back(namespace: Namespace) -> None:
    [delivery] = await arrive(namespace, trajectory(task(0)))
    await namespace.drop(delivery, "unknown environment")
    await namespace.remove_group(namespace.keys.trajectories, CURATORS)
    [letter] = await letters(namespace)
    with pytest.raises(UsageError, match="memp curator"):
        await retry(namespace, letter)
    assert await letters(namespace) == [letter]
