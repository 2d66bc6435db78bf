"""The processes that chaos is done to: real workers and curators, each started anew however it ended."""

import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process, TaskGroup

from runtime.tasks import open_tasks

PATIENCE = 20.0
"""Seconds that a process has to end after SIGTERM: its grace and what it then gives back take 10 at most."""
PAUSE = 0.2
"""Seconds between an end and the next start."""


class Member:
    """One place in the fleet, held by one process after the other."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self.command = command
        self.starts = 0
        self.process: Process | None = None
        self.told = False
        """The process under way was sent a signal that ends it."""
        self.stopped = False
        """It does not run just now, and will go on."""
        self._folder = folder

    @property
    def log(self) -> Path:
        """Log of the process under way."""
        return self._folder / f"{self.name}-{self.starts}.log"

    @property
    def at_work(self) -> bool:
        """Whether it has started, and nothing was done to it yet."""
        running = self.process is not None and self.process.returncode is None
        return running and not self.told and not self.stopped and b"_started" in self.log.read_bytes()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process under way; one that ends it is expected to."""
        if self.process is not None and self.process.returncode is None:
            self.told = self.told or number in (signal.SIGKILL, signal.SIGTERM)
            self.process.send_signal(number)

    async def run(self, environment: Mapping[str, str]) -> int:
        """One process from its start to its end; returns its exit code."""
        self.starts += 1
        self.told = False
        with self.log.open("wb") as output:
            options: Any = {"stdin": None, "stdout": output, "stderr": output, "env": environment, "start_new_session": True}
            process = self.process = await anyio.open_process([sys.executable, "-m", "bin.memp", *self.command], **options)
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                with anyio.CancelScope(shield=True):
                    await process.wait()


class Fleet:
    """Workers and curators on one namespace; get one with `open_fleet`."""

    def __init__(self, tasks: TaskGroup, environment: Mapping[str, str]) -> None:
        self.members: list[Member] = []
        self.failures: list[str] = []
        """What ended, or did not end, of itself."""
        self.refused = 0
        """Starts that found no server, as it was restarted just then."""
        self._environment = environment
        self._tasks = tasks
        self._ending = False

    def start(self, name: str, command: list[str], folder: Path) -> None:
        """Start `memp <command>` and keep it."""
        member = Member(name, command, folder)
        self.members.append(member)
        self._tasks.start_soon(self._keep, member)

    def at_work(self, kind: str = "") -> list[Member]:
        """Members of a kind (`worker`, `curator`) to which something can be done."""
        return [member for member in self.members if member.name.startswith(kind) and member.at_work]

    async def any_at_work(self, kind: str) -> bool:
        """Whether there is one to which something can be done."""
        return bool(self.at_work(kind))

    async def ready(self) -> bool:
        """Whether all are at work."""
        return all(member.at_work for member in self.members)

    async def terminate(self, member: Member) -> None:
        """SIGTERM; one that does not end of it is a failure, and killed."""
        process = member.process
        assert process is not None
        member.send(signal.SIGTERM)
        with anyio.move_on_after(PATIENCE) as waiting:
            await process.wait()
        if waiting.cancelled_caught:
            self.failures.append(f"{member.log.name}: did not end within {PATIENCE:g} s of SIGTERM")
            process.kill()

    async def suspend(self, member: Member, seconds: float) -> None:
        """SIGSTOP, and SIGCONT so many seconds later."""
        member.stopped = True
        member.send(signal.SIGSTOP)
        await anyio.sleep(seconds)
        member.send(signal.SIGCONT)
        member.stopped = False

    async def end(self) -> None:
        """End all, in peace."""
        self._ending = True
        async with open_tasks() as tasks:
            for member in self.members:
                if member.process is not None and member.process.returncode is None:
                    tasks.start_soon(self.terminate, member)

    async def _keep(self, member: Member) -> None:
        while not self._ending:
            code = await member.run(self._environment)
            self._judge(member, code)
            await anyio.sleep(PAUSE)

    def _judge(self, member: Member, code: int) -> None:
        """Whoever was told nothing and ends has failed, but for one that could not start as the server was away."""
        if member.told:
            return
        said = member.log.read_bytes()
        if b"_started" not in said and code == 1 and b"can't be used" in said:
            self.refused += 1
            return
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        self.failures.append(f"{member.log.name}: ended with {code} of itself: {last[0][:300]}")


@asynccontextmanager
async def open_fleet(environment: Mapping[str, str]) -> AsyncGenerator[Fleet]:
    """A fleet of which no process is left when the block ends."""
    async with open_tasks() as tasks:
        fleet = Fleet(tasks, environment)
        yield fleet
        tasks.cancel_scope.cancel()
