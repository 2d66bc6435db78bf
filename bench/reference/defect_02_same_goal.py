"""2. What becomes of several successes for one goal.

The model of the reference takes the goal for the document: a success for a goal that it knows is dropped, and eight of one batch make
eight documents. memp (`--same-goal merge`) keeps one procedure, of which each success is a source and the shortest the text.
"""

from bench.reference.stage import Stage, applied, episode
from bench.reference.verdicts import Finding, exactly
from memory.update import Policy

AT_ONCE = 8
GOAL = "put a hot egg in shelf."
LONG, SHORT = ["cabinet"] * 9, ["fridge"] * 3
DUE = {
    "procedures for the goal": exactly(1),
    "successes that it stands for": exactly(AT_ONCE + 1),
    "steps of the episode that it tells": exactly(len(SHORT)),
}


async def find(stage: Stage) -> Finding:
    """Eight successes for one goal at once, and then a shorter one."""
    first = [episode(index, GOAL, success=True, places=LONG, uses=["any"]) for index in range(AT_ONCE)]
    better = episode(AT_ONCE, GOAL, success=True, places=SHORT, uses=["any"])
    reference, memory = stage.reference(), await stage.memory("same-goal")
    for batch in (first, [better]):
        await reference.update(batch)
    async with stage.curating(memory, Policy("adjustment", "merge")):
        for batch in (first, [better]):
            done = (await memory.namespace.progress()).applied
            await memory.namespace.submit_trajectories(batch)
            await applied(memory.namespace, done + len(batch))
    procedures = await memory.get_all(await memory.ids())
    kept = [(each.sources, each.steps) for each in reference.documents]
    return Finding(
        2,
        f"{AT_ONCE} successes for one goal at once, then a shorter one: none is dropped, none makes a duplicate",
        DUE,
        _figures([(tuple(sources), steps) for sources, steps in kept]),
        _figures([(each.sources, each.current.steps) for each in procedures]),
    )


def _figures(kept: list[tuple[tuple[str, ...], int]]) -> dict[str, float]:
    """Of the sources and the length of each."""
    values = (len(kept), len({source for sources, _ in kept for source in sources}), min(steps for _, steps in kept))
    return dict(zip(DUE, values, strict=True))
