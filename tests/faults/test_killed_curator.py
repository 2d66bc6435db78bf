"""A curator that is killed while it learns: from asking the model to hearing that memory has changed."""

from collections import Counter
from pathlib import Path

import pytest

from memory.procedure import Credit
from runtime.events import Trajectory
from tests.events import task, trajectory
from tests.faults.curation import APPLICATION, Curation, curation
from tests.faults.proxy import Proxy
from tests.memory.changes import new, put, stored
from tests.support import until


def lesson(index: int, role: str) -> Trajectory:
    """An episode that used procedure `p<index>`, and that this role of the model is asked about."""
    goal = f"put a mug in shelf {index}."
    return trajectory(task(index, goal=goal), success=role != "adjustment", retrieved=((f"p{index}", 1),))


async def lost(proxy: Proxy) -> int:
    return proxy.lost


async def kill(works: Curation) -> None:
    """SIGKILL to the curator that has the trajectory."""
    holder = await works.holder()
    assert holder
    works.process(holder).kill()
    await works.process(holder).wait()


async def killed_while_asking(works: Curation, proxy: Proxy, role: str, index: int) -> Counter[str]:
    works.teacher.held = {role}
    await works.memory.namespace.submit_trajectories([lesson(index, role)])
    await works.requested(role, index + 1)
    await kill(works)
    works.teacher.held = set()
    return Counter({role: 1})


async def killed_with_the_answer(works: Curation, proxy: Proxy, role: str, index: int) -> Counter[str]:
    """Before the answer stands in the journal."""
    proxy.stall(f"{role}:".encode())
    await works.memory.namespace.submit_trajectories([lesson(index, role)])
    await proxy.stalled.wait()
    await kill(works)
    proxy.stall(b"")
    return Counter({role: 1})


async def killed_before_the_write(works: Curation, proxy: Proxy, role: str, index: int) -> Counter[str]:
    proxy.stall(APPLICATION)
    await works.memory.namespace.submit_trajectories([lesson(index, role)])
    await proxy.stalled.wait()
    await kill(works)
    proxy.stall(b"")
    return Counter()


POINTS = (killed_while_asking, killed_with_the_answer, killed_before_the_write)


@pytest.mark.parametrize("role", ["builder", "adjustment", "facts"])
async def test_curator_killed_at_any_point_leaves_one_revision_and_one_credit_and_only_the_call_in_flight_repeats(
    server_url: str, namespace_name: str, tmp_path: Path, role: str
) -> None:
    expected: Counter[str] = Counter()
    async with (
        Proxy(server_url).serving() as proxy,
        curation(server_url, namespace_name, tmp_path, through=proxy.url) as works,
    ):
        await put(works.memory, *(new(f"p{index}") for index in range(4)))
        await works.start("--facts")
        for index, killed in enumerate(POINTS):
            await works.start("--facts")
            await works.at_work(2)
            expected += await killed(works, proxy, role, index)
            await works.applied(index + 1)
            assert works.teacher.repeated() == expected, killed.__name__
        await killed_after_the_write(works, proxy, role)
        await works.start("--facts")
        await works.at_work(1)
        assert works.teacher.repeated() == expected
        await learned_once(works, role)


async def killed_after_the_write(works: Curation, proxy: Proxy, role: str) -> None:
    """What is applied is acknowledged, too, in the same step: the heir finds nothing to do."""
    [victim] = [each for each in works.playing.processes.values() if each.returncode is None]
    proxy.lose(1_000_000, APPLICATION)
    await works.memory.namespace.submit_trajectories([lesson(3, role)])
    await until(lambda: lost(proxy))
    assert (await works.learned())["1:task-3"] == 1
    assert (await works.pending(), await works.waiting()) == ([], 0)
    assert victim.returncode is None
    victim.kill()
    await victim.wait()
    proxy.lose(0)


async def learned_once(works: Curation, role: str) -> None:
    """Each episode made one revision and gave one credit; no journal is left."""
    ids = [f"1:task-{index}" for index in range(4)]
    assert await works.learned() == Counter(ids)
    everything = await works.memory.get_all(await works.memory.ids())
    causes = Counter(name for each in everything for revision in each.revisions for name in revision.cause.trajectories)
    assert causes == Counter(ids)
    for index in range(4):
        used = await stored(works.memory, f"p{index}")
        assert used.credit[1] == Credit(uses=1, successes=role != "adjustment")
        assert used.current.number == 1 + (role == "adjustment")
    namespace = works.memory.namespace
    assert [key async for key in namespace.client.scan_iter(match=f"{namespace.keys.prefix}journal:*")] == []
    assert (await namespace.progress()).applied == 4
