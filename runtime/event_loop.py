"""The event loop: the fastest one there is, and a watch on how late it is."""

import asyncio
import gc
import importlib.util
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import anyio
import structlog

log = structlog.get_logger()

PERIOD = 0.05
"""Seconds between two looks."""
KEPT = 1200
"""Looks that are kept: the last minute's."""
REPORTED = 60.0
"""Seconds between two reports."""


def run(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Run an async function to its end, on uvloop where it is installed.

    SIGINT and SIGTERM cancel it, and KeyboardInterrupt is raised when it has cleaned up; a second one does not wait for that.
    """
    return anyio.run(_interruptible, function, args, backend_options={"use_uvloop": importlib.util.find_spec("uvloop") is not None})


async def _interruptible(function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
    """By a scope, which cancels again and again: a bare task is cancelled but once, and redis-py's timeouts can swallow that."""
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            if scope.cancel_called:
                raise KeyboardInterrupt
            loop.call_soon_threadsafe(scope.cancel)

        with _handling(interrupt):
            return await function(*args)
    raise KeyboardInterrupt


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Signals that end a process go to `handler`; one that is ignored (in a shell's background) stays so."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heard = [number for number, old in before.items() if old is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def collect_rarely() -> None:
    """Spare the loop most of the garbage collector's pauses, which grow with what is alive: what was loaded until now is not looked
    at again, and new objects are looked at less often. To be called when a long-running process is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


class Lag(NamedTuple):
    """How late the loop was during the last minute, in seconds."""

    p50: float
    p99: float
    most: float

    def shown(self) -> dict[str, float]:
        """In milliseconds, for logs."""
        return {f"{name}_ms": round(value * 1000, 1) for name, value in self._asdict().items()}


class LagWatch:
    """Measures how much later than asked the loop wakes a task: what every answer, lease and timer waits, too.

    Something that holds the loop for longer than `threshold` seconds is told once, until the loop is on time again.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._looks: deque[float] = deque(maxlen=KEPT)
        self._late = False
        self.looked = 0
        """Looks so far."""

    def lag(self) -> Lag:
        """Of the looks that are kept; zero before the first."""
        looks = sorted(self._looks) or [0.0]
        return Lag(*(looks[min(int(len(looks) * share), len(looks) - 1)] for share in (0.5, 0.99, 1.0)))

    async def run(self) -> None:
        """Look, for ever, and report from time to time; ended by cancelling, which reports a last time."""
        reported = anyio.current_time()
        try:
            while True:
                asked = anyio.current_time() + PERIOD
                await anyio.sleep_until(asked)
                self.look(anyio.current_time() - asked)
                if anyio.current_time() - reported >= REPORTED:
                    reported = anyio.current_time()
                    log.info("loop_lag", **self.lag().shown())
        finally:
            log.info("loop_lag", **self.lag().shown())

    def look(self, late: float) -> None:
        """Take one measurement, in seconds."""
        self.looked += 1
        self._looks.append(max(0.0, late))
        if late > self._threshold and not self._late:
            log.warning("loop_blocked", lag_ms=round(late * 1000, 1))
        self._late = late > self._threshold
