"""What the benchmarks of whole processes share: real workers, the least model server, and what each of them uses."""

import json
import math
import os
import sys
import time
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import anyio
import psutil
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import SecretStr

from bench.walkthroughs import Walkthroughs, walkthroughs
from envs.alfworld_env.households import generate
from runtime.config import Settings

KEY = "bench"


@dataclass(frozen=True)
class ModelServer:
    """A running model server."""

    base_url: str
    pid: int

    mean: float
    """Mean latency in seconds."""

    def stats(self) -> dict[str, Any]:
        """`answered` requests, and their `latency` in all (s); blocks for about a millisecond."""
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/stats", timeout=30) as answer:
            stats = json.load(answer)
        return {"answered": stats.get("chat"), "latency": stats.get("chat", 0) * self.mean, **stats}


@asynccontextmanager
async def model_server(answers: Path, median_ms: float, sigma: float = 0.6, seed: int = 0) -> AsyncGenerator[ModelServer]:
    """The least model server, in a process of its own."""
    options = {"--answers": answers, "--median-ms": median_ms, "--sigma": sigma, "--seed": seed}
    command = ["bench.model_server", *(str(part) for pair in options.items() for part in pair)]
    async with serving(command, median_ms, sigma) as server:
        yield server


@asynccontextmanager
async def stand_in(median_ms: float, sigma: float = 0.6, seed: int = 0, builder_ms: float = 0.0) -> AsyncGenerator[ModelServer]:
    """The stand-in model, in a process of its own, with the same latency; it builds and adjusts slower by `builder_ms`."""
    options = {"--latency-ms": median_ms, "--latency-sigma": sigma, "--seed": seed, "--builder-ms": builder_ms}
    command = ["experiments.stand_in", "--exit-with-parent", *(str(part) for pair in options.items() for part in pair)]
    async with serving(command, median_ms, sigma) as server:
        yield server


@asynccontextmanager
async def serving(command: list[str], median_ms: float = 0.0, sigma: float = 0.0) -> AsyncGenerator[ModelServer]:
    """A module that serves a model and prints its address as one line of JSON, in a process of its own."""
    async with await anyio.open_process([sys.executable, "-m", *command], stdin=PIPE, stdout=PIPE, stderr=None) as process:
        try:
            assert process.stdout is not None
            line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 10_000)
            yield ModelServer(json.loads(line)["base_url"], process.pid, median_ms / 1000 * math.exp(sigma**2 / 2))
        finally:
            process.terminate()


def pointed_at(settings: Settings, base_url: str) -> Settings:
    """Settings whose chat model is served there."""
    return settings.model_copy(update={"base_url": base_url, "api_key": SecretStr(KEY)})


@asynccontextmanager
async def worker(name: str, log: Path, environment: Mapping[str, str], cpu: Path | None = None) -> AsyncGenerator[psutil.Process]:
    """A real `memp worker` on namespace `name`, its log in a file; in `cpu` what `bench.sampled` tells of it when it has ended."""
    module = ["bench.sampled", str(cpu)] if cpu else ["bin.memp"]
    command = [sys.executable, "-m", *module, "worker", "--exp-name", name]
    with log.open("ab") as output:
        process = await anyio.open_process(command, stdin=None, stdout=output, stderr=output, env={**os.environ, **environment})
    async with process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            await process.wait()


class Used(NamedTuple):
    """CPU seconds and resident bytes of a process and, apart, of those that it has started."""

    own: float
    children: float
    rss: int
    children_rss: int


def used(process: psutil.Process) -> Used:
    """What a process has used until now; what children that are gone have used counts, too."""
    times = process.cpu_times()
    own, gone = times.user + times.system, times.children_user + times.children_system
    children, rss = gone, 0
    for child in process.children(recursive=True):
        try:
            each = child.cpu_times()
            children += each.user + each.system
            rss += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return Used(own, children, process.memory_info().rss, rss)


def games(settings: Settings, folder: Path, most: int) -> tuple[Settings, Walkthroughs, str]:
    """Real games where ALFWORLD_DATA names them, generated households elsewhere; with their padded walkthroughs."""
    where, split = "real games, train", "train"
    if settings.alfworld_data is None:
        generate(min(most, 120), 11, folder / "households", "dev", processes=2)
        settings = settings.model_copy(update={"alfworld_data": folder / "households"})
        where, split = "generated households", "dev"
    return settings, walkthroughs(settings, split, most), where


async def until(done: Any, seconds: float, period: float = 0.1) -> None:
    """Wait until `await done()` is true; TimeoutError after so many seconds."""
    with anyio.fail_after(seconds):
        while not await done():  # noqa: ASYNC110 (of another process, which has no event of ours)
            await anyio.sleep(period)


def now() -> float:
    """CLOCK_MONOTONIC in seconds, the same in all processes."""
    return time.monotonic()
