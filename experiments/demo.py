"""The demo: all of memp on one machine with nothing set up, played by the stand-in model.

Two runs over the same generated games (households, or trips in a made-up country): a control without memory, then online
learning from nothing.
"""

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.to_thread import run_sync
from pydantic import SecretStr
from rich.console import Console

from envs.alfworld_env.game_cache import open_cache
from envs.alfworld_env.households import generate
from envs.travelplanner import country
from experiments.config import RunConfig
from experiments.driver import Result, drive
from experiments.live import live, print_comparison, print_procedures
from experiments.report import write_report
from memory.transfer import read_memory
from runtime.config import Settings
from runtime.errors import MempError, UsageError

MODEL = "stand-in-strong"
TASKS = 48
BATCH = 8
"""Episodes at once: two cores are busy with so many, and memory is not much behind."""
SEED = 7

OPENING = f"""\
[bold]The model is the stand-in[/bold]: a scripted player behind a real HTTP server ({MODEL}), not a language model.
It knows the grammar of actions, but {{lacks}}, unless memory says so.
"""


@dataclass(frozen=True)
class Scene:
    """What is played in one environment; `make` gives the settings with its generated data, made once and kept."""

    split: str
    games: str
    lacks: str
    """What the stand-in does not know of it."""
    make: Callable[[Settings, int], Settings]


async def play(settings: Settings, env: str, tasks: int) -> None:
    """Control, then online learning over the same games; prints both, the learned procedures and the report's path."""
    scene = SCENES.get(env)
    if scene is None:
        raise UsageError(f"--env {env}: the demo plays {' or '.join(SCENES)}")
    console = Console()
    console.print(OPENING.format(lacks=scene.lacks))
    console.print(f"making {tasks} {scene.games}, each known to be solvable", style="dim")
    async with stand_in_process() as base_url:
        settings = await run_sync(scene.make, with_stand_in(settings, base_url), tasks)
        name = "demo" if env == "alfworld" else f"demo-{env}"
        batch = min(BATCH, max(1, tasks // 4))  # of few tasks, too, some come after what others have taught
        shared = RunConfig(mode="online", exp_name=name, env=env, split=scene.split, model=MODEL, limit=tasks, batch_size=batch)
        control = await _run(console, settings, shared, use_memory=False)
        online = await _run(console, settings, shared, use_memory=True)
    write_report(online.folder, control=control.folder)
    _, procedures = read_memory(online.folder / "memory.jsonl")
    print_procedures(console, procedures, most=3)
    print_comparison(console, f"{MODEL} (the stand-in, no language model) on generated {scene.games}", control, online)
    console.print(f"report: {online.report}", soft_wrap=True, highlight=False)


async def _run(console: Console, settings: Settings, shared: RunConfig, *, use_memory: bool) -> Result:
    name = f"{shared.exp_name}-{'online' if use_memory else 'control'}"
    config = shared.model_copy(update={"exp_name": name, "use_memory": use_memory})
    with live(console, "with memory, learning" if use_memory else "control, no memory") as show:
        return await drive(config, settings, overwrite=True, show=show)


def with_stand_in(settings: Settings, base_url: str) -> Settings:
    """Settings that send all model calls to the stand-in."""
    return settings.model_copy(
        update={
            "base_url": base_url,
            "embedding_base_url": base_url,
            "api_key": SecretStr("stand-in"),
            "embedding_api_key": SecretStr("stand-in"),
            "embedding_model": "stand-in-embedding",
        }
    )


@asynccontextmanager
async def stand_in_process() -> AsyncGenerator[str]:
    """A stand-in model server in a process of its own; gives its base URL."""
    command = [sys.executable, "-m", "experiments.stand_in", "--exit-with-parent"]
    process = await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=None, start_new_session=True)
    try:
        if process.stdout is None:
            raise MempError("the stand-in model could not be started")
        line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 10_000)
        yield json.loads(line)["base_url"]
    finally:
        process.terminate()
        with anyio.CancelScope(shield=True):
            await process.aclose()


def households(settings: Settings, count: int) -> Path:
    """Generated games, made once and kept, as are their translations."""
    folder = settings.data_dir / "households" / str(count)
    generate(count, SEED, folder, split="dev", processes=os.cpu_count() or 1, cache=open_cache(settings))
    return folder


def trips(settings: Settings, count: int) -> Path:
    """Queries in a generated country."""
    folder = settings.data_dir / "country" / str(count)
    country.generate(folder, SEED, {"train": count, "validation": count, "test": 0})
    return folder


SCENES = {
    "alfworld": Scene(
        "dev",
        "households",
        "neither where things are kept nor which appliance does what",
        lambda settings, count: settings.model_copy(update={"alfworld_data": households(settings, count)}),
    ),
    "travelplanner": Scene(
        "validation",
        "trips",
        "not what has to be looked up for a trip nor what makes a plan a good one",
        lambda settings, count: settings.model_copy(update={"travelplanner_data": trips(settings, count)}),
    ),
}
