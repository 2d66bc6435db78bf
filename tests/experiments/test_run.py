"""Whole runs with real processes, killed for real: online, offline, resumed, interrupted."""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import anyio
import psutil
import pytest

from envs.alfworld_env.households import generate
from experiments.stand_in.options import Options
from experiments.stand_in.server import stand_in
from memory.changes import read_changes
from memory.procedure import Header
from runtime.bus.consumer import register_group
from runtime.bus.namespace import Namespace, groups_of
from runtime.keys import CURATORS
from tests.experiments.command import Memp, children, kill, until
from tests.support import until as eventually

GAMES = 7
REAL = os.environ.get("ALFWORLD_DATA")
MODEL = ("--model", "stand-in-strong", "--env", "alfworld", "--split", "dev")
TOY = ("--model", "stand-in-strong", "--env", "bench.toy_env", "--split", "dev", "--max-steps", "4")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("households")
    generate(GAMES, 11, folder, "dev")
    return folder


@pytest.mark.timeout(240)
async def test_run_whose_worker_and_curator_are_killed_completes_with_nothing_lost_or_doubled(tmp_path: Path, data: Path) -> None:
    async with stand_in(Options(latency_ms=80)) as model:
        memp = Memp(tmp_path, model.base_url, data)
        async with memp.start("online", *MODEL, "--exp-name", "killed", "--batch-size", "4") as run:
            await until(lambda: model.stats.roles["agent"] >= 20)
            await kill(run, "worker")
            await until(lambda: model.stats.roles["builder"] >= 2, 120)
            await kill(run, "curator")
            with anyio.fail_after(180):
                assert await run.wait() == 0, memp.output
        rows = memp.rows("killed")
        assert Counter(row.task_id for row in rows) == {row.task_id: 1 for row in rows}
        assert len({row.game for row in rows}) == len(rows) == GAMES
        assert {row.outcome for row in rows} == {"finished"}
        status = await memp.status("killed")
        assert (status["progress"]["committed"], status["progress"]["applied"]) == (GAMES, GAMES)
        # Only what was in flight when a process died may be asked again: at most one call per episode or build in hand.
        assert sum(times - 1 for name, times in model.stats.repeated().items() if not name.startswith("embedding")) <= 4 + 8


@pytest.mark.timeout(240)
async def test_run_whose_driver_is_killed_goes_on_when_the_command_is_given_again(tmp_path: Path, data: Path) -> None:
    async with stand_in(Options(latency_ms=40)) as model:
        memp = Memp(tmp_path, model.base_url, data)
        command = ("online", *MODEL, "--exp-name", "resumed", "--batch-size", "2")
        async with memp.start(*command) as run:
            await until(lambda: len(memp.rows("resumed")) >= 2, 120)
            run.kill()
            await run.wait()
        before = memp.rows("resumed")
        code, output = await memp.run(*command)
        assert code == 0, output
        rows = memp.rows("resumed")
        assert rows[: len(before)] == before
        assert len({row.task_id for row in rows}) == len(rows) == GAMES
        code, output = await memp.run(*command)
        assert code == 0, output
        assert memp.rows("resumed") == rows


@pytest.mark.timeout(240)
async def test_run_interrupted_keeps_its_state_and_says_how_to_go_on(tmp_path: Path, data: Path) -> None:
    async with stand_in(Options(latency_ms=300)) as model:
        memp = Memp(tmp_path, model.base_url, data)
        async with memp.start("online", *MODEL, "--exp-name", "stopped", "--batch-size", "2", "--max-steps", "10") as run:
            await until(lambda: len(memp.rows("stopped")) >= 1, 120)
            run.send_signal(signal.SIGINT)
            with anyio.fail_after(30):
                assert await run.wait() == 130, memp.output
        assert "give the same command again" in memp.output
        assert "Traceback" not in memp.output
        progress = (await memp.status("stopped"))["progress"]
        assert progress["committed"] >= len(memp.rows("stopped")) >= 1


