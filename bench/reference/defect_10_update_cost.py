"""10. What one more procedure costs, the larger the memory.

The model of the reference makes its whole index anew with each update (kindly: of vectors that it has kept, without embedding a text
again). In memp the apply script writes one procedure and its credit. Both are measured at two sizes in turns, without the calls to a model.
In the model each update is taken back. In memp, which forgets nothing, each round's procedures are deleted on the server, so that the
memories hold 200 to 210 procedures, and 2,000 to 2,010.
"""

import time
from statistics import median

import psutil

from bench.memory_corpus import Corpus, InstantEmbedder
from bench.memory_learning import apply_costs
from bench.reference.model import Document, ReferenceMemory
from bench.reference.stage import Stage
from bench.reference.verdicts import Finding, at_most
from memory.store import Memory, open_memory
from runtime.bus.namespace import open_namespace

SIZES = (200, 2000)
DIMENSION = 256
ADDED = "new-"
"""How the ids begin that `apply_costs` gives."""
ROUNDS, UPDATES = 20, 10
RATIO = 2.0
"""By how much an update may be dearer in a memory ten times as large; what is noise on a busy machine lies below."""


async def find(stage: Stage) -> Finding:
    """The median update at 200 and at 2,000 procedures."""
    memories = [await _filled(stage, size) for size in SIZES]
    models = [_model(stage, size) for size in SIZES]
    server = psutil.Process((await stage.client.info("server"))["process_id"])
    there: list[list[float]] = [[], []]
    here: list[list[float]] = [[], []]
    for turn in range(ROUNDS):
        for at, memory in enumerate(memories):
            costs = await apply_costs(memory, UPDATES, lambda: sum(server.cpu_times()[:2]), f"round-{turn}")
            here[at].append(costs["new p50 ms"])
            await _taken_back(memory)
            there[at] += [_rebuilt(models[at]) for _ in range(UPDATES)]
    due = {"an update at 2,000, to one at 200": at_most(RATIO)}
    return Finding(10, "one more procedure in a memory ten times as large", due, *(_figures(*map(median, took)) for took in (there, here)))


def _figures(small: float, large: float) -> dict[str, float]:
    """Milliseconds at both sizes, and their ratio."""
    return {"ms at 200": small, "ms at 2,000": large, "an update at 2,000, to one at 200": large / small}


async def _filled(stage: Stage, size: int) -> Memory:
    """A memory of that size, written in bulk below its index, so that none of it is left to be indexed later."""
    namespace = await open_namespace(stage.client, f"cost-{size}")
    memory = await open_memory(namespace, InstantEmbedder(DIMENSION), search=True, exact_up_to=stage.settings.exact_up_to)
    await Corpus(size, DIMENSION, facts=False).load(stage.client, namespace.keys)
    return memory


async def _taken_back(memory: Memory) -> None:
    """Delete what was added to the corpus: procedures, their revisions and facts."""
    client, keys = memory.namespace.client, memory.namespace.keys
    for added in (f"{keys.prefix}*:{ADDED}*", keys.fact("*")):  # the corpus has no facts of its own
        async for key in client.scan_iter(match=added, count=1000):
            await client.unlink(key)


def _model(stage: Stage, size: int) -> ReferenceMemory:
    """The same procedures as the reference's documents."""
    goals = Corpus(size, DIMENSION, facts=False).goals
    memory = stage.reference()
    memory.documents = [Document(f"p{at}", f"goal {at}", "", vector) for at, vector in enumerate(goals)]
    return memory


def _rebuilt(memory: ReferenceMemory) -> float:
    """Milliseconds that one more document takes, which is then taken back."""
    began = time.perf_counter()
    memory.documents.append(memory.documents[0])
    memory.rebuild()
    took = time.perf_counter() - began
    memory.documents.pop()
    return took * 1000
