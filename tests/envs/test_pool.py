"""The pool of environment processes: many episodes, and none lost when a process is killed or hangs."""

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from structlog.testing import capture_logs

from envs.pool import EnvPool, PooledEnv
from runtime.errors import DataError, EnvCrashed, EnvError, UsageError
from tests.envs.pooling import TOY, actions, alone, play, play_many, settings, until


@pytest.mark.parametrize("uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_pool_many_episodes_in_two_processes_are_told_what_one_alone_is(uvloop: bool) -> None:
    async def main() -> None:
        async with EnvPool.open(settings(2)) as pool:
            told = await play_many(pool, range(40))
            assert len(pool.pids()) == 2
        assert told == {number: alone(number) for number in range(40)}

    anyio.run(main, backend_options={"use_uvloop": uvloop})


@pytest.mark.parametrize("uvloop", [False, True], ids=["asyncio", "uvloop"])
def test_pool_killed_processes_cost_no_episode(uvloop: bool) -> None:
    async def main() -> None:
        told: dict[int, list[Any]] = {}

        async def episode(number: int) -> None:
            async with pool.env(TOY) as env:
                told[number] = [await env.reset({"name": f"room {number}"})]
                begun.add(number)
                await killed.wait()
                told[number] += [await env.step(action) for action in actions(number)]

        begun, killed = set[int](), anyio.Event()
        async with EnvPool.open(settings(2)) as pool, anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(episode, number)
            await until(lambda: len(begun) == 40)
            for pid in pool.pids():
                os.kill(pid, signal.SIGKILL)
            killed.set()
        assert told == {number: alone(number) for number in range(40)}

    with capture_logs() as logs:
        anyio.run(main, backend_options={"use_uvloop": uvloop})
    reasons = [entry["reason"] for entry in logs if entry["event"] == "env_process_died"]
    assert reasons == ["it was killed by signal 9"] * 2
    assert sum(entry["event"] == "env_recovered" and entry["replayed"] == 1 for entry in logs) == 40


async def test_pool_hung_process_is_replaced_after_the_timeout() -> None:
    async with EnvPool.open(settings(env_timeout=1.0)) as pool, pool.env(TOY) as env:
        told: list[Any] = [await env.reset({"name": "room 4"}), await env.step(actions(4)[0])]
        hung = pool.pids()[0]
        os.kill(hung, signal.SIGSTOP)
        with capture_logs() as logs:
            told += [await env.step(action) for action in actions(4)[1:]]
        await until(lambda: not psutil.pid_exists(hung))
    assert told == alone(4)
    assert "hung for 1 s" in next(entry["reason"] for entry in logs if entry["event"] == "env_process_died")


@pytest.mark.parametrize("action", ["exit 33", "hang"])
async def test_pool_third_crash_of_an_episode_gives_it_up_and_costs_others_one_process(action: str) -> None:
    with capture_logs() as logs:
        async with EnvPool.open(settings(env_timeout=0.5)) as pool, pool.env(TOY) as poison, pool.env(TOY) as other:
            told: list[Any] = [await other.reset({"name": "room 4"})]
            await poison.reset({"name": "room"})
            with pytest.raises(EnvCrashed, match=r"died 3 times on this episode: it (ended with status 33|hung for 0\.5 s)"):
                await poison.step(action)
            told += [await other.step(step) for step in actions(4)]
            assert await play(poison, 3) == alone(3)  # The episode, not the environment, was given up.
    assert told == alone(4)
    assert [entry["live"] for entry in logs if entry["event"] == "env_process_died"] == [2, 1, 1]
    assert sum(entry["event"] == "env_recovered" for entry in logs) == 3  # The poisoned one twice.


async def test_pool_error_of_one_episode_reaches_it_and_no_other() -> None:
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env, pool.env(TOY) as other:
        with pytest.raises(EnvError, match=r"^broken$"):
            await env.reset({"name": "fail broken"})
        before = pool.pids()
        assert (await play(other, 1), await play(env, 2)) == (alone(1), alone(2))
        assert pool.pids() == before


async def test_pool_unexpected_error_says_its_class() -> None:
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        with pytest.raises(EnvError, match=r"the environment failed \(KeyError: 'name'\)"):
            await env.reset({})


async def test_pool_cancelled_step_leaves_the_episode_playable() -> None:
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        told: list[Any] = [await env.reset({"name": "room 4"})]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await env.step("look")
        told += [await env.step(action) for action in actions(4)]
    assert told == alone(4)


async def test_pool_missing_data_is_the_users_error(tmp_path: Path) -> None:
    async with EnvPool.open(settings(travelplanner_data=tmp_path)) as pool, pool.env(TOY) as env:
        with pytest.raises(DataError, match=f"^{tmp_path} is no toy$"):
            await env.reset({"name": "room"})


async def test_pool_environment_that_cannot_be_imported_is_the_users_error() -> None:
    async with EnvPool.open(settings()) as pool, pool.env("no.such.env") as env:
        with pytest.raises(UsageError, match=r"environment 'no\.such\.env' can't be imported: No module named 'no'"):
            await env.reset({"name": "room"})


async def _load(env: PooledEnv, done: list[str]) -> None:
    await env.reset({"name": "wait 0.1"})
    done.append("load")


async def test_pool_steps_go_before_resets_and_resets_get_their_turn() -> None:
    done: list[str] = []

    async def steps(env: PooledEnv) -> None:
        while done.count("load") < 8:
            await env.step("go")
            done.append("step")

    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        await env.reset({"name": "room"})
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(_load, pool.env(TOY), done)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(steps, env)
    # Two resets were in the process's hands, and between any two of the others a step had its turn.
    assert done.index("step") == 2
    assert not any(done[at : at + 3] == ["load"] * 3 for at in range(len(done)))


async def test_pool_cancelled_reset_that_waits_its_turn_is_never_begun() -> None:
    done: list[str] = []
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env, anyio.create_task_group() as tasks:
        await env.reset({"name": "room"})
        for _ in range(2):
            tasks.start_soon(_load, pool.env(TOY), done)
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0.01):
            async with pool.env(TOY) as late:
                await late.reset({"name": "exit 1"})
        await env.step("go")
        assert done == ["load"] * 2
        assert len(pool.pids()) == 1


