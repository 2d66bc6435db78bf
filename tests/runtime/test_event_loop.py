"""The watch on the event loop, with a loop that is really blocked."""

import asyncio
import signal
import subprocess
import sys
import time

import anyio
import pytest
from structlog.testing import capture_logs

from runtime import event_loop
from runtime.event_loop import KEPT, LagWatch
from runtime.tasks import open_tasks


async def test_blocked_loop_is_told_once_per_episode_and_measured() -> None:
    watch = LagWatch(threshold=0.2)
    with capture_logs() as logs, anyio.fail_after(20):
        async with open_tasks() as tasks:
            tasks.start_soon(watch.run)
            for _ in range(2):
                await looks(watch, 3)
                time.sleep(0.6)  # noqa: ASYNC251 - that is the point
                time.sleep(0.3)  # noqa: ASYNC251
                await looks(watch, 3)
            tasks.cancel_scope.cancel()
    blocked = [entry for entry in logs if entry["event"] == "loop_blocked"]
    assert len(blocked) == 2
    assert all(800 < entry["lag_ms"] < 5000 for entry in blocked)
    assert 0.8 < watch.lag().most < 5
    assert watch.lag().p50 < 0.2
    [last] = [entry for entry in logs if entry["event"] == "loop_lag"]
    assert last["most_ms"] == pytest.approx(watch.lag().most * 1000, abs=0.1)


async def looks(watch: LagWatch, count: int) -> None:
    """Return after so many looks that were on time."""
    seen, before = 0, watch.looked
    while seen < count:
        await anyio.sleep(0.01)
        if watch.looked != before:
            before = watch.looked
            seen += 1


def test_lag_of_no_looks_is_zero() -> None:
    assert LagWatch(1.0).lag() == (0.0, 0.0, 0.0)


def test_looks_that_are_kept_are_bounded() -> None:
    watch = LagWatch(1.0)
    for late in range(KEPT * 2):
        watch.look(late / 1e6)
    assert watch.lag().p50 == pytest.approx(KEPT * 1.5 / 1e6, rel=0.01)
    assert watch.looked == KEPT * 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop")
def test_run_uses_uvloop() -> None:
    async def loop() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert event_loop.run(loop).startswith("uvloop")


STARTING = """
import os, sys
import anyio
from runtime import event_loop
from runtime.server import connect

async def start(url, number):
    async with connect(url) as client:
        await client.ping()
        os.kill(os.getpid(), number)
        await client.ping()
    await anyio.sleep(10)
    print("went on")

event_loop.run(start, sys.argv[1], int(sys.argv[2]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_just_before_a_redis_call_is_not_swallowed(server_url: str, number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTING, server_url, str(int(number))], capture_output=True, text=True, timeout=60, check=False
    )
    assert "went on" not in done.stdout
    assert "KeyboardInterrupt" in done.stderr
