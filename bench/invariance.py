"""Must results depend on how many workers play, and how much at once? Over a frozen memory and in groups they must not.

    uv run python -m bench.invariance [--games 60] [--quick] [--out FILE]

Frozen: one memory, learned once, is evaluated by each number of workers with each number of episodes at once. Of every game all
must be the same: success, reward, steps, what was retrieved (procedure, revision, distance), the guidance, and each action and
observation. Grouped: learning from nothing in groups, once per number of workers, with another number of episodes at once each
time, and by chance: memory is withheld from a fifth of the episodes, of what others retrieve each procedure from three in ten, and
procedures are deprecated by what that shows (`--deprecate uplift`). The memories must be the same to the byte (`memp memory hash`),
and so must the episodes, and which of them was to play without memory, or without which procedures.

The stand-in plays, with lognormal latency (median 20 ms, sigma 1.0) from another seed in each run, so that episodes end in another
order in each. Ends with 1 where anything differs. Generated households, or the dev split of ALFWORLD_DATA with --real.
"""

import argparse
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import anyio
from pydantic import SecretStr

from bench import harness
from bench.report import save, show
from experiments.config import RunConfig
from experiments.demo import MODEL, SCENES, with_stand_in
from experiments.driver import drive
from memory.fold import fingerprint
from runtime.bus.namespace import open_namespace
from runtime.config import Settings
from runtime.events import Trajectory
from runtime.logs import configure_logs
from runtime.server import connect, open_server

MEDIAN_MS, SIGMA = 20.0, 1.0
GROUP = 10
"""Tasks per group."""
NAME = "invariance"
CHANCE = {"holdout": 0.2, "procedure_dropout": 0.3, "deprecate": "uplift", "update": "validation"}
"""What the grouped runs leave to chance; deprecation by uplift takes an update that does not rewrite procedures."""


class Shape(NamedTuple):
    """How a run is spread out."""

    workers: int
    at_once: int
    """Episodes that each worker plays at once."""


FROZEN = tuple(Shape(*each) for each in product((1, 8), (1, 256)))
GROUPED = (Shape(1, 1), Shape(2, 16), Shape(4, 3), Shape(8, 256))


class Played(NamedTuple):
    """What a run left: of each task everything that must not differ, and the memory's hash."""

    shape: Shape
    episodes: dict[str, tuple[Any, ...]]
    memory: str
    held_out: int = 0
    """Episodes that memory was withheld from."""
    withheld: int = 0
    """Procedures that were withheld, over all other episodes."""


def facts(folder: Path) -> dict[str, tuple[Any, ...]]:
    """By task, all that may not depend on the shape: everything but usage, times and names of workers."""
    with (folder / "trajectories.jsonl").open(encoding="utf-8") as lines:
        found = [Trajectory.model_validate_json(line) for line in lines]
    return {
        each.task.id: (each.outcome, each.success, each.reward, each.first_observation, each.steps, each.recall.model_dump())
        for each in found
    }


def differing(first: Played, other: Played) -> int:
    """Tasks whose episodes are not the same, or that only one of them has."""
    tasks = first.episodes.keys() | other.episodes.keys()
    return sum(first.episodes.get(task) != other.episodes.get(task) for task in tasks)


def lines(kind: str, runs: Sequence[Played]) -> list[dict[str, Any]]:
    """A line per run, each compared with the first."""
    return [
        {
            "kind": kind,
            "workers": run.shape.workers,
            "at once, each": run.shape.at_once,
            "games": len(run.episodes),
            "without memory": run.held_out,
            "procedures withheld": run.withheld,
            "episodes that differ": differing(runs[0], run),
            "memory differs": run.memory != runs[0].memory,
            "memory": run.memory[:12],
        }
        for run in runs
    ]


def differs(line: dict[str, Any]) -> bool:
    """Whether a run was not as the first of its kind."""
    return bool(line["episodes that differ"] or line["memory differs"])


class Bench:
    """Runs under one name, from which ids of procedures follow, too: each on a server of its own, with a model of its own."""

    def __init__(self, settings: Settings, games: int) -> None:
        self._settings = settings
        self._games = games
        self._runs = 0

    async def play(self, shape: Shape, **changes: Any) -> Played:
        """One run of this shape."""
        self._runs += 1
        given = {"mode": "online", "exp_name": NAME, "model": MODEL, "limit": self._games, "workers": shape.workers}
        config = RunConfig.model_validate({**given, "batch_size": shape.at_once, **changes})
        folder = self._settings.runs_dir / str(self._runs)
        async with (
            open_server(self._settings.model_copy(update={"data_dir": folder})) as server,
            harness.stand_in(MEDIAN_MS, SIGMA, self._runs) as model,
        ):
            own = {"runs_dir": folder, "redis_url": SecretStr(server.url)}
            settings = with_stand_in(self._settings.model_copy(update=own), model.base_url)
            await drive(config, settings, overwrite=True, show=lambda _: None)
            async with connect(server.url) as client:
                memory = await fingerprint(await open_namespace(client, NAME))
        return _played(shape, facts(folder / NAME), memory.sha256)

    @property
    def learned(self) -> Path:
        """The memory of the last run."""
        return self._settings.runs_dir / str(self._runs) / NAME / "memory.jsonl"


def _played(shape: Shape, episodes: dict[str, tuple[Any, ...]], memory: str) -> Played:
    recalls = [episode[-1] for episode in episodes.values()]
    held_out = sum(recall["arm"] == "control" for recall in recalls)
    return Played(shape, episodes, memory, held_out, sum(len(recall.get("withheld", ())) for recall in recalls))


async def compare(bench: Bench, frozen: Sequence[Shape], grouped: Sequence[Shape], group: int = GROUP) -> list[dict[str, Any]]:
    """Learn in groups of so many tasks, once per shape; then evaluate what was learned, frozen, once per shape."""
    learning = [await bench.play(shape, group_size=group, **CHANCE) for shape in grouped]
    memory = bench.learned
    evaluated = [await bench.play(shape, mode="offline", memory=memory) for shape in frozen]
    return [*lines("grouped", learning), *lines("frozen", evaluated)]


@contextmanager
def opened(games: int, real: bool) -> Generator[Bench]:
    """A bench with its games, in a folder that is deleted at the end."""
    with TemporaryDirectory() as temporary:
        settings = Settings(data_dir=Path(temporary) / "data", runs_dir=Path(temporary) / "runs")
        if not real:
            settings = SCENES["alfworld"].make(settings, games)
        yield Bench(settings, games)


async def main(flags: argparse.Namespace) -> None:
    configure_logs("error")
    with opened(flags.games, flags.real) as bench:
        told = await compare(bench, FROZEN[:: 3 if flags.quick else 1], GROUPED[:: 3 if flags.quick else 1])
    show(f"{MODEL} (the stand-in, no language model): does the number of workers matter?", told)
    save("invariance", {"rows": told}, flags.out)
    if any(map(differs, told)):
        raise SystemExit("results depend on how a run is spread out")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=60)
    parser.add_argument("--real", action="store_true", help="the benchmark's own games, not generated ones")
    parser.add_argument("--quick", action="store_true", help="12 games; the least and the most of workers and episodes at once alone")
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    if given.quick:
        given.games = 12
    anyio.run(main, given)
