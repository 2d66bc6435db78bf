"""A curator that stands still for longer than its lease, and goes on as if nothing had happened."""

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from memory.fold import fingerprint
from tests.events import task, trajectory
from tests.faults.curation import APPLICATION, Curation, Teacher, curation
from tests.faults.proxy import Proxy
from tests.memory.changes import new, put, stored
from tests.support import until

FAILED = trajectory(task(0), success=False, retrieved=(("p", 1),))


class Varying(Teacher):
    """Never answers the same twice."""

    def answer(self, whose: str, text: str) -> str:
        return f"Steps:\n1. answer {self.asked[whose, text]}"


@asynccontextmanager
async def zombie(url: str, name: str, folder: Path, word: bytes, heir_url: str) -> AsyncGenerator[tuple[Curation, Proxy, str]]:
    """A curator that was stopped with a request that holds `word` on its way, and whose trajectory another has."""
    async with Proxy(url).serving() as proxy, curation(url, name, folder, through=proxy.url, teacher=Varying()) as works:
        await put(works.memory, new("p"))
        stopped = await works.start()
        await works.at_work(1)
        proxy.stall(word)
        await works.memory.namespace.submit_trajectories([FAILED])
        await proxy.stalled.wait()
        holder = await works.holder()
        assert holder
        stopped.send_signal(signal.SIGSTOP)
        works.teacher.held = {"adjustment"}
        await works.start(REDIS_URL=heir_url)
        await until(works.holder, lambda now: now != holder)
        yield works, proxy, holder


async def wake(works: Curation, proxy: Proxy, holder: str) -> None:
    """What it sent reaches the server, and it has heard that it lost its trajectory."""
    proxy.let_go()
    works.process(holder).send_signal(signal.SIGCONT)

    log = anyio.Path(works.playing.folder / "curator-0.log")

    async def told() -> bool:
        text = await log.read_text()
        return any(word in text for word in ("work_dropped", "lease_lost", "trajectory_applied"))

    await until(told)


async def whole(works: Curation) -> None:
    """The one that was a zombie learns on, and all was applied once."""
    await works.memory.namespace.submit_trajectories([trajectory(task(1), retrieved=(("p", 1),))])
    await works.applied(2)
    assert await works.learned() == {"1:task-0": 1, "1:task-1": 1}
    assert (await stored(works.memory, "p")).credit[1].uses == 2


@pytest.mark.parametrize("heir_is_first", [True, False])
async def test_zombie_that_applies_late_is_refused_and_its_heirs_revision_is_the_one(
    server_url: str, namespace_name: str, tmp_path: Path, heir_is_first: bool
) -> None:
    heirs = Proxy(server_url)
    heirs.stall(b"" if heir_is_first else APPLICATION)
    async with heirs.serving(), zombie(server_url, namespace_name, tmp_path, APPLICATION, heirs.url) as (works, proxy, holder):
        if heir_is_first:
            await works.applied(1)
        else:
            await heirs.stalled.wait()
        before = await fingerprint(works.memory.namespace)
        await wake(works, proxy, holder)
        assert await fingerprint(works.memory.namespace) == before
        heirs.let_go()
        await works.applied(1)
        assert works.teacher.requests("adjustment") == 1, "the answer stood in the journal"
        await whole(works)


async def test_zombie_that_writes_to_the_journal_is_refused_and_the_heirs_answer_is_applied(
    server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    async with zombie(server_url, namespace_name, tmp_path, b"adjustment:", server_url) as (works, proxy, holder):
        await works.requested("adjustment", 2)
        namespace = works.memory.namespace
        journal = namespace.keys.journal(1, "curator:task-0")
        before = await namespace.client.hgetall(journal)
        await wake(works, proxy, holder)
        assert await namespace.client.hgetall(journal) == before
        assert {field.split(b":")[0] for field in before} == {b"attempt"}
        works.teacher.held = set()
        await works.applied(1)
        assert (await stored(works.memory, "p")).current.content.script == "Steps:\n1. answer 2"
        await whole(works)
