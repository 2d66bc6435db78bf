"""One run from its first task to its report: offline (build, freeze, evaluate) or online (learn while working).

The driver plays no episode itself. It submits tasks, keeps the processes alive, records what they commit, and ends when
every task is settled and every trajectory applied. Killed at any point, it goes on where it was when started again.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import structlog

from experiments.config import RunConfig, check_folder, in_groups, make_tasks, prepare_folder, resolved, run_digest
from experiments.fleet import Fleet, open_fleet
from experiments.offline import read_experience
from experiments.recorder import Recorder
from experiments.report import write_report
from experiments.results import EpisodeRow, read_rows
from experiments.summary import Summary, summarise, write_summary
from memory.store import Memory, open_memory
from memory.transfer import export_memory, import_memory, read_memory
from runtime.bus.consumer import register_group
from runtime.bus.namespace import Namespace, open_namespace
from runtime.bus.trimmed import restore_tasks
from runtime.config import Settings
from runtime.errors import MempError, UsageError
from runtime.events import Progress, Role, Task, Usage
from runtime.keys import CURATORS, RECORDER, Keys
from runtime.model.embeddings import open_embedder
from runtime.model.llm import Sampling, open_llm
from runtime.model.preflight import preflight
from runtime.server import Server, connect, open_server
from runtime.tasks import open_tasks

log = structlog.get_logger()

POLL = 0.25
"""Seconds between two looks at the counters."""
STILL = 5.0
"""Seconds without a trajectory learned or recorded, after which those that are on the stream no more are given up."""


@dataclass
class Snapshot:
    """Where a run stands, for whoever shows it."""

    total: int = 0
    phase: str = "starting"
    in_flight: int = 0
    progress: Progress = field(default_factory=Progress)
    rows: list[EpisodeRow] = field(default_factory=list[EpisodeRow])


@dataclass(frozen=True)
class Result:
    """What a run left: its folder and its summary."""

    folder: Path
    summary: Summary
    report: Path


@dataclass(frozen=True)
class Lost:
    """Trajectories that a run waits for in vain, unless something still changes."""

    count: int
    undone: str
    seen: object


@dataclass
class Run:
    """One run under way."""

    config: RunConfig
    settings: Settings
    folder: Path
    namespace: Namespace
    memory: Memory | None
    fleet: Fleet
    snapshot: Snapshot
    show: Callable[[Snapshot], None]
    experience: int = 0
    """Stored trajectories that the memory is built from."""

    async def offline_memory(self) -> None:
        """Fill the memory that a run starts with: an exported one, or one built from stored trajectories."""
        if self.memory is None:
            return
        if self.config.memory:
            self.snapshot.phase = "importing memory"
            await import_memory(self.memory, self.config.memory)
        if self.config.trajectories:
            self.snapshot.phase = "building memory"
            experience = read_experience(self.config, self.namespace.epoch)
            self.experience = self.snapshot.total = len(experience)
            built = (await self.namespace.progress()).consumed >= len(experience)
            if not built or await self.namespace.undone(CURATORS):  # builds may have been put back since
                await register_group(self.namespace.client, self.namespace.keys.trajectories, CURATORS)
                await self.namespace.submit_trajectories(experience)
                self.start_curator()
                await self._until(lambda progress: progress.consumed >= len(experience), self._unlearned)
                await self._until_learned()
                await self.fleet.stop("curator")
            # From here on memory is frozen.
            await self.namespace.remove_group(self.namespace.keys.trajectories, CURATORS)

    async def episodes(self, recorder: Recorder, tasks: list[Task]) -> None:
        """Submit all tasks, or group after group, and wait until all that they bring about has happened."""
        self.snapshot.phase, self.snapshot.total = "playing", len(tasks)
        if self.config.learns:
            await register_group(self.namespace.client, self.namespace.keys.trajectories, CURATORS)
            self.start_curator()
        for number in range(self.config.workers):
            self.fleet.start(f"worker-{number}", "worker", "--exp-name", self.config.exp_name)
        await restore_tasks(self.namespace, tasks)  # resumed: what somebody has trimmed away since is added again
        played = 0
        for group in in_groups(tasks):
            await self.namespace.submit_tasks(group)
            played += len(group)
            lost = partial(self._lost, recorder, played)
            await self._until(lambda progress, due=played: min(self._settled(progress), recorder.recorded) >= due, lost)
        await self._until_learned()

    def start_curator(self) -> None:
        config = self.config
        facts = ["--facts"] if config.retrieve == "avefact" else []
        choices = {"--exp-name": config.exp_name, "--model": config.builder_model or config.model, "--build": config.build}
        choices |= {"--update": config.update, "--same-goal": config.same_goal}
        self.fleet.start("curator", "curator", *(part for pair in choices.items() for part in pair), *facts)

    def _settled(self, progress: Progress) -> int:
        """Tasks of which nothing more will come; the trajectories that memory was built from are no tasks."""
        return progress.consumed + progress.dead if self.config.learns else progress.settled - self.experience

    async def _until_learned(self) -> None:
        """Builds that were put back are no tasks: wait for them, too."""
        while await self.namespace.undone(CURATORS):  # noqa: ASYNC110 - of other processes, which have no event of ours
            await anyio.sleep(POLL)

    async def _until(self, done: Callable[[Progress], bool], find_lost: Callable[[Progress], Awaitable[Lost | None]]) -> None:
        """Wait, with a look now and then. Raises `MempError` where it is for what will never come."""
        seen, since = None, anyio.current_time()
        while True:
            progress = self.snapshot.progress = await self.namespace.progress()
            self.snapshot.in_flight = await self.namespace.in_flight()
            self.show(self.snapshot)
            if done(progress):
                return
            if (lost := await find_lost(progress)) != seen:
                seen, since = lost, anyio.current_time()
            elif lost and anyio.current_time() - since > STILL:
                what = f"{lost.count} trajector{'y' if lost.count == 1 else 'ies'} can't be {lost.undone}"
                raise MempError(_TRIMMED.format(what=what, name=self.config.exp_name))
            await anyio.sleep(POLL)

    async def _lost(self, recorder: Recorder, due: int, progress: Progress) -> Lost | None:
        """Like `_unlearned`; beside these, what ended and left its stream before the recorder had it."""
        if self.config.learns and (lost := await self._unlearned(progress)):
            return lost
        if self._settled(progress) < due or await self.namespace.undone(RECORDER):
            return None
        return Lost(due - recorder.recorded, "recorded", recorder.dead_seen)

    async def _unlearned(self, progress: Progress) -> Lost | None:
        """Trajectories that were committed, not learned, and are on the stream no more; None while something else goes on.

        A commit counts and publishes in one step, and so an apply counts and acknowledges: between two looks at the same
        counters, this can't be wrong. In a group, what comes after a missing one has its turn never.
        """
        left = await self.namespace.undone(CURATORS)
        at_work = progress.settled - self.experience < progress.submitted or (left and self.config.group_size is None)
        count = 0 if at_work else progress.committed - progress.consumed - left
        return Lost(count, "learned from", progress.consumed) if count > 0 else None


_TRIMMED = (
    "{what}: somebody trimmed the stream. What was recorded stands in episodes.jsonl, `memp memory export --exp-name {name}` "
    "writes what was learned, and --overwrite plays the run afresh"
)


async def drive(config: RunConfig, settings: Settings, *, overwrite: bool, show: Callable[[Snapshot], None]) -> Result:
    """Run `config` to its end, or on from where it was. Raises `MempError` for all that a user can mend."""
    _check(config)
    tasks = make_tasks(config, settings, epoch=0)  # unusable games are told before anything is begun
    config = resolved(config, settings, tasks)
    async with _opened(config, settings, overwrite, show) as run:
        folder = run.folder
        await run.offline_memory()
        recorder = Recorder(run.namespace, folder / "episodes.jsonl", tasks)
        await recorder.open()
        run.snapshot.rows = recorder.rows
        async with open_tasks() as background:
            background.start_soon(recorder.run)
            await run.episodes(recorder, [task.model_copy(update={"epoch": run.namespace.epoch}) for task in tasks])
            background.cancel_scope.cancel()
        await recorder.close()
        await run.fleet.stop()
        if run.memory:
            await export_memory(run.namespace, folder / "memory.jsonl")
        learning = (await run.namespace.progress()).learning
    return finish(config, folder, learning)


async def build_memory(config: RunConfig, settings: Settings, *, overwrite: bool, show: Callable[[Snapshot], None]) -> tuple[Path, int]:
    """Build procedures from `config.trajectories` and export them; gives the file and how many it holds."""
    _check(config)
    async with _opened(resolved(config, settings, []), settings, overwrite, show) as run:
        await run.offline_memory()
        file = run.folder / "memory.jsonl"
        return file, await export_memory(run.namespace, file)


def finish(config: RunConfig, folder: Path, learning: dict[Role, Usage]) -> Result:
    """Summary and report of what has been recorded; `learning` is what the curator spent."""
    rows = read_rows(folder / "episodes.jsonl")
    summary = summarise(rows, model=config.model, embedding_model=config.embedding_model, learning=learning)
    write_summary(folder, summary)
    return Result(folder, summary, write_report(folder))


@asynccontextmanager
async def _opened(config: RunConfig, settings: Settings, overwrite: bool, show: Callable[[Snapshot], None]) -> AsyncGenerator[Run]:
    """Endpoints asked, server ready, folder and namespace this run's own; nothing is changed before the first two succeed."""
    folder = settings.runs_dir / config.exp_name
    if not overwrite:
        check_folder(config, folder)
    async with AsyncExitStack() as stack:
        embedder = await stack.enter_async_context(open_embedder(settings))
        async with open_llm(settings) as llm:
            await preflight(llm, Sampling(model=config.model), embedder if config.use_memory else None)
        server = await stack.enter_async_context(open_server(settings))
        client = await stack.enter_async_context(connect(server.url))
        namespace = await open_namespace(client, config.exp_name, overwrite=overwrite)
        if not await namespace.claim(run_digest(config)) or await _recorded_elsewhere(namespace, folder):
            raise UsageError(f"{config.exp_name} holds a run that is not the one in {folder}: choose another --exp-name, or --overwrite it")
        prepare_folder(config, folder, overwrite=overwrite)
        memory = None
        if config.use_memory:
            memory = await open_memory(namespace, embedder, search=server.search, exact_up_to=settings.exact_up_to)
        fleet = await stack.enter_async_context(open_fleet(folder / "logs", _environment(config, settings, server)))
        yield Run(config, settings, folder, namespace, memory, fleet, Snapshot(), show)


