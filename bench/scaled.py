"""Scaled evaluation: one frozen memory, the same games, more and more worker processes on one namespace.

    uv run python -m bench.scaled [--workers 1,2,4,8] [--games 140] [--slots 16] [--quick] [--out FILE]

Every run must give the same result for every game. Wall time is taken from the first claim to the last commit; the ideal is
the time that the model alone would take: each run's latency in all ÷ (workers x slots), and never less than its longest
episode. The stand-in plays, with lognormal latency (median 300 ms, sigma 0.6).
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio

from bench import harness
from bench.report import save, show
from envs.alfworld_env.households import generate
from experiments.config import RunConfig
from experiments.demo import MODEL, with_stand_in
from experiments.driver import drive
from experiments.results import EpisodeRow, read_rows
from runtime.config import Settings
from runtime.logs import configure_logs

MEDIAN_MS, SIGMA = 300.0, 0.6


async def learn(settings: Settings, games: int) -> Path:
    """The memory that all runs are evaluated with: learned online, once."""
    config = RunConfig(mode="online", exp_name="learned", model=MODEL, limit=games, batch_size=8)
    return (await drive(config, settings, overwrite=True, show=lambda _: None)).folder / "memory.jsonl"


async def evaluate(settings: Settings, memory: Path, workers: int, slots: int, games: int) -> list[EpisodeRow]:
    """One frozen evaluation."""
    config = RunConfig(mode="offline", exp_name=f"w{workers}", model=MODEL, limit=games, memory=memory, batch_size=slots, workers=workers)
    result = await drive(config, settings, overwrite=True, show=lambda _: None)
    return read_rows(result.folder / "episodes.jsonl")


def wall(rows: list[EpisodeRow]) -> float:
    """Seconds from the first claim to the last commit, by the server's clock."""
    ends = [int(row.entry.split("-")[0]) / 1000 for row in rows]
    return max(ends) - min(end - row.seconds for end, row in zip(ends, rows, strict=True))


def results(rows: list[EpisodeRow]) -> dict[str, tuple[Any, ...]]:
    """What must not depend on the number of workers."""
    return {row.task_id: (row.game, row.success, row.reward, row.steps, row.retrieved, row.outcome) for row in rows}


def line(workers: int, slots: int, rows: list[EpisodeRow], first: list[EpisodeRow], mean: float) -> dict[str, Any]:
    """One line of the table."""
    differing = sum(results(first).get(task) != result for task, result in results(rows).items()) + abs(len(first) - len(rows))
    calls = sum(row.usage["agent"].calls for row in rows)
    ideal = max(calls * mean / (workers * slots), max(row.steps for row in rows) * mean)
    seconds = wall(rows)
    return {
        "workers": workers,
        "in flight": workers * slots,
        "games": len(rows),
        "results that differ": differing,
        "seconds": seconds,
        "times one worker": wall(first) / seconds,
        "steps/s": sum(row.steps for row in rows) / seconds,
        "ideal seconds": ideal,
        "of the ideal": ideal / seconds,
    }


async def main(workers: list[int], slots: int, games: int, out: Path | None) -> None:
    """Learn once, evaluate once per number of workers; exits with 1 where a result differs."""
    configure_logs("error")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        settings = Settings(data_dir=folder / "data", runs_dir=folder / "runs")
        if settings.alfworld_data is None:
            generate(games, 7, folder / "households", "dev", processes=2)
            settings = settings.model_copy(update={"alfworld_data": folder / "households"})
        async with harness.stand_in(0.0) as model:
            memory = await learn(with_stand_in(settings, model.base_url), games)
        async with harness.stand_in(MEDIAN_MS, SIGMA) as model:
            slow = with_stand_in(settings, model.base_url)
            runs = [await evaluate(slow, memory, count, slots, games) for count in workers]
    lines = [line(count, slots, rows, runs[0], model.mean) for count, rows in zip(workers, runs, strict=True)]
    show("one frozen memory, evaluated by more and more workers (the stand-in plays)", lines)
    save("scaled", {"rows": lines}, out)
    if any(each["results that differ"] for each in lines):
        raise SystemExit("results depend on the number of workers")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=lambda text: [int(part) for part in text.split(",")], default=[1, 2, 4, 8])
    parser.add_argument("--slots", type=int, default=16, help="episodes per worker")
    parser.add_argument("--games", type=int, default=140)
    parser.add_argument("--quick", action="store_true", help="12 games by 1 and 2 workers")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if given.quick:
        given.workers, given.games = [1, 2], 12
    anyio.run(main, given.workers, given.slots, given.games, given.out)
