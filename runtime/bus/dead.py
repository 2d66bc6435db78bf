"""Dead letters, worked by a person: looked at, put back to work, thrown away.

A letter holds one of three things, and what is put back differs:

    task     a task that used up its deliveries: it is open again, and played and committed once as any other
    build    a trajectory that was applied and could not be built into a procedure: only the building is tried again
    entry    what could not be read, or belongs to an unknown environment: it goes back on its stream as it was
"""

import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from runtime.bus.letters import is_cut, is_of_build
from runtime.bus.namespace import Namespace
from runtime.bus.scripts import patiently
from runtime.errors import UsageError
from runtime.events import DeadLetter, Trajectory, task_place, trajectory_place
from runtime.keys import CURATORS

HERE = Path(__file__).parent
PAGE = 20
"""Letters of one read: each holds a whole payload."""

Kind = Literal["task", "build", "entry"]
_ID = re.compile(r"\d{1,20}-\d{1,20}")


class Letter(NamedTuple):
    """A letter as it stands on the dead-letter stream. One that this version can't read has no stream, and its text as payload."""

    id: str
    said: DeadLetter

    def kind(self, namespace: Namespace) -> Kind:
        """What the letter holds."""
        if self.said.stream == namespace.keys.tasks and self.said.task is not None:
            return "task"
        return "build" if self.said.stream == namespace.keys.trajectories and is_of_build(self.said) else "entry"


async def read_letters(namespace: Namespace, since: str | None = None) -> AsyncGenerator[Letter]:
    """All letters, the oldest first; only those after the letter `since` where it is given."""
    start = "-" if since is None else f"({since}"
    while entries := await _range(namespace, start, "+"):
        for entry, fields in entries:
            yield _letter(entry.decode(), fields.get(b"event", b""))
        start = f"({entries[-1][0].decode()}"


async def find_letters(namespace: Namespace, ids: Sequence[str]) -> list[Letter]:
    """These letters, each once. Raises `UsageError` where one of them is not there."""
    found: list[Letter] = []
    for each in dict.fromkeys(ids):
        entries = await _range(namespace, each, each) if _ID.fullmatch(each) else []
        if not entries:
            name = namespace.keys.namespace
            raise UsageError(f"{name} has no dead letter {each}: `memp dead list --exp-name {name}` shows those it has")
        found.append(_letter(each, entries[0][1].get(b"event", b"")))
    return found


async def retry(namespace: Namespace, letter: Letter) -> None:
    """Put back to work what the letter holds; the letter is gone with it. Raises `UsageError` where that can't be.

    Once, however often it is called: a second call finds no letter and does nothing.
    """
    keys, said, kind = namespace.keys, letter.said, letter.kind(namespace)
    if said.stream not in (keys.tasks, keys.trajectories):
        raise UsageError(f"letter {letter.id} was written by another version of memp: retry it with that one, or drop it")
    if is_cut(said):
        raise UsageError(f"letter {letter.id} keeps no more than the beginning of its event, which was too large: drop it")
    place = (task_place if said.stream == keys.tasks else trajectory_place)(said.payload)
    epoch = place.epoch if place else namespace.epoch
    marks, counted = keys.applied(epoch), ["", "", ""]
    if kind == "task":
        marks, counted = keys.committed(epoch), ["dead", said.task or "", f"/{said.entry}/{said.deliveries}"]
    elif kind == "entry" and place and said.stream == keys.trajectories:
        counted = ["dropped", f"dropped:{epoch}:{place.id}", ""]
    needed = CURATORS if said.stream == keys.trajectories else ""
    event = _build_only(letter) if kind == "build" else said.payload
    names = [keys.meta, keys.dead, said.stream, keys.progress(epoch), marks]
    answer: bytes = await namespace.scripts.call(HERE / "retry.lua", names, [letter.id, epoch, event, needed, *counted])
    if answer in _REFUSALS:
        state = "has not begun" if epoch > namespace.epoch else "is closed"
        raise UsageError(_REFUSALS[answer].format(id=letter.id, name=keys.namespace, epoch=epoch, state=state))


_REFUSALS = {
    b"epoch": "letter {id} is of epoch {epoch}, which {state}: there is nothing to put it back to; `memp dead drop` takes it away",
    b"nobody": "nobody learns from {name}, so letter {id} would wait for ever: start `memp curator --exp-name {name} --model …` first",
    b"settled": "letter {id} holds a task that was settled otherwise meanwhile: `memp dead drop` takes it away",
}


async def discard(namespace: Namespace, ids: Sequence[str]) -> None:
    """Take letters away. What they settled stays settled."""
    for each in ids:
        await patiently(lambda entry=each: namespace.client.xdel(namespace.keys.dead, entry))


def _build_only(letter: Letter) -> str:
    """The trajectory, marked, and outside its group, which has long gone on."""
    try:
        trajectory = Trajectory.model_validate_json(letter.said.payload)
    except ValidationError:
        raise UsageError(f"letter {letter.id} holds a trajectory of another version of memp: retry it with that one, or drop it") from None
    task = trajectory.task.model_copy(update={"group": None})
    return trajectory.model_copy(update={"task": task, "retry": letter.id}).model_dump_json()


async def _range(namespace: Namespace, start: str, end: str) -> list[Any]:
    return await patiently(lambda: namespace.client.xrange(namespace.keys.dead, start, end, count=PAGE))


def _letter(entry: str, event: bytes) -> Letter:
    try:
        return Letter(entry, DeadLetter.model_validate_json(event))
    except ValidationError:
        text = event.decode(errors="replace")
        return Letter(entry, DeadLetter(stream="", entry=entry, deliveries=0, reason="a letter that can't be read", payload=text))
