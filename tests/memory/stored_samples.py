"""One small episode in the shapes that files keep it in."""

import json
from pathlib import Path
from typing import Any

from runtime.events import EpisodeSpec, Recall, Step, Task, Trajectory

ROOM = "You are in a room. You see a desk 1.\n\nYour task is to: put a mug on desk."
GOAL = "put a mug on desk."
TURNS = [
    ("human", ROOM),
    ("gpt", "Thought: there.\nAction: go to desk 1"),
    ("human", "Observation: You see a pen 1."),
    ("gpt", "put mug 1 in/on desk 1"),
]
STEPS = (
    Step(thought="there.", action="go to desk 1", observation="You see a pen 1."),
    Step(thought="", action="put mug 1 in/on desk 1", observation=""),
)
INSTRUCTIONS = [("human", "Interact with a household."), ("gpt", "OK")]
OPENAI = {"human": "user", "gpt": "assistant", "system": "system"}


def eto(turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"from": role, "value": text} for role, text in turns]


def openai(turns: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": OPENAI[role], "content": text} for role, text in turns]


def write(folder: Path, content: Any) -> Path:
    """A file `some.json` with this content: bytes and text as they are, a tuple as JSONL, all else as JSON."""
    path = folder / "some.json"
    if isinstance(content, tuple):
        content = "\n".join(json.dumps(record) for record in content)
    elif not isinstance(content, str | bytes):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def trajectory(name: str = "1:t", **changes: Any) -> dict[str, Any]:
    task = Task(id="t", epoch=1, env="alfworld", goal=GOAL, game={}, index=0, spec=EpisodeSpec(model="m"))
    own = Trajectory(
        id=name,
        task=task,
        outcome="finished",
        success=True,
        reward=1.0,
        first_observation=ROOM,
        steps=STEPS,
        recall=Recall(arm="control"),
        attempt=1,
        worker="w",
        seconds=0.1,
    )
    return {**own.model_dump(mode="json"), **changes}
