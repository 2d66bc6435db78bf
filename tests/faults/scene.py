"""Real workers and curators as processes of their own, on a real household, with a model that waits when it is told to."""

import json
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import psutil
from anyio.abc import Process

from envs.local import GameTask
from envs.registry import games
from runtime.bus.namespace import Namespace
from runtime.config import Settings
from runtime.events import EpisodeSpec, Progress, Task, Trajectory
from runtime.keys import WORKERS
from tests.faults import poison_env
from tests.faults.servers import own_server
from tests.forking import fork
from tests.support import Reply, Scripted, model_environment, namespace_at, scripted, until

LEASE = 1.5
"""Seconds."""
PATIENCE = 150.0
"""Seconds after which something will not happen any more; what is to be quick is measured by the tests themselves."""

LEARNING = ("curator", "--model", "m", "--build", "trajectory", "--update", "vanilla", "--same-goal", "add")
"""Each trajectory becomes a procedure, without a call to the model."""


class Player:
    """A model that plays one game's walkthrough, and keeps one step waiting when it is told to."""

    def __init__(self, walkthrough: list[str]) -> None:
        self.walkthrough = walkthrough
        self.asked: Counter[int] = Counter()
        """Requests by step, from 0, of the task under way."""
        self.held: int | None = None

    async def reply(self, messages: list[dict[str, str]]) -> str:
        """The next command, which no other step's request asks for."""
        step = step_of(messages)
        self.asked[step] += 1
        while self.held == step:  # noqa: ASYNC110 (the test sets a plain attribute)
            await anyio.sleep(0.01)
        return f"Thought: go on.\nAction: {self.walkthrough[step]}"


@dataclass
class Scene:
    """Processes on one namespace."""

    namespace: Namespace
    url: str
    model: Scripted
    data: Path
    folder: Path
    stack: AsyncExitStack
    processes: dict[int, Process] = field(default_factory=dict[int, Process])

    def environment(self, **changes: str) -> dict[str, str]:
        """Variables of a process, those of the tester left out."""
        return model_environment(self.model.base_url) | {
            "REDIS_URL": self.url,
            "MEMP_DATA_DIR": str(self.data.parent / "cache"),
            "ALFWORLD_DATA": str(self.data),
            "MEMP_LEASE": str(LEASE),
            "MEMP_ENV_PROCESSES": "1",
            "MEMP_SLOTS": "1",
            "MEMP_ENVIRONMENTS": poison_env.__name__,
            **changes,
        }

    async def start(self, *command: str, **environment: str) -> Process:
        """A `memp` process on this namespace, killed at the end of the scene."""
        name = self.namespace.keys.namespace
        with (self.folder / f"{command[0]}-{len(self.processes)}.log").open("wb") as output:
            process = await fork(*command, "--exp-name", name, env=self.environment(**environment), output=output.fileno())
        self.processes[process.pid] = process
        self.stack.push_async_callback(_end, process)
        return process

    async def at_work(self, count: int) -> None:
        """Wait until so many workers read the task stream."""
        await until(self._consumers, lambda found: len(found) >= count, PATIENCE)

    async def _consumers(self) -> list[str]:
        try:
            found: Any = await self.namespace.client.xinfo_consumers(self.namespace.keys.tasks, WORKERS)
        except Exception:  # no group yet
            return []
        living = [each["name"].decode() for each in found]
        return [name for name in living if psutil.pid_exists(pid_of(name))]

    async def holder(self) -> str | None:
        """The consumer that has the only task; None where nobody has it."""
        found: Any = await self.namespace.client.xpending_range(self.namespace.keys.tasks, WORKERS, "-", "+", 1)
        return found[0]["consumer"].decode() if found else None

    async def settled(self, count: int) -> None:
        """Wait until so many tasks are committed or dead-lettered."""
        await progressed(self.namespace, lambda now: now.settled >= count)

    def logs(self, command: str) -> str:
        """What all processes of this kind have logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob(f"{command}-*.log")))

    async def trajectories(self) -> list[Trajectory]:
        """All that were committed and not yet taken off the stream."""
        entries: Any = await self.namespace.client.xrange(self.namespace.keys.trajectories)
        return [Trajectory.model_validate_json(fields[b"event"]) for _, fields in entries]


async def progressed(namespace: Namespace, wanted: Callable[[Progress], bool]) -> None:
    """Wait until the namespace's counters are as wanted; long, as processes that start share the machine with whatever runs on it."""
    await until(namespace.progress, wanted, seconds=PATIENCE)


def pid_of(consumer: str) -> int:
    """The process behind a consumer's name."""
    return int(consumer.split("-")[-2])


async def _end(process: Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()


def task_of(game: GameTask, index: int, **fields: Any) -> Task:
    """A task without memory."""
    spec = EpisodeSpec(model="m", use_memory=False, max_steps=10)
    given: dict[str, Any] = {"id": f"t{index}", "epoch": 1, "env": "alfworld", "index": index, "spec": spec}
    return Task(goal=game.goal, game=game.game, **{**given, **fields})


def room(index: int, **game: Any) -> Task:
    """A task of the small environment that obeys its game."""
    played = GameTask(f"tidy room {index}", {"name": f"room {index}", **game})
    return task_of(played, index, env=poison_env.__name__)


def step_of(messages: list[dict[str, str]]) -> int:
    """Which step a request is for, from 0."""
    return sum(message["role"] == "assistant" for message in messages)


def acting(messages: list[dict[str, str]]) -> str:
    """An action for any step of any room."""
    return f"Thought: go on.\nAction: do {step_of(messages)}"


def slowly(seconds: float) -> Reply:
    """`acting`, after so long."""

    async def reply(messages: list[dict[str, str]]) -> str:
        await anyio.sleep(seconds)
        return acting(messages)

    return reply


def the_game(data: Path) -> tuple[GameTask, list[str]]:
    """The first household of a folder, and the commands that win it."""
    [found, *_] = games("alfworld", "dev", Settings(alfworld_data=data))  # pyright: ignore[reportCallIssue]
    return found, json.loads((data / found.game["path"]).read_text())["walkthrough"]


@asynccontextmanager
async def scene(namespace: Namespace, url: str, data: Path, folder: Path, reply: Reply) -> AsyncGenerator[Scene]:
    """A namespace with a model; processes are started by the test."""
    async with scripted(reply) as model, AsyncExitStack() as stack:
        yield Scene(namespace, url, model, data, folder, stack)


@asynccontextmanager
async def own_scene(name: str, data: Path, folder: Path, reply: Reply, *flags: str) -> AsyncGenerator[Scene]:
    """A scene on a server of its own, which the test may kill, stop, empty and fill."""
    async with (
        own_server(folder / "data", *flags) as url,
        namespace_at(url, name) as namespace,
        scene(namespace, url, data, folder, reply) as playing,
    ):
        yield playing
