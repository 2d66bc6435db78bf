"""A long life: thousands of tasks on one namespace, whose kind changes from phase to phase and comes back in the end, while workers,
curator and server are ended and started again.

    uv run python -m bench.lifelong [--tasks 2000] [--seed S] [--quick] [--out FILE]

Played by the stand-in model (a scripted player, no language model) on generated households. Real `memp` processes learn all the time;
beside them one task in four is played without memory, so that it is known how hard a phase is. Each game is played by four tasks of its
phase, with different chances; in the phase that comes back half of the games are those of the first. The exit code is 1 where anything
was lost or done twice, where there are more active procedures than different goals, or where a phase ends behind its own start: where
the 95 % interval of the difference lies wholly below 0, as by luck alone that of one phase in 40 does.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import anyio
from anyio.to_thread import run_sync

from bench import harness
from bench.chaos_checks import ends, wrong
from bench.lifelong_figures import BEHIND, coming_back, phase_row, told, verdict
from bench.lifelong_run import Holding, Life, Stage
from bench.lifelong_world import REPEATS, Phase, build_world
from bench.report import save, show
from envs.alfworld_env.warming import warm
from experiments.analysis.stats import Interval
from runtime.config import Settings
from runtime.logs import configure_logs
from runtime.server import connect
from runtime.server.process import embedded

QUICK = 200
"""Tasks of a quick run."""
LEAST = 40
"""Tasks that give each phase two games, which an interval takes."""
WITHIN = 6
"""Restarts in the middle of each phase: both signals to a worker, the curator and the server; of a quick run the first of them."""


async def run(flags: argparse.Namespace, folder: Path) -> tuple[list[Phase], Life, dict[str, float]]:
    """Make the world, translate its games, and live: the phases, what is left, and how long both took (s)."""
    began = perf_counter()
    data = Settings().data_dir
    phases = await run_sync(build_world, flags.tasks, flags.seed, folder / "games")
    settings = Settings().model_copy(update={"alfworld_data": folder / "games"})
    await run_sync(warm, "dev", settings, 2, _silent)
    ready = perf_counter()
    async with embedded(folder / "server", module=True) as url, connect(url) as client, harness.stand_in(0.0) as model:
        stage = Stage(client, url, model.base_url, folder / "games", data, folder)
        life = await stage.live(phases, 1 if flags.quick else WITHIN, flags.seed)
    return phases, life, {"making and translating games": ready - began, "living": perf_counter() - ready}


def _silent(done: int, of: int) -> None:
    """Nobody waits to be told."""


def faults(life: Life, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All that is wrong: what was lost or done twice, memory that outgrows the goals, and phases that end worse than they began."""
    assert life.evidence is not None
    rest = [] if life.rested else [f"it did not come to rest in phase {len(life.holdings) + 1}"]
    return [*rest, *wrong(life.evidence), *life.failures, *outgrown(life.holdings), *fallen(rows)]


def fallen(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Phases of the table whose success is shown to be behind their own start."""
    message = "phase {} ends behind its own start, by {} points"
    return [message.format(number, told(row["end − start"])) for number, row in enumerate(rows, 1) if verdict(row["end − start"]) == BEHIND]


def outgrown(holdings: Sequence[Holding]) -> list[str]:
    """Phases after which more procedures are active than goals were asked for: under merge each has a goal of its own."""
    message = "after phase {} there are {} active procedures and {} goals"
    return [message.format(number, each.active, each.goals) for number, each in enumerate(holdings, 1) if each.active > each.goals]


def tell(rows: list[dict[str, Any]], back: dict[str, Interval], figures: dict[str, Any]) -> None:
    """The table, and what stands below it."""
    cells = [{name: told(value) if isinstance(value, Interval) else value for name, value in row.items()} for row in rows]
    show("a life in phases, played by the stand-in (a scripted player, no language model)", [_named(row, PLAYED) for row in cells])
    show("memory after each phase", [_named(row, HELD) for row in cells])
    for row in rows:
        print(f"{row['phase']}: end against its own start: {verdict(row['end − start'])}; to control: {verdict(row['memory − control'])}")
    for what, interval in back.items():
        print(f"the first kind comes back: {what}: {told(interval)} points, {verdict(interval)}")
    print(f"each game is played by {REPEATS} tasks of its phase; restarts: {figures['restarts']}")
    print(f"lost: {figures['lost']}, done twice: {figures['duplicated']}; seconds: {figures['seconds']}")


PLAYED = (
    *("phase", "n", "games", "start %", "end %", "end − start", "control %", "memory − control"),
    *("steps, start", "steps, end", "control steps"),
)
HELD = ("phase", "active", "deprecated", "procedures", "goals so far")


def _named(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names}


async def main(flags: argparse.Namespace) -> int:
    """Run, tell, and give the exit code."""
    configure_logs("error")
    folder = Path(mkdtemp(prefix="lifelong"))
    phases, life, seconds = await run(flags, folder)
    assert life.evidence is not None
    figures = {"tasks": len(life.rows), "seconds": seconds, "restarts": life.restarts, **ends(life.evidence)}
    rows = [phase_row(phase, life, holding) for phase, holding in zip(phases, life.holdings, strict=True)] if life.rested else []
    found = faults(life, rows)
    if life.rested:
        back = coming_back(phases, life)
        tell(rows, back, figures)
        figures |= {"phases": [*map(_plain, rows)], "coming back": _plain(back)}
    save("lifelong", {"seed": flags.seed, **figures, "wrong": found}, flags.out)
    print("\n".join(["WRONG", *found, f"logs and data: {folder}"]) if found else "committed once, applied once, every counter exact")
    if not found:
        rmtree(folder)
    return 1 if found else 0


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value._asdict() if isinstance(value, Interval) else value for name, value in row.items()}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=2000, help="in all, in five phases of the same size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} tasks, one restart within each phase")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    flags = parser.parse_args(given)
    if flags.quick:
        flags.tasks = QUICK
    if flags.tasks < LEAST:
        parser.error(f"--tasks {flags.tasks}: take {LEAST} or more, so that each of the five phases has two games at least")
    return flags


if __name__ == "__main__":
    sys.exit(anyio.run(main, arguments(), backend_options={"use_uvloop": True}))
