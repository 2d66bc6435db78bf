"""The pool of environment processes: many episodes, and none lost when a process is killed or hangs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from structlog.testing import capture_logs

from envs import wire
from envs.alfworld_env.env import AlfworldEnv
from envs.local import GameTask
from envs.pool import EnvPool, PooledEnv
from runtime.config import Settings
from runtime.errors import DataError, EnvCrashed, EnvError
from tests.envs.conftest import walkthrough

DEADLINE = 110.0


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition of the world outside, which tells nobody when it comes true."""
    with anyio.fail_after(DEADLINE):
        while not condition():  # noqa: ASYNC110 (no event of ours)
            await anyio.sleep(0.01)


def alone(task: GameTask, settings: Settings) -> list[Any]:
    """What an episode that plays the walkthrough is told, without any pool."""
    assert settings.alfworld_data is not None
    env = AlfworldEnv(settings.alfworld_data)
    return [env.reset(task.game), *(env.step(command) for command in walkthrough(task, settings))]


async def play(env: PooledEnv, task: GameTask, settings: Settings) -> list[Any]:
    return [await env.reset(task.game), *[await env.step(command) for command in walkthrough(task, settings)]]


async def test_pool_many_episodes_in_two_processes_are_told_what_one_alone_is(settings: Settings, generated: list[GameTask]) -> None:
    told: dict[str, list[Any]] = {}

    async def episode(task: GameTask) -> None:
        async with pool.env("alfworld") as env:
            told[task.goal] = await play(env, task, settings)

    async with EnvPool.open(settings.model_copy(update={"env_processes": 2})) as pool:
        async with anyio.create_task_group() as tasks:
            for task in generated[:6]:
                tasks.start_soon(episode, task)
        assert len(pool.pids()) == 2
    assert told == {task.goal: alone(task, settings) for task in generated[:6]}


async def test_pool_killed_process_costs_no_episode(settings: Settings, generated: list[GameTask]) -> None:
    first, second = generated[:2]
    commands = walkthrough(first, settings)
    with capture_logs() as logs:
        async with EnvPool.open(settings) as pool, pool.env("alfworld") as env, pool.env("alfworld") as other:
            told: list[Any] = [await env.reset(first.game)]
            beginning = await other.reset(second.game)
            for number, command in enumerate(commands):
                if number in (1, 2):
                    os.kill(pool.pids()[0], signal.SIGKILL)
                told.append(await env.step(command))
            others: list[Any] = [beginning, *[await other.step(command) for command in walkthrough(second, settings)]]
    assert (told, others) == (alone(first, settings), alone(second, settings))
    assert sum(entry["event"] == "env_process_died" and "signal 9" in entry["reason"] for entry in logs) == 2
    assert {"event": "env_recovered", "log_level": "info", "env": "alfworld", "replayed": 3} in logs


async def test_pool_hung_process_is_replaced_after_the_timeout(settings: Settings, generated: list[GameTask]) -> None:
    commands = walkthrough(generated[0], settings)
    async with EnvPool.open(settings.model_copy(update={"env_timeout": 5.0})) as pool, pool.env("alfworld") as env:
        told: list[Any] = [await env.reset(generated[0].game), await env.step(commands[0])]
        hung = pool.pids()[0]
        os.kill(hung, signal.SIGSTOP)
        with capture_logs() as logs:
            told += [await env.step(command) for command in commands[1:]]
        assert not psutil.pid_exists(hung)
    assert told == alone(generated[0], settings)
    assert "hung for 5 s" in next(entry["reason"] for entry in logs if entry["event"] == "env_process_died")


async def test_pool_third_crash_of_an_episode_gives_it_up(settings: Settings, generated: list[GameTask]) -> None:
    killed: set[int] = set()

    async def killer() -> None:
        while True:
            await until(lambda: set(pool.pids()) - killed)
            for pid in set(pool.pids()) - killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)

    async with EnvPool.open(settings) as pool, pool.env("alfworld") as env:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(killer)
            with pytest.raises(EnvCrashed, match="died 3 times on this episode: it was killed by signal 9"):
                await env.reset(generated[0].game)
            tasks.cancel_scope.cancel()
        assert len(killed) == 3
        async with pool.env("alfworld") as next_one:  # The pool itself goes on.
            assert "Your task is to" in await next_one.reset(generated[0].game)


