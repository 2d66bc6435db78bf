"""A server that is emptied, and groups that are destroyed, while workers wait and play."""

from collections import Counter
from pathlib import Path

import anyio
import pytest

from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.read import read_procedures
from runtime.bus.namespace import Namespace, open_namespace
from runtime.keys import CURATORS, WORKERS
from runtime.server import connect
from tests.experiments.command import Memp
from tests.experiments.command import until as until_true
from tests.faults import poison_env
from tests.faults.scene import LEARNING, acting, own_scene, progressed, room, scene, slowly
from tests.faults.servers import own_server
from tests.support import dead_letters

pytestmark = pytest.mark.timeout(240)

TASKS = 8


async def test_server_emptied_while_processes_wait_serves_what_is_submitted_then(
    namespace_name: str, household: Path, tmp_path: Path
) -> None:
    async with own_scene(namespace_name, household, tmp_path, acting) as playing:
        namespace, client = playing.namespace, playing.namespace.client
        await playing.start("worker", MEMP_SLOTS="2")
        await playing.start(*LEARNING)
        await playing.at_work(1)
        recalling = [room(index) for index in range(TASKS)]
        recalling = [each.model_copy(update={"spec": each.spec.model_copy(update={"use_memory": True})}) for each in recalling]
        await namespace.submit_tasks(recalling[:2])
        await progressed(namespace, lambda now: now.applied == 2)
        await client.flushall()
        again = await open_namespace(client, namespace_name)
        await again.submit_tasks(recalling)
        await progressed(again, lambda now: now.applied >= TASKS)
        assert await dead_letters(again) == []
        assert (await again.progress()).committed == TASKS
        procedures = await read_procedures(client, again.keys)
        assert Counter(source for each in procedures for source in each.sources) == {f"1:t{index}": 1 for index in range(TASKS)}


async def test_groups_destroyed_while_processes_play_are_rebuilt_and_each_task_is_done_once(
    namespace: Namespace, server_url: str, household: Path, tmp_path: Path
) -> None:
    client = namespace.client
    async with scene(namespace, server_url, household, tmp_path, slowly(0.1)) as playing:
        await playing.start("worker", MEMP_SLOTS="2")
        await playing.start(*LEARNING)
        await playing.at_work(1)
        await namespace.submit_tasks([room(index) for index in range(TASKS)])
        for due in (2, 4):
            await progressed(namespace, lambda now, due=due: now.committed >= due)
            await namespace.remove_group(namespace.keys.tasks, WORKERS)
            await namespace.remove_group(namespace.keys.trajectories, CURATORS)
        await progressed(namespace, lambda now: now.applied >= TASKS)
        progress = await namespace.progress()
        assert (progress.submitted, progress.committed, progress.dead, progress.applied) == (TASKS, TASKS, 0, TASKS)
        assert await client.xlen(namespace.keys.changes) == TASKS
        assert await client.xlen(namespace.keys.tasks) == 0


async def test_run_whose_server_is_emptied_says_so_and_the_same_command_completes_it(tmp_path: Path) -> None:
    async with own_server(tmp_path / "server") as url, connect(url) as client, stand_in(Options(latency_ms=60)) as model:
        memp = Memp(tmp_path, model.base_url)
        command = ("online", "--model", "stand-in-strong", "--env", poison_env.__name__, "--exp-name", "emptied", "--batch-size", "2")
        environment = {"REDIS_URL": url, "MEMP_ENVIRONMENTS": poison_env.__name__}
        async with memp.start(*command, **environment) as run:
            await until_true(lambda: len(memp.rows("emptied")) >= 3)
            await client.flushall()
            with anyio.fail_after(40):
                assert await run.wait() == 1
        assert "was emptied" in memp.output
        assert "Traceback" not in memp.output
        before = memp.rows("emptied")
        code, output = await memp.run(*command, **environment)
        assert code == 0, output
        rows = memp.rows("emptied")
        assert rows[: len(before)] == before
        assert len({row.task_id for row in rows}) == len(rows) == 12
        assert {row.outcome for row in rows} == {"finished"}
