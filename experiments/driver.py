"""One run from its first task to its report: offline (build, freeze, evaluate) or online (learn while working).

The driver plays no episode itself. It submits tasks, keeps the processes alive, records what they commit, and ends when
every task is settled and every trajectory applied. Killed at any point, it goes on where it was when started again.
"""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import structlog

from experiments.analysis.run_changes import read_run_changes
from experiments.analysis.summary import Summary, summarise, write_summary
from experiments.config import (
    RULE,
    OtherRun,
    RunConfig,
    check_folder,
    check_withholding,
    clear_folder,
    hold_folder,
    in_groups,
    make_tasks,
    prepare_folder,
    resolved,
    run_digest,
)
from experiments.fleet import Fleet, open_fleet
from experiments.offline import read_experience
from experiments.recorder import Recorder
from experiments.report import write_report
from experiments.results import EpisodeRow, read_rows
from experiments.waiting import Waiting
from memory.changes import export_history
from memory.store import Memory, open_memory
from memory.transfer import export_memory, import_memory, read_memory
from runtime.bus.consumer import register_group
from runtime.bus.namespace import Namespace, groups_of, open_namespace
from runtime.bus.scripts import patiently
from runtime.bus.trimmed import restore_tasks
from runtime.config import Settings
from runtime.errors import UsageError
from runtime.events import Progress, Role, Task, Usage
from runtime.keys import CURATORS, Keys
from runtime.model.embeddings import open_embedder
from runtime.model.llm import Sampling, open_llm
from runtime.model.preflight import preflight
from runtime.server import Server, connect, open_server
from runtime.tasks import open_tasks

log = structlog.get_logger()


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

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.config, self.namespace, self._look)

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
            self.waiting.experience = self.snapshot.total = len(experience)
            built = (await self.namespace.progress()).consumed >= len(experience)
            if not built or await self._builds_wait():
                await register_group(self.namespace.client, self.namespace.keys.trajectories, CURATORS)
                await self.namespace.submit_trajectories(experience)
                self.start_curator()
                await self.waiting.until_built()
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
        submitted: list[Task] = []
        for group in in_groups(tasks):
            await self.namespace.submit_tasks(group)
            submitted += group
            await self.waiting.until_played(submitted, recorder)
        if self.config.learns:
            await self.waiting.until_learned()

    async def _builds_wait(self) -> bool:
        """Whether builds were put back since memory was built; the curators' group is gone where it was frozen in peace."""
        groups = await patiently(lambda: groups_of(self.namespace.client, self.namespace.keys.trajectories))
        return any(group["name"] == CURATORS.encode() for group in groups) and await self.namespace.undone(CURATORS) > 0

    def start_curator(self) -> None:
        config = self.config
        facts = ["--facts"] if config.retrieve == "avefact" else []
        choices = {"--exp-name": config.exp_name, "--model": config.builder_model or config.model, "--build": config.build}
        choices |= {"--update": config.update, "--same-goal": config.same_goal, "--deprecate": config.deprecate}
        self.fleet.start("curator", "curator", *(part for pair in choices.items() for part in pair), *facts)

    async def _look(self) -> Progress:
        """Read the counters, and show them."""
        progress = self.snapshot.progress = await self.namespace.progress()
        self.snapshot.in_flight = await self.namespace.in_flight()
        self.show(self.snapshot)
        return progress


async def drive(config: RunConfig, settings: Settings, *, overwrite: bool, show: Callable[[Snapshot], None]) -> Result:
    """Run `config` to its end, or on from where it was. Raises `MempError` for all that a user can mend."""
    _check(config)
    tasks = make_tasks(config, settings, epoch=0)  # unusable games are told before anything is begun
    config = resolved(config, settings, tasks)
    async with _opened(config, settings, overwrite, show) as run:
        folder = run.folder
        await run.offline_memory()
        recorder = Recorder(run.namespace, folder / "episodes.jsonl", tasks, learns=config.learns)
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
        if config.learns and not await export_history(run.namespace, folder / "changes.jsonl"):
            log.warning("no_history", reason="nothing was learned, or its first changes are no longer on the stream")
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
    summary = summarise(
        rows,
        model=config.model,
        embedding_model=config.embedding_model,
        builder_model=config.builder_model,
        learning=learning,
        changes=read_run_changes(folder),
    )
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
        stack.enter_context(hold_folder(config, folder))
        if overwrite:
            clear_folder(folder)  # first: killed in between, this is no run that the same command goes on with
        namespace = await open_namespace(client, config.exp_name, overwrite=overwrite)
        if not await namespace.claim(run_digest(config)) or await _recorded_elsewhere(namespace, folder):
            raise OtherRun(f"{config.exp_name} holds a run that is not the one in {folder}")
        prepare_folder(config, folder)
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
        **{f"MEMP_{name.upper()}": str(getattr(settings, name)) for name in ("structured_output", *RULE)},
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
    check_withholding(config)
    if config.group_size is not None and not config.learns:
        raise UsageError("--group-size makes groups wait for the curator, and this run has none: leave it out")
