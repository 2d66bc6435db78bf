"""Stored trajectories as experience: what offline memory is built from."""

from pathlib import Path

from envs.alfworld_env.modernise import modernise
from envs.registry import describe
from experiments.config import RunConfig
from memory.importers import Stored, read_trajectories
from runtime.events import EpisodeSpec, Recall, Task, Trajectory

REWRITES = {"alfworld": modernise}
"""By environment: how the commands of older trajectories are put into the wording of its games."""


def read_experience(config: RunConfig, epoch: int) -> list[Trajectory]:
    """The trajectories of `config.trajectories`, as if a worker had committed them. Raises `DataError`."""
    path = config.trajectories or Path()
    stored = read_trajectories(path, rewrite=REWRITES.get(config.env, str), success_reward=describe(config.env).success_reward)
    return [_trajectory(each, number, config.env, config.spec, epoch) for number, each in enumerate(stored)]


def _trajectory(stored: Stored, index: int, env: str, spec: EpisodeSpec, epoch: int) -> Trajectory:
    task = Task(id=f"experience-{stored.id}", epoch=epoch, env=env, goal=stored.goal, game={"path": stored.id}, index=index, spec=spec)
    return Trajectory(
        id=f"{epoch}:{task.id}",
        task=task,
        outcome="finished",
        success=stored.success,
        reward=stored.reward,
        first_observation=stored.first_observation,
        steps=stored.steps,
        recall=Recall(arm="control"),
        attempt=1,
        worker="import",
        seconds=0.0,
        judgement=stored.judgement,
    )