@pytest.mark.timeout(240)
@pytest.mark.parametrize("grouping", [(), ("--group-size", "3")])
async def test_run_whose_trajectory_was_trimmed_ends_and_says_so_each_time(
    tmp_path: Path, data: Path, namespace: Namespace, server_url: str, grouping: tuple[str, ...]
) -> None:
    name, stream, client = namespace.keys.namespace, namespace.keys.trajectories, namespace.client

    async def held() -> list[str]:
        groups = [each["name"] for each in await groups_of(client, stream)]
        return (
            [each["message_id"] for each in await client.xpending_range(stream, CURATORS, "-", "+", 1)]
            if CURATORS.encode() in groups
            else []
        )

    async with stand_in(Options(latency_ms=300)) as model:
        memp = Memp(tmp_path, model.base_url, data)
        command = ("online", *MODEL, "--exp-name", name, "--limit", "3", "--max-steps", "20", *grouping)
        async with memp.start(*command, REDIS_URL=server_url) as run:
            await eventually(held)
            await until(lambda: len(memp.rows(name)) >= 1)
            await kill(run, "curator")
            await client.xdel(stream, *await held())
            with anyio.fail_after(120):
                assert await run.wait() == 1, memp.output
        assert "1 trajectory can't be learned from" in memp.output.replace("\n", " ")
        assert len(memp.rows(name)) == 3
        code, output = await memp.run(*command, REDIS_URL=server_url)
        assert (code, "left the stream before" in " ".join(output.split())) == (1, True), output


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("memory", "undone"), [("--no-use-memory", "recorded"), ("--use-memory", "learned from")])
async def test_run_whose_trajectory_was_trimmed_before_anybody_read_it_ends_and_says_so_each_time(
    tmp_path: Path, data: Path, namespace: Namespace, server_url: str, memory: str, undone: str
) -> None:
    name = namespace.keys.namespace
    async with stand_in(Options(latency_ms=200)) as model:
        memp = Memp(tmp_path, model.base_url, data)
        command = ("online", *MODEL, "--exp-name", name, "--limit", "1", "--max-steps", "20", memory)
        async with memp.start(*command, REDIS_URL=server_url) as run:
            await eventually(namespace.in_flight)
            readers = [psutil.Process(run.pid), *children(run, "curator")]
            for each in readers:
                each.suspend()
            await eventually(namespace.progress, lambda now: now.committed == 1)
            assert await namespace.client.xtrim(namespace.keys.trajectories, maxlen=0, approximate=False) == 1
            for each in readers:
                each.resume()
            with anyio.fail_after(60):
                assert await run.wait() == 1, memp.output
        code, output = await memp.run(*command, REDIS_URL=server_url)
        assert code == 1, output
        for told in (memp.output, output):
            assert f"1 trajectory can't be {undone}: it left the stream before" in " ".join(told.split()), told
            assert "--overwrite" in told


@pytest.mark.timeout(240)
async def test_grouped_run_learns_in_groups_withholds_by_chance_and_leaves_a_report(tmp_path: Path, data: Path) -> None:
    by_chance = ("--holdout", "0.3", "--procedure-dropout", "0.5", "--deprecate", "uplift", "--update", "validation")
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, data)
        code, output = await memp.run("online", *MODEL, "--exp_name", "grouped", "--group_size", "4", "--batch_size", "4", *by_chance)
        assert code == 0, output
        rows = sorted(memp.rows("grouped"), key=lambda row: row.index)
        assert [row.group for row in rows] == [0] * 4 + [1] * 3
        with_memory = [row for row in rows if row.arm == "memory"]
        assert 0 < len(with_memory) < GAMES
        assert not any(row.retrieved or row.withheld for row in rows if row.arm == "control")
        versions = [{row.memory_version for row in with_memory if row.group == group} for group in range(2)]
        assert versions[0] == {0}
        assert all(len(seen) == 1 for seen in versions), "an episode saw memory change within its group"
        folder = tmp_path / "runs" / "grouped"
        uses = [use for change in read_changes(folder / "changes.jsonl")[1] for use in change.event.uses]
        assert {use.dropout for use in uses} == {0.5}
        assert Counter(use.withheld for use in uses) == {
            False: sum(len(row.retrieved) for row in rows),
            True: sum(len(row.withheld) for row in rows),
        }
        assert json.loads((folder / "summary.json").read_text())["n"] == GAMES
        assert (folder / "report.html").read_text().startswith("<!")
        assert len((folder / "memory.jsonl").read_text().splitlines()) > 1


@pytest.mark.timeout(240)
async def test_memory_that_is_empty_leaves_every_episode_as_the_controls(tmp_path: Path, data: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, data)
        empty = tmp_path / "empty.jsonl"
        empty.write_text(Header(embedding_model="stand-in-embedding", dimension=256).model_dump_json() + "\n")
        for name, flags in {"control": ("--no-use-memory",), "emptied": ("--memory", str(empty))}.items():
            code, output = await memp.run("offline", *MODEL, "--exp-name", name, "--limit", "4", *flags)
            assert code == 0, output
        played = [{row.game: (row.success, row.steps, row.usage) for row in memp.rows(name)} for name in ("control", "emptied")]
        assert len(played[0]) == 4
        assert played[0] == played[1]


@pytest.mark.timeout(240)
async def test_run_whose_results_lie_elsewhere_is_refused(tmp_path: Path, data: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, data)
        command = ("online", *MODEL, "--exp-name", "moved", "--limit", "1", "--no-use-memory")
        code, output = await memp.run(*command)
        assert code == 0, output
        code, output = await memp.run(*command, MEMP_RUNS_DIR=str(tmp_path / "other"))
        assert (code, "choose another --exp-name" in output) == (2, True), output


