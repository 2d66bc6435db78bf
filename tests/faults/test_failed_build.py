"""A build that fails for good: its credit is given all the same, it alone is dead-lettered, and its retry credits nothing again."""

from pathlib import Path

import pytest

from memory.procedure import Credit
from tests.events import task, trajectory
from tests.faults.curation import curation
from tests.memory.changes import new, put, stored
from tests.support import dead_letters, until


@pytest.mark.parametrize(
    ("answer", "reason", "asked"),
    [
        (400, "build: RequestRejected", 3),
        ("```\n```", "build: ProcedureError", 1),  # an answer, though of no use: it stands in the journal
    ],
)
async def test_build_that_fails_for_good_is_dead_lettered_alone_and_its_retry_credits_nothing(
    server_url: str, namespace_name: str, tmp_path: Path, answer: int | str, reason: str, asked: int
) -> None:
    async with curation(server_url, namespace_name, tmp_path) as works:
        namespace = works.memory.namespace
        await put(works.memory, new("p"), new("q"))
        works.teacher.refuses = answer
        success = trajectory(task(0), retrieved=(("p", 1), ("q", 1)))
        failure = trajectory(task(1), success=False, retrieved=(("q", 1),))  # adjusted on, which no builder is asked for
        await works.start()
        await works.start()
        await works.at_work(2)
        await namespace.submit_trajectories([success, failure])
        await works.applied(2)

        kinds = {change.trajectory: change.kind for change in await works.changes()}
        assert (kinds["1:task-0"], kinds["1:task-1"]) == ("build_failed", "learned")
        [letter] = await dead_letters(namespace)
        assert (letter.task, letter.deliveries) == ("task-0", 3)
        assert letter.reason.startswith(reason)
        assert works.teacher.requests("builder") == asked
        given = {"p": Credit(uses=1, successes=1), "q": Credit(uses=2, successes=1)}
        assert {name: (await stored(works.memory, name)).credit[1] for name in "pq"} == given
        assert await works.memory.ids() == ["p", "q"]

        works.teacher.refuses = None
        assert await (await works.playing.start("dead", "retry", "--all")).wait() == 0

        async def procedures() -> int:
            return len(await works.memory.ids())

        await until(procedures, lambda count: count == 3)
        [built] = [each for each in await works.memory.get_all(await works.memory.ids()) if each.id not in given]
        assert (built.goal, built.sources) == (task(0).goal, ("1:task-0",))
        assert {name: (await stored(works.memory, name)).credit[1] for name in "pq"} == given
        assert (await dead_letters(namespace), (await namespace.progress()).applied) == ([], 2)
