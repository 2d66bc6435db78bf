"""The bus at its limit: tasks that cost nothing, committed under the fence, with the append-only file on.

    uv run --with taskiq --with taskiq-redis python -m bench.bus [--quick] [--out FILE]      beside taskiq-redis
    uv run python -m bench.bus                                                               without it

Throughput: all tasks are there before the workers start; counted is what is committed between the first tenth and the last. A task of
ours is claimed under a lease, its trajectory (no steps) is published, marked, acknowledged and its entry deleted, in one
script. taskiq's is read from a stream with a consumer group, run, its result stored (it expires after a minute) and
acknowledged; its entry stays. redis-benchmark, where it is on PATH, adds entries of the same size, one per round trip, by
50 clients: what the server can do at all. Latency: from before the task is submitted to its handler's first line, one worker,
50 tasks/s. Memory: of the server, before anything is there; after all tasks are committed and a curator has taken every
trajectory; and after their epoch is closed. Throughput and latency are wall time, so they hold
for a quiet machine only; the workers' CPU per task holds on a busy one, too.
"""

import argparse
import importlib
import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
import psutil
from anyio import to_thread

from bench.harness import until
from bench.report import quantile, save, show
from runtime import event_loop
from runtime.bus.consumer import Consumer, consumer_name, register_group
from runtime.bus.namespace import open_namespace
from runtime.bus.pump import Backpressure, Pump, Work
from runtime.bus.scripts import Client
from runtime.config import Settings
from runtime.events import EpisodeSpec, Recall, Task, Trajectory
from runtime.keys import CURATORS, WORKERS
from runtime.logs import configure_logs
from runtime.server import connect, open_server

SLOTS = 256
WORKER_COUNTS = (1, 2, 4, 8)


def make_task(index: int, epoch: int) -> Task:
    """A task that no environment has to play; `sent` is when it was made (CLOCK_MONOTONIC, s)."""
    spec = EpisodeSpec(model="none")
    game = {"sent": time.monotonic()}
    return Task(id=f"task-{index}", epoch=epoch, env="none", goal="do nothing", game=game, index=index, spec=spec)


def make_trajectory(task: Task, work: Work, seconds: float) -> Trajectory:
    """The least that can be committed."""
    return Trajectory(
        id=f"{task.epoch}:{task.id}",
        task=task,
        outcome="finished",
        success=True,
        reward=1.0,
        first_observation="",
        steps=(),
        recall=Recall(arm="control"),
        attempt=work.delivery.deliveries,
        worker=work.delivery.consumer,
        seconds=seconds,
    )


async def work_for_ever(url: str, name: str) -> None:
    """A worker's pump with a handler that only commits; ended by a signal. `seconds` of its trajectories is the delivery latency."""
    async with connect(url) as client:
        namespace = await open_namespace(client, name)

        async def handle(work: Work) -> None:
            task = Task.model_validate_json(work.delivery.payload or b"")
            await namespace.commit(work.delivery, make_trajectory(task, work, time.monotonic() - task.game["sent"]))

        named, keys = consumer_name("worker"), namespace.keys
        consumer = Consumer(client, keys.tasks, WORKERS, name=named, lease=60.0)
        await Pump(consumer, handle, SLOTS, Backpressure(namespace, 10**9).may_claim, writes=namespace.scripts).run()


async def curate_for_ever(url: str, name: str) -> None:
    """A curator that learns nothing: it only acknowledges, so that entries can go."""
    async with connect(url) as client:
        namespace = await open_namespace(client, name)
        stream, named = namespace.keys.trajectories, consumer_name("curator")
        consumer = Consumer(client, stream, CURATORS, name=named, lease=60.0)
        await Pump(consumer, lambda work: namespace.finish(work.delivery), SLOTS, writes=namespace.scripts).run()


@asynccontextmanager
async def processes(count: int, *command: str) -> AsyncGenerator[list[psutil.Process]]:
    """So many Python processes for the time of the block."""
    started = [await anyio.open_process([sys.executable, *command], stdout=DEVNULL, stderr=None) for _ in range(count)]
    try:
        yield [psutil.Process(process.pid) for process in started]
    finally:
        for process in started:
            process.terminate()  # taskiq's own children end with it, which a kill would leave behind
        for process in started:
            await process.wait()
            await process.aclose()


