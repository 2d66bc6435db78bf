"""Episodes and memories as a run leaves them, made up."""

import json
from pathlib import Path
from typing import Any

from experiments.results import EpisodeLog, EpisodeRow
from memory.procedure import Cause, Content, Credit, Header, Procedure, Revision
from runtime.events import EpisodeSpec, Task, Usage


def sample_row(index: int = 0, **changes: Any) -> EpisodeRow:
    """A success in 12 steps of the game `games/<index>`, unless `changes` say otherwise."""
    usage = {"agent": Usage(calls=12, attempts=12, input=6_000, output=1_200)}
    fields: dict[str, Any] = {"entry": f"{1000 + index}-0", "task_id": f"dev-{index}", "index": index, "group": None, "env": "alfworld"}
    fields |= {"goal": "put a clean mug in cabinet.", "game": f"games/{index}", "task_type": "clean", "arm": "memory"}
    fields |= {"outcome": "finished", "reason": None, "success": True, "reward": 1.0, "steps": 12, "retrieved": (), "memory_version": 0}
    fields |= {"usage": usage, "attempt": 1, "worker": "w", "seconds": 2.5}
    return EpisodeRow.model_validate(fields | changes)


def failed_row(index: int, **changes: Any) -> EpisodeRow:
    failed: dict[str, Any] = {"success": False, "reward": 0.0, "steps": 30}
    return sample_row(index, **(failed | changes))


def sample_task(game: dict[str, Any]) -> Task:
    return Task(id="dev-7", epoch=1, env="alfworld", goal="heat an egg", game=game, index=7, spec=EpisodeSpec(model="m"))


def sample_run(folder: Path, rows: list[EpisodeRow], **config: Any) -> Path:
    """A run's folder with its `config.json` and `episodes.jsonl`."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"exp_name": folder.name, "model": "gpt-4o-mini"} | config))
    with EpisodeLog(folder / "episodes.jsonl") as log:
        log.append(rows)
    return folder


def revision(number: int, script: str, **changes: Any) -> Revision:
    cause = Cause(kind="built" if number == 1 else "adjusted", trajectories=(f"1:dev-{number}",))
    fields: dict[str, Any] = {"number": number, "content": Content(script=script), "steps": 12, "cause": cause}
    return Revision.model_validate(fields | changes)


def sample_procedure(*revisions: Revision, goal: str = "put a clean mug in cabinet.", **changes: Any) -> Procedure:
    fields: dict[str, Any] = {"id": "0123456789abcdef", "env": "alfworld", "goal": goal, "credit": {1: Credit(uses=4, successes=1)}}
    return Procedure.model_validate(fields | {"revisions": revisions} | changes)


def write_memory(path: Path, *procedures: Procedure) -> None:
    rows = [Header(embedding_model="e", dimension=3), *procedures]
    path.write_text("".join(f"{each.model_dump_json()}\n" for each in rows))
