"""What does learning from a memory that is behind cost? Success and steps by episodes in flight and the slowness of the builder.

    uv run python -m bench.staleness [--games N] [--seeds S] [--in-flight 1,4,16,64,256] [--slow 16,64] [--quick] [--out FILE]

All arms play the same games online: a control without memory; the grouped protocol (each group of so many tasks waits until the
last is learned from; its episodes see memory as it was before their group, however many are in flight: the reference); free-running
with so many episodes in flight; and the same with a builder that takes `--builder-ms` longer per call. Models answer after a
lognormal time (median 100 ms, sigma 0.6), but for the control and the groups, whose results do not depend on it (`bench.invariance`).

Lag: changes of memory between the one that an episode saw and the one that it made. Runs that learn are one sample each, as their
episodes depend on each other: differences to the control are paired by seed, and intervals are over runs (95 %, bootstrap; too narrow
where runs are few). `kept` is the share of the first group size's gain in success. Generated households, or the train split of
ALFWORLD_DATA with --real.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio

from bench import harness
from bench.report import median, quantile, save, show
from experiments.analysis.run_changes import read_run_changes
from experiments.analysis.staleness import seen_versions
from experiments.analysis.stats import Interval, runs_interval
from experiments.config import RunConfig
from experiments.demo import MODEL, SCENES, with_stand_in
from experiments.driver import drive
from experiments.results import EpisodeRow, read_rows
from runtime.config import Settings
from runtime.logs import configure_logs

MEDIAN_MS, SIGMA = 100.0, 0.6
GROUPS = (10, 20)
WANTED = 0.95
"""Share of the grouped protocol's gain that free-running learning should keep."""


class Arm(NamedTuple):
    """One way to play; `group` None runs free."""

    name: str
    in_flight: int
    group: int | None = None
    learns: bool = True
    slow: bool = False

    @property
    def free(self) -> bool:
        return self.learns and self.group is None


class Run(NamedTuple):
    """What one run of an arm came to; `lags` of each change that an episode made."""

    episodes: int
    success: float
    steps: float
    lags: list[int]


def arms(in_flight: Sequence[int], slow: Sequence[int]) -> list[Arm]:
    """The control, the reference, then those that run free."""
    return [
        Arm("control", 16, learns=False),
        *(Arm(f"groups of {size}", 16, group=size) for size in GROUPS),
        *(Arm(f"free, {count} in flight", count) for count in in_flight),
        *(Arm(f"free, {count}, slow builder", count, slow=True) for count in slow),
    ]


async def play(arm: Arm, settings: Settings, flags: argparse.Namespace, seed: int) -> Run:
    """One run, with a model server of its own."""
    name = f"{arm.name}-{seed}".replace(",", "").replace(" ", "-")
    config = RunConfig(
        mode="online",
        exp_name=name,
        model=MODEL,
        split="train" if flags.real else "dev",
        use_memory=arm.learns,
        group_size=arm.group,
        limit=flags.games,
        seed=seed,
        batch_size=arm.in_flight,
    )
    async with harness.stand_in(MEDIAN_MS if arm.free else 0.0, SIGMA, seed, flags.builder_ms if arm.slow else 0.0) as model:
        result = await drive(config, with_stand_in(settings, model.base_url), overwrite=True, show=lambda _: None)
    return _measured(read_rows(result.folder / "episodes.jsonl"), result.folder)


def _measured(rows: list[EpisodeRow], folder: Path) -> Run:
    counted, changes = [row for row in rows if row.counts], read_run_changes(folder)
    lags = [each.lag for each in seen_versions(rows, changes)] if changes else []
    return Run(len(rows), fmean(row.success for row in counted), fmean(row.steps for row in counted), lags)


