"""Script calls that share round trips: answers, order, lost scripts, and what an ending process still sends."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from redis.exceptions import ResponseError

from runtime.bus.consumer import Consumer, Delivery
from runtime.bus.journal import Journal, JournaledLLM, opened_journal
from runtime.bus.namespace import HERE, Namespace
from runtime.bus.scripts import Client, Scripts
from runtime.errors import LeaseLost, ServerError
from runtime.events import Role, Usage
from runtime.keys import WORKERS
from runtime.model.llm import Completion, Message, Sampling
from runtime.tasks import open_tasks
from tests.events import task

SAMPLING = Sampling(model="m")


@asynccontextmanager
async def at_work(scripts: Scripts) -> AsyncGenerator[Scripts]:
    """Scripts that are sent together for the time of the block."""
    async with open_tasks() as tasks:
        tasks.start_soon(scripts.run)
        await anyio.wait_all_tasks_blocked()
        yield scripts
        tasks.cancel_scope.cancel()


async def held(namespace: Namespace, count: int, lease: float = 60.0) -> list[Delivery]:
    await namespace.submit_tasks([task(index) for index in range(count)])
    consumer = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="one", lease=lease)
    await consumer.register()
    return await consumer.read(count, block=0.1)


def counting(client: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many pipelines the client has opened since."""
    opened, pipeline = [0], client.pipeline

    def count(*args: Any, **kwargs: Any) -> Any:
        opened[0] += 1
        return pipeline(*args, **kwargs)

    monkeypatch.setattr(client, "pipeline", count)
    return lambda: opened[0]


async def test_writes_of_many_episodes_share_round_trips(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    deliveries = await held(namespace, 60)
    async with at_work(namespace.scripts) as scripts:
        journals = [
            await Journal(namespace.keys.journal(1, f"task-{number}"), each, scripts).load() for number, each in enumerate(deliveries)
        ]
        trips = counting(namespace.client, monkeypatch)
        async with open_tasks() as tasks:
            for number, journal in enumerate(journals):
                tasks.start_soon(journal.put, "agent:1", str(number).encode())
    assert trips() <= 3
    stored = [await namespace.client.hget(namespace.keys.journal(1, f"task-{number}"), "agent:1") for number in range(60)]
    assert stored == [str(number).encode() for number in range(60)]


async def test_renewal_of_many_is_one_round_trip_and_tells_the_lost(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    deliveries = await held(namespace, 100)
    heir = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="heir", lease=0.0)
    taken = await heir.reclaim(3)
    holder = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="one", lease=60.0)
    await holder.renew_all(deliveries)  # the server knows the script from here on
    trips = counting(namespace.client, monkeypatch)
    lost = await holder.renew_all(deliveries)
    assert [each.entry for each in lost] == [each.entry for each in taken]
    assert trips() == 1


@pytest.mark.parametrize("running", [True, False])
async def test_scripts_that_the_server_forgot_are_loaded_again(namespace: Namespace, running: bool) -> None:
    [delivery] = await held(namespace, 1)
    journal = Journal(namespace.keys.journal(1, "task-0"), delivery, namespace.scripts)
    await journal.put("agent:1", b"before")
    await namespace.client.script_flush()
    if running:
        async with at_work(namespace.scripts):
            await journal.put("agent:2", b"after")
    else:
        await journal.put("agent:2", b"after")
    assert await namespace.client.hget(journal.key, "agent:2") == b"after"


async def test_error_of_one_call_is_told_to_its_caller_alone(namespace: Namespace) -> None:
    [delivery] = await held(namespace, 1)
    async with at_work(namespace.scripts) as scripts:
        journal = Journal(namespace.keys.journal(1, "task-0"), delivery, scripts)
        bad = await scripts.send(HERE / "claim.lua", [namespace.keys.tasks], ["no-such-group", "one", 0, "0-0", 1])
        await journal.put("agent:1", b"good")
        with pytest.raises(ResponseError, match="NOGROUP"):
            await bad.result()
    assert await namespace.client.hget(journal.key, "agent:1") == b"good"


async def test_what_was_sent_is_stored_when_the_sender_is_cancelled(namespace: Namespace) -> None:
    [delivery] = await held(namespace, 1)
    async with open_tasks() as tasks:
        tasks.start_soon(namespace.scripts.run)
        await anyio.wait_all_tasks_blocked()
        journal = Journal(namespace.keys.journal(1, "task-0"), delivery, namespace.scripts)
        await journal.send("agent:1", b"last")
        tasks.cancel_scope.cancel()
    assert await namespace.client.hget(journal.key, "agent:1") == b"last"
    await journal.put("agent:2", b"on its own")
    assert await namespace.client.hget(journal.key, "agent:2") == b"on its own"


