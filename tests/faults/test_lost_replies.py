"""A reply that is lost on its way back: the caller asks again, and what it asked for is done once."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from runtime.bus.consumer import Consumer, Delivery, register_group
from runtime.bus.journal import Journal
from runtime.bus.namespace import Namespace
from runtime.keys import CURATORS, WORKERS
from tests.events import task, trajectory
from tests.faults.proxy import Proxy
from tests.memory.changes import NEVER, learned, new
from tests.support import Place, arrive, namespace_at, opened, taken


@asynccontextmanager
async def proxied(server_url: str, name: str) -> AsyncGenerator[tuple[Proxy, Namespace]]:
    """A namespace whose client goes through the proxy."""
    async with Proxy(server_url).serving() as proxy, namespace_at(proxy.url, name) as namespace:
        yield proxy, namespace


async def in_hand(namespace: Namespace) -> Delivery:
    """A task in a worker's hand."""
    await namespace.submit_tasks([task(0)])
    return await taken(namespace)


async def length(namespace: Namespace, stream: str) -> int:
    return await namespace.client.xlen(stream)


async def test_reply_to_a_submission_lost_leaves_each_task_once(server_url: str, namespace_name: str) -> None:
    async with proxied(server_url, namespace_name) as (proxy, namespace):
        proxy.lose(2)
        await namespace.submit_tasks([task(0), task(1)])
        assert proxy.lost == 2
        assert await length(namespace, namespace.keys.tasks) == 2
        assert (await namespace.progress()).submitted == 2


async def test_reply_to_a_commit_lost_leaves_one_event(server_url: str, namespace_name: str) -> None:
    async with proxied(server_url, namespace_name) as (proxy, namespace):
        delivery = await in_hand(namespace)
        proxy.lose(2)
        await namespace.commit(delivery, trajectory(task(0)))
        assert proxy.lost == 2
        assert await length(namespace, namespace.keys.trajectories) == 1
        assert (await namespace.progress()).committed == 1
        # Mark and acknowledgement are one step: no reply can be lost between them.
        assert await namespace.client.hlen(namespace.keys.committed(1)) == 1
        assert await namespace.in_flight() == await length(namespace, namespace.keys.tasks) == 0


async def test_reply_to_a_dead_letter_lost_leaves_one_letter(server_url: str, namespace_name: str) -> None:
    async with proxied(server_url, namespace_name) as (proxy, namespace):
        delivery = await in_hand(namespace)
        proxy.lose(1)
        await namespace.dead_letter(delivery, task(0), "it raised")
        assert proxy.lost == 1
        assert await length(namespace, namespace.keys.dead) == 1
        assert (await namespace.progress()).dead == 1


async def test_reply_to_a_drop_lost_leaves_one_letter(server_url: str, namespace_name: str) -> None:
    async with proxied(server_url, namespace_name) as (proxy, namespace):
        delivery = await in_hand(namespace)
        proxy.lose(1)
        await namespace.drop(delivery, "unreadable")
        assert proxy.lost == 1
        assert await length(namespace, namespace.keys.dead) == 1
        assert await length(namespace, namespace.keys.tasks) == 0


async def test_reply_to_a_journal_entry_lost_keeps_the_first_answer(server_url: str, namespace_name: str) -> None:
    async with proxied(server_url, namespace_name) as (proxy, namespace):
        delivery = await in_hand(namespace)
        journal = await Journal(namespace.keys.journal(1, "task-0"), delivery, namespace.scripts).load()
        proxy.lose(1)
        await journal.put("agent:1", b"an answer")
        assert proxy.lost == 1
        again = await Journal(journal.key, delivery, namespace.scripts).load()
        assert again.get("agent:1") == b"an answer"


async def test_reply_to_a_renewal_lost_keeps_the_lease(server_url: str, namespace_name: str) -> None:
    async with proxied(server_url, namespace_name) as (proxy, namespace):
        delivery = await in_hand(namespace)
        consumer = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="worker", lease=60.0)
        proxy.lose(1)
        assert await consumer.renew(delivery)
        assert proxy.lost == 1
        [pending] = await namespace.client.xpending_range(namespace.keys.tasks, WORKERS, "-", "+", 1)
        assert pending["times_delivered"] == 1


async def test_reply_to_an_application_lost_changes_memory_once(server_url: str, namespace_name: str) -> None:
    async with Proxy(server_url).serving() as proxy, opened(Place(proxy.url, search=False), namespace_name) as memory:
        namespace = memory.namespace
        taught = trajectory(task(0))
        [delivery] = await arrive(namespace, taught)
        proxy.lose(2)
        await memory.learn(learned(taught, new("p")), taught, delivery, NEVER)
        assert proxy.lost == 2
        progress = await namespace.progress()
        assert (progress.applied, progress.procedures, progress.version) == (1, 1, 1)
        assert await length(namespace, namespace.keys.changes) == 1
        assert await length(namespace, namespace.keys.trajectories) == 0


async def test_reply_to_a_look_at_the_backlog_lost_is_asked_for_again(server_url: str, namespace_name: str) -> None:
    async with proxied(server_url, namespace_name) as (proxy, namespace):
        await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
        await namespace.submit_trajectories([trajectory(task(0))])
        proxy.lose(2, b"XINFO")
        assert await namespace.backlog() == 1
        assert proxy.lost == 2