async def _recorded_elsewhere(namespace: Namespace, folder: Path) -> bool:
    """Whether tasks of the namespace are settled and this folder never knew of them."""
    return (await namespace.progress()).settled > 0 and not await anyio.Path(folder / "config.json").exists()


def _environment(config: RunConfig, settings: Settings, server: Server) -> dict[str, str]:
    """What the children are told beyond what they inherit."""
    processes = max(1, (os.cpu_count() or 2) // config.workers)
    return {
        "REDIS_URL": server.url,
        "MEMP_SLOTS": str(config.batch_size),
        "MEMP_ENV_PROCESSES": str(min(processes, settings.env_processes)),
        "MEMP_LOG_LEVEL": settings.log_level,
        "MEMP_ENGINE": settings.engine,
        "MEMP_ENVIRONMENTS": ",".join({*settings.environments, config.env}),
        "MEMP_DATA_DIR": str(settings.data_dir.absolute()),
        **_endpoints(settings),
    }


def _endpoints(settings: Settings) -> dict[str, str]:
    """Settings that a caller may have set without the environment; keys travel by the environment, never by arguments."""
    given = {
        "OPENAI_BASE_URL": settings.base_url,
        "EMBEDDING_MODEL_BASE_URL": settings.embedding_base_url,
        "OPENAI_API_KEY": settings.api_key.get_secret_value() if settings.api_key else None,
        "EMBEDDING_MODEL_KEY": settings.embedding_api_key.get_secret_value() if settings.embedding_api_key else None,
        "MEMP_EMBEDDING_MODEL": settings.embedding_model,
        "ALFWORLD_DATA": str(settings.alfworld_data) if settings.alfworld_data else None,
        "MEMP_TRAVELPLANNER_DATA": str(settings.travelplanner_data) if settings.travelplanner_data else None,
        "MEMP_STRUCTURED_OUTPUT": str(settings.structured_output),
    }
    return {name: value for name, value in given.items() if value is not None}


def _check(config: RunConfig) -> None:
    """What can be told before anything is begun."""
    Keys(config.exp_name)
    if not config.use_memory and (config.memory or config.trajectories):
        raise UsageError("--memory and --trajectories fill a memory, and --no-use-memory leaves it out: drop one of them")
    if config.trajectories:
        read_experience(config, epoch=0)
    if config.memory:
        _, procedures = read_memory(config.memory)
        if config.retrieve == "avefact" and procedures and not any(procedure.facts for procedure in procedures):
            raise UsageError(f"--retrieve avefact needs facts, and {config.memory} has none: build it with --retrieve avefact")
    if config.mode == "offline" and config.use_memory and not (config.trajectories or config.memory):
        raise UsageError("offline needs a memory to evaluate: --trajectories FILE to build one, or --memory FILE, or --no-use-memory")
    if config.group_size is not None and not config.learns:
        raise UsageError("--group-size makes groups wait for the curator, and this run has none: leave it out")
