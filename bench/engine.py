"""What playing costs: the fast engine against TextWorld's, in CPU ms and MiB.

    uv run python -m bench.engine [--games 12] [--quick] [--out FILE]

Each engine plays the same games in a process of its own: real ones where ALFWORLD_DATA names them, else generated ones. A
load reads and checks the game's file, starts the game and finds what may be done; a step finds that anew. At the fast
engine's first load of a game it is translated, later ones find that on disk. Memory is what a further slot with a game
under way adds to a process.
"""

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from bench import report
from envs.alfworld_env.engine import Engine
from envs.alfworld_env.env import make_engine
from envs.alfworld_env.game_cache import GameCache
from envs.alfworld_env.game_files import games, load
from envs.alfworld_env.households import generate
from runtime.config import EngineKind, Settings

STEPS = 20
"""Random admissible commands per game."""
SLOTS: dict[EngineKind, int] = {"stock": 4, "fast": 64}
"""Slots over which memory is spread; a stock one takes seconds to fill."""
MODULES = {"fast": "envs.alfworld_env.fast", "stock": "envs.alfworld_env.stock"}


def _spent(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1e3


def _load(engine: Engine, game: dict[str, Any], folder: Path) -> None:
    engine.start(load(game, folder))
    engine.admissible()


def _step(engine: Engine, command: str) -> None:
    engine.step(command)
    engine.admissible()


def measure(kind: EngineKind, folder: Path, found: list[dict[str, Any]], data: Path) -> dict[str, float]:
    """Figures of one engine."""
    rng, cache = random.Random(1), GameCache(data, 1 << 30)
    engine = make_engine(kind, cache)
    first: list[float] = []
    again: list[float] = []
    steps: list[float] = []
    for game in found:
        for loads in (first, again):
            loads.append(_spent(partial(_load, engine, game, folder)))
        for _ in range(STEPS):
            steps.append(_spent(partial(_step, engine, rng.choice(engine.admissible()))))
    return {
        "import": _import(MODULES[kind]),
        "first load": report.median(first),
        "load": report.median(again),
        "load p95": report.quantile(again, 0.95),
        "step": report.median(steps),
        "step p95": report.quantile(steps, 0.95),
    }


def per_slot(kind: EngineKind, folder: Path, found: list[dict[str, Any]], data: Path) -> float:
    """MiB that a slot adds, beyond the first; the fast engine's games are translated already."""
    cache, slots, before = GameCache(data, 1 << 30), list[Engine](), 0
    for number in range(SLOTS[kind] + 1):
        slots.append(make_engine(kind, cache))
        _load(slots[-1], found[number % len(found)], folder)
        before = before or psutil.Process().memory_info().rss
    return (psutil.Process().memory_info().rss - before) / SLOTS[kind] / 2**20


def _import(module: str) -> float:
    """CPU ms to import an engine, beside what every process of ours imports."""
    code = f"import envs.alfworld_env, time; begun = time.process_time(); import {module}; print(time.process_time() - begun)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout) * 1e3


def play(folder: Path, count: int, out: Path | None) -> None:
    """Measure both engines on `count` games of a data folder, evenly spread, and print the table."""
    split = "dev" if (folder / "json_2.1.1" / "valid_seen").is_dir() else "train"
    every = [task.game for task in games(split, Settings(alfworld_data=folder))]
    found = [every[number * len(every) // count] for number in range(count)]
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as data:
        for kind in ("stock", "fast"):
            # Spawned, a process for each: none may find what another has imported and taken.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as process:
                given = (kind, folder, found, Path(data))
                times = process.submit(measure, *given).result()
                rows.append({"engine": kind, **times, "MiB per slot": process.submit(per_slot, *given).result()})
    stock, fast = rows
    rows.append({"engine": "ratio", **{name: stock[name] / max(fast[name], 1e-3) for name in stock if name != "engine"}})
    report.show(f"CPU ms, medians over {count} games and {STEPS} steps in each", rows)
    report.save("engine", {"games": count, "steps": STEPS, "rows": rows}, out)


def main(count: int, out: Path | None) -> None:
    """On the real games where there are any, else on generated ones."""
    real = os.environ.get("ALFWORLD_DATA")
    if real:
        play(Path(real), count, out)
        return
    with TemporaryDirectory() as folder:
        generate(count, 5, Path(folder))
        play(Path(folder), count, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="two games")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    flags = parser.parse_args()
    main(2 if flags.quick else flags.games, flags.out)
