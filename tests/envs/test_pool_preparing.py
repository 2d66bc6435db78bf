"""Games that must be prepared before they can be played quickly: no step of another episode waits for that."""

from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from structlog.testing import capture_logs

from envs.pool import NICE, EnvPool, PooledEnv
from runtime.errors import EnvError
from tests.envs.pooling import TOY, settings, until


def slow(folder: Path, name: str = "hall") -> dict[str, Any]:
    """A game whose preparation ends when the file `gate` exists."""
    return {"name": name, "cache": str(folder / "cache"), "gate": str(folder / "gate")}


async def test_prepare_of_a_game_holds_up_no_step_and_is_done_once_at_low_priority(tmp_path: Path) -> None:
    told: list[str] = []

    async def episode(env: PooledEnv) -> None:
        told.append(await env.reset(slow(tmp_path)))

    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        await env.reset({"name": "room"})
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(episode, pool.env(TOY))
            await until(lambda: pool.pids("prepare"))
            for number in range(100):
                assert (await env.step("go")).info == {"steps": number + 1}
            assert told == []
            (tmp_path / "gate").touch()
        playing, preparing = pool.pids(), pool.pids("prepare")
        assert {psutil.Process(pid).nice() for pid in playing} == {min(19, psutil.Process().nice() + NICE["play"])}
    assert told == ["You are in hall."] * 5
    pid, nice = map(int, (tmp_path / "cache").read_text().split())  # One line: prepared once.
    assert [pid] == preparing
    assert pid not in playing
    assert nice >= NICE["prepare"]


async def test_prepare_that_crashes_leaves_the_reset_to_do_it_itself(tmp_path: Path) -> None:
    (tmp_path / "tamed").touch()
    with capture_logs() as logs:
        async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
            assert await env.reset({**slow(tmp_path, "exit 3"), "tamed": str(tmp_path / "tamed")}) == "You are in exit 3."
    assert [entry["reason"] for entry in logs if entry["event"] == "env_prepare_failed"] == ["it ended with status 3"]


async def test_prepare_whose_process_is_crashed_by_another_game_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "tamed").touch()
    (tmp_path / "gate").touch()
    told: list[str] = []

    async def episode(env: PooledEnv, game: dict[str, Any]) -> None:
        told.append(await env.reset(game))

    async with EnvPool.open(settings()) as pool, anyio.create_task_group() as tasks:
        tasks.start_soon(episode, pool.env(TOY), {**slow(tmp_path, "exit 3"), "tamed": str(tmp_path / "tamed")})
        tasks.start_soon(episode, pool.env(TOY), slow(tmp_path))
    assert sorted(told) == ["You are in exit 3.", "You are in hall."]
    assert (tmp_path / "cache").exists()


async def test_prepare_that_fails_leaves_its_error_to_the_reset(tmp_path: Path) -> None:
    async with EnvPool.open(settings()) as pool, pool.env(TOY) as env:
        with pytest.raises(EnvError, match=r"^broken$"):
            await env.reset(slow(tmp_path, "fail broken"))
