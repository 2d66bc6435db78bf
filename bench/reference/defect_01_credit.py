"""1. Who is credited with an episode's outcome.

The model of the reference credits the first of what was retrieved, as it stands now. memp credits every procedure that was retrieved,
in the revision that was retrieved.
"""

from bench.reference.stage import Stage, applied, episode, put, stored
from bench.reference.verdicts import Finding, exactly
from memory.procedure import Cause, Change, Revision, Write
from memory.store import Memory
from memory.update import Policy

COUNT = 10
GOAL = "put a hot egg in shelf."
NAMES = [f"p{number}" for number in range(COUNT)]
CREDITED = {(name, 1) for name in NAMES}
DUE = {"credits given as due": exactly(COUNT), "credits to what was not retrieved": exactly(0)}


async def find(stage: Stage) -> Finding:
    """Ten procedures are given to one episode, which fails; the first of them is rewritten while it is played."""
    played = episode(0, GOAL, success=False, places=["desk"], uses=NAMES)
    reference, memory = stage.reference(), await stage.memory("credit")
    for number, name in enumerate(NAMES):
        goal, script = f"put a hot egg in shelf {number}.", f"Steps:\n1. Look for the egg in or on the table {number}."
        await reference.put(name, goal, script)
        await put(memory, name, goal, script)
    reference.documents[0].revision += 1
    await _rewrite(memory, NAMES[0])
    await reference.update([played])
    async with stage.curating(memory, Policy("validation")):
        await memory.namespace.submit_trajectories([played])
        await applied(memory.namespace, 1)
    given = {(each.name, revision) for each in reference.documents for revision in each.credited}
    credited = {(name, revision) for name in NAMES for revision, credit in (await stored(memory, name)).credit.items() if credit.uses}
    defect = f"an episode was given {COUNT} procedures: all are credited, as they were then"
    return Finding(1, defect, DUE, _figures(given), _figures(credited))


def _figures(given: set[tuple[str, int]]) -> dict[str, float]:
    return dict(zip(DUE, (len(given & CREDITED), len(given - CREDITED)), strict=True))


async def _rewrite(memory: Memory, name: str) -> None:
    """A second revision that says the same."""
    current = (await stored(memory, name)).current
    revision = Revision(number=2, content=current.content, steps=current.steps, cause=Cause(kind="adjusted"))
    await memory.command(Change(kind="command", trajectory=None, writes=(Write(procedure=name, expects=1, revision=revision),)))
