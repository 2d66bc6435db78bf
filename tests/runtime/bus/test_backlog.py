"""What a group has yet to do, where the server's own count is wrong or is not told."""

from typing import Any

import pytest
from redis.exceptions import NoPermissionError

from runtime.bus.consumer import register_group
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.pump import Backpressure
from runtime.bus.scripts import Client
from runtime.bus.status import silence
from runtime.keys import CURATORS, RECORDER
from runtime.server import connect
from tests.events import task, trajectory
from tests.support import curator


async def kept(namespace: Namespace, count: int) -> list[bytes]:
    """Trajectories on the stream, which a recorder that is gone keeps there; gives their entries."""
    stream = namespace.keys.trajectories
    await register_group(namespace.client, stream, CURATORS)
    await register_group(namespace.client, stream, RECORDER)
    await namespace.submit_trajectories([trajectory(task(index)) for index in range(count)])
    return [entry for entry, _ in await namespace.client.xrange(stream)]


async def learn(namespace: Namespace, count: int) -> None:
    for delivery in await curator(namespace).read(count, block=0.1):
        await namespace.finish(delivery)


async def lag(namespace: Namespace) -> int | None:
    groups: list[dict[str, Any]] = await namespace.client.xinfo_groups(namespace.keys.trajectories)
    return next(group["lag"] for group in groups if group["name"] == CURATORS.encode())


async def left(namespace: Namespace) -> tuple[int, int]:
    return await namespace.undone(CURATORS), await namespace.backlog()


async def test_work_left_is_what_waits_and_what_is_held(namespace: Namespace) -> None:
    await kept(namespace, 5)
    assert await left(namespace) == (5, 5)
    held, done, *_ = await curator(namespace).read(3, block=0.1)
    await namespace.finish(done)
    assert await left(namespace) == (4, 4)
    await namespace.finish(held)
    assert await left(namespace) == (3, 3)


async def test_backlog_is_what_is_beyond_the_group_under_way_from_the_mark_on(namespace: Namespace) -> None:
    await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
    await namespace.submit_tasks([task(index, group=0) for index in range(3)])
    await kept(namespace, 5)
    assert (await namespace.undone(CURATORS), await namespace.backlog(), await namespace.backlog(5)) == (5, 2, 2)
    assert await namespace.backlog(6) < 6


async def test_work_left_after_the_newest_was_deleted_unread_is_none_once_the_others_are_learned(namespace: Namespace) -> None:
    *_, newest = await kept(namespace, 5)
    await namespace.client.xdel(namespace.keys.trajectories, newest)
    assert await left(namespace) == (4, 4)
    await learn(namespace, 5)
    assert await lag(namespace) is None, "the server can't tell, and won't while nothing is added"
    assert await namespace.client.xlen(namespace.keys.trajectories) == 4
    assert await left(namespace) == (0, 0)
    assert await Backpressure(namespace, 1).may_claim()


async def test_work_left_after_one_was_deleted_unread_is_no_less_than_there_is(namespace: Namespace) -> None:
    entries = await kept(namespace, 5)
    await namespace.client.xdel(namespace.keys.trajectories, entries[2])
    await learn(namespace, 1)
    assert await lag(namespace) is None
    assert await left(namespace) == (4, 4), "three, but the server does not tell"
    await learn(namespace, 5)
    assert await left(namespace) == (0, 0)


async def test_work_left_of_a_stream_that_was_trimmed_to_nothing_is_what_comes_then(namespace: Namespace) -> None:
    await kept(namespace, 5)
    await namespace.client.xtrim(namespace.keys.trajectories, maxlen=0, approximate=False)
    assert await left(namespace) == (0, 0)
    await namespace.submit_trajectories([trajectory(task(9))])
    assert await left(namespace) == (1, 1)


async def test_work_left_of_a_group_that_was_destroyed_is_all_there_is(namespace: Namespace) -> None:
    await kept(namespace, 5)
    await learn(namespace, 2)
    await namespace.remove_group(namespace.keys.trajectories, CURATORS)
    assert await left(namespace) == (5, 0), "of what is learned by nobody, workers need not know"
    await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
    assert await left(namespace) == (5, 5)
    await learn(namespace, 5)
    assert await left(namespace) == (0, 0)


async def test_work_left_of_a_stream_that_nobody_has_written_to_is_none(namespace: Namespace) -> None:
    assert await left(namespace) == (0, 0)


async def test_refusal_to_look_at_groups_is_not_taken_for_their_absence(client: Client, namespace: Namespace, server_url: str) -> None:
    await kept(namespace, 1)
    name, stream = namespace.keys.namespace, namespace.keys.trajectories
    await client.execute_command("ACL", "SETUSER", name, "on", "nopass", "~*", "&*", "+@all", "-xinfo")
    async with connect(server_url.replace("unix://", f"unix://{name}:any@")) as limited:
        refused = await open_namespace(limited, name)
        for look in (refused.undone(CURATORS), refused.backlog(), silence(limited, stream, RECORDER)):
            with pytest.raises(NoPermissionError):
                await look
    await client.execute_command("ACL", "DELUSER", name)
