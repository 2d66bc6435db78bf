"""Does the fast engine say what TextWorld's says? Every word of both, over whole games.

    ALFWORLD_DATA=… uv run python -m bench.engine_sameness [--games 100] [--households 60] [--out FILE]

Each game is played along its walkthrough on both engines, with a command repeated, an odd one and one with blanks around it
between every two, and at random after the win; after each step all that there is to see is compared. Real games are of all
six types, where ALFWORLD_DATA names them; the fast engine starts each from its translation on disk. Exits with 1 on any difference.
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from bench import report
from envs.alfworld_env.engine import Engine
from envs.alfworld_env.fast import FastEngine
from envs.alfworld_env.game_cache import GameCache
from envs.alfworld_env.game_files import TASK_TYPES, digest, games, load
from envs.alfworld_env.households import game as household
from envs.alfworld_env.stock import StockEngine
from runtime.config import Settings

SEED = 5
AFTER = 6
"""Random commands after the win."""
ODD = (
    "",
    "   ",
    "\n",
    "\0",
    "LOOK",
    "gö tö desk 1",
    "🛋",
    "\ud800",
    "put mug 1 in/on desk 1",
    "#intro#",
    "{r.name}",
    "go to",
    "x" * 200_000,
)
FIELDS = ("feedback", "won", "score", "done", "admissible", "facts")


class Seen(NamedTuple):
    """All that there is to see after a step. What the fast engine has no words for follows from `won`, as in TextWorld."""

    feedback: str
    won: bool
    score: float
    done: bool
    admissible: list[str]
    facts: list[str]


class Compared(NamedTuple):
    """One game: differences by field, and CPU seconds of (start, all steps) of both engines; `first` is the fast one's first start."""

    steps: int
    differing: Counter[str]
    stock: tuple[float, float]
    fast: tuple[float, float]
    first: float


def commands(walkthrough: list[str], rng: random.Random) -> Iterator[str | None]:
    """What is tried, None for a random admissible command."""
    for command in walkthrough:
        yield from (rng.choice(ODD), f" {command}\n", command, command.upper())
    yield from [None] * AFTER


def seen(engine: Engine, feedback: str, won: bool) -> Seen:
    """What an engine shows."""
    score, done = won, won
    if isinstance(engine, StockEngine):  # A first state has neither.
        score, done = engine.state.get("score", won), engine.state.get("done", won)
    return Seen(feedback, won, score, done, engine.admissible(), engine.facts())


def compare(game: dict[str, Any], fast: Engine, stock: Engine, rng: random.Random) -> Compared:
    """Play one game on both engines."""
    first, _ = _timed(fast, "start", game)
    spent = {"fast": [0.0, 0.0], "stock": [0.0, 0.0]}
    differing: Counter[str] = Counter()
    steps = -1
    for command in (game, *commands(game["walkthrough"], rng)):
        tried = rng.choice(fast.admissible()) if command is None else command
        shown: list[Seen] = []
        for name, engine in (("fast", fast), ("stock", stock)):
            seconds, said = _timed(engine, "start" if steps < 0 else "step", tried)
            spent[name][steps >= 0] += seconds
            shown.append(seen(engine, *said))
        differing.update(field for field, ours, theirs in zip(FIELDS, *shown, strict=True) if ours != theirs)
        steps += 1
    return Compared(steps, differing, (*spent["stock"],), (*spent["fast"],), first)  # pyright: ignore[reportArgumentType] (of two)


def _timed(engine: Engine, method: str, *arguments: Any) -> tuple[float, tuple[str, bool]]:
    # A step is not done before what may be done next is known: the stock engine derives it at once, the fast one when it is asked.
    begun = time.process_time()
    said = getattr(engine, method)(*arguments)
    engine.admissible()
    return time.process_time() - begun, said


@cache
def _engines(folder: Path) -> tuple[FastEngine, StockEngine]:
    return FastEngine(GameCache(folder, 1 << 40)), StockEngine()


def _play(game: dict[str, Any], folder: Path) -> Compared:
    return compare(game, *_engines(folder), random.Random(game["hash"]))


def real_games(count: int) -> list[dict[str, Any]]:
    """So many real games, of all types alike, evenly spread; none where ALFWORLD_DATA is unset."""
    settings = Settings()
    if settings.alfworld_data is None:
        return []
    found = [task.game for split in ("train", "dev") for task in games(split, settings)]
    per_type = [[game for game in found if game["type"] == type_] for type_ in TASK_TYPES]
    share = -(-count // len(TASK_TYPES))
    chosen = [each[number * len(each) // share] for number in range(share) for each in per_type]
    return [load(game, settings.alfworld_data) for game in chosen[:count]]


def households(count: int) -> list[dict[str, Any]]:
    """So many generated games, with their hash as if they were read from files."""
    made = [household(index, SEED, "train") for index in range(count)]
    return [{**each.content, "hash": digest(each.text().encode())} for each in made]


def row(name: str, played: list[Compared]) -> dict[str, Any]:
    """A line of the table: CPU ms are means."""
    steps = sum(each.steps for each in played)
    differing = sum((each.differing for each in played), Counter[str]())
    stock, fast = (sum(getattr(each, name)[1] for each in played) / steps * 1e3 for name in ("stock", "fast"))
    start, cached = (sum(getattr(each, name)[0] for each in played) / len(played) * 1e3 for name in ("stock", "fast"))
    first = sum(each.first for each in played) / len(played) * 1e3
    counts = {"games": len(played), "steps": steps, **{field: differing[field] for field in FIELDS}}
    times = {
        "stock ms/step": stock,
        "fast ms/step": fast,
        "ratio": stock / fast,
        "stock ms/start": start,
        "fast, first": first,
        "cached": cached,
    }
    return {"played": name, **counts, **times}


def main(count: int, generated: int, processes: int, out: Path | None) -> int:
    """Compare, print, and say whether anything differed."""
    sets = {"real games": real_games(count), "households": households(generated)}
    rows: list[dict[str, Any]] = []
    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=os.nice, initargs=(10,)) as pool,
    ):
        for name, chosen in sets.items():
            played = list(pool.map(_play, chosen, [Path(folder)] * len(chosen)))
            rows += [row(name, played)] if played else []
    report.show("differences between the fast engine and TextWorld's, by what is compared (CPU ms)", rows)
    report.save("engine_sameness", {"seed": SEED, "rows": rows}, out)
    return int(any(each[field] for each in rows for field in FIELDS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=100, help="real games")
    parser.add_argument("--households", type=int, default=60, help="generated games")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two of each")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    flags = parser.parse_args()
    sys.exit(main(*((2, 2) if flags.quick else (flags.games, flags.households)), flags.processes, flags.out))
