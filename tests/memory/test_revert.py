"""Going back to an earlier revision: a new one that says the same, found again by both kinds of index."""

import anyio
import pytest

from memory.revert import revert
from memory.store import Memory
from runtime.errors import UsageError
from tests.events import task, trajectory
from tests.memory.changes import EAGER, fact, learn, new, put, revise, stored, vector
from tests.support import Place, opened


async def revised(memory: Memory) -> None:
    """`p` at revision 2, after one use and one failure of the first."""
    await put(memory, new("p", script="right", steps=4, facts=(fact("object", "mug", vector(1)),)), new("other", at=vector(0, 1)))
    await put(memory, revise("p", 1, script="wrong", steps=9))


async def test_revert_adds_a_revision_that_starts_at_zero_uses(memory: Memory) -> None:
    await revised(memory)
    await learn(memory, trajectory(task(0), retrieved=(("p", 1), ("p", 2))))
    assert (await revert(memory.namespace, "p", 1)).number == 3
    procedure = await stored(memory, "p")
    first, _, last = procedure.revisions
    assert (last.cause.kind, last.status) == ("reverted", "active")
    assert (last.content, last.steps, last.success) == (first.content, first.steps, first.success)
    assert procedure.credit.get(3) is None
    await learn(memory, trajectory(task(1), success=False, retrieved=(("p", 3),)))
    assert (await stored(memory, "p")).current.status == "active"


async def test_revert_brings_a_deprecated_procedure_and_its_facts_back_into_retrieval(place: Place, namespace_name: str) -> None:
    async with opened(place, namespace_name) as memory:
        await revised(memory)
        await learn(memory, trajectory(task(0), success=False, retrieved=(("p", 2),)), rule=EAGER)
        assert [hit.procedure for hit in (await memory.index.nearest(vector(1), 5, "alfworld")).hits] == ["other"]
        assert (await memory.index.matching({"object": vector(1)}, 0.5, 5, "alfworld")).hits == []
        await revert(memory.namespace, "p", 1)
        [hit, _] = (await memory.index.nearest(vector(1), 5, "alfworld")).hits
        assert (hit.procedure, hit.revision, hit.content.script) == ("p", 4, "right")
        assert [hit.procedure for hit in (await memory.index.matching({"object": vector(1)}, 0.5, 5, "alfworld")).hits] == ["p"]


async def test_revert_to_the_revision_that_was_deprecated_restores_it(memory: Memory) -> None:
    await revised(memory)
    await learn(memory, trajectory(task(0), success=False, retrieved=(("p", 2),)), rule=EAGER)
    await revert(memory.namespace, "p", 3)
    current = (await stored(memory, "p")).current
    assert (current.number, current.status, current.content.script) == (4, "active", "wrong")


async def test_revert_beside_others_loses_no_revision(memory: Memory) -> None:
    await revised(memory)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(revert, memory.namespace, "p", 1)
    assert [revision.number for revision in (await stored(memory, "p")).revisions] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("procedure", "to", "message"),
    [
        ("none", 1, "has no procedure none"),
        ("p", 7, "has no revision 7: it has 1, 2"),
        ("p", 0, "no revision 0"),
        ("p", 2, "nothing to revert"),
    ],
)
async def test_revert_to_what_is_not_there_is_refused(memory: Memory, procedure: str, to: int, message: str) -> None:
    await revised(memory)
    with pytest.raises(UsageError, match=message):
        await revert(memory.namespace, procedure, to)
    assert (await memory.namespace.progress()).version == 2