class Rate(NamedTuple):
    """Tasks per second, and the CPU that the worker's processes took for each, in milliseconds."""

    per_second: float
    cpu_ms: float | None


async def rate(done: Callable[[], Awaitable[int]], total: int, workers: list[psutil.Process]) -> Rate:
    """From the first tenth that is done to the end; `done` counts."""
    with anyio.fail_after(600):
        while (first := await done()) < total / 10:  # noqa: ASYNC110 - the server has no event for it
            await anyio.sleep(0.01)
        began, cpu = time.monotonic(), cpu_seconds(workers)
        while await done() < total:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    counted = max(1, total - first)
    return Rate(counted / (time.monotonic() - began), (cpu_seconds(workers) - cpu) * 1000 / counted)


def cpu_seconds(workers: list[psutil.Process]) -> float:
    """User and system time of processes and their children."""
    every = [each for worker in workers for each in (worker, *worker.children(recursive=True))]
    return sum(times.user + times.system for each in every for times in [each.cpu_times()])


async def ours(client: Client, url: str, workers: int, total: int) -> Rate:
    """No-op tasks by so many workers."""
    namespace = await open_namespace(client, f"bench-{secrets.token_hex(4)}")
    await namespace.submit_tasks([make_task(index, namespace.epoch) for index in range(total)])

    async def committed() -> int:
        return int(await client.hget(namespace.keys.progress(namespace.epoch), "committed") or 0)

    command = ("-m", "bench.bus", "--be", "worker", "--url", url, "--namespace", namespace.keys.namespace)
    async with processes(workers, *command) as running:
        found = await rate(committed, total, running)
    await open_namespace(client, namespace.keys.namespace, overwrite=True)
    return found


async def taskiq(client: Client, url: str, total: int) -> Rate | None:
    """No-op tasks by one taskiq-redis worker; None where it is not installed."""
    if importlib.util.find_spec("taskiq_redis") is None:
        return None
    rival = importlib.import_module("bench.rival")  # cannot be imported without taskiq
    await rival.submit(url, total, len(make_task(0, 1).model_dump_json()))

    async def acknowledged() -> int:
        [group] = await client.xinfo_groups(rival.QUEUE)
        return int(group["entries-read"] or 0) - int(group["pending"])

    os.environ["BENCH_URL"] = url
    limit = str(SLOTS)
    worker = ("-m", "taskiq", "worker", "bench.rival:broker", "--workers", "1", "--max-async-tasks", limit, "--log-level", "ERROR")
    async with processes(1, *worker) as running:
        return await rate(acknowledged, total, running)