async def test_pool_error_of_one_episode_reaches_it_and_no_other(settings: Settings, generated: list[GameTask]) -> None:
    async with EnvPool.open(settings) as pool, pool.env("alfworld") as env, pool.env("alfworld") as other:
        with pytest.raises(EnvError, match="has changed since the task was made"):
            await env.reset(generated[0].game | {"hash": "0" * 16})
        before = pool.pids()
        assert await play(other, generated[0], settings) == alone(generated[0], settings)
        assert await play(env, generated[1], settings) == alone(generated[1], settings)
        assert pool.pids() == before


@pytest.mark.parametrize("action", ["", "\0", "gö 🛋", "x" * 200_000], ids=len)
def test_wire_odd_action_crosses_unchanged(action: str) -> None:
    assert wire.read(BytesIO(wire.pack({"id": 1, "action": action}))) == {"id": 1, "action": action}


def test_wire_lone_surrogate_crosses_replaced() -> None:
    assert wire.read(BytesIO(wire.pack({"id": 1, "action": "go \ud800"}))) == {"id": 1, "action": "go ?"}


def test_wire_message_that_is_cut_off_is_the_end() -> None:
    assert wire.read(BytesIO(wire.pack({"id": 1})[:-1])) is None


async def test_pool_cancelled_step_leaves_the_episode_playable(settings: Settings, generated: list[GameTask]) -> None:
    commands = walkthrough(generated[0], settings)
    async with EnvPool.open(settings) as pool, pool.env("alfworld") as env:
        told: list[Any] = [await env.reset(generated[0].game)]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await env.step("look")
        told += [await env.step(command) for command in commands]
    assert told == alone(generated[0], settings)


async def test_pool_missing_data_is_the_users_error(tmp_path: Path) -> None:
    async with EnvPool.open(Settings(alfworld_data=tmp_path, env_processes=1)) as pool, pool.env("alfworld") as env:
        with pytest.raises(DataError, match=r"has no folder json_2.1.1"):
            await env.reset({})


async def test_pool_end_by_error_raises_it_unwrapped_and_leaves_no_process(settings: Settings, generated: list[GameTask]) -> None:
    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the block is what is tested)
        async with EnvPool.open(settings) as pool, pool.env("alfworld") as env:
            await env.reset(generated[0].game)
            pids = pool.pids()
            os.kill(pids[0], signal.SIGSTOP)  # Not even one that would never end by itself.
            raise ZeroDivisionError
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_pool_end_by_cancellation_leaves_no_process(settings: Settings, generated: list[GameTask]) -> None:
    pids: list[int] = []
    with anyio.CancelScope() as scope:
        async with EnvPool.open(settings) as pool, pool.env("alfworld") as env, anyio.create_task_group() as tasks:
            tasks.start_soon(env.reset, generated[0].game)
            await until(pool.pids)
            pids = pool.pids()
            scope.cancel()
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


PARENT = """
import anyio, json, sys
from envs.pool import EnvPool
from runtime.config import Settings

async def main():
    async with EnvPool.open(Settings(env_processes=1)) as pool, pool.env("alfworld") as env:
        await env.reset(json.loads(sys.argv[1]))
        print(*pool.pids(), flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


def test_process_whose_parent_is_killed_ends(households: Path, generated: list[GameTask]) -> None:
    command = [sys.executable, "-c", PARENT, json.dumps(generated[0].game)]
    environ = os.environ | {"ALFWORLD_DATA": str(households)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(30)


def test_process_library_output_does_not_mix_with_answers() -> None:
    code = "import os, envs.process as p; a = p._take_stdout(); print('py', flush=True); os.system('echo c'); a.write(b'ok'); a.flush()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"ok"
    assert done.stderr.split() == [b"py", b"c"]
