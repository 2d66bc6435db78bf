"""What is played: the benchmarks' data where it is at hand, generated data for the stand-in elsewhere."""

import os
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from envs.alfworld_env.game_cache import open_cache
from envs.alfworld_env.households import generate
from envs.registry import check_split, games
from envs.travelplanner import country
from envs.travelplanner.description import NAMES as TRIPS
from experiments.config import RunConfig, hold_folder
from experiments.demo import SEED
from experiments.grid.cells import Cell
from experiments.offline import read_experience
from runtime.config import Settings
from runtime.errors import UsageError

GENERATED = 60
"""Games of each generated split, unless fewer are asked for."""
EXPERTS = "expert_trajectories.json"
"""Stored trajectories on the train split of the real households, beside them."""
_WHOLE = ".whole"
"""After a split's name, marks generated games that need no second look."""


def is_generated(env: str, settings: Settings) -> bool:
    """Whether there is no data of this environment but what is generated."""
    return (env == "alfworld" and settings.alfworld_data is None) or (env in TRIPS and settings.travelplanner_data is None)


def with_generated(settings: Settings, envs: Iterable[str], count: int) -> Settings:
    """Settings that name generated data where none is set; nothing is made yet."""
    missing = [env for env in envs if is_generated(env, settings)]
    fields = {"travelplanner_data" if env in TRIPS else "alfworld_data": _generated(settings, env, count) for env in missing}
    return settings.model_copy(update=fields)


def generate_data(settings: Settings, env: str, splits: Iterable[str], count: int) -> None:
    """Make the data that `with_generated` has named, once: `count` games of each of these splits."""
    folder = _generated(settings, env, count)
    for split in splits:
        mark = folder / f"{split}{_WHOLE}"
        if _data(settings, env) != folder or mark.exists():
            continue
        with _held(folder, env):
            if env in TRIPS:
                country.generate(folder, SEED, {"train": count, "validation": count, "test": 0})
            else:
                generate(count, SEED, folder, split, processes=os.cpu_count() or 1, cache=open_cache(settings))
            mark.touch()


def _held(folder: Path, env: str) -> AbstractContextManager[None]:
    """Other experiments may want the same games."""
    return hold_folder(RunConfig(mode="build", exp_name=f"making games of {env}", model="none"), folder)


def game_count(env: str, split: str, settings: Settings, count: int) -> int:
    """Games of a split; of data that is still to be generated, as many as there will be."""
    folder = _generated(settings, env, count)
    if _data(settings, env) == folder and not (folder / f"{split}{_WHOLE}").exists():
        return count
    return len(games(env, split, settings))


def experience(settings: Settings, envs: Collection[str], trajectories: Path | None) -> dict[str, Path]:
    """By environment, the stored trajectories to build memory from. Raises `UsageError` where it is unclear what a file is of."""
    if trajectories is not None:
        first, *others = envs
        if others:
            raise UsageError(f"--trajectories are of one environment, and {' and '.join(envs)} are to be played: choose one with --env")
        return {first: trajectories}
    experts = (settings.alfworld_data or Path()) / EXPERTS
    return {"alfworld": experts} if "alfworld" in envs and settings.alfworld_data and experts.is_file() else {}


def check_ground(cells: Iterable[Cell]) -> None:
    """Raises `UsageError` for a split that there is none of, and `DataError` for stored trajectories that can't be read."""
    for env, split in sorted({(cell.config.env, cell.config.split) for cell in cells if cell.kind != "memory"}):
        check_split(env, split)
    stored = {(cell.config.env, cell.config.trajectories): cell.config for cell in cells if cell.kind == "memory" and cell.needs is None}
    for config in stored.values():
        read_experience(config, epoch=0)


def _data(settings: Settings, env: str) -> Path | None:
    return settings.travelplanner_data if env in TRIPS else settings.alfworld_data if env == "alfworld" else None


def _generated(settings: Settings, env: str, count: int) -> Path:
    return settings.data_dir / "experiment" / f"{'country' if env in TRIPS else 'households'}-{count}"
