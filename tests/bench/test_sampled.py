"""Whose CPU a sample is."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from bench.sampled import HOUSE, Sample, between, read, sample, shares


def through(*files: str) -> FrameType:
    """The frame of code in the first of these files, which code in the second has called, and so on."""
    call: Callable[..., Any] = sys._getframe  # pyright: ignore[reportPrivateUsage]
    for file in files:
        names: dict[str, Any] = {}
        exec(compile("def call(inner): return inner()", file, "exec"), names)
        call = partial(names["call"], call)
    return call()


def test_sample_belongs_to_the_innermost_frame_that_has_a_room() -> None:
    agent, link, library = f"{HOUSE}/runtime/loop.py", f"{HOUSE}/envs/link.py", "/usr/lib/site-packages/"
    assert sample(through(agent)).room == "agent loop"
    assert sample(through(link, agent)).room == "environments"
    assert sample(through(library + "anyio/tasks.py", link, agent)).room == "environments"
    assert sample(through(library + "redis/client.py", f"{HOUSE}/runtime/bus/scripts.py", agent)).room == "Redis client"
    assert sample(None).room == "other"


def test_shares_between_two_moments_leave_out_what_was_before_and_after() -> None:
    samples = [Sample(at, room, "f") for at, room in ((1, "bus"), (2, "bus"), (3, "memory"), (4, "bus"), (5, "bus"), (9, "memory"))]
    assert shares(each.room for each in between(samples, 2, 5)) == {"bus": 0.75, "memory": 0.25}
    assert shares(each.room for each in between(samples, 6, 8)) == {}


def test_samples_of_a_process_that_worked_are_in_its_file(tmp_path: Path) -> None:
    code = "import pathlib, sys, time, bench.sampled as s; s.main(pathlib.Path(sys.argv[1]))\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", code, tmp_path / "cpu"], check=True, timeout=60)
    samples = read(tmp_path / "cpu")
    assert len(samples) >= 10
    assert all(each.function == "<string>:<module>" for each in samples[-5:])
