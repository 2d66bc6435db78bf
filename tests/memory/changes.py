"""Changes for tests, written by hand."""

from typing import Any

import numpy as np

from memory.index import Vector
from memory.plan import Deprecation
from memory.procedure import Cause, Change, Content, Fact, Kind, NewProcedure, Procedure, Revision, Source, Write
from memory.store import Memory, encode
from memory.update import credits
from runtime.bus.consumer import Delivery
from runtime.events import Trajectory
from tests.support import DIMENSION, arrive

EAGER = Deprecation(uses=1, share=0.5)
"""One failure is enough."""
NEVER = Deprecation(uses=1000)


def vector(*parts: float) -> Vector:
    """A vector of length 1 that begins so."""
    full = np.zeros(DIMENSION, np.float32)
    full[: len(parts)] = parts
    return full / np.float32(np.linalg.norm(full))


def at_angle(degrees: float) -> Vector:
    """A vector at this angle from `vector(1)`."""
    return vector(np.cos(np.radians(degrees)), np.sin(np.radians(degrees)))


def revision(number: int = 1, script: str = "do it", kind: Kind = "built", **fields: Any) -> Revision:
    """Revision `number`, by default active and of a success in five steps."""
    given: dict[str, Any] = {"content": Content(script=script), "steps": 5, "cause": Cause(kind=kind)}
    return Revision(number=number, **{**given, **fields})


def new(
    procedure: str,
    goal: str | None = None,
    *,
    env: str = "alfworld",
    at: Vector | None = None,
    unique: bool = False,
    facts: tuple[Fact, ...] = (),
    **fields: Any,
) -> Write:
    """A procedure that is not there yet; its goal is its own unless given."""
    made = NewProcedure(
        env=env, goal=goal or f"goal of {procedure}", vector=encode(vector(1) if at is None else at), unique=unique, facts=facts
    )
    return Write(procedure=procedure, expects=0, revision=revision(**fields), new=made)


def revise(procedure: str, expects: int, kind: Kind = "adjusted", **fields: Any) -> Write:
    """The revision after `expects`."""
    return Write(procedure=procedure, expects=expects, revision=revision(expects + 1, kind=kind, **fields))


def fact(name: str, value: str, at: Vector) -> Fact:
    return Fact(name=name, value=value, vector=encode(at))


def learned(by: Trajectory, *writes: Write, sources: tuple[Source, ...] = ()) -> Change:
    """What a trajectory taught, with the credit for all that it had retrieved."""
    return Change(kind="learned", trajectory=by.id, uses=credits(by, by.success), writes=writes, sources=sources)


async def put(memory: Memory, *writes: Write) -> None:
    """Have these procedures in memory."""
    await memory.command(Change(kind="command", trajectory=None, writes=writes))


async def learn(memory: Memory, by: Trajectory, *writes: Write, rule: Deprecation = NEVER, sources: tuple[Source, ...] = ()) -> Delivery:
    """Have a trajectory come in and applied; returns the delivery that it was applied under."""
    [delivery] = await arrive(memory.namespace, by)
    await memory.learn(learned(by, *writes, sources=sources), by, delivery, rule)
    return delivery


async def stored(memory: Memory, procedure: str) -> Procedure:
    """A procedure that must be there."""
    found = await memory.get(procedure)
    assert found is not None
    return found
