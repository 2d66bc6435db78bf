"""Memory against its size: retrieval, recall, and what learning costs. `python -m bench.memory [--quick] [--sizes 1000,…] [--out FILE]`

For each size a new embedded server is filled in bulk with the hashes that the apply script would have left (clustered vectors, two
facts per procedure; see `bench/memory_corpus.py`). Then the real parts are measured: `Retriever.recall` (without the embedding
call, which an instant embedder stands for) over the exact index, over the graph that it grows into, and over the index in the
process; `Memory.learn` of new procedures and of revisions; and the curator's pump with a model of no latency.
"""

import argparse
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import psutil

from bench.memory_corpus import ENV, FACTS, Corpus, FactFinder, InstantEmbedder
from bench.memory_learning import apply_costs, curate
from bench.report import quantile, save, show
from envs.registry import describe
from memory.build import FactExtractor
from memory.index import Matrix, ProcedureIndex
from memory.local_index import LocalIndex
from memory.redis_index import RedisIndex
from memory.retrieve import Retriever, Thresholds
from memory.store import Memory, open_memory
from runtime.bus.namespace import open_namespace
from runtime.bus.scripts import Client
from runtime.config import Settings
from runtime.events import EpisodeSpec, Retrieval, Task
from runtime.logs import configure_logs
from runtime.model.llm import Sampling
from runtime.server import connect, open_server
from runtime.server.client import wait_indexed
from runtime.tasks import open_tasks

TOP = 10
EVERYTHING = 10**9
Row = dict[str, Any]


@dataclass
class Bench:
    """One filled memory, and the queries that it is asked."""

    client: Client
    server: psutil.Process
    corpus: Corpus
    memory: Memory
    embedder: InstantEmbedder
    queries: Matrix

    def retriever(self, index: ProcedureIndex) -> Retriever:
        facts = FactExtractor(FactFinder(), Sampling(model="instant"), describe)
        return Retriever(Memory(self.memory.namespace, index, self.embedder), facts, Thresholds())

    def server_seconds(self) -> float:
        times = self.server.cpu_times()
        return times.user + times.system


def task(at: int, retrieve: Retrieval) -> Task:
    spec = EpisodeSpec(model="instant", retrieve=retrieve, top_k=TOP)
    return Task(id=f"task-{at}", epoch=1, env=ENV, goal=f"query {at}", game={}, index=at, spec=spec)


async def timed(count: int, call: Callable[[int], Awaitable[Any]]) -> tuple[list[float], list[Any]]:
    """Milliseconds of each call, and what it gave."""
    took: list[float] = []
    given: list[Any] = []
    for at in range(count):
        began = time.perf_counter()
        given.append(await call(at))
        took.append((time.perf_counter() - began) * 1000)
    return took, given


async def strategy(bench: Bench, index: ProcedureIndex, retrieve: Retrieval) -> tuple[Row, list[Any]]:
    """One strategy's figures; the first call (a connection, an import, a local index that reads all) is not among them."""
    retriever, count = bench.retriever(index), len(bench.queries)
    await retriever.recall(task(0, retrieve))
    process, server = time.process_time(), bench.server_seconds()
    took, recalls = await timed(count, lambda at: retriever.recall(task(at, retrieve)))
    ours, theirs = (time.process_time() - process) / count * 1000, (bench.server_seconds() - server) / count * 1000
    figures = {"p50 ms": quantile(took, 0.5), "p99 ms": quantile(took, 0.99), "client CPU ms": ours, "server CPU ms": theirs}
    return {f"{retrieve} {name}": value for name, value in figures.items()}, recalls


async def retrieval(bench: Bench, index: ProcedureIndex, kind: str) -> Row:
    """All strategies over one index, its recall against the exact answer, and the bare query beside it."""
    row: Row = {"procedures": bench.corpus.size, "index": kind}
    query, recalls = await strategy(bench, index, "query")
    row |= query | {"recall@10": _recall(bench, recalls)}
    if kind != "in process":
        raw, _ = await timed(len(bench.queries), lambda at: _raw(bench, at))
        row |= {"raw FT.SEARCH p50 ms": quantile(raw, 0.5), "query / raw": query["query p50 ms"] / quantile(raw, 0.5)}
    row |= (await strategy(bench, index, "random"))[0]
    return row | (await strategy(bench, index, "avefact"))[0] if bench.corpus.facts else row


