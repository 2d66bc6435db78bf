"""Does memory teach? Arms that differ only in what memory gives, over the same games and seeds, played by the stand-in.

    uv run python -m bench.learning [--games N] [--seeds S] [--out FILE]        generated households
    ALFWORLD_DATA=… uv run python -m bench.learning --real                      the dev split of the real games

Per arm: success, steps, and the paired difference to the control with its 95 % interval (bootstrap over tasks; a task's
seeds stay together). The last arm is no estimate but a check: with an emptied memory every episode must equal the control's.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from rich.console import Console
from rich.table import Table

from bench.false_memory import falsified, irrelevant
from envs.alfworld_env.households import generate
from experiments.config import RunConfig
from experiments.demo import MODEL, stand_in_process, with_stand_in
from experiments.driver import drive
from experiments.results import EpisodeRow, read_rows
from experiments.stats import Interval, mean_interval, paired_interval
from runtime.config import Settings
from runtime.logs import configure_logs

Scores = dict[str, list[float]]

ARMS = {
    "control": "no memory",
    "query": "online, learning from nothing",
    "random": "the same, any k procedures",
    "expert": "built from stored expert trajectories, frozen",
    "frozen": "what the query arm learned, frozen",
    "false": "the frozen memory with places and appliances exchanged",
    "irrelevant": "the frozen memory's goals over texts on travelling",
    "emptied": "a frozen memory of nothing",
}

FROZEN = ARMS.keys() - {"control", "query", "random"}


async def play(settings: Settings, games: int | None, seed: int, arm: str, folder: Path) -> list[EpisodeRow]:
    """One arm with one seed; the frozen arms need the query arm's memory of that seed."""
    name = f"{arm}-{seed}"
    base = RunConfig(mode="online", exp_name=name, model=MODEL, split="dev", limit=games, seed=seed, batch_size=8)
    if arm in ("control", "query", "random"):
        config = base.model_copy(update={"use_memory": arm != "control", "retrieve": "random" if arm == "random" else "query"})
    elif arm == "expert":
        config = base.model_copy(update={"mode": "offline", "update": "validation", "trajectories": experts(settings)})
    else:
        learned = settings.runs_dir / f"query-{seed}" / "memory.jsonl"
        config = base.model_copy(update={"mode": "offline", "memory": _memory(arm, learned, folder / f"{name}.jsonl")})
    result = await drive(config, settings, overwrite=True, show=lambda _: None)
    return read_rows(result.folder / "episodes.jsonl")


def experts(settings: Settings) -> Path | None:
    """The stored expert trajectories beside the real games; None where there are none."""
    path = (settings.alfworld_data or Path()) / "expert_trajectories.json"
    return path if path.is_file() else None


def _memory(arm: str, learned: Path, out: Path) -> Path:
    lines = learned.read_text(encoding="utf-8").splitlines()
    make = {"frozen": str, "false": falsified, "irrelevant": irrelevant}
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
    shown = Table("arm", "n", "success", "to control", "steps", "to control", "what it is", title=title, title_justify="left")
    lines: list[dict[str, object]] = []
    for arm, played in runs.items():
        line: dict[str, object] = {"arm": arm, "n": sum(map(len, played))}
        cells: list[str] = []
        for field, scale in (("success", 100.0), ("steps", 1.0)):
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


async def main(arms: list[str], games: int | None, seeds: int, frozen_seeds: int, real: bool, out: Path | None) -> None:
    configure_logs("error")
    console = Console(width=150)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        async with stand_in_process() as base_url:
            settings = with_stand_in(Settings(data_dir=folder / "data", runs_dir=folder / "runs"), base_url)
            if not real:
                generate(games or 60, 7, folder / "households", "dev", processes=2)
                settings = settings.model_copy(update={"alfworld_data": folder / "households"})
            runs: dict[str, list[list[EpisodeRow]]] = {arm: [] for arm in arms if arm != "expert" or experts(settings)}
            for seed in range(seeds):
                for arm, played in runs.items():
                    if arm in FROZEN and seed >= frozen_seeds:
                        continue
                    played.append(await play(settings, games, seed, arm, folder))
                    console.print(f"{arm}, seed {seed}: {len(played[-1])} episodes", style="dim")
        where = "real ALFWorld games, dev" if real else "generated households"
        shown, lines = table(f"{MODEL} (the stand-in, no language model) on {where}, {seeds} seeds", runs)
        console.print(shown)
        count = differing(runs["emptied"], runs["control"]) if "emptied" in runs else None
        if count is not None:
            console.print(f"episodes with an emptied memory that differ from the control's: {count}")
        if out:
            figures = {"where": where, "seeds": seeds, "arms": lines, "emptied_differing": count}
            await anyio.Path(out).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default=",".join(ARMS), help="which, control first; frozen arms need query")
    parser.add_argument("--games", type=int, default=None, help="games per run (default: 60 generated, all real)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frozen-seeds", type=int, default=None, help="seeds of the arms with a frozen memory (default: all)")
    parser.add_argument("--real", action="store_true", help="the dev split of ALFWORLD_DATA")
    parser.add_argument("--out", type=Path, default=None, help="JSON file for the figures")
    flags = parser.parse_args()
    anyio.run(main, flags.arms.split(","), flags.games, flags.seeds, flags.frozen_seeds or flags.seeds, flags.real, flags.out)
