"""Processes of the pool: forked from one server, and none of them left behind whatever ends the worker."""

import os
import signal
import subprocess
import sys
from typing import Any

import anyio
import psutil
import pytest
from structlog.testing import capture_logs

from envs import channel
from envs.pool import EnvPool, Role
from runtime.errors import EnvCrashed
from tests.envs.pooling import TOY, actions, alone, play, settings, until


def server_of(pool: EnvPool, role: Role = "play") -> psutil.Process:
    """The process that the pool's processes of this role are forked from."""
    parent = psutil.Process(pool.pids(role)[0]).parent()
    assert parent is not None
    assert parent.ppid() == os.getpid()
    return parent


async def test_fork_server_that_dies_costs_no_episode_and_is_replaced() -> None:
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        told: list[Any] = [await env.reset({"name": "room 4"}), await env.step(actions(4)[0])]
        first = server_of(pool)
        first.kill()
        first.wait(10)
        told.append(await env.step(actions(4)[1]))  # What it has forked goes on.
        os.kill(pool.pids()[0], signal.SIGKILL)
        told += [await env.step(action) for action in actions(4)[2:]]
        assert server_of(pool, "suspect") != first
    assert told == alone(4)


async def test_fork_server_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        told: list[Any] = [await env.reset({"name": "room 4"})]
        monkeypatch.setattr(channel, "START_TIMEOUT", 4.0)
        first = server_of(pool)
        first.suspend()
        os.kill(pool.pids()[0], signal.SIGKILL)
        told += [await env.step(action) for action in actions(4)]
        assert server_of(pool, "suspect") != first
        assert not first.is_running()
    assert told == alone(4)


async def test_fork_server_that_dies_at_once_is_a_crash_of_the_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        with pytest.raises(EnvCrashed, match="died 3 times on this episode: the process that forks it failed"):
            await env.reset({"name": "room"})


async def test_pool_end_by_error_raises_it_unwrapped_and_leaves_no_process() -> None:
    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the block is what is tested)
        async with EnvPool.open(settings(2)) as pool, pool.env(TOY) as env, pool.env(TOY) as other:
            await play(env, 1)
            await play(other, 1)
            pids = [server_of(pool).pid, *pool.pids()]
            os.kill(pids[1], signal.SIGSTOP)  # Not even one that would never end by itself.
            raise ZeroDivisionError
    assert len(pids) == 3
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("name", ["room", "hang"])
async def test_pool_end_by_cancellation_leaves_no_process(name: str) -> None:
    pids: list[int] = []
    with anyio.CancelScope() as scope:
        async with EnvPool.open(settings()) as pool, pool.env(TOY) as env, anyio.create_task_group() as tasks:
            tasks.start_soon(env.reset, {"name": name})
            await until(pool.pids)
            pids = [server_of(pool).pid, *pool.pids()]
            scope.cancel()
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_pool_end_while_the_server_starts_leaves_no_process() -> None:
    others = set(psutil.Process().children())  # what other tests have left to the interpreter, such as a resource tracker
    with capture_logs() as logs:
        async with EnvPool.open(settings()) as pool, anyio.create_task_group() as tasks:
            tasks.start_soon(pool.env(TOY).reset, {"name": "room"})
            await until(lambda: set(psutil.Process().children()) - others)
            tasks.cancel_scope.cancel()
        assert not set(psutil.Process().children()) - others
    assert logs == []


PARENT = f"""
import anyio, os, sys
from envs import channel
from envs.pool import EnvPool, Role
from runtime.errors import EnvCrashed
from runtime.config import Settings

async def main():
    async with EnvPool.open(Settings(env_processes=1, travelplanner_data=None)) as pool, pool.env({TOY!r}) as env:
        await env.reset({{"name": "print noise"}})
        print(os.getpid(), *pool.pids(), flush=True)
        await env.step(sys.argv[1])
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize("action", ["go", "hang"])
def test_process_whose_worker_is_killed_ends_and_its_server_too(action: str) -> None:
    command = [sys.executable, "-c", PARENT, action]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        child = psutil.Process(int(parent.stdout.readline().split()[1]))  # What libraries print is not in between,
        server = child.parent()
        parent.kill()
        assert parent.stderr.read() == "noise\nnoise\n"  # but on standard error.
    assert server is not None
    psutil.wait_procs([child, server], 10)
    assert not child.is_running()
    assert not server.is_running()


async def test_process_ignores_the_signals_that_tell_the_worker_to_drain() -> None:
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        told: list[Any] = [await env.reset({"name": "room 4"})]
        before = pool.pids()
        for pid in (server_of(pool).pid, *before):
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
        told += [await env.step(action) for action in actions(4)]
        assert pool.pids() == before
    assert told == alone(4)


async def test_process_that_retires_while_it_hangs_is_killed() -> None:
    async with EnvPool.open(settings(env_timeout=0.5, env_memory=1)) as pool:
        async with pool.env(TOY) as env:
            await env.reset({"name": "room"})  # It is over the bound, and takes no more after this one.
            hung = pool.pids()[0]
            with anyio.move_on_after(0.05):
                await env.step("hang")
        await until(lambda: not psutil.pid_exists(hung))
