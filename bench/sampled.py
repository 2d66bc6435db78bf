"""A `memp` process that samples its own CPU: which part of the runtime each bit of it goes to.

    python -m bench.sampled FILE worker --exp-name NAME …

The timer counts CPU, not time (user and system, ITIMER_PROF), so a sample is about a hundredth of a second of work; it belongs to
the innermost of its frames whose file has a room in `ROOMS`. Python takes it between two of its own instructions: what uvloop does
in C (polling, sending what is queued) counts for what runs next, and asyncio's own reading and writing for the event loop. FILE gets
one line of JSON per sample when the process ends: when it was taken (CLOCK_MONOTONIC), its room and its function.
"""

import atexit
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple

PERIOD = 0.01
"""CPU seconds between two samples."""
HOUSE = Path(__file__).parents[1]
ROOMS = {
    "/site-packages/aiohttp/": "LLM client",
    f"{HOUSE}/runtime/model/": "LLM client",
    "/site-packages/redis/": "Redis client",
    f"{HOUSE}/envs/": "environments",
    f"{HOUSE}/runtime/bus/": "bus",
    f"{HOUSE}/runtime/event_loop": "event loop",
    f"{HOUSE}/runtime/": "agent loop",
    f"{HOUSE}/workers/": "agent loop",
    f"{HOUSE}/memory/": "memory",
}
OTHER = "other"


class Sample(NamedTuple):
    """One hundredth of a second of CPU."""

    at: float
    room: str
    function: str


def sample(frame: FrameType | None) -> Sample:
    """What this stack is at work on; the function is the innermost one."""
    function = f"{'/'.join(Path(frame.f_code.co_filename).parts[-3:])}:{frame.f_code.co_qualname}" if frame else ""
    while frame:
        for part, room in ROOMS.items():
            if part in frame.f_code.co_filename:
                return Sample(time.monotonic(), room, function)
        frame = frame.f_back
    return Sample(time.monotonic(), OTHER, function)


def between(samples: Sequence[Sample], begin: float, end: float) -> list[Sample]:
    """Those of a time."""
    return [each for each in samples if begin <= each.at <= end]


def shares(parts: Iterable[str]) -> dict[str, float]:
    """The share of each room, or function, the largest first."""
    counts = Counter(parts)
    return {part: count / counts.total() for part, count in counts.most_common()}


def read(path: Path) -> list[Sample]:
    """The samples of a process that has ended."""
    return [Sample(*json.loads(line)) for line in path.read_text().splitlines()]


def main(path: Path) -> None:
    """Sample the rest of this process."""
    samples: list[Sample] = []

    def write() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)  # it would kill the process once Python no longer handles signals
        path.write_text("".join(json.dumps(each) + "\n" for each in samples))

    atexit.register(write)
    signal.signal(signal.SIGPROF, lambda _, frame: samples.append(sample(frame)))
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, PERIOD, PERIOD)


if __name__ == "__main__":
    file, *sys.argv[1:] = sys.argv[1:]
    main(Path(file))
    from bin.memp import main as memp

    memp()
