"""Trajectory events that come twice, or in another order: memory is what it is without."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from memory.fold import Fingerprint, fingerprint
from memory.procedure import Credit
from runtime.bus.consumer import Consumer
from runtime.bus.namespace import Namespace
from runtime.events import Trajectory
from runtime.keys import WORKERS, Keys
from runtime.server import connect
from tests.events import task, trajectory
from tests.faults.curation import Curation, curation
from tests.memory.changes import new, put
from tests.support import until

EPISODES = 12


def episodes(group: int | None) -> list[Trajectory]:
    """Successes for four goals, each better than the one before, and failures under two procedures."""
    found: list[Trajectory] = []
    for index in range(EPISODES):
        of = task(index, goal=f"put a mug in shelf {index % 4}.", group=group)
        used = (("p", 1), ("q", 1)) if index % 2 else (("q", 1),)
        found.append(trajectory(of, success=index % 3 != 2, steps=20 - index, retrieved=used))
    return found


async def publish(namespace: Namespace, played: Sequence[Trajectory], *, repeat: int = 1) -> None:
    """Commit in this order as a worker does; then put each event on the stream so many times in all, mixed."""
    await namespace.submit_tasks([each.task for each in sorted(played, key=lambda each: each.task.index)])
    worker = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="worker", lease=60.0)
    await worker.register()
    held = {delivery.payload: delivery for delivery in await worker.read(100, block=0.1)}
    for each in played:
        await namespace.commit(held[each.task.model_dump_json().encode()], each)
    again = [each for each in played for _ in range(repeat - 1)]
    random.Random(7).shuffle(again)
    for each in again:
        await namespace.client.xadd(namespace.keys.trajectories, {"event": each.model_dump_json()})


async def drained(works: Curation) -> None:
    """Wait until nothing is left of the stream, duplicates included."""

    async def left() -> tuple[int, int]:
        return await works.waiting(), len(await works.pending())

    await until(left, lambda found: found == (0, 0))


@dataclass(frozen=True)
class Outcome:
    """What memory is after a run, and what it cost."""

    memory: Fingerprint
    counters: tuple[int, int, int, int]
    """Committed, dead, applied, dropped."""
    applied: set[str]
    credit: list[tuple[str, dict[int, Credit]]]
    asked: int
    repeated: Counter[str]


async def learn(
    url: str, name: str, folder: Path, played: Sequence[Trajectory], *, repeat: int = 1, curators: int = 2, slots: int = 8
) -> Outcome:
    """Have a memory of this very name (which the ids of procedures follow from) learn from these events."""
    await anyio.Path(folder).mkdir()
    await wipe(url, name)
    async with curation(url, name, folder, search=False) as works:
        await put(works.memory, new("p"), new("q"))
        await publish(works.memory.namespace, played, repeat=repeat)
        for _ in range(curators):
            await works.start(MEMP_CURATOR_SLOTS=str(slots))
        await works.applied(len(played))
        await drained(works)
        assert await works.learned() == {each.id: 1 for each in played}
        return await outcome(works)


async def wipe(url: str, name: str) -> None:
    async with connect(url) as client:
        async for key in client.scan_iter(match=f"{Keys(name).prefix}*"):
            await client.unlink(key)


async def outcome(works: Curation) -> Outcome:
    namespace, teacher = works.memory.namespace, works.teacher
    assert [key async for key in namespace.client.scan_iter(match=f"{namespace.keys.prefix}journal:*")] == [], "no journal is left"
    progress = await namespace.progress()
    applied: set[bytes] = await namespace.client.smembers(namespace.keys.applied(1))
    return Outcome(
        memory=await fingerprint(namespace),
        counters=(progress.committed, progress.dead, progress.applied, progress.dropped),
        applied={each.decode() for each in applied if not each.startswith(b"command:")},
        credit=[(each.id, each.credit) for each in await works.memory.get_all(["p", "q"])],
        asked=sum(teacher.asked.values()),
        repeated=teacher.repeated(),
    )


async def test_events_duplicated_or_reordered_in_a_group_leave_memory_byte_identical(
    plain_server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    played = episodes(group=0)
    mixed = random.Random(5).sample(played, len(played))
    plain = await learn(plain_server_url, namespace_name, tmp_path / "plain", played)
    thrice = await learn(plain_server_url, namespace_name, tmp_path / "thrice", played, repeat=3)
    reordered = await learn(plain_server_url, namespace_name, tmp_path / "reordered", mixed)
    assert plain.memory.procedures == 6
    for other in (thrice, reordered):
        assert (other.memory, other.counters, other.applied, other.credit) == (plain.memory, plain.counters, plain.applied, plain.credit)


async def test_events_duplicated_in_a_free_run_leave_memory_byte_identical_and_ask_the_model_nothing_more(
    plain_server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    """By one curator, one after the other: with more, the order of the same events is chance."""
    plain, thrice = [
        await learn(plain_server_url, namespace_name, tmp_path / str(repeat), episodes(group=None), repeat=repeat, curators=1, slots=1)
        for repeat in (1, 3)
    ]
    assert thrice == plain
    assert thrice.repeated == {}


async def test_events_reordered_and_duplicated_in_a_free_run_are_the_same_set_with_the_same_counters(
    plain_server_url: str, namespace_name: str, tmp_path: Path
) -> None:
    played = episodes(group=None)
    mixed = random.Random(5).sample(played, len(played))
    plain = await learn(plain_server_url, namespace_name, tmp_path / "plain", played)
    reordered = await learn(plain_server_url, namespace_name, tmp_path / "reordered", mixed, repeat=2)
    assert (reordered.counters, reordered.applied, reordered.credit) == (plain.counters, plain.applied, plain.credit)
    assert reordered.applied == {each.id for each in played}