@pytest.mark.timeout(240)
async def test_run_that_is_under_way_is_refused_to_others_and_ends_as_if_they_had_not_asked(
    tmp_path: Path, namespace: Namespace, server_url: str
) -> None:
    name = namespace.keys.namespace
    async with stand_in(Options(latency_ms=500)) as model:
        memp = Memp(tmp_path, model.base_url)
        command = ("online", *TOY, "--exp-name", name, "--limit", "6", "--batch-size", "1")
        async with memp.start(*command, REDIS_URL=server_url) as run:
            await until(lambda: memp.rows(name))
            run.send_signal(signal.SIGSTOP)  # so that it is still under way, however slowly the others start
            for flags in ((), ("--overwrite",)):
                code, output = await memp.run(*command, *flags, REDIS_URL=server_url)
                assert (code, "under way in another process" in " ".join(output.split())) == (2, True), output
            run.send_signal(signal.SIGCONT)
            with anyio.fail_after(120):
                assert await run.wait() == 0, memp.output
        assert [row.outcome for row in memp.rows(name)] == ["finished"] * 6
        assert (await namespace.progress()).applied == 6


@pytest.mark.timeout(240)
async def test_run_whose_overwriting_was_killed_between_files_and_namespace_is_not_gone_on_with(tmp_path: Path) -> None:
    die = "import os, bin.memp, experiments.driver as d; d.open_namespace = lambda *_, **__: os._exit(9); bin.memp.main()"
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url)
        command = ("online", *TOY, "--exp-name", "half", "--limit", "1", "--no-use-memory")
        code, output = await memp.run(*command)
        assert code == 0, output
        killed = await anyio.run_process([sys.executable, "-c", die, *command, "--overwrite"], check=False, env=memp.environment)
        assert (killed.returncode, memp.rows("half")) == (9, [])
        code, output = await memp.run(*command)
        assert (code, "--overwrite" in output) == (2, True), output
        code, output = await memp.run(*command, "--overwrite")
        assert (code, len(memp.rows("half"))) == (0, 1), output


@pytest.mark.timeout(240)
async def test_control_run_in_a_namespace_that_a_curator_has_known_ends(tmp_path: Path, namespace: Namespace, server_url: str) -> None:
    name = namespace.keys.namespace
    await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url)
        with anyio.fail_after(60):
            code, output = await memp.run("online", *TOY, "--exp-name", name, "--limit", "1", "--no-use-memory", REDIS_URL=server_url)
        assert (code, len(memp.rows(name))) == (0, 1), output


@pytest.mark.skipif(REAL is None, reason="ALFWORLD_DATA is not set: the real games are not here")
@pytest.mark.timeout(600)
async def test_real_dev_split_gives_140_results_and_none_twice(tmp_path: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, Path(REAL or ""))
        # Two steps an episode: this is about every game being played once, not about playing it well.
        code, output = await memp.run("online", *MODEL, "--exp-name", "dev", "--max-steps", "2", "--no-use-memory", MEMP_ENV_PROCESSES="2")
        assert code == 0, output
        rows = memp.rows("dev")
        assert len(rows) == len({row.task_id for row in rows}) == len({row.game for row in rows}) == 140


@pytest.mark.skipif(REAL is None, reason="ALFWORLD_DATA is not set: the expert trajectories are not here")
@pytest.mark.timeout(600)
async def test_expert_trajectories_build_a_memory_that_serves_frozen(tmp_path: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, Path(REAL or ""))
        experts = Path(REAL or "") / "expert_trajectories.json"
        flags = ("--exp-name", "experts", "--limit", "4", "--max-steps", "5", "--build", "script", "--trajectories", str(experts))
        code, output = await memp.run("offline", *MODEL, *flags)
        assert code == 0, output
        rows = memp.rows("experts")
        assert len(rows) == 4
        assert all(row.retrieved for row in rows)
        progress = (await memp.status("experts"))["progress"]
        assert progress["applied"] == 300
        assert len({row.memory_version for row in rows}) == 1, "memory changed while it was to be frozen"


@pytest.mark.timeout(240)
async def test_memory_exported_by_one_run_serves_another_frozen(tmp_path: Path, data: Path) -> None:
    async with stand_in() as model:
        memp = Memp(tmp_path, model.base_url, data)
        code, output = await memp.run("online", *MODEL, "--exp-name", "teacher", "--limit", "4")
        assert code == 0, output
        memory = tmp_path / "runs" / "teacher" / "memory.jsonl"
        code, output = await memp.run("offline", "--model", "stand-in-weak", "--exp-name", "pupil", "--limit", "4", "--memory", str(memory))
        assert code == 0, output
        assert any(row.retrieved for row in memp.rows("pupil"))
        assert (await memp.status("pupil"))["progress"]["version"] == 1  # the import, and nothing since


async def test_environment_of_ones_own_named_by_the_command_is_played(tmp_path: Path) -> None:
    async with stand_in(Options()) as model:
        memp = Memp(tmp_path, model.base_url)
        code, output = await memp.run("online", *TOY, "--exp-name", "own", "--limit", "3")
        assert code == 0, output
        assert [row.outcome for row in memp.rows("own")] == ["finished"] * 3
