"""`memp` as a person runs it: a process of its own, its data and runs in a folder of the test's."""

import json
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import psutil
from anyio.abc import Process

from experiments.results import EpisodeRow, read_rows
from tests.forking import fork, output_of
from tests.support import model_environment


@dataclass(frozen=True)
class Memp:
    """Runs commands in one folder, against one model server."""

    folder: Path
    base_url: str
    data: Path | None = None
    """ALFWORLD_DATA."""

    @property
    def environment(self) -> dict[str, str]:
        return model_environment(self.base_url) | {
            "MEMP_DATA_DIR": str(self.folder / "data"),
            "MEMP_RUNS_DIR": str(self.folder / "runs"),
            "MEMP_LEASE": "3",
            "MEMP_ENV_PROCESSES": "1",
            **({"ALFWORLD_DATA": str(self.data)} if self.data else {}),
        }

    async def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Exit code and all output of one command."""
        return await output_of(*arguments, env={**self.environment, **environment})

    @asynccontextmanager
    async def start(self, *arguments: str, **environment: str) -> AsyncGenerator[Process]:
        """A command under way; killed with all its children at the end of the block."""
        with (self.folder / "output.log").open("ab") as output:
            process = await fork(*arguments, env={**self.environment, **environment}, output=output.fileno())
        try:
            yield process
        finally:
            for child in children(process, ""):
                child.kill()
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.wait()

    @property
    def output(self) -> str:
        return (self.folder / "output.log").read_text(errors="replace")

    def rows(self, name: str) -> list[EpisodeRow]:
        path = self.folder / "runs" / name / "episodes.jsonl"
        return read_rows(path) if path.exists() else []

    async def status(self, name: str) -> dict[str, Any]:
        code, output = await self.run("status", "--exp-name", name, "--json")
        assert code == 0, output
        return json.loads(output[output.index("{") :])


def children(process: Process, command: str) -> list[psutil.Process]:
    """Living processes below `process` that run `memp <command>`; all of them for ''."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in below if not command or command in _arguments(child)]


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first true value of `condition`, asked again and again; fails after the deadline."""
    with anyio.fail_after(seconds):
        while not (value := condition()):  # noqa: ASYNC110 - of another process, which has no event of ours
            await anyio.sleep(0.02)
        return value


async def kill(process: Process, command: str) -> None:
    """SIGKILL to the child that runs `memp <command>`."""
    [child] = await until(lambda: children(process, command))
    child.send_signal(signal.SIGKILL)
