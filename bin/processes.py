"""Long-running processes and what feeds them: `memp server`, `worker`, `curator`, `submit`."""

import signal
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from bin.database import built_database, plays_trips
from bin.options import DataDir, Engine, Parent, a_namespace, load_settings
from bin.run import (
    Build,
    DeprecateBy,
    Env,
    FewShot,
    Holdout,
    Limit,
    MaxSteps,
    Model,
    ProcedureDropout,
    Retrieve,
    SameGoalBy,
    Seed,
    Split,
    TopK,
    UpdateBy,
    UseMemory,
)
from runtime.config import Settings
from runtime.errors import UsageError
from runtime.event_loop import run

if TYPE_CHECKING:
    from experiments.config import RunConfig

Namespace = Annotated[str, typer.Option("--exp-name", help="Namespace to work on.")]


def server(data_dir: DataDir = None) -> None:
    """Run the embedded server in the foreground, until Ctrl-C or SIGTERM."""
    settings = load_settings(data_dir=data_dir)
    if settings.redis_url:
        raise UsageError("REDIS_URL names a server already: unset it to run the embedded one")
    run(_serve, settings)


async def _serve(settings: Settings) -> None:
    from runtime.server import mask_url, open_server

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_server(settings) as opened:
            typer.echo(f"REDIS_URL={mask_url(opened.url)}")
            async for _ in signals:
                return


def worker(exp_name: Namespace, engine: Engine = None, parent: Parent = None) -> None:
    """Play the tasks of a namespace, until SIGTERM."""
    from workers.processes import run_worker

    run(run_worker, load_settings(engine=engine), exp_name, parent)


def curator(
    exp_name: Namespace,
    model: Annotated[str, typer.Option("--model", help="Model that builds, adjusts and extracts facts.")],
    build: Build = "proceduralization",
    update: UpdateBy = "adjustment",
    same_goal: SameGoalBy = "merge",
    deprecate: DeprecateBy = "share",
    facts: Annotated[bool, typer.Option("--facts", help="Extract facts of new procedures, which --retrieve avefact needs.")] = False,
    parent: Parent = None,
) -> None:
    """Learn from the trajectories of a namespace, until SIGTERM."""
    from memory.update import Policy
    from workers.processes import CuratorOptions, run_curator

    policy = Policy(update=update, same_goal=same_goal, facts=facts)
    options = CuratorOptions(model=model, form=build, policy=policy, deprecate=deprecate)
    run(run_curator, load_settings(), exp_name, options, parent)


def submit(
    exp_name: Namespace,
    model: Model,
    env: Env = "alfworld",
    split: Split = "dev",
    max_steps: MaxSteps = 30,
    few_shot: FewShot = False,
    use_memory: UseMemory = True,
    retrieve: Retrieve = "query",
    top_k: TopK = 3,
    holdout: Holdout = 0.0,
    procedure_dropout: ProcedureDropout = 0.0,
    limit: Limit = None,
    seed: Seed = 0,
    data_dir: DataDir = None,
) -> None:
    """Add the tasks of a split to a namespace for running workers; the same split, order and limit are added once."""
    from experiments.config import RunConfig

    settings = load_settings(data_dir=data_dir)
    if plays_trips(env):
        built_database(settings)
    config = RunConfig(
        mode="online",
        exp_name=exp_name,
        model=model,
        env=env,
        split=split,
        max_steps=max_steps,
        few_shot=few_shot,
        use_memory=use_memory,
        retrieve=retrieve,
        top_k=top_k,
        holdout=holdout,
        procedure_dropout=procedure_dropout,
        limit=limit,
        seed=seed,
    )
    typer.echo(f"{run(_submit, config, settings)} tasks added")


async def _submit(config: "RunConfig", settings: Settings) -> int:
    from experiments.config import check_withholding, make_tasks
    from runtime.bus.consumer import register_group
    from runtime.keys import CURATORS

    check_withholding(config)
    tasks = make_tasks(config, settings, epoch=0)
    async with a_namespace(settings, config.exp_name, must_exist=False) as namespace:
        if config.use_memory:
            await register_group(namespace.client, namespace.keys.trajectories, CURATORS)
        return await namespace.submit_tasks([task.model_copy(update={"epoch": namespace.epoch}) for task in tasks])


def stand_in(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8200,
    key: Annotated[str | None, typer.Option("--key", help="Bearer key that requests must carry.")] = None,
    latency_ms: Annotated[float, typer.Option("--latency-ms", help="Median time to answer, lognormal.")] = 0.0,
    latency_sigma: Annotated[float, typer.Option("--latency-sigma", help="Spread of the latency.")] = 0.5,
    builder_ms: Annotated[float, typer.Option("--builder-ms", help="What building and adjusting take beyond that.")] = 0.0,
    rate_limited: Annotated[float, typer.Option("--rate-limited", help="Share answered by 429 with Retry-After.")] = 0.0,
    retry_after: Annotated[float, typer.Option("--retry-after", help="Seconds that a 429 asks to wait.")] = 1.0,
    server_error: Annotated[float, typer.Option("--server-error", help="Share answered by 500.")] = 0.0,
    dropped: Annotated[float, typer.Option("--dropped", help="Share whose connection is cut.")] = 0.0,
    truncated: Annotated[float, typer.Option("--truncated", help="Share whose body ends early.")] = 0.0,
    malformed: Annotated[float, typer.Option("--malformed", help="Share whose body is no JSON.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of latency and faults.")] = 0,
) -> None:
    """Serve the stand-in model: a scripted player behind an OpenAI-compatible server, for demos and tests."""
    from experiments.stand_in.options import Options
    from experiments.stand_in.server import run as serve

    options = locals()
    try:
        serve(Options(**{name: options[name] for name in Options.__dataclass_fields__}))
    except (ValueError, OSError) as error:
        raise UsageError(f"memp stand-in: {error}") from None


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    for command in (server, worker, curator, submit):
        app.command()(command)
    app.command("stand-in")(stand_in)