def added(url: str, total: int) -> Rate | None:
    """XADD by redis-benchmark or valkey-benchmark; None where neither is on PATH."""
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if program is None:
        return None
    payload = "x" * len(make_task(0, 1).model_dump_json())
    command = [
        program,
        "-s",
        url.removeprefix("unix://"),
        "-c",
        "50",
        "-n",
        str(total),
        "--csv",
        "XADD",
        "bench-added",
        "*",
        "event",
        payload,
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Rate(float(said.splitlines()[-1].split(",")[1].strip('"')), None)


async def latency(client: Client, url: str, total: int) -> dict[str, float]:
    """Delivery latency in milliseconds, one task at a time."""
    namespace = await open_namespace(client, f"bench-{secrets.token_hex(4)}")

    async def committed() -> bool:
        return await client.xlen(namespace.keys.trajectories) > 0

    async with processes(1, "-m", "bench.bus", "--be", "worker", "--url", url, "--namespace", namespace.keys.namespace):
        await namespace.submit_tasks([make_task(0, namespace.epoch)])
        await until(committed, 60)
        for index in range(1, total + 1):
            await namespace.submit_tasks([make_task(index, namespace.epoch)])
            await anyio.sleep(0.02)
        entries: Any = await client.xrange(namespace.keys.trajectories)
    found = [Trajectory.model_validate_json(fields[b"event"]).seconds * 1000 for _, fields in entries[1:]]
    await open_namespace(client, namespace.keys.namespace, overwrite=True)
    return {"p50, ms": quantile(found, 0.5), "p99, ms": quantile(found, 0.99), "most, ms": max(found)}


async def memory(client: Client, url: str, total: int) -> list[dict[str, Any]]:
    """MiB that the server uses, and how many above its baseline, before, after the drain and after the epoch's end."""
    namespace = await open_namespace(client, f"bench-{secrets.token_hex(4)}")
    await register_group(client, namespace.keys.trajectories, CURATORS)
    found = {"before": await used_mib(client)}
    await namespace.submit_tasks([make_task(index, namespace.epoch) for index in range(total)])
    found["all submitted"] = await used_mib(client)
    name = namespace.keys.namespace

    async def finished() -> bool:
        return not await client.xlen(namespace.keys.tasks) and not await client.xlen(namespace.keys.trajectories)

    async with (
        processes(1, "-m", "bench.bus", "--be", "worker", "--url", url, "--namespace", name),
        processes(1, "-m", "bench.bus", "--be", "curator", "--url", url, "--namespace", name),
    ):
        await until(finished, 600)
    found["drained"] = await used_mib(client)
    await open_namespace(client, name, overwrite=True)
    found["epoch closed"] = await used_mib(client)
    return [{"server": when, "MiB": mib, "MiB above": mib - found["before"]} for when, mib in found.items()]


async def used_mib(client: Client) -> float:
    """Memory of the server, once it has freed what it frees behind, and rewrites nothing."""
    while True:
        info: dict[str, Any] = await client.info("everything")
        if not (info["lazyfree_pending_objects"] or info["aof_rewrite_in_progress"] or info["aof_buffer_length"]):
            return info["used_memory"] / 2**20
        await anyio.sleep(0.05)


async def measure(total: int) -> dict[str, Any]:
    """All figures, on an embedded server of their own."""
    with TemporaryDirectory() as folder:
        settings = Settings.model_validate({"redis_url": None, "data_dir": Path(folder)})
        async with open_server(settings, module=False) as server, connect(server.url) as client:
            await client.ping()
            memories = await memory(client, server.url, total * 5)
            rates: dict[str, Rate | None] = {"redis-benchmark XADD": await to_thread.run_sync(added, server.url, total * 5)}
            rates["taskiq-redis, 1 worker"] = await taskiq(client, server.url, total)
            for workers in WORKER_COUNTS:
                rates[f"memp, {workers} worker{'s' * (workers > 1)}"] = await ours(client, server.url, workers, total)
            return {"throughput": _ratios(rates), "latency": [await latency(client, server.url, 100)], "memory": memories}


def _ratios(found: dict[str, Rate | None]) -> list[dict[str, Any]]:
    rival = found["taskiq-redis, 1 worker"]
    return [
        {
            "what": what,
            "per second": each.per_second,
            "÷ taskiq-redis": each.per_second / rival.per_second if rival else None,
            "worker CPU, ms per task": each.cpu_ms,
            "taskiq-redis' CPU ÷ this": rival.cpu_ms / each.cpu_ms if rival and rival.cpu_ms and each.cpu_ms else None,
        }
        for what, each in found.items()
        if each
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer tasks: half a minute on a quiet machine")
    parser.add_argument("--out", type=Path, default=None, help="JSON file of the figures")
    parser.add_argument("--be", choices=["worker", "curator"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--namespace", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    configure_logs("warning")
    if flags.be:
        with suppress(KeyboardInterrupt):  # that is how it is ended
            event_loop.run(work_for_ever if flags.be == "worker" else curate_for_ever, flags.url, flags.namespace)
        return
    figures = event_loop.run(measure, 1_000 if flags.quick else 20_000)
    for title, rows in figures.items():
        show(title.capitalize(), rows)
    save("bus", {"slots": SLOTS, **figures}, flags.out)


if __name__ == "__main__":
    main()
