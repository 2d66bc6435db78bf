"""The two processes, composed: settings in, running worker or curator out. Both end on SIGTERM, giving back what they hold."""

import os
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import structlog

from envs.pool import EnvPool
from envs.registry import describe
from memory.build import FactExtractor, Form
from memory.procedure import Deprecate
from memory.retrieve import Retriever, Thresholds
from memory.store import Memory, open_memory
from memory.update import Policy, check_deprecation
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.pump import Pump
from runtime.bus.scripts import Client
from runtime.config import Settings
from runtime.errors import UsageError
from runtime.event_loop import LagWatch, collect_rarely
from runtime.events import Task
from runtime.model.embeddings import Embedder, open_embedder
from runtime.model.llm import LLM, Sampling, open_llm
from runtime.server import connect, probe
from runtime.tasks import open_tasks
from workers.episode_worker import EpisodeWorker
from workers.memory_curator import MemoryCurator

log = structlog.get_logger()


@asynccontextmanager
async def connected(settings: Settings) -> AsyncGenerator[tuple[Client, bool]]:
    """A client of the server that REDIS_URL names, and whether that server can search."""
    if settings.redis_url is None:
        raise UsageError("set REDIS_URL to the server of the run (`memp server` prints that of the embedded one)")
    client: Client = connect(settings.redis_url.get_secret_value())
    try:
        yield client, (await probe(client)).search
    finally:
        await client.aclose()


@asynccontextmanager
async def opened_memory(settings: Settings, client: Client, search: bool, name: str) -> AsyncGenerator[Memory]:
    """The memory of a namespace, with its embedder."""
    namespace = await open_namespace(client, name)
    async with open_embedder(settings) as embedder:
        yield await open_memory(namespace, embedder, search=search, exact_up_to=settings.exact_up_to)


async def run_worker(settings: Settings, name: str, parent: int | None = None) -> None:
    """An episode worker for namespace `name`, until SIGTERM (or until process `parent` is gone)."""
    async with (
        connected(settings) as (client, search),
        open_llm(settings) as llm,
        open_embedder(settings) as embedder,
        EnvPool.open(settings) as pool,
    ):
        namespace = await open_namespace(client, name)
        retrievers = _Retrievers(namespace, embedder, search, settings)
        worker = EpisodeWorker(namespace, llm, pool, retrievers.open, settings)
        log.info("worker_started", namespace=name, slots=settings.slots)
        await _until_told(worker.pump(), parent, LagWatch(settings.lag_warning).run)


@dataclass(frozen=True)
class CuratorOptions:
    """What the curator builds with; `model` writes scripts, adjustments and facts."""

    model: str
    form: Form
    policy: Policy
    deprecate: Deprecate = "share"

    def __post_init__(self) -> None:
        check_deprecation(self.policy.update, self.deprecate)


async def run_curator(settings: Settings, name: str, options: CuratorOptions, parent: int | None = None) -> None:
    """A memory curator for namespace `name`, until SIGTERM (or until process `parent` is gone)."""
    async with (
        connected(settings) as (client, search),
        open_llm(settings) as llm,
        opened_memory(settings, client, search, name) as memory,
    ):
        curator = MemoryCurator(memory, llm, Sampling(model=options.model), options.form, options.policy, settings, options.deprecate)
        log.info("curator_started", namespace=name, build=options.form, update=options.policy.update)
        await _until_told(curator.pump(), parent, curator.turns.watch, curator.tend, LagWatch(settings.lag_warning).run)


class _Retrievers:
    """Opens memory with the first task that uses it: a control run needs neither embeddings nor an index."""

    def __init__(self, namespace: Namespace, embedder: Embedder, search: bool, settings: Settings) -> None:
        self._namespace, self._embedder, self._search = namespace, embedder, search
        self._exact_up_to = settings.exact_up_to
        self._thresholds = Thresholds(settings.max_distance, settings.fact_similarity)
        self._memory: Memory | None = None
        self._lock = anyio.Lock()

    async def open(self, llm: LLM, task: Task) -> Retriever:
        async with self._lock:
            if self._memory is None:
                self._memory = await open_memory(self._namespace, self._embedder, search=self._search, exact_up_to=self._exact_up_to)
        sampling = Sampling(model=task.spec.model, temperature=task.spec.temperature, seed=task.spec.seed)
        return Retriever(self._memory, FactExtractor(llm, sampling, describe), self._thresholds)


async def _until_told(pump: Pump, parent: int | None, *beside: Callable[[], Coroutine[None, None, None]]) -> None:
    collect_rarely()
    async with open_tasks() as tasks:
        tasks.start_soon(_stop_on_signal, pump)
        if parent is not None:
            tasks.start_soon(_stop_with, pump, parent)
        for each in beside:
            tasks.start_soon(each)
        await pump.run()
        tasks.cancel_scope.cancel()


async def _stop_on_signal(pump: Pump) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            log.info("stopping", signal=signal.Signals(number).name)
            pump.stop()


async def _stop_with(pump: Pump, parent: int) -> None:
    """A process that belongs to a run does not outlive its driver."""
    while os.getppid() == parent:  # noqa: ASYNC110 - the kernel has no event for it that all platforms share
        await anyio.sleep(1)
    log.warning("parent_gone")
    pump.stop()
