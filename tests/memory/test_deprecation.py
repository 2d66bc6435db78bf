"""Deprecation: what fails too often is taken out of retrieval, inside the apply script."""

import pytest

from memory.plan import Deprecation
from memory.store import Memory
from tests.events import task, trajectory
from tests.memory.changes import EAGER, learn, put, revise, stored
from tests.memory.changes import new as make
from tests.memory.changes import vector as at

RULE = Deprecation()


async def use(memory: Memory, *outcomes: bool, revision: int = 1) -> None:
    """Episodes that had retrieved `p`, ending so."""
    count = len((await stored(memory, "p")).credit) * 100
    for number, success in enumerate(outcomes, count):
        await learn(memory, trajectory(task(number), success=success, retrieved=(("p", revision),)), rule=RULE)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ((False, False), "active"),
        ((False, False, False), "deprecated"),
        ((True, False, False), "deprecated"),
        ((True, True, False), "active"),
        ((True, False, True, False), "active"),
        ((True, False, True, False, False), "deprecated"),
    ],
)
async def test_share_below_half_after_three_uses_deprecates(memory: Memory, outcomes: tuple[bool, ...], status: str) -> None:
    await put(memory, make("p"))
    await use(memory, *outcomes)
    assert (await stored(memory, "p")).current.status == status


async def test_deprecation_is_a_revision_with_its_cause(memory: Memory) -> None:
    await put(memory, make("p", script="misleading"))
    await use(memory, False, False, False)
    first, last = (await stored(memory, "p")).revisions
    assert (last.number, last.status, last.cause.kind, last.cause.trajectories) == (2, "deprecated", "deprecated", ("1:task-2",))
    assert (last.content, last.steps, last.success) == (first.content, first.steps, first.success)
    assert first.status == "active"


async def test_uses_of_an_older_revision_deprecate_nothing(memory: Memory) -> None:
    await put(memory, make("p"))
    await put(memory, revise("p", 1))
    await use(memory, False, False, False, False, revision=1)
    procedure = await stored(memory, "p")
    assert (procedure.current.number, procedure.current.status) == (2, "active")
    assert procedure.credit[1].uses == 4


async def test_change_that_revises_the_procedure_never_deprecates_it(memory: Memory) -> None:
    await put(memory, make("p"))
    await learn(memory, trajectory(task(0), success=False, retrieved=(("p", 1),)), revise("p", 1, script="mended"), rule=EAGER)
    procedure = await stored(memory, "p")
    assert [each.cause.kind for each in procedure.revisions] == ["built", "adjusted"]
    assert (procedure.current.status, procedure.credit.get(2)) == ("active", None)


async def test_adjusted_revision_starts_at_zero_uses(memory: Memory) -> None:
    await put(memory, make("p"))
    await use(memory, False, False)
    await learn(memory, trajectory(task(10), success=False, retrieved=(("p", 1),)), revise("p", 1), rule=RULE)
    await use(memory, False, False, revision=2)
    assert (await stored(memory, "p")).current.status == "active"
    await use(memory, False, revision=2)
    assert (await stored(memory, "p")).current.status == "deprecated"


async def test_late_failure_that_adjusts_a_deprecated_procedure_makes_it_active(memory: Memory) -> None:
    await put(memory, make("p"))
    await use(memory, False, False, False)
    await learn(memory, trajectory(task(10), success=False, retrieved=(("p", 1),)), revise("p", 2, script="mended"), rule=RULE)
    procedure = await stored(memory, "p")
    assert [each.status for each in procedure.revisions] == ["active", "deprecated", "active"]
    assert procedure.current.content.script == "mended"


async def test_deprecated_procedure_is_out_of_retrieval_until_it_is_active_again(memory: Memory) -> None:
    await put(memory, make("p"), make("q", at=at(0, 1)))
    await use(memory, False, False, False)
    assert [hit.procedure for hit in (await memory.index.nearest(at(1), 5, "alfworld")).hits] == ["q"]
    await put(memory, revise("p", 2, kind="merged"))
    assert [(hit.procedure, hit.revision) for hit in (await memory.index.nearest(at(1), 5, "alfworld")).hits] == [("p", 3), ("q", 1)]
