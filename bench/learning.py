"""Does memory teach? Arms that differ only in what memory gives, over the same games and seeds, played by the stand-in.

    uv run python -m bench.learning [--games N] [--seeds S] [--out FILE]        generated households
    uv run python -m bench.learning --env travelplanner                         trips in a generated country
    ALFWORLD_DATA=… uv run python -m bench.learning --real                      the dev split of the real games

Per arm: reward (of trips: the share of constraints that the plan passes), success, steps, and the paired difference to the
control with its 95 % interval (bootstrap over tasks; a task's seeds stay together). The last arm is no estimate but a check:
with an emptied memory every episode must equal the control's.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import anyio
from rich.console import Console
from rich.table import Table

from bench.false_memory import falsified, irrelevant
from experiments.analysis.stats import Interval, mean_interval, paired_interval
from experiments.config import RunConfig
from experiments.demo import MODEL, SCENES, stand_in_process, with_stand_in
from experiments.driver import drive
from experiments.results import EpisodeRow, read_rows
from runtime.config import Settings
from runtime.logs import configure_logs

Scores = dict[str, list[float]]

GAMES = 60
"""Generated games per run."""

ARMS = {
    "control": "no memory",
    "query": "online, learning from nothing",
    "random": "the same, any k procedures",
    "avefact": "the same, by facts",
    "trained": "built from its own episodes of the train split, frozen",
    "expert": "built from stored expert trajectories, frozen",
    "frozen": "what the query arm learned, frozen",
    "false": "the frozen memory turned into its opposite",
    "irrelevant": "the frozen memory's goals over texts on something else",
    "emptied": "a frozen memory of nothing",
}

LEARNING = ("query", "random", "avefact")
FROZEN = ARMS.keys() - {"control", *LEARNING}
FIELDS = {"reward": 100.0, "success": 100.0, "steps": 1.0}
"""What is compared, and by what it is multiplied to be shown."""


class Ground(NamedTuple):
    """What is played: an environment, its split, and how many games of it (None: all)."""

    env: str
    split: str
    games: int | None


async def play(settings: Settings, ground: Ground, seed: int, arm: str, folder: Path) -> list[EpisodeRow]:
    """One arm with one seed; the frozen arms need the query arm's memory of that seed."""
    name = f"{arm}-{seed}"
    shared = RunConfig(mode="online", exp_name=name, model=MODEL, env=ground.env, seed=seed, batch_size=8)
    base = shared.model_copy(update={"split": ground.split, "limit": ground.games})
    if arm == "control":
        config = base.model_copy(update={"use_memory": False})
    elif arm in LEARNING:
        config = base.model_copy(update={"retrieve": arm})
    elif arm in ("expert", "trained"):
        source = experts(settings) if arm == "expert" else await own_episodes(settings, shared)
        config = base.model_copy(update={"mode": "offline", "update": "validation", "trajectories": source})
    else:
        learned = settings.runs_dir / f"query-{seed}" / "memory.jsonl"
        config = base.model_copy(update={"mode": "offline", "memory": _memory(arm, ground.env, learned, folder / f"{name}.jsonl")})
    result = await drive(config, settings, overwrite=True, show=lambda _: None)
    return read_rows(result.folder / "episodes.jsonl")


async def own_episodes(settings: Settings, shared: RunConfig) -> Path:
    """Trajectories of the train split, played without memory."""
    name = f"{shared.exp_name}-source"
    config = shared.model_copy(update={"exp_name": name, "split": "train", "use_memory": False})
    return (await drive(config, settings, overwrite=True, show=lambda _: None)).folder / "trajectories.jsonl"


def experts(settings: Settings) -> Path | None:
    """The stored expert trajectories beside the real games; None where there are none."""
    path = (settings.alfworld_data or Path()) / "expert_trajectories.json"
    return path if path.is_file() else None


def _can_be_played(arm: str, settings: Settings, ground: Ground) -> bool:
    """Experts have played the real households alone; the train split of those that are generated is empty."""
    alfworld = ground.env == "alfworld"
    return {"expert": alfworld and experts(settings) is not None, "trained": not alfworld}.get(arm, True)


