"""A split of as many games as ALFWorld's unseen one has, of the benchmarks' small environment; nothing of it takes long."""

from bench import toy_env
from bench.toy_env import describe, make
from envs.local import GameTask
from runtime.config import Settings

__all__ = ["SPLITS", "describe", "games", "make"]

SPLITS = ("unseen",)
COUNT = 134


def games(split: str, settings: Settings) -> list[GameTask]:  # noqa: ARG001 (as all environments)
    """One house for each goal."""
    return [toy_env.game(house, COUNT, 2) for house in range(COUNT)]
