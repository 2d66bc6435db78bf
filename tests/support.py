"""What tests of memory and its processes are made of: a model over HTTP, a memory on a server, events in a consumer's hand."""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import anyio
import orjson
from aiohttp import web

from experiments.stand_in.answers import embeddings
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.store import Memory, open_memory
from runtime.bus.consumer import Consumer, Delivery
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.pump import Pump
from runtime.config import Settings
from runtime.events import DeadLetter, Task, Trajectory
from runtime.keys import CURATORS, WORKERS
from runtime.model.embeddings import Embedder, open_embedder
from runtime.model.endpoint import Backoff
from runtime.model.llm import LLM, open_llm
from runtime.server import connect
from runtime.tasks import open_tasks
from tests.runtime.model_server import chat

EMBEDDING_MODEL = "stand-in-embedding"
DIMENSION = 256


class Place(NamedTuple):
    """A server, and whether memory is to use its query engine or the index in the process."""

    url: str
    search: bool


class Models(NamedTuple):
    """A model endpoint's two clients."""

    llm: LLM
    embedder: Embedder


Reply = Callable[[list[dict[str, str]]], str | int | Awaitable[str | int]]


@dataclass
class Scripted:
    """A model endpoint that answers chats by `reply` (from the request's messages) and embeds as the stand-in does.

    A reply that is a number is an HTTP status; one that must be awaited keeps the request waiting.
    """

    reply: Reply
    chats: list[list[dict[str, str]]] = field(default_factory=list[list[dict[str, str]]])
    """The messages of each request so far."""
    refused_embeddings: int = 0
    """How many of the next requests for embeddings are to be refused."""
    base_url: str = ""

    async def chat(self, request: web.Request) -> web.Response:
        messages = (await request.json())["messages"]
        self.chats.append(messages)
        said = self.reply(messages)
        if isinstance(said, Awaitable):
            said = await said
        return _refusal(said) if isinstance(said, int) else web.json_response(chat(said))

    async def embed(self, request: web.Request) -> web.Response:
        if self.refused_embeddings > 0:
            self.refused_embeddings -= 1
            return _refusal(400)
        return web.Response(body=embeddings(await request.read()).body, content_type="application/json")


def _refusal(status: int) -> web.Response:
    return web.json_response({"error": {"message": "no", "type": "t", "code": None}}, status=status)


@asynccontextmanager
async def scripted(reply: Reply) -> AsyncGenerator[Scripted]:
    """A scripted model endpoint for the time of the block."""
    server = Scripted(reply)
    async with endpoint(server.chat, server.embed) as server.base_url:
        yield server


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def endpoint(chat: Handler, embed: Handler) -> AsyncGenerator[str]:
    """The address of a model endpoint for the time of the block."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/embeddings", embed)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def settings(base_url: str, **changes: Any) -> Settings:
    """Settings over an endpoint, with short waits."""
    given = {"base_url": base_url, "embedding_model": EMBEDDING_MODEL, "llm_deadline": 5.0, "env_processes": 1, "lease": 60.0}
    return Settings.model_validate(given | changes)


@asynccontextmanager
async def models(over: Settings) -> AsyncGenerator[Models]:
    """The clients of an endpoint; failing requests are repeated at once."""
    at_once = Backoff(base=0.01, cap=0.02)
    async with open_llm(over, at_once) as llm, open_embedder(over, at_once) as embedder:
        yield Models(llm, embedder)


@asynccontextmanager
async def opened(place: Place, name: str, over: Settings | None = None) -> AsyncGenerator[Memory]:
    """The memory of a namespace; its vectors come from `over`'s endpoint, by default a stand-in of its own."""
    if over is None:
        async with stand_in(Options()) as server, opened(place, name, settings(server.base_url)) as memory:
            yield memory
        return
    async with connect(place.url) as client, models(over) as clients:
        namespace = await open_namespace(client, name)
        yield await open_memory(namespace, clients.embedder, search=place.search, exact_up_to=over.exact_up_to)


@asynccontextmanager
async def namespace_at(url: str, name: str) -> AsyncGenerator[Namespace]:
    """A namespace on the server at this address."""
    async with connect(url) as client:
        yield await open_namespace(client, name)


def worker(namespace: Namespace, name: str = "worker", lease: float = 60.0) -> Consumer:
    """A consumer of tasks."""
    return Consumer(namespace.client, namespace.keys.tasks, WORKERS, name=name, lease=lease)


async def taken(namespace: Namespace) -> Delivery:
    """The next task, in a worker's hand."""
    consumer = worker(namespace)
    await consumer.register()
    [delivery] = await consumer.read(1, block=0.1)
    return delivery


def curator(namespace: Namespace, name: str = "curator", lease: float = 60.0) -> Consumer:
    """A consumer of trajectories."""
    return Consumer(namespace.client, namespace.keys.trajectories, CURATORS, name=name, lease=lease)


async def arrive(namespace: Namespace, *trajectories: Trajectory) -> list[Delivery]:
    """Submit trajectories, and take them (and whatever else is there) into a curator's hand."""
    consumer = curator(namespace)
    await consumer.register()
    await namespace.submit_trajectories(trajectories)
    return await consumer.read(100, block=0.1)


async def commit(namespace: Namespace, *trajectories: Trajectory, dead: tuple[Task, ...] = (), unplayed: tuple[Task, ...] = ()) -> None:
    """Submit tasks; commit some as a worker does, dead-letter others, leave the rest."""
    await namespace.submit_tasks([*(trajectory.task for trajectory in trajectories), *dead, *unplayed])
    playing = worker(namespace)
    await playing.register()
    held = {orjson.loads(delivery.payload or b"")["id"]: delivery for delivery in await playing.read(100, block=0.1)}
    for trajectory in trajectories:
        await namespace.commit(held[trajectory.task.id], trajectory)
    for task in dead:
        await namespace.dead_letter(held[task.id], task, "it raised")


async def dead_letters(namespace: Namespace) -> list[DeadLetter]:
    """All that could not be worked on."""
    entries: Any = await namespace.client.xrange(namespace.keys.dead)
    return [DeadLetter.model_validate_json(fields[b"event"]) for _, fields in entries]


async def until(look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], Any] = bool, seconds: float = 60.0) -> Any:
    """What `await look()` gives, once it is `wanted`; for what happens elsewhere and tells nobody. TimeoutError after the deadline."""
    with anyio.fail_after(seconds):
        while not wanted(found := await look()):  # noqa: ASYNC110 (no event of ours)
            await anyio.sleep(0.01)
        return found


def model_environment(base_url: str) -> dict[str, str]:
    """Variables of a process that uses this model endpoint; the tester's own settings are left out."""
    own = ("MEMP_", "OPENAI_", "EMBEDDING_", "REDIS_URL", "ALFWORLD_DATA")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "test-key", "MEMP_EMBEDDING_MODEL": EMBEDDING_MODEL}


@asynccontextmanager
async def running(pump: Pump, *beside: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """A pump at work for the time of the block, with what runs beside it."""
    async with open_tasks() as tasks:
        for each in beside:
            tasks.start_soon(each)
        tasks.start_soon(pump.run)
        yield
        tasks.cancel_scope.cancel()
