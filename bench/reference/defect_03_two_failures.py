"""3. What several failures of one batch teach.

The model of the reference adjusts the text that stood before the batch once for each, so that the last overwrites the others, and it
evicts first what has failed too often, so that nothing is left to be adjusted. In memp each adjustment starts from the last (the
apply script compares revisions), and a revision that is adjusted is a new one, with no failures yet.
"""

from bench.reference.stage import Stage, applied, commit, episode, put, stored
from bench.reference.verdicts import Finding, exactly
from memory.update import Policy

EGG, PEN = "put a hot egg in shelf.", "put a pen in drawer."
TEXT = """\
When to use: a task like "{goal}"
Preconditions: the hands are free.
Steps:
1. Look for the {thing} in or on the sofa.
Pitfalls: none."""
LESSONS = ("countertop", "diningtable")
"""Where each failure found no egg."""
WORN = "cabinet"
"""Where the third found no pen."""
DUE = {"of 2 failures, told in the text": exactly(2), "of 1 failure after two before, told in the text": exactly(1)}


async def find(stage: Stage) -> Finding:
    """Two failures under one procedure, and one under another that had failed twice; all in one batch."""
    played = [
        *(episode(at, EGG, success=False, places=[place], uses=["egg"], group=0) for at, place in enumerate(LESSONS)),
        episode(2, PEN, success=False, places=[WORN], uses=["pen"], group=0),
    ]
    reference, memory = stage.reference(), await stage.memory("two-failures")
    for name, goal, uses in (("egg", EGG, 0), ("pen", PEN, 2)):
        text = TEXT.format(goal=goal, thing=name)
        await reference.put(name, goal, text, uses)
        await put(memory, name, goal, text, uses)
    await reference.update(played)
    async with stage.curating(memory, Policy("adjustment")):
        await commit(memory.namespace, played)
        await applied(memory.namespace, len(played))
    texts = {each.name: each.text for each in reference.documents}
    found = {name: await stored(memory, name) for name in ("egg", "pen")}
    active = {name: each.current.content.script or "" for name, each in found.items() if each.current.status == "active"}
    return Finding(3, "failures of one batch: each is learned from, and before anything is evicted", DUE, _figures(texts), _figures(active))


def _figures(texts: dict[str, str]) -> dict[str, float]:
    """Of the texts that are retrieved."""
    learned = sum(place in texts.get("egg", "") for place in LESSONS), int(WORN in texts.get("pen", ""))
    return dict(zip(DUE, learned, strict=True))
