"""The processes of a run: workers and a curator, started, watched, restarted when they are killed, stopped in peace."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio.abc import Process, TaskGroup

from runtime.errors import MempError, UsageError
from runtime.tasks import open_tasks

log = structlog.get_logger()

PATIENCE = 15.0
"""Seconds that a process has to end after SIGTERM."""
PAUSE = 0.5
"""Seconds before one that was killed starts again, so that one which can't live does not take the machine."""


class Fleet:
    """Child processes that run `memp` commands. One that a signal kills is started again; one that gives up ends the run."""

    def __init__(self, tasks: TaskGroup, logs: Path, environment: dict[str, str]) -> None:
        self.processes: dict[str, Process] = {}
        self._tasks = tasks
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._stopping: set[str] = set()
        self._ended: dict[str, anyio.Event] = {}

    def start(self, name: str, *command: str) -> None:
        """Start `memp <command>` under `name`; its log goes to `<name>.log`."""
        self._ended[name] = anyio.Event()
        self._tasks.start_soon(self._keep, name, command)

    async def stop(self, *names: str) -> None:
        """SIGTERM to these (default: all), then wait: they finish or give back what they hold."""
        for name in names or tuple(self._ended):
            self._stopping.add(name)
            if name in self.processes:
                _signal(self.processes[name])
        for name in names or tuple(self._ended):
            with anyio.move_on_after(PATIENCE) as waiting:
                await self._ended[name].wait()
            if waiting.cancelled_caught and name in self.processes:
                self.processes[name].kill()

    async def _keep(self, name: str, command: tuple[str, ...]) -> None:
        try:
            while name not in self._stopping:
                code = await self._run(name, command)
                if name not in self._stopping and code >= 0:
                    self._give_up(name, code)
                if name not in self._stopping:
                    log.warning("process_restarted", process=name, signal=-code)
                    await anyio.sleep(PAUSE)
        finally:
            self._ended[name].set()

    async def _run(self, name: str, command: tuple[str, ...]) -> int:
        arguments = [sys.executable, "-m", "bin.memp", *command, "--parent", str(os.getpid())]
        with (self._logs / f"{name}.log").open("ab") as output:
            options: Any = {"stdin": None, "stdout": output, "stderr": output, "env": self._environment, "start_new_session": True}
            process = self.processes[name] = await anyio.open_process(arguments, **options)
        if name in self._stopping:  # told to while it was starting
            _signal(process)
        try:
            return await process.wait()
        finally:
            self.processes.pop(name, None)
            if process.returncode is None:
                process.kill()
                with anyio.CancelScope(shield=True):
                    await process.wait()

    def _give_up(self, name: str, code: int) -> None:
        path = self._logs / f"{name}.log"
        last = path.read_text(errors="replace").strip().splitlines()[-1:]
        text = last[0].removeprefix("memp: ") if last else "it said nothing"
        kind = UsageError if code == UsageError.exit_code else MempError
        raise kind(f"{text} (the {name} ended; its log is {path})")


def _signal(process: Process) -> None:
    try:
        process.terminate()
    except ProcessLookupError:
        log.debug("process_gone", pid=process.pid)


@asynccontextmanager
async def open_fleet(logs: Path, environment: dict[str, str]) -> AsyncGenerator[Fleet]:
    """A fleet whose processes are stopped when the block ends, however it ends."""
    await anyio.Path(logs).mkdir(parents=True, exist_ok=True)
    async with open_tasks() as tasks:
        fleet = Fleet(tasks, logs, environment)
        try:
            yield fleet
        finally:
            with anyio.CancelScope(shield=True):
                await fleet.stop()
