"""Live episodes against a model that takes its time: how much of the ideal a worker reaches, and what a step costs.

    uv run python -m bench.episodes [--live 16,64,256,1000] [--stand-in] [--lockstep] [--quick] [--out FILE]

A real `memp worker` plays ALFWorld over real HTTP; the ideal is (episodes in flight) ÷ (mean latency): what would be
reached if nothing but the model took time. Latency is lognormal (median 300 ms, sigma 0.6). Rates are taken while all
slots are filled, CPU over the same time; the worker's own is split by samples (`bench.sampled`). A worker has at most 256 calls
under way (its default): beyond, more live episodes can't be faster, they only must not be slower. `--lockstep` plays the same
episodes in the reference's way (a model of it, see `bench.lockstep`), on TextWorld's own engine and on the fast one.
"""

import argparse
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
import orjson
import psutil

from bench import harness, lockstep, sampled
from bench.report import quantile, save, show
from bench.walkthroughs import Walkthroughs
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.scripts import Client
from runtime.config import Settings
from runtime.keys import WORKERS
from runtime.logs import configure_logs
from runtime.server import connect, open_server

MEDIAN_MS, SIGMA = 300.0, 0.6
CALLS = 256
"""Calls that a worker has under way at most."""


class Sample(NamedTuple):
    """One look at a run."""

    at: float
    answered: int
    latency: float
    waiting: int
    """Tasks that no worker has."""
    playing: int
    worker: harness.Used
    redis_cpu: float
    redis_reads: int
    """Times that the server read a request, or several sent as one: the round trips."""
    redis_commands: int
    model_cpu: float


class Run(NamedTuple):
    """What was seen of one run."""

    samples: list[Sample]
    won: float
    """The share of the episodes."""
    log: str
    cpu: list[sampled.Sample]


@dataclass
class Bench:
    """What all runs share."""

    settings: Settings
    plays: Walkthroughs
    client: Client
    redis: psutil.Process
    redis_url: str
    folder: Path

    async def run(self, model: harness.ModelServer, live: int, episodes: int) -> Run:
        """Play so many episodes, `live` at once."""
        name = f"episodes-{live}-{len(list(self.folder.iterdir()))}"
        namespace = await open_namespace(self.client, name)
        log, cpu = self.folder / f"{name}.log", self.folder / f"{name}.cpu"
        async with harness.worker(name, log, self.environment(model, live), cpu) as process:
            await namespace.submit_tasks(self.plays.tasks(1, namespace.epoch))  # its processes are up before anything counts
            await harness.until(lambda: self._settled(namespace, 1), 120)
            await namespace.submit_tasks(self.plays.tasks(episodes + 1, namespace.epoch))
            samples = await self._watch(namespace, model, process, episodes + 1)
        won = [orjson.loads(fields[b"event"])["success"] for _, fields in await self.client.xrange(namespace.keys.trajectories)]
        return Run(samples, sum(won) / (episodes + 1), log.read_text(), sampled.read(cpu))

    def environment(self, model: harness.ModelServer, live: int) -> dict[str, str]:
        """A worker's variables."""
        return {
            "REDIS_URL": self.redis_url,
            "OPENAI_BASE_URL": model.base_url,
            "OPENAI_API_KEY": harness.KEY,
            "ALFWORLD_DATA": str(self.settings.alfworld_data),
            "MEMP_DATA_DIR": str(self.settings.data_dir),
            "MEMP_SLOTS": str(live),
            "MEMP_LLM_MAX_CONCURRENCY": str(CALLS),
            "MEMP_LOG_LEVEL": "info",
        }

    async def _settled(self, namespace: Namespace, count: int) -> bool:
        return (await namespace.progress()).settled >= count

    async def _watch(self, namespace: Namespace, model: harness.ModelServer, process: psutil.Process, episodes: int) -> list[Sample]:
        samples: list[Sample] = []
        with anyio.fail_after(1800):
            while not await self._settled(namespace, episodes):
                samples.append(await self._sample(namespace, model, process))
                await anyio.sleep(0.25)
        return [*samples, await self._sample(namespace, model, process)]

    async def _sample(self, namespace: Namespace, model: harness.ModelServer, process: psutil.Process) -> Sample:
        [group] = [each for each in await self.client.xinfo_groups(namespace.keys.tasks) if each["name"] == WORKERS.encode()]
        stats = model.stats()
        redis = await self.client.info("stats")
        return Sample(
            harness.now(),
            stats["answered"],
            stats["latency"],
            group["lag"] or 0,
            group["pending"],
            harness.used(process),
            harness.used(self.redis).own,
            redis["total_reads_processed"],
            redis["total_commands_processed"],
            harness.used(psutil.Process(model.pid)).own,
        )


def full(samples: list[Sample], live: int) -> tuple[Sample, Sample]:
    """First and last look while all slots were filled, without the first two seconds (its first answers come in a burst)."""
    filled = [sample for sample in samples if sample.waiting and sample.playing >= live]
    settled = [sample for sample in filled if sample.at - filled[0].at >= 2.0]
    return settled[0], settled[-1]


