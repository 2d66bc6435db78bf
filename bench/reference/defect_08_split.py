"""8. How often each game of a split is played.

The model of the reference fills its last batch with the first games again. memp's tasks are the split's games, each once; a real worker
plays them.
"""

from collections import Counter
from collections.abc import Iterable

from bench.lockstep import play_batch
from bench.reference import houses
from bench.reference.loop import first_tasks, wrapped
from bench.reference.playing import play
from bench.reference.stage import Stage
from bench.reference.verdicts import Finding, exactly
from envs.pool import EnvPool
from runtime.bus.namespace import open_namespace

BATCH = 10
DUE = {"results": exactly(houses.COUNT), "games with two results": exactly(0), "games with none": exactly(0)}


async def find(stage: Stage) -> Finding:
    """A split of 134 games, in batches of ten and by a worker."""
    tasks = first_tasks(stage.settings, houses.COUNT + BATCH)
    played: list[int] = []
    async with EnvPool.open(stage.settings) as pool:
        for batch in wrapped(tasks, BATCH):
            await play_batch(stage.llm, pool, batch)
            played += [task.game["house"] for task in batch]
    namespace = await open_namespace(stage.client, "split")
    alone = [task.model_copy(update={"spec": task.spec.model_copy(update={"use_memory": False})}) for task in tasks]
    committed = [each.task.game["house"] for each in await play(stage, namespace, alone)]
    return Finding(8, f"a split of {houses.COUNT} games", DUE, _figures(played), _figures(committed))


def _figures(played: Iterable[int]) -> dict[str, float]:
    counted = Counter(played)
    twice, never = sum(times > 1 for times in counted.values()), houses.COUNT - len(counted)
    return dict(zip(DUE, (counted.total(), twice, never), strict=True))