class Asked:
    """A model that counts what it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    async def complete(self, messages: list[Message], *, role: Role, sampling: Sampling) -> Completion:
        self.calls += 1
        return Completion(text=f"answer {self.calls}", model="m", usage=Usage())


async def ask(llm: JournaledLLM, number: int) -> Completion:
    return await llm.complete([Message(role="user", content=f"question {number}")], role="agent", sampling=SAMPLING)


async def test_question_goes_along_with_writes_and_its_error_reaches_its_asker_alone(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    [delivery] = await held(namespace, 1)
    answers: list[Any] = []

    async def ask_for(*command: str) -> None:
        answers.append(await scripts.ask(*command))

    async with at_work(namespace.scripts) as scripts:
        journal = Journal(namespace.keys.journal(1, "task-0"), delivery, scripts)
        trips = counting(namespace.client, monkeypatch)
        async with open_tasks() as tasks:
            tasks.start_soon(journal.put, "agent:1", b"answer")
            tasks.start_soon(ask_for, "HGETALL", namespace.keys.meta)
            with pytest.raises(ResponseError, match="no such key"):
                await scripts.ask("XINFO GROUPS", "nowhere")
        assert trips() == 1
    assert answers == [{b"epoch": b"1"}]
    assert await namespace.client.hget(journal.key, "agent:1") == b"answer"


async def test_question_behind_a_write_that_a_full_server_refuses_is_answered(namespace: Namespace) -> None:
    [delivery] = await held(namespace, 1)
    scripts = Scripts(namespace.client, patience=0.1)

    async def ask_for_the_epoch() -> None:
        assert await scripts.ask("HGET", namespace.keys.meta, "epoch") == b"1"

    async with at_work(scripts):
        journal = Journal(namespace.keys.journal(1, "task-0"), delivery, scripts)
        await journal.put("agent:1", b"answer")  # a script that the server does not know yet is not refused
        await namespace.client.config_set("maxmemory", 1)
        try:
            async with open_tasks() as tasks:
                tasks.start_soon(journal.send, "agent:2", b"answer")
                tasks.start_soon(ask_for_the_epoch)
            with pytest.raises(ServerError):
                await journal.settle()
        finally:
            await namespace.client.config_set("maxmemory", 0)


async def test_answer_is_given_before_it_is_stored_and_no_next_one_is_asked_for_until_then(namespace: Namespace) -> None:
    [delivery] = await held(namespace, 1)
    scripts, model, key = Held(namespace.client), Asked(), namespace.keys.journal(1, "task-0")
    async with at_work(scripts):
        journal = await Journal(key, delivery, scripts).load()
        llm = JournaledLLM(model, journal)
        scripts.go = anyio.Event()
        await ask(llm, 1)
        assert await namespace.client.hlen(key) == 0
        async with open_tasks() as tasks:
            tasks.start_soon(ask, llm, 2)
            await anyio.wait_all_tasks_blocked()
            assert model.calls == 1
            scripts.go.set()
    assert model.calls == 2
    assert await namespace.client.hlen(key) == 2


class Held(Scripts):
    """Scripts that leave only while they are let."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.go = anyio.Event()
        self.go.set()

    async def exchange(self, calls: Any) -> None:
        await self.go.wait()
        await super().exchange(calls)


async def test_refused_write_ends_the_episode_at_its_next_call_and_at_its_end(namespace: Namespace) -> None:
    [delivery] = await held(namespace, 1)
    model, key = Asked(), namespace.keys.journal(1, "task-0")

    async def episode(scripts: Scripts) -> None:
        async with opened_journal(key, delivery, scripts) as journal:
            llm = JournaledLLM(model, journal)
            await ask(llm, 1)
            await journal.settle()
            await Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="heir", lease=0.0).reclaim(1)
            await ask(llm, 2)
            with pytest.raises(LeaseLost):
                await ask(llm, 3)

    async with at_work(namespace.scripts) as scripts:
        with pytest.raises(LeaseLost):
            await episode(scripts)
    assert model.calls == 2
    assert await namespace.client.hlen(key) == 1


async def test_answer_on_its_way_when_the_episode_fails_is_stored(namespace: Namespace) -> None:
    [delivery] = await held(namespace, 1)
    key = namespace.keys.journal(1, "task-0")

    async def episode(scripts: Scripts) -> None:
        async with opened_journal(key, delivery, scripts) as journal:
            await ask(JournaledLLM(Asked(), journal), 1)
            raise RuntimeError("the environment crashed")

    async with at_work(namespace.scripts) as scripts:
        with pytest.raises(RuntimeError, match="the environment"):
            await episode(scripts)
    assert await namespace.client.hlen(key) == 1