def _memory(arm: str, env: str, learned: Path, out: Path) -> Path:
    lines = learned.read_text(encoding="utf-8").splitlines()
    make: dict[str, Callable[[str], str]] = {
        "frozen": str,
        "false": lambda line: falsified(line, env),
        "irrelevant": lambda line: irrelevant(line, env),
    }
    kept = [lines[0], *(make[arm](line) for line in lines[1:])] if arm in make else lines[:1]
    out.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return out


def scores(runs: list[list[EpisodeRow]], field: str) -> Scores:
    """Per game its values over the seeds."""
    found: Scores = {}
    for rows in runs:
        for row in rows:
            found.setdefault(row.game, []).append(float(getattr(row, field)))
    return found


def table(title: str, runs: dict[str, list[list[EpisodeRow]]]) -> tuple[Table, list[dict[str, object]]]:
    """One line per arm, for people and as JSON."""
    columns = [column for field in FIELDS for column in (field, "to control")]
    shown = Table("arm", "n", *columns, "what it is", title=title, title_justify="left")
    lines: list[dict[str, object]] = []
    for arm, played in runs.items():
        line: dict[str, object] = {"arm": arm, "n": sum(map(len, played))}
        cells: list[str] = []
        for field, scale in FIELDS.items():
            mean = mean_interval(scores(played, field))
            change = paired_interval(scores(played, field), scores(runs["control"][: len(played)], field))
            line |= {field: mean.mean, f"{field}_change": change._asdict()}
            cells += [f"{mean.mean * scale:.1f}", "" if arm == "control" else _shown(change, scale)]
        shown.add_row(arm, str(line["n"]), *cells, ARMS[arm])
        lines.append(line)
    return shown, lines


def _shown(change: Interval, scale: float) -> str:
    return f"{change.mean * scale:+.1f} ({change.low * scale:+.1f} to {change.high * scale:+.1f})"


def differing(emptied: list[list[EpisodeRow]], control: list[list[EpisodeRow]]) -> int:
    """Episodes of the emptied arm whose success, reward or steps are not the control's."""

    def facts(row: EpisodeRow) -> tuple[object, ...]:
        return row.game, row.success, row.reward, row.steps

    pairs = zip(emptied, control, strict=False)
    return sum(len({*map(facts, one)} ^ {*map(facts, other)}) for one, other in pairs)


async def main(flags: argparse.Namespace) -> None:
    configure_logs("error")
    console = Console(width=170)
    arms, frozen_seeds = flags.arms.split(","), flags.frozen_seeds or flags.seeds
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with stand_in_process() as base_url:
            settings = with_stand_in(Settings(data_dir=folder / "data", runs_dir=folder / "runs"), base_url)
            ground = Ground(flags.env, SCENES[flags.env].split, flags.games)
            if not flags.real:
                settings = SCENES[flags.env].make(settings, flags.games or GAMES)
            runs: dict[str, list[list[EpisodeRow]]] = {arm: [] for arm in arms if _can_be_played(arm, settings, ground)}
            for seed in range(flags.seeds):
                for arm, played in runs.items():
                    if arm in FROZEN and seed >= frozen_seeds:
                        continue
                    played.append(await play(settings, ground, seed, arm, folder))
                    console.print(f"{arm}, seed {seed}: {len(played[-1])} episodes", style="dim")
    where = f"real games of {flags.env}, {ground.split}" if flags.real else f"generated {SCENES[flags.env].games}"
    shown, lines = table(f"{MODEL} (the stand-in, no language model) on {where}, {flags.seeds} seeds", runs)
    console.print(shown)
    count = differing(runs["emptied"], runs["control"]) if "emptied" in runs else None
    if count is not None:
        console.print(f"episodes with an emptied memory that differ from the control's: {count}")
    if flags.out:
        figures = {"where": where, "seeds": flags.seeds, "arms": lines, "emptied_differing": count}
        await anyio.Path(flags.out).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", choices=SCENES, default="alfworld")
    parser.add_argument("--arms", default=",".join(ARMS), help="which, control first; those made of a learned memory need query")
    parser.add_argument("--games", type=int, default=None, help=f"games per run (default: {GAMES} generated, all real)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frozen-seeds", type=int, default=None, help="seeds of the arms with a frozen memory (default: all)")
    parser.add_argument("--real", action="store_true", help="the benchmark's own games, not generated ones")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    anyio.run(main, parser.parse_args())
