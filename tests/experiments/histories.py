"""Histories of a run's memory, made up."""

from pathlib import Path
from typing import Any

from memory.procedure import Change, ChangesHeader, CommittedChange, Deprecated, Source, Write
from tests.experiments.samples import revision


def learned(
    version: int, task: str, *, procedure: str | None = None, deprecated: tuple[Deprecated, ...] = (), **event: Any
) -> CommittedChange:
    """Change number `version`, made by an episode of epoch 1; it touches `procedure`, if one is named."""
    sources = (Source(procedure=procedure, expects=1, trajectory=f"1:{task}"),) if procedure else ()
    change = Change.model_validate({"kind": "learned", "trajectory": f"1:{task}", "sources": sources} | event)
    return CommittedChange(entry=f"{version}-0", version=version, deprecated=deprecated, event=change)


def imported(version: int, procedure: str) -> CommittedChange:
    """A person's command."""
    write = Write(procedure=procedure, expects=0, revision=revision(1, "go"))
    return CommittedChange(entry=f"{version}-0", version=version, event=Change(kind="command", trajectory=None, writes=(write,)))


def write_changes(folder: Path, *changes: CommittedChange) -> None:
    header = ChangesHeader(namespace="n", epoch=1, embedding_model="e", dimension=3)
    (folder / "changes.jsonl").write_text("".join(f"{each.model_dump_json()}\n" for each in (header, *changes)))