def _recall(bench: Bench, recalls: list[Any]) -> float:
    """Share of the retrieved that are no farther than the exact answer's last (so that ties count)."""
    exact = bench.corpus.nearest(bench.queries, TOP)[:, -1]
    near = [sum(hit.distance <= last + 2e-6 for hit in recall.retrieved) for recall, last in zip(recalls, exact, strict=True)]
    return sum(near) / (TOP * len(near))


async def _raw(bench: Bench, at: int) -> Any:
    vector = bench.queries[at].tobytes()
    text = f"(@env:{{{ENV}}} @status:{{active}})=>[KNN {TOP + 1} @vector $v AS d]"
    given = ("RETURN", 4, "d", "goal", "revision", "body", "SORTBY", "d", "LIMIT", 0, TOP + 1, "PARAMS", 2, "v", vector, "DIALECT", 2)
    return await bench.client.execute_command("FT.SEARCH", bench.memory.namespace.keys.index, text, *given)


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    sizes: list[int]
    dimension: int
    queries: int
    events: int
    facts_up_to: int
    graph_up_to: int


async def measure(size: int, plan: Plan) -> tuple[list[Row], list[Row]]:
    """One size: rows of retrieval and rows of learning, one per kind of index."""
    with TemporaryDirectory(prefix="memp-bench-") as folder:
        settings = Settings(data_dir=Path(folder), REDIS_URL=None)  # pyright: ignore[reportCallIssue]
        async with open_server(settings) as server, connect(server.url) as client:
            bench, loading = await _filled(client, size, plan)
            found = [await retrieval(bench, bench.memory.index, "exact")]
            learned = [await learning(bench, settings, plan, "exact") | loading]
            if size <= plan.facts_up_to:
                local = LocalIndex(client, bench.memory.namespace.keys)
                _, first = await clocked(lambda: local.nearest(bench.queries[0], 1, ENV))
                found.append(await retrieval(bench, local, "in process") | {"first s": first})
            if size <= plan.graph_up_to:
                growing = await _grown(bench)
                found.append(await retrieval(bench, bench.memory.index, "graph"))
                learned.append(await learning(bench, settings, plan, "graph") | growing)
            return found, learned


async def _filled(client: Client, size: int, plan: Plan) -> tuple[Bench, Row]:
    corpus = Corpus(size, plan.dimension, facts=size <= plan.facts_up_to)
    queries = corpus.draw(plan.queries)
    embedder = InstantEmbedder(plan.dimension, {f"query {at}": vector for at, vector in enumerate(queries)})
    wanted = {fact: corpus.values[corpus.common(plan.queries)] for fact in FACTS}
    embedder.given |= {f"{fact} of query {at}": vector for fact, vectors in wanted.items() for at, vector in enumerate(vectors)}
    namespace = await open_namespace(client, f"bench-{size}")
    _, load = await clocked(lambda: corpus.load(client, namespace.keys))
    hashes = await used(client)
    memory = await open_memory(namespace, embedder, search=True, exact_up_to=EVERYTHING)
    _, build = await clocked(lambda: wait_indexed(client))
    server = psutil.Process((await client.info("server"))["process_id"])
    figures = {"bulk load/s": size / load, "hashes MiB": hashes, "index MiB": await used(client) - hashes, "build s": build}
    return Bench(client, server, corpus, memory, embedder, queries), figures


async def _grown(bench: Bench) -> Row:
    """Let the index grow as a curator does; what it costs, and how long a command waits meanwhile."""
    before, process, waits = await used(bench.client), bench.server_seconds(), list[float]()
    index = RedisIndex(bench.client, bench.memory.namespace.keys, bench.corpus.dimension, 0)
    async with open_tasks() as tasks:
        tasks.start_soon(_ping, bench.client, waits)
        _, build = await clocked(index.fit)
        tasks.cancel_scope.cancel()
    process = bench.server_seconds() - process
    growth = await used(bench.client) - before
    return {"build s": build, "build CPU s": process, "index MiB against exact": growth, "wait p99 ms": quantile(waits, 0.99)}


