"""Whole runs: `memp demo`, `memp online`, `memp offline`, `memp build`."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bin.database import built_database, plays_trips
from bin.options import DataDir, Engine, RunsDir, load_settings, quiet
from memory.procedure import Deprecate, Form, SameGoal, Update
from runtime.config import Settings
from runtime.errors import MempError
from runtime.event_loop import run
from runtime.events import Retrieval

if TYPE_CHECKING:
    from experiments.config import Mode, RunConfig

Model = Annotated[str, typer.Option("--model", help="Model that plays (and builds, unless --builder-model is given).")]
Env = Annotated[str, typer.Option("--env", help="alfworld, travelplanner or travelplanner-sole.")]
Split = Annotated[
    str, typer.Option("--split", help="ALFWorld: train, dev (valid_seen), test (valid_unseen). TravelPlanner: train, validation, test.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Episodes that each worker plays at once.")]
MaxSteps = Annotated[int, typer.Option("--max-steps", min=1, help="Steps after which an episode ends.")]
ExpName = Annotated[str, typer.Option("--exp-name", help="Name of the run: its namespace and its folder; the same command resumes it.")]
FewShot = Annotated[bool, typer.Option("--few-shot/--no-few-shot", help="Show the environment's example episodes.")]
UseMemory = Annotated[bool, typer.Option("--use-memory/--no-use-memory", help="Retrieve (and, online, learn); without: the control.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Start afresh: forget this run's results and memory.")]
Build = Annotated[Form, typer.Option("--build", help="trajectory, script or proceduralization.")]
Retrieve = Annotated[Retrieval, typer.Option("--retrieve", help="random, query or avefact.")]
UpdateBy = Annotated[Update, typer.Option("--update", help="vanilla, validation or adjustment.")]
SameGoalBy = Annotated[
    SameGoal, typer.Option("--same-goal", help="merge: one procedure per goal; add: one per trajectory, as in the paper.")
]
DeprecateBy = Annotated[
    Deprecate,
    typer.Option("--deprecate", help="share: what fails too often; uplift: what does harm, as --procedure-dropout shows (no adjustment)."),
]
Holdout = Annotated[float, typer.Option("--holdout", min=0.0, max=0.99, help="Share of episodes that memory is withheld from.")]
ProcedureDropout = Annotated[
    float, typer.Option("--procedure-dropout", min=0.0, max=0.99, help="Share of retrieved procedures that are withheld, each by chance.")
]
TopK = Annotated[int, typer.Option("--top-k", min=1, help="Procedures retrieved per task.")]
GroupSize = Annotated[
    int | None, typer.Option("--group-size", min=1, help="Learn in groups of so many tasks (reproducible); without: no barrier.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Play only so many tasks.")]
Seed = Annotated[int, typer.Option("--seed", help="Orders the tasks, and is passed to the model.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Worker processes.")]
Temperature = Annotated[float, typer.Option("--temperature", min=0.0, help="Sampling temperature of the agent.")]
BuilderModel = Annotated[str | None, typer.Option("--builder-model", help="Model that builds and adjusts; without: --model.")]
EpisodeTokens = Annotated[int | None, typer.Option("--episode-tokens", min=1, help="Token budget of one episode.")]
RunTokens = Annotated[int | None, typer.Option("--run-tokens", min=1, help="Token budget of the run.")]
PromptTokens = Annotated[int | None, typer.Option("--prompt-tokens", min=1, help="End an episode whose prompt has more tokens.")]
Trajectories = Annotated[Path | None, typer.Option("--trajectories", help="Build the memory from this file of stored trajectories.")]
MemoryFile = Annotated[Path | None, typer.Option("--memory", help="Begin with this exported memory.")]


def online(
    model: Model,
    exp_name: ExpName,
    env: Env = "alfworld",
    split: Split = "dev",
    batch_size: BatchSize = 16,
    max_steps: MaxSteps = 30,
    few_shot: FewShot = False,
    use_memory: UseMemory = True,
    overwrite: Overwrite = False,
    build: Build = "proceduralization",
    retrieve: Retrieve = "query",
    update: UpdateBy = "adjustment",
    same_goal: SameGoalBy = "merge",
    deprecate: DeprecateBy = "share",
    top_k: TopK = 3,
    holdout: Holdout = 0.0,
    procedure_dropout: ProcedureDropout = 0.0,
    group_size: GroupSize = None,
    limit: Limit = None,
    seed: Seed = 0,
    workers: Workers = 1,
    temperature: Temperature = 0.0,
    builder_model: BuilderModel = None,
    episode_tokens: EpisodeTokens = None,
    run_tokens: RunTokens = None,
    prompt_tokens: PromptTokens = None,
    memory: MemoryFile = None,
    engine: Engine = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = None,
) -> None:
    """Learn while working: from nothing, or from an imported memory."""
    _run("online", locals())


def offline(
    model: Model,
    exp_name: ExpName,
    env: Env = "alfworld",
    split: Split = "dev",
    batch_size: BatchSize = 16,
    max_steps: MaxSteps = 30,
    few_shot: FewShot = False,
    use_memory: UseMemory = True,
    overwrite: Overwrite = False,
    build: Build = "proceduralization",
    retrieve: Retrieve = "query",
    update: UpdateBy = "validation",
    same_goal: SameGoalBy = "merge",
    top_k: TopK = 3,
    holdout: Holdout = 0.0,
    procedure_dropout: ProcedureDropout = 0.0,
    limit: Limit = None,
    seed: Seed = 0,
    workers: Workers = 1,
    temperature: Temperature = 0.0,
    builder_model: BuilderModel = None,
    episode_tokens: EpisodeTokens = None,
    run_tokens: RunTokens = None,
    prompt_tokens: PromptTokens = None,
    trajectories: Trajectories = None,
    memory: MemoryFile = None,
    engine: Engine = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = None,
) -> None:
    """Build a memory from stored trajectories (or import one), freeze it, and evaluate it on a split."""
    _run("offline", locals())


def build(
    trajectories: Annotated[Path, typer.Option("--trajectories", help="File of stored trajectories.")],
    model: Model,
    exp_name: ExpName,
    env: Env = "alfworld",
    overwrite: Overwrite = False,
    build: Build = "proceduralization",
    retrieve: Annotated[Retrieval, typer.Option("--retrieve", help="avefact: extract facts, too.")] = "query",
    update: UpdateBy = "validation",
    same_goal: SameGoalBy = "merge",
    data_dir: DataDir = None,
    runs_dir: RunsDir = None,
) -> None:
    """Build procedures from stored trajectories, and export them."""
    _run("build", locals())


def demo(
    env: Annotated[str, typer.Option("--env", help="alfworld or travelplanner.")] = "alfworld",
    tasks: Annotated[int | None, typer.Option("--tasks", min=1, help="Tasks per run.")] = None,
    engine: Engine = None,
    data_dir: DataDir = None,
    runs_dir: RunsDir = None,
) -> None:
    """The main job with nothing set up: generated games, the stand-in model, a control run, then learning."""
    from experiments import demo as demonstration

    settings = quiet(load_settings(engine=engine, data_dir=data_dir, runs_dir=runs_dir))
    run(demonstration.play, settings, env, tasks or demonstration.TASKS)


def _run(mode: "Mode", given: dict[str, Any]) -> None:
    from experiments.config import RunConfig

    settings = quiet(load_settings(**{name: given.pop(name, None) for name in ("engine", "data_dir", "runs_dir")}))
    overwrite = given.pop("overwrite")
    if mode != "build" and plays_trips(given["env"]):
        built_database(settings)
    run(_drive, RunConfig(mode=mode, **given), settings, overwrite)


async def _drive(config: "RunConfig", settings: Settings, overwrite: bool) -> None:
    from rich.console import Console

    from experiments.driver import build_memory, drive
    from experiments.live import live, print_result

    console = Console()
    title = f"{config.exp_name} ({config.mode})"
    with _kept(config.exp_name), live(console, title) as show:
        if config.mode == "build":
            path, count = await build_memory(config, settings, overwrite=overwrite, show=show)
            closing = partial(console.print, f"{count} procedures in {path}", soft_wrap=True, highlight=False)
        else:
            closing = partial(print_result, console, title, await drive(config, settings, overwrite=overwrite, show=show))
    closing()


@contextmanager
def _kept(exp_name: str) -> Generator[None]:
    """Whoever interrupts a run is told how to go on with it."""
    try:
        yield
    except MempError:
        raise
    except BaseException:
        typer.echo(f"state is kept: give the same command again (without --overwrite) to go on with {exp_name}", err=True)
        raise


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    for command in (demo, online, offline, build):
        app.command()(command)
