"""Several curators that revise one procedure at once: compare-and-set lets one through, and the others begin anew."""

from pathlib import Path

from runtime.events import Trajectory
from tests.events import task, trajectory
from tests.faults.curation import curation
from tests.memory.changes import new, put, stored


def failures(count: int) -> list[Trajectory]:
    """Episodes that used procedure `p` and failed; the model is asked about each in other words."""
    tasks = [task(index, goal=f"put a mug in shelf {index}.") for index in range(count)]
    return [trajectory(each, success=False, retrieved=(("p", 1),)) for each in tasks]


async def test_two_curators_that_adjust_one_procedure_at_once_leave_both_failures_in_its_history(
    server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    async with curation(server_url, namespace_name, tmp_path) as works:
        await put(works.memory, new("p"))
        works.teacher.held = {"adjustment"}
        for _ in range(2):
            await works.start(MEMP_CURATOR_SLOTS="1")
        await works.at_work(2)
        await works.memory.namespace.submit_trajectories(failures(2))
        await works.requested("adjustment", 2)  # both from revision 1
        assert len({held["consumer"] for held in await works.pending()}) == 2
        works.teacher.held = set()
        await works.applied(2)

        _, second, third = (await stored(works.memory, "p")).revisions
        assert {*second.cause.trajectories, *third.cause.trajectories} == {"1:task-0", "1:task-1"}
        assert await works.learned() == {"1:task-0": 1, "1:task-1": 1}
        # Asked once more by the one that came second, and from what the first had made of the procedure.
        assert works.teacher.requests("adjustment") == 3
        assert second.content.script
        assert sum(second.content.script in text for _, text in works.teacher.asked) == 1
        assert works.teacher.repeated() == {}


async def test_three_curators_and_twelve_failures_make_twelve_revisions(server_url: str, namespace_name: str, tmp_path: Path) -> None:
    async with curation(server_url, namespace_name, tmp_path) as works:
        await put(works.memory, new("p"))
        works.teacher.held = {"adjustment"}
        for _ in range(3):
            await works.start(MEMP_CURATOR_SLOTS="4")
        await works.at_work(3)
        await works.memory.namespace.submit_trajectories(failures(12))
        await works.requested("adjustment", 3)  # one of each curator, all from revision 1
        works.teacher.held = set()
        await works.applied(12)

        procedure = await stored(works.memory, "p")
        every = {f"1:task-{index}": 1 for index in range(12)}
        assert [revision.number for revision in procedure.revisions] == list(range(1, 14))
        assert sorted(name for revision in procedure.revisions for name in revision.cause.trajectories) == sorted(every)
        assert await works.learned() == every
        assert (procedure.credit[1].uses, procedure.credit[1].successes) == (12, 0)
        assert works.teacher.repeated() == {}, "one that lost the race asks about a newer revision, never the same again"
        assert works.teacher.requests("adjustment") >= 14, "two of the first three were refused"
        print(f"{works.teacher.requests('adjustment')} requests for 12 revisions")
