"""The tasks under chaos: few goals, all retrievals, some without memory, some cut off by their budget, some that can't be played."""

import argparse
import random

from bench import toy_env
from bench.chaos_model import SPEECHLESS
from bench.chaos_record import Course
from runtime.events import EpisodeSpec, Retrieval, Task

RETRIEVALS: tuple[Retrieval, ...] = ("query", "query", "random", "avefact")
PER_GOAL = 50
"""Tasks of one goal, about."""


def course(name: str, first: int, count: int, flags: argparse.Namespace) -> Course:
    """So many tasks, by seed; each has a house of its own, from `first` on."""
    chance = random.Random(f"{flags.seed}/{name}")
    goals = max(10, count // PER_GOAL)
    tasks = [_task(f"{name}-{index}", first + index, index, goals, chance) for index in range(count)]
    if flags.group_size:
        tasks = [task.model_copy(update={"group": task.index // flags.group_size}) for task in tasks]
    doomed = frozenset(task.id for task in tasks if task.game["walled"])
    return Course(tuple(tasks), doomed, frozenset(task.id for task in tasks if SPEECHLESS in f"{task.goal} "))


def _task(task: str, house: int, index: int, goals: int, chance: random.Random) -> Task:
    found = toy_env.game(house, goals, chance.choice((2, 2, 3, 4)), walled=chance.random() < 0.01)
    spec = EpisodeSpec(
        model="chaos",
        max_steps=10,
        use_memory=chance.random() < 0.9,
        retrieve=chance.choice(RETRIEVALS),
        top_k=2,
        episode_tokens=1 if chance.random() < 0.02 else None,
    )
    return Task(id=task, epoch=1, env="bench.toy_env", goal=found.goal, game=found.game, index=index, spec=spec)