def row(live: int, run: Run, episodes: int) -> dict[str, Any]:
    """One line of the table; CPU in ms per step."""
    first, last = full(run.samples, live)
    steps, span = last.answered - first.answered, last.at - first.at
    latency = (last.latency - first.latency) / steps
    rate, ideal = steps / span, min(live, CALLS) / latency
    own = (last.worker.own - first.worker.own) / steps * 1000
    shares = sampled.shares(each.room for each in sampled.between(run.cpu, first.at, last.at))
    llm, redis = (own * shares.get(room, 0.0) for room in ("LLM client", "Redis client"))
    return {
        "live": live,
        "steps/s": rate,
        "ideal": ideal,
        "of the ideal": rate / ideal,
        "episodes/s": episodes / (run.samples[-1].at - run.samples[0].at),
        "won": run.won,
        **lag_of(run.log),
        "worker ms/step": own,
        "LLM client": llm,
        "runtime": own - llm,
        "of it Redis client": redis,
        "engine": (last.worker.children - first.worker.children) / steps * 1000,
        "redis": (last.redis_cpu - first.redis_cpu) / steps * 1000,
        "redis round trips/step": (last.redis_reads - first.redis_reads) / steps,
        "redis commands/step": (last.redis_commands - first.redis_commands) / steps,
        "model": (last.model_cpu - first.model_cpu) / steps * 1000,
        "worker MiB": last.worker.rss / 2**20,
        "envs MiB": last.worker.children_rss / 2**20,
    }


def profile(live: int, run: Run, most: int = 12) -> None:
    """Print where the worker's CPU went while all slots were filled: its rooms, and the functions that used most themselves."""
    first, last = full(run.samples, live)
    cpu = sampled.between(run.cpu, first.at, last.at)
    rooms, functions = sampled.shares(each.room for each in cpu), sampled.shares(each.function for each in cpu)
    told = [{"of the worker's CPU": share, "where": where} for where, share in [*rooms.items(), *list(functions.items())[:most]]]
    show(f"{live} live, {len(cpu)} samples", told)


def lag_of(log: str) -> dict[str, float | None]:
    """What the worker's own watch of its loop measured: of its minutes the worst."""
    events = [json.loads(line) for line in log.splitlines() if '"loop_lag"' in line]
    return {
        f"lag {name} ms": max((event[f"{field}_ms"] for event in events), default=None) for name, field in (("p99", "p99"), ("max", "most"))
    }


async def measure(bench: Bench, model: harness.ModelServer, live: int, rounds: int) -> dict[str, Any]:
    """Play `rounds` episodes per slot and give their line; the worker's profile is printed."""
    episodes = live * rounds
    run = await bench.run(model, live, episodes)
    profile(live, run)
    return row(live, run, episodes)


async def in_lockstep(bench: Bench, model: harness.ModelServer, batch: int, engine: str, batches: int) -> dict[str, Any]:
    """The reference's way on one engine."""
    settings = harness.pointed_at(bench.settings, model.base_url).model_copy(update={"engine": engine})
    pace = await lockstep.play(settings, bench.plays.tasks(batch * batches, 0), batch)
    return {
        "way": "lock-step",
        "engine": engine,
        "batch": batch,
        "episodes/s": pace.episodes / pace.seconds,
        "won": pace.won / pace.episodes,
    }


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[Bench, str]]:
    """Server and games; gives also where the games are from."""
    settings, plays, where = harness.games(Settings(data_dir=folder / "data"), folder, 120)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_server(settings.model_copy(update={"redis_url": None})))
        client = await stack.enter_async_context(connect(server.url))
        redis = psutil.Process(int((await client.info("server"))["process_id"]))
        logs = folder / "logs"
        logs.mkdir()
        yield Bench(settings, plays, client, redis, server.url, logs), where


async def main(flags: argparse.Namespace) -> None:
    """Run what the flags ask for."""
    configure_logs("error")
    with TemporaryDirectory() as temporary:
        async with opened(Path(temporary)) as (bench, where):
            lengths = bench.plays.lengths()
            told = ", ".join(f"{share:.0%} {quantile(lengths, share)}" for share in (0.0, 0.25, 0.5, 0.75, 1.0))
            print(f"{len(lengths)} games ({where}), steps per episode: {told}; every episode is won at its last step")
            figures = await _figures(bench, flags)
    save("episodes", {"games": where, "steps": lengths, **figures}, flags.out)


async def _figures(bench: Bench, flags: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    async with harness.model_server(bench.plays.write(bench.folder / "answers.json"), MEDIAN_MS, SIGMA) as model:
        figures["walkthrough server"] = [await measure(bench, model, live, flags.rounds) for live in flags.live]
        show("walkthrough model server; CPU in ms per step", figures["walkthrough server"])
        if flags.lockstep:
            figures["lock-step"] = await _against_lockstep(bench, model, flags.batches, figures["walkthrough server"])
    if flags.stand_in:
        async with harness.stand_in(MEDIAN_MS, SIGMA) as model:
            figures["stand-in"] = [await measure(bench, model, live, flags.rounds) for live in flags.live if live <= 256]
        show("the stand-in, whose own work is heavier; CPU in ms per step", figures["stand-in"])
    return figures


async def _against_lockstep(
    bench: Bench, model: harness.ModelServer, batches: list[int], ours: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    rows = [await in_lockstep(bench, model, batch, engine, 2) for engine in ("stock", "fast") for batch in batches]
    rows += [{"way": "memp", "engine": "fast", "batch": row["live"], "episodes/s": row["episodes/s"], "won": row["won"]} for row in ours]
    rows = [{**row, "ratio": row["episodes/s"] / rows[0]["episodes/s"]} for row in rows]
    show("episodes per second, start and end included", rows)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=lambda text: [int(part) for part in text.split(",")], default=[16, 64, 256, 1000])
    parser.add_argument("--rounds", type=int, default=5, help="episodes per slot")
    parser.add_argument("--stand-in", action="store_true", help="also against the stand-in model")
    parser.add_argument("--lockstep", action="store_true", help="also in the reference's way (minutes)")
    parser.add_argument("--batches", type=lambda text: [int(part) for part in text.split(",")], default=[10, 32], help="of the lock-step")
    parser.add_argument("--quick", action="store_true", help="16 and 64 live, three minutes with the translation of the games")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if given.quick:
        given.live, given.rounds = [16, 64], 2
    anyio.run(main, given, backend_options={"use_uvloop": True})