async def _ping(client: Client, waits: list[float]) -> None:
    while True:
        waits += (await timed(1, lambda _: client.ping()))[0]
        await anyio.sleep(0.005)


async def learning(bench: Bench, settings: Settings, plan: Plan, kind: str) -> Row:
    """The apply script's cost, and a curator at work: on goals of its own, and on one goal for all."""
    row: Row = {"procedures": bench.corpus.size, "index": kind}
    row |= await apply_costs(bench.memory, plan.events, bench.server_seconds, kind)
    own = await curate(bench.memory, settings, [f"{kind} goal {at}" for at in range(plan.events)], f"{kind}-own")
    same = await curate(bench.memory, settings, [f"{kind} goal of all"] * plan.events, f"{kind}-same")
    return row | {f"curator {name}": value for name, value in own.items()} | {f"one goal, {name}": value for name, value in same.items()}


async def clocked(call: Callable[[], Awaitable[Any]]) -> tuple[Any, float]:
    """What a call gives, and the seconds it took."""
    began = time.perf_counter()
    return await call(), time.perf_counter() - began


async def used(client: Client) -> float:
    """Server memory in MiB."""
    return (await client.info("memory"))["used_memory"] / 2**20


def compared(rows: list[Row], names: list[str]) -> None:
    """Ratios to the smallest size's exact index, and within a size to its exact index."""
    for row in rows:
        exact = next(each for each in rows if each["procedures"] == row["procedures"] and each["index"] == "exact")
        for name in names:
            if name in row:
                row |= {f"{name} / smallest": row[name] / rows[0][name], f"{name} / exact": row[name] / exact[name]}


FOUND = [
    *("procedures", "index", "query p50 ms", "query p99 ms", "query p50 ms / smallest", "query p50 ms / exact", "query / raw"),
    *("query client CPU ms", "random p50 ms", "random p99 ms", "avefact p50 ms", "avefact p99 ms", "avefact server CPU ms", "recall@10"),
]
LEARNED = [
    *("procedures", "index", "build s", "wait p99 ms", "new p50 ms", "new p50 ms / smallest", "revision p50 ms"),
    *("revision p50 ms / smallest", "curator events/s", "curator CPU ms per event", "curator events/s / smallest", "one goal, events/s"),
]


async def main(plan: Plan, out: Path | None) -> None:
    configure_logs("error")
    found: list[Row] = []
    learned: list[Row] = []
    for size in plan.sizes:
        retrieved, applied = await measure(size, plan)
        found, learned = found + retrieved, learned + applied
        print(f"{size:,} procedures measured", flush=True)
    compared(found, ["query p50 ms", "random p50 ms", "avefact p50 ms"])
    compared(learned, ["new p50 ms", "revision p50 ms", "new server CPU ms", "revision server CPU ms", "curator events/s"])
    clusters = f"{plan.dimension} numbers, clusters of 100 with cosine 0.74"
    show(f"Retrieval of {TOP}, without embedding ({clusters})", [{name: row.get(name) for name in FOUND} for row in found])
    show("Learning, with a model of no latency", [{name: row.get(name) for name in LEARNED} for row in learned])
    save("memory", {"dimension": plan.dimension, "queries": plan.queries, "retrieval": found, "learning": learned}, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 procedures, fewer queries and events")
    parser.add_argument("--sizes", default="1000,10000,100000", help="procedures, the smallest first (1,000,000 takes 8 GiB)")
    parser.add_argument("--graph-up-to", type=int, default=1_000_000, help="largest size for which the graph is built")
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    flags = parser.parse_args()
    sizes = [1000, 10_000] if flags.quick else [int(size) for size in flags.sizes.split(",")]
    counts = (100, 100) if flags.quick else (500, 300)
    anyio.run(main, Plan(sizes, flags.dimension, *counts, 100_000, flags.graph_up_to), flags.out)