def line(arm: Arm, runs: dict[Arm, list[Run]], reference: Arm) -> dict[str, Any]:
    """One line of the table; all gains are over the control of the same seed."""
    [control] = [each for each in runs if not each.learns]
    mine, lags = runs[arm], [lag for run in runs[arm] for lag in run.lags]
    gains, steps = _gains(mine, runs[control], "success"), _gains(mine, runs[control], "steps")
    whole = fmean(_gains(runs[reference], runs[control], "success"))
    known = arm.free and whole > 0
    return {
        "arm": arm.name,
        "n": sum(run.episodes for run in mine),
        "success %": 100 * fmean(run.success for run in mine),
        "to control": shown(gains, 100) if arm.learns else None,
        "to the reference": shown(_gains(mine, runs[reference], "success"), 100) if arm.free else None,
        "kept %": 100 * fmean(gains) / whole if known else None,
        "steps": fmean(run.steps for run in mine),
        "steps to control": shown(steps, 1) if arm.learns else None,
        "lag, median": median(lags) if lags else None,
        "lag, p90": quantile(lags, 0.9) if lags else None,
    }


def _gains(runs: Sequence[Run], others: Sequence[Run], field: str) -> list[float]:
    return [getattr(run, field) - getattr(other, field) for run, other in zip(runs, others, strict=True)]


def shown(values: Sequence[float], scale: float) -> str:
    """A mean over runs with its interval, where there is one."""
    found: Interval = runs_interval([value * scale for value in values])
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})" if found.known else f"{found.mean:+.1f}"


def notes(lines: Sequence[dict[str, Any]], games: int, played: Sequence[Arm]) -> list[str]:
    """Where the aim is missed, and where the figures say little."""
    free = [each for each in lines if each["kept %"] is not None]
    below = [f"{each['arm']}: {each['kept %']:.0f} %" for each in free if each["kept %"] < 100 * WANTED]
    said = [f"free-running learning should keep {WANTED:.0%} of the gain in success of groups of {GROUPS[0]}"]
    said += [f"  it does not with {each}" for each in below]
    said += ["  the groups gained nothing here, so that there is no share to keep"] if not free else []
    crowded = [arm.name for arm in played if arm.free and arm.in_flight > games / 2]
    return [*said, f"more than half of all {games} games begin before any is learned from: {', '.join(crowded)}"] if crowded else said


async def main(flags: argparse.Namespace) -> None:
    """Every arm once per seed; a seed is an order of the games and the choices of the player."""
    configure_logs("error")
    played = arms(flags.in_flight, flags.slow)
    runs: dict[Arm, list[Run]] = {arm: [] for arm in played}
    with TemporaryDirectory() as temporary:
        settings = Settings(data_dir=Path(temporary) / "data", runs_dir=Path(temporary) / "runs")
        if not flags.real:
            settings = SCENES["alfworld"].make(settings, flags.games)
        for seed in range(flags.seeds):
            for arm in played:
                runs[arm].append(await play(arm, settings, flags, seed))
                print(f"{arm.name}, seed {seed}: {runs[arm][-1].episodes} episodes", flush=True)
    lines = [line(arm, runs, played[1]) for arm in played]
    where = "real games, train" if flags.real else "generated households"
    show(f"{MODEL} (the stand-in, no language model) on {flags.games} {where}, {flags.seeds} runs per arm", lines)
    told = notes(lines, flags.games, played)
    print(*told, sep="\n")
    given = {name: value for name, value in vars(flags).items() if name != "out"}
    save(
        "staleness",
        {"options": given, "rows": lines, "runs": {arm.name: [run._asdict() for run in runs[arm]] for arm in played}},
        flags.out,
    )


def numbers(text: str) -> list[int]:
    """`1,4,16`."""
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--in-flight", type=numbers, default=[1, 4, 16, 64, 256])
    parser.add_argument("--slow", type=numbers, default=[16, 64], help="in flight, with the slow builder")
    parser.add_argument("--builder-ms", type=float, default=4000.0, help="by how much the slow builder is slower: two episodes' time")
    parser.add_argument("--real", action="store_true", help="the benchmark's own games, not generated ones")
    parser.add_argument("--quick", action="store_true", help="24 games, two seeds, 4 and 16 in flight, slow with 4")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if given.quick:
        given.games, given.seeds, given.in_flight, given.slow = 24, 2, [4, 16], [4]
    anyio.run(main, given)