async def test_pool_requests_beyond_what_a_socket_holds_are_all_answered() -> None:
    async with EnvPool.open(settings()) as pool:
        envs = [pool.env(TOY) for _ in range(500)]
        answers: list[int] = []

        async def step(env: PooledEnv) -> None:
            answers.append(len((await env.step("x" * 2000)).observation))

        for env in envs:
            await env.reset({"name": "room"})
        os.kill(pool.pids()[0], signal.SIGSTOP)
        async with anyio.create_task_group() as tasks:
            for env in envs:
                tasks.start_soon(step, env)
            await anyio.wait_all_tasks_blocked()
            os.kill(pool.pids()[0], signal.SIGCONT)
    assert answers == [len("room, ") + 2000] * 500


async def test_pool_process_above_its_memory_is_replaced_once_its_episodes_have_ended() -> None:
    async with EnvPool.open(settings(env_memory=500)) as pool, pool.env(TOY) as env, pool.env(TOY) as other:
        await play(env, 1)
        (fat,) = pool.pids()
        await env.step("take 600")
        with capture_logs() as logs:
            assert await play(env, 2) == alone(2)  # The first reset since tells how much it has taken.
        assert [entry["event"] for entry in logs] == ["env_process_retires"]
        assert await play(other, 3) == alone(3)
        assert len(pool.pids()) == 2
        await env.__aexit__(None, None, None)
        await until(lambda: not psutil.pid_exists(fat))
        assert await play(other, 4) == alone(4)
        assert len(pool.pids()) == 1
