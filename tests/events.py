"""Events for tests."""

from typing import Any

from runtime.events import EpisodeSpec, Recall, Retrieved, Step, Task, Trajectory

Uses = tuple[tuple[str, int], ...]
"""Procedures and their revisions."""


def task(index: int = 0, *, epoch: int = 1, group: int | None = None, goal: str = "put a mug in shelf.", **spec: Any) -> Task:
    """A task of a game that no environment has to play."""
    return Task(
        id=f"task-{index}",
        epoch=epoch,
        env="alfworld",
        goal=goal,
        game={"path": f"game-{index}"},
        index=index,
        group=group,
        spec=EpisodeSpec.model_validate({"model": "test-model", **spec}),
    )


def trajectory(of: Task, *, success: bool = True, steps: int = 3, retrieved: Uses = (), withheld: Uses = (), **fields: Any) -> Trajectory:
    """The record of an episode with as many steps as asked for."""
    played = tuple(Step(thought=f"thought {n}", action=f"go to shelf {n}", observation=f"You arrive at shelf {n}.") for n in range(steps))
    shown, kept = (tuple(Retrieved(procedure=name, revision=revision) for name, revision in some) for some in (retrieved, withheld))
    recall = Recall(arm="memory", retrieved=shown, withheld=kept)
    given: dict[str, Any] = {
        "id": f"{of.epoch}:{of.id}",
        "task": of,
        "outcome": "finished",
        "success": success,
        "reward": float(success),
        "first_observation": f"You are in a room. Your task is to: {of.goal}",
        "steps": played,
        "recall": recall,
        "attempt": 1,
        "worker": "tester",
        "seconds": 0.1,
    }
    return Trajectory(**{**given, **fields})
