"""5. What is compared in retrieval.

The model of the reference embeds the goals of its documents, and of a new task the whole first observation: the room, and then the goal.
memp embeds the task's text on both sides.
"""

from bench.reference.model import ReferenceMemory
from bench.reference.stage import Stage, episode, stored
from bench.reference.verdicts import Finding, at_most, exactly
from envs.alfworld_env import households
from envs.alfworld_env.fast import FastEngine
from memory.procedure import Change
from memory.retrieve import Retriever, Thresholds
from memory.store import Memory
from memory.update import Policy, Updater

GAMES = 6
ASKS = "Your task is to: "
DUE = {f"of {GAMES} goals, found first": exactly(GAMES), "mean distance of what is found first": at_most(0.001)}


async def find(stage: Stage) -> Finding:
    """Procedures for the goals of generated households; then each goal comes again, in another room."""
    rooms, goals = _texts(GAMES)
    reference, memory = stage.reference(), await stage.memory("retrieval-key")
    updater = Updater(memory, stage.builder, stage.facts, Policy())
    for index, goal in enumerate(goals):
        played = episode(index, goal, success=True, places=["shelf"], uses=["any"])
        played = played.model_copy(update={"first_observation": rooms[index] + ASKS + goal})
        await reference.update([played])
        change = await updater.change(played, success=True)
        await memory.command(Change(kind="command", trajectory=None, writes=change.writes))
    there = [await _nearest(reference, rooms[at - 1] + ASKS + goal) for at, goal in enumerate(goals)]
    here = [await _found(stage, memory, goal) for goal in goals]
    defect = "a known goal comes again in another room: its own procedure is found first"
    return Finding(5, defect, DUE, _figures(goals, there), _figures(goals, here))


async def _nearest(reference: ReferenceMemory, key: str) -> tuple[str, float]:
    """The goal of what the model finds first, and how far it is."""
    [(distance, document)] = await reference.nearest(key, 1)
    return document.goal, distance


async def _found(stage: Stage, memory: Memory, goal: str) -> tuple[str, float]:
    """The goal of what memp finds first, and how far it is."""
    task = episode(GAMES, goal, success=True, places=[]).task
    [first, *_] = (await Retriever(memory, stage.facts, Thresholds(distance=2.0)).recall(task)).retrieved
    return (await stored(memory, first.procedure)).goal, first.distance or 0.0


def _figures(goals: list[str], found: list[tuple[str, float]]) -> dict[str, float]:
    right = sum(goal == first for goal, (first, _) in zip(goals, found, strict=True))
    return dict(zip(DUE, (right, sum(distance for _, distance in found) / len(found)), strict=True))


def _texts(count: int) -> tuple[list[str], list[str]]:
    """First observations of generated households, as rooms and goals."""
    found: dict[str, str] = {}
    index = 0
    while len(found) < count:
        observation, _ = FastEngine().start(households.game(index, 5, "dev").content)
        room, _, goal = observation.partition(ASKS)
        found.setdefault(goal.strip(), room)
        index += 1
    return list(found.values()), list(found)
