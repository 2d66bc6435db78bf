"""The one way to change memory: a script applies a change whole, once, and acknowledges the event that it came of."""

import secrets
from pathlib import Path
from typing import NamedTuple

import orjson

from memory.plan import Deprecation, plan
from memory.procedure import Change, CommittedChange
from runtime.bus.consumer import Delivery
from runtime.bus.letters import build_letter
from runtime.bus.namespace import Namespace
from runtime.errors import EpochClosed, LeaseLost, RevisionConflict
from runtime.events import Trajectory

APPLY = Path(__file__).parent / "apply.lua"


class NotYourTurn(RevisionConflict):
    """Grouped mode: the group has not ended, or an earlier task of it is not applied yet. Try again later."""


class Occasion(NamedTuple):
    """What a change is applied for: a delivered trajectory, or (no fence) a person's command or a replay."""

    epoch: int
    mark: str
    """What it is applied under, once."""
    fence: tuple[str, str, str, int] = ("", "", "", 0)
    task: str = "-"
    group: int | None = None
    turn: int | None = None
    """Its place in the group; None where it has none."""
    letter: str = ""
    """A dead letter to be written along, or none."""


async def learn(
    namespace: Namespace, change: Change, trajectory: Trajectory, delivery: Delivery, rule: Deprecation, *, give_up: str | None = None
) -> None:
    """Apply what a trajectory taught and acknowledge its event, in one step and once.

    With `give_up` (why building failed for good) a dead letter of the build is written along. Raises `RevisionConflict` where a
    procedure moved on meanwhile, `NotYourTurn` where a group must be waited for, `LeaseLost` where the event is another's now.
    """
    task = trajectory.task
    letter = build_letter(delivery, task, give_up).model_dump_json() if give_up else ""
    place = (task.group, None if task.group is None else task.index)
    answer = await _apply(namespace, change, Occasion(task.epoch, trajectory.mark, delivery.fence, task.id, *place, letter), rule)
    if answer == b"turn":
        raise NotYourTurn(f"task {task.id} waits for its group")
    if answer == b"lost":
        raise LeaseLost(f"entry {delivery.entry} is another's now")


async def command(namespace: Namespace, change: Change) -> None:
    """Apply what a person asked for. Raises `RevisionConflict`."""
    await _apply(namespace, change, Occasion(namespace.epoch, f"command:{secrets.token_hex(8)}"))


async def replay(namespace: Namespace, committed: CommittedChange) -> None:
    """Apply what a changes stream recorded, as the next version; what stands in this memory's own stream already does nothing.

    Raises `RevisionConflict` where this memory is not in the state that the change was applied to.
    """
    occasion = Occasion(namespace.epoch, committed.event.trajectory or "")
    await _apply(namespace, committed.event, occasion, committed=committed)


async def _apply(
    namespace: Namespace,
    change: Change,
    occasion: Occasion,
    rule: Deprecation = Deprecation(),  # noqa: B008 (frozen)
    committed: CommittedChange | None = None,
) -> bytes:
    keys, epoch = namespace.keys, occasion.epoch
    planned, vectors = plan(change, rule, committed)
    answer: bytes = await namespace.scripts.call(
        APPLY,
        [
            keys.meta,
            keys.trajectories,
            keys.changes,
            keys.applied(epoch),
            keys.progress(epoch),
            keys.group(epoch, occasion.group),
            keys.goals,
            keys.journal(epoch, f"curator:{occasion.task}"),
            keys.dead,
        ],
        [
            keys.prefix,
            epoch,
            *occasion.fence,
            occasion.mark,
            "" if occasion.turn is None else occasion.turn,
            "" if change.empty else change.model_dump_json(),
            orjson.dumps(planned),
            occasion.letter,
            *vectors,
        ],
    )
    if answer == b"epoch":
        raise EpochClosed(f"namespace {keys.namespace} was started afresh by another run")
    if answer == b"conflict":
        raise RevisionConflict("a procedure was revised meanwhile; compute the change anew")
    return answer
