"""9. Episodes that memory gives nothing to.

The model of the reference takes the first of what was retrieved for granted, whether or not there is one. In memp an empty memory, one
with nothing near enough, and an episode without memory are all in order: the three are played by a real worker and learned from by a
real curator, and then handed to the model.
"""

from bench import toy_env
from bench.reference.playing import play
from bench.reference.stage import SAMPLING, Stage, applied, put
from bench.reference.verdicts import Finding, exactly
from memory.retrieve import Thresholds
from memory.update import Policy
from runtime.events import EpisodeSpec, Task, Trajectory

DUE = {"of 3 episodes, learned from": exactly(3), "errors": exactly(0)}


async def find(stage: Stage) -> Finding:
    """An empty memory, nothing near enough, no memory at all."""
    memory = await stage.memory("nothing")
    played = await play(stage, memory.namespace, [_task(0)])
    await put(memory, "far", "something else altogether", "Steps: none.")
    played = await play(stage, memory.namespace, [_task(1), _task(2, use_memory=False)], Thresholds(distance=0.0))
    assert not any(each.recall.retrieved or each.recall.guidance for each in played)
    async with stage.curating(memory, Policy("vanilla"), "trajectory"):
        await applied(memory.namespace, len(played))
    progress = await memory.namespace.progress()
    memp = dict(zip(DUE, (progress.applied, progress.dead + progress.dropped), strict=True))
    return Finding(9, "an empty memory, nothing near enough, no memory: no error", DUE, await _reference(stage, played), memp)


async def _reference(stage: Stage, played: list[Trajectory]) -> dict[str, float]:
    """The same episodes in the model; what it stumbles over is counted."""
    memory, errors = stage.reference(), 0
    for trajectory in played:
        try:
            await memory.update([trajectory])
        except IndexError:
            errors += 1
    return dict(zip(DUE, (len(played) - errors, errors), strict=True))


def _task(index: int, *, use_memory: bool = True) -> Task:
    found = toy_env.game(index, 50, 2)
    spec = EpisodeSpec(model=SAMPLING.model, use_memory=use_memory)
    return Task(id=f"task-{index}", epoch=1, env="bench.toy_env", goal=found.goal, game=found.game, index=index, spec=spec)
