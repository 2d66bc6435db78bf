"""A server that is killed while curators build: they heal, and each trajectory is applied once."""

from pathlib import Path

import anyio

from tests.events import task, trajectory
from tests.faults.curation import Curation, Teacher, curation
from tests.faults.servers import kill_server, own_server
from tests.memory.changes import new, put, stored
from tests.support import until

EPISODES, KILLS = 60, 3
HEALING = 10.0
"""Seconds from the server's death until memory changes again."""


class Slow(Teacher):
    """Takes its time, so that the server's deaths fall into all stages of learning."""

    async def reply(self, messages: list[dict[str, str]]) -> str | int:
        await anyio.sleep(0.15)
        return await super().reply(messages)


async def applied(works: Curation) -> int:
    return (await works.memory.namespace.progress()).applied


async def test_server_killed_again_and_again_while_curators_build_has_each_trajectory_applied_once(
    namespace_name: str, tmp_path: Path
) -> None:
    async with (
        own_server(tmp_path / "server") as url,
        curation(url, namespace_name, tmp_path, teacher=Slow()) as works,
    ):
        namespace = works.memory.namespace
        await put(works.memory, *(new(f"p{number}") for number in range(3)))
        tasks = [task(index, goal=f"put a mug in shelf {index % 20}.") for index in range(EPISODES)]
        used = [((f"p{index % 3}", 1),) for index in range(EPISODES)]
        played = [trajectory(of, success=of.index % 2 == 0, steps=90 - of.index, retrieved=used[of.index]) for of in tasks]
        for _ in range(2):
            await works.start(MEMP_CURATOR_SLOTS="4")
        await works.at_work(2)
        await namespace.submit_trajectories(played)
        healing: list[float] = []
        for kill in range(KILLS):
            await works.applied(EPISODES // 10 * (kill + 1))
            await kill_server(url)
            began, before = anyio.current_time(), await applied(works)
            await until(lambda: applied(works), lambda now, before=before: now > before)
            healing.append(anyio.current_time() - began)
        await works.applied(EPISODES)
        assert max(healing) <= HEALING
        assert await works.learned() == {each.id: 1 for each in played}
        for number in range(3):
            credit = (await stored(works.memory, f"p{number}")).credit[1]
            assert (credit.uses, credit.successes) == (20, 10)
        everything = await works.memory.get_all(await works.memory.ids())
        causes = [name for each in everything for revision in each.revisions for name in revision.cause.trajectories]
        assert len(causes) == len(set(causes)), "no revision twice"
        assert (await works.pending(), await works.waiting()) == ([], 0)
        repeated = works.teacher.repeated().total()
        assert repeated <= KILLS * 2 * 4, "no more than were in flight"
        print(f"healed within {max(healing):.1f} s; {repeated} of {sum(works.teacher.asked.values())} requests repeated")
