"""Entries that should not be there, or are there no more: nothing is lost, nothing loops, and the cause is named."""

import ast
from pathlib import Path
from typing import Any

import runtime
from memory.read import read_procedures
from runtime.bus.consumer import Consumer
from runtime.bus.namespace import Namespace
from runtime.bus.trimmed import restore_tasks
from runtime.keys import WORKERS
from tests.events import trajectory
from tests.faults.scene import LEARNING, Player, Scene, acting, progressed, room, scene
from tests.support import dead_letters, until

HUGE = 12 << 20
HOUR = 3_600_000
"""Milliseconds."""


async def holding_step_1(player: Player) -> int:
    return player.asked[1]


async def told(playing: Scene, word: str) -> bool:
    return word in playing.logs("worker")


def rooms_player() -> Player:
    return Player(["do 0", "do 1", "do 2"])


async def test_entry_trimmed_while_it_is_played_is_put_back_and_played_on_from_its_journal(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    player = rooms_player()
    player.held = 1
    async with scene(namespace, server_url, household, tmp_path, player.reply) as playing:
        await playing.start("worker")
        await playing.at_work(1)
        await namespace.submit_tasks([room(0)])
        await until(lambda: holding_step_1(player))
        await namespace.client.xtrim(namespace.keys.tasks, maxlen=0, approximate=False)
        await until(lambda: told(playing, "lease_lost"))  # until then the episode would go on, to be cut off behind the next answer
        assert "entry_deleted_while_held" in playing.logs("worker")
        player.held = None
        await playing.settled(1)
        [played] = await playing.trajectories()
        assert played.success
        assert player.asked[0] == player.asked[2] == 1, "what stands in the journal is asked once"
        assert (await namespace.progress()).committed == 1
        assert await namespace.client.xlen(namespace.keys.tasks) == 0
        pending: Any = await namespace.client.xpending(namespace.keys.tasks, WORKERS)
        assert pending["pending"] == 0


async def test_entry_trimmed_while_it_is_pending_with_nobody_is_named_and_a_resumed_run_adds_it_again(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    async with scene(namespace, server_url, household, tmp_path, acting) as playing:
        tasks = [room(index) for index in range(3)]
        await namespace.submit_tasks(tasks)
        dead = Consumer(namespace.client, namespace.keys.tasks, WORKERS, name="dead", lease=60.0)
        await dead.register()
        [delivery] = await dead.read(1, block=0.1)
        await namespace.client.xdel(namespace.keys.tasks, delivery.entry)
        await playing.start("worker")
        await playing.settled(2)
        await until(lambda: told(playing, "entry_deleted_while_pending"))
        assert delivery.entry in playing.logs("worker")
        assert await namespace.submit_tasks(tasks) == 0
        assert await restore_tasks(namespace, tasks) == 1
        await playing.settled(3)
        assert await restore_tasks(namespace, tasks) == 0
        assert sorted(each.task.index for each in await playing.trajectories()) == [0, 1, 2]
        assert (await namespace.progress()).submitted == 3


async def test_huge_observations_are_committed_and_learned(namespace: Namespace, server_url: str, household: Path, tmp_path: Path) -> None:
    async with scene(namespace, server_url, household, tmp_path, acting) as playing:
        # The last observation goes to no model; the first does, which refuses so long a request.
        await namespace.submit_tasks([room(0, flood=HUGE, at=3), room(1, flood=HUGE, at=1), room(2)])
        await playing.start("worker", MEMP_SLOTS="3")
        await playing.settled(3)
        played = {each.task.index: each for each in await playing.trajectories()}
        assert (played[0].success, played[2].success) == (True, True)
        assert len(played[0].steps[-1].observation) > HUGE
        assert (played[1].outcome, len(played[1].steps)) == ("aborted", 1)
        assert "RequestRejected" in (played[1].reason or "")
        await playing.start(*LEARNING)
        await progressed(namespace, lambda now: now.applied == 3)
        bodies = [each.current.content.trajectory or "" for each in await read_procedures(namespace.client, namespace.keys)]
        assert len(bodies) == 2
        assert max(map(len, bodies)) > HUGE
        assert await dead_letters(namespace) == []


async def test_events_of_an_older_writer_are_processed_and_what_cannot_be_read_is_named_and_holds_nobody_up(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    """There is one schema so far: an older writer of it is one that knew no field that has a default."""
    client, keys = namespace.client, namespace.keys
    async with scene(namespace, server_url, household, tmp_path, acting) as playing:
        for stream, event in ((keys.tasks, room(2)), (keys.trajectories, trajectory(room(3), steps=1))):
            await client.xadd(stream, {"event": b"\xff\x00{"})
            await client.xadd(stream, {"something": "else"})
            await client.xadd(stream, {"event": event.model_dump_json().replace('"v":1', '"v":2', 1)})
            await client.xadd(stream, {"event": event.model_dump_json().replace('"v":1', '"v":1,"mood":"good"', 1)})
        await client.xadd(keys.tasks, {"event": room(0).model_dump_json(exclude_defaults=True)})
        await client.xadd(keys.trajectories, {"event": trajectory(room(1), steps=1).model_dump_json(exclude_defaults=True)})
        await playing.start("worker")
        await playing.start(*LEARNING)
        await progressed(namespace, lambda now: now.applied == 2)
        letters = await until(lambda: dead_letters(namespace), lambda found: len(found) == 8)
        for stream in (keys.tasks, keys.trajectories):
            reasons = [letter.reason.split(": ", 1)[1] for letter in letters if letter.stream == stream]
            assert [reason.split(":")[0] for reason in reasons[2:]] == ["v", "mood"], reasons
            assert await client.xlen(stream) == 0
        assert {letter.deliveries for letter in letters} == {1}
        assert sum(letter.payload.startswith('{"v":2') for letter in letters) == 2
        sources = {source for each in await read_procedures(client, keys) for source in each.sources}
        assert sources == {"1:t0", "1:t1"}


SKEWED = """
import time

_real = time.time
time.time = lambda: _real() + {seconds}
time.time_ns = lambda: int(time.time() * 1e9)
"""


async def test_clocks_an_hour_apart_lose_nothing(namespace: Namespace, server_url: str, household: Path, tmp_path: Path) -> None:
    """The server's clock steps, as its ids tell: an hour back, forth, and forth again; the processes' own is an hour off, too."""
    now = int((await namespace.client.time())[0]) * 1000
    for index, hours in enumerate((-1, 0, 1)):
        event = {"event": room(index).model_dump_json()}
        await namespace.client.xadd(namespace.keys.tasks, event, id=f"{now + hours * HOUR}-0")
    (tmp_path / "sitecustomize.py").write_text(SKEWED.format(seconds=-HOUR // 1000))
    async with scene(namespace, server_url, household, tmp_path, acting) as playing:
        await playing.start("worker", PYTHONPATH=str(tmp_path))
        await playing.start(*LEARNING, PYTHONPATH=str(tmp_path))
        await namespace.submit_tasks([room(3)])
        await progressed(namespace, lambda seen: seen.applied == 4)
        played = sorted(await read_procedures(namespace.client, namespace.keys), key=lambda each: each.goal)
        assert [source for each in played for source in each.sources] == [f"1:t{index}" for index in range(4)]
        assert await dead_letters(namespace) == []
        assert await namespace.client.xlen(namespace.keys.tasks) == 0


def test_no_process_compares_its_own_clock_with_another_ones() -> None:
    """Wall clocks are read where a date of the endpoint's is turned into seconds, and nowhere else on the way of an event."""
    root = Path(runtime.__file__).parents[1]
    reading = [
        path.relative_to(root).as_posix()
        for folder in ("runtime", "workers", "memory", "envs")
        for path in (root / folder).rglob("*.py")
        if _reads_a_wall_clock(ast.parse(path.read_text()))
    ]
    assert reading == ["runtime/model/faults.py"]


def _reads_a_wall_clock(tree: ast.AST) -> bool:
    clocks = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.datetime.now", "date.today"}
    return any(ast.unparse(node.func) in clocks for node in ast.walk(tree) if isinstance(node, ast.Call))
