"""What does learning from a memory that is behind cost? Success and steps by episodes in flight and the slowness of the builder.

    uv run python -m bench.staleness [--games N] [--seeds S] [--in-flight 1,4,16,64,256] [--slow 16,64] [--quick] [--out FILE]
    uv run python -m bench.staleness --from FILE        the same tables and notes again, of runs that were saved

All arms play the same games online: a control without memory; the grouped protocol (each group of so many tasks waits until the
last is learned from; its episodes see memory as it was before their group, however many are in flight: the reference); free-running
with so many episodes in flight; and the same with a builder that takes `--builder-ms` longer per call. Models answer after a
lognormal time (median 100 ms, sigma 0.6), but for the control and the groups, whose results do not depend on it (`bench.invariance`).

Lag: changes of memory between the one that an episode saw and the one that it made. Runs that learn are one sample each, as their
episodes depend on each other: differences to the control are paired by seed, and intervals are over runs (95 %, bootstrap; too narrow
where runs are few). `kept` is the share of the first group size's gain in success, from pairs of gains by seed; draws in which
the groups gain nothing have no share, and are left out. Generated households, or the train split of ALFWORLD_DATA with --real.
"""

import argparse
import json
import sys
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
from experiments.analysis.stats import Interval, ratio_interval, runs_interval
from experiments.config import RunConfig
from experiments.demo import MODEL, SCENES, with_stand_in
from experiments.driver import drive
from experiments.results import EpisodeRow, read_rows
from runtime.config import Settings
from runtime.errors import DataError, MempError
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


Runs = dict[Arm, list[Run]]
"""Of every arm one per seed, in the same order."""


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


def line(arm: Arm, runs: Runs) -> dict[str, Any]:
    """One line of the table; all gains are over the control of the same seed."""
    control, reference = _control(runs), _reference(runs)
    mine, lags = runs[arm], [lag for run in runs[arm] for lag in run.lags]
    share = kept(arm, runs) if arm.free else None
    return {
        "arm": arm.name,
        "n": sum(run.episodes for run in mine),
        "success %": 100 * fmean(run.success for run in mine),
        "to control": shown(_gains(mine, control, "success"), 100) if arm.learns else None,
        "to the reference": shown(_gains(mine, reference, "success"), 100) if arm.free else None,
        "kept %": told(share) if share else None,
        "steps": fmean(run.steps for run in mine),
        "steps to control": shown(_gains(mine, control, "steps"), 1) if arm.learns else None,
        "lag, median": median(lags) if lags else None,
        "lag, p90": quantile(lags, 0.9) if lags else None,
    }


def kept(arm: Arm, runs: Runs) -> Interval | None:
    """Share of the reference's gain in success that an arm has; None where the reference gained nothing, no bounds of a single seed."""
    control = _control(runs)
    gains = zip(_gains(runs[arm], control, "success"), _gains(_reference(runs), control, "success"), strict=True)
    pairs = {str(seed): pair for seed, pair in enumerate(gains)}
    return ratio_interval(pairs) if sum(whole for _, whole in pairs.values()) > 0 else None


def _control(runs: Runs) -> list[Run]:
    [control] = [each for each in runs if not each.learns]
    return runs[control]


def _reference(runs: Runs) -> list[Run]:
    return runs[next(each for each in runs if each.group == GROUPS[0])]


def _gains(runs: Sequence[Run], others: Sequence[Run], field: str) -> list[float]:
    return [getattr(run, field) - getattr(other, field) for run, other in zip(runs, others, strict=True)]


def shown(values: Sequence[float], scale: float) -> str:
    """A mean over runs with its interval, where there is one."""
    found: Interval = runs_interval([value * scale for value in values])
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})" if found.known else f"{found.mean:+.1f}"


def told(share: Interval) -> str:
    """A share in percent with its interval, where there is one."""
    mean, low, high = (100 * value for value in share)
    return f"{mean:.0f} ({low:.0f} to {high:.0f})" if share.known else f"{mean:.0f}"


def verdict(share: Interval) -> str:
    """Whether an arm keeps what it should: said of the whole interval or not at all."""
    if share.low >= WANTED:
        return "keeps it"
    return "does not keep it" if share.high < WANTED else "not shown"


def notes(runs: Runs, games: int) -> list[str]:
    """Of each arm that runs free whether it keeps enough, and where the figures say little."""
    said = [f"free-running learning should keep {WANTED:.0%} of the gain in success of groups of {GROUPS[0]}"]
    for arm in (each for each in runs if each.free):
        share = kept(arm, runs)
        if share is None:
            said.append("  the groups gained nothing here, so that there is no share to keep")
            break
        said.append(f"  {arm.name}: {verdict(share)}, {told(share)} %")
    crowded = [arm.name for arm in runs if arm.free and arm.in_flight > games / 2]
    return [*said, f"more than half of all {games} games begin before any is learned from: {', '.join(crowded)}"] if crowded else said


def tell(options: argparse.Namespace, runs: Runs) -> list[dict[str, Any]]:
    """Print the table and the notes; returns the table."""
    lines = [line(arm, runs) for arm in runs]
    where = "real games, train" if options.real else "generated households"
    show(f"{MODEL} (the stand-in, no language model) on {options.games} {where}, {options.seeds} runs per arm", lines)
    print(*notes(runs, options.games), sep="\n")
    return lines


def saved(file: Path) -> tuple[argparse.Namespace, Runs]:
    """Options and runs out of a file that `--out` named. Raises `DataError`."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        options = argparse.Namespace(**held["options"])
        played = arms(options.in_flight, options.slow)
        return options, {arm: [Run(**run) for run in held["runs"][arm.name]] for arm in played}
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise DataError(f"--from {file}: it must be a file that this benchmark has written with --out ({error})") from None


async def main(flags: argparse.Namespace) -> None:
    """Every arm once per seed; a seed is an order of the games and the choices of the player."""
    configure_logs("error")
    runs: Runs = {arm: [] for arm in arms(flags.in_flight, flags.slow)}
    with TemporaryDirectory() as temporary:
        settings = Settings(data_dir=Path(temporary) / "data", runs_dir=Path(temporary) / "runs")
        if not flags.real:
            settings = SCENES["alfworld"].make(settings, flags.games)
        for seed in range(flags.seeds):
            for arm, played in runs.items():
                played.append(await play(arm, settings, flags, seed))
                print(f"{arm.name}, seed {seed}: {played[-1].episodes} episodes", flush=True)
    options = {name: value for name, value in vars(flags).items() if name not in ("out", "saved")}
    rows, figures = tell(flags, runs), {arm.name: [run._asdict() for run in played] for arm, played in runs.items()}
    save("staleness", {"options": options, "rows": rows, "runs": figures}, flags.out)


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
    parser.add_argument("--from", dest="saved", type=Path, default=None, help="play nothing: tell of the runs in this file")
    given = parser.parse_args()
    if given.quick:
        given.games, given.seeds, given.in_flight, given.slow = 24, 2, [4, 16], [4]
    try:
        tell(*saved(given.saved)) if given.saved else anyio.run(main, given)
    except MempError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
