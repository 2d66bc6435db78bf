"""From the flags of the command to what all cells share."""

from dataclasses import dataclass
from pathlib import Path

from experiments.demo import SCENES
from experiments.grid.cells import Choice
from experiments.grid.ground import experience
from experiments.grid.plan import Plan
from runtime.config import Settings
from runtime.errors import UsageError


@dataclass(frozen=True)
class Asked:
    """The flags of the command; see `bin/experiment.py` for their meaning."""

    models: tuple[str, ...] = ()
    builder_model: str | None = None
    envs: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    limit: int | None = None
    seeds: int | None = None
    group_size: int | None = None
    batch_size: int = 16
    workers: int = 1
    trajectories: Path | None = None
    stand_in: bool = False
    dry_run: bool = False
    overwrite: bool = False
    out: Path | None = None


def chosen(plan: Plan, asked: Asked, settings: Settings, splits: dict[str, tuple[str, ...]]) -> Choice:
    """What all cells share. Raises `UsageError` where something is missing, or can't be with something else."""
    models = tuple(dict.fromkeys(asked.models or (plan.stand_in if asked.stand_in else ())))
    if not models:
        raise UsageError("name the models that play with --model, or have the stand-in play with --stand-in")
    if asked.builder_model and plan.vary == "builder_model":
        raise UsageError(f"--builder-model is what {plan.name} varies: name all models with --model")
    if asked.trajectories and plan.mode == "online":
        raise UsageError(f"{plan.name} learns while it works, from nothing: leave --trajectories out")
    return Choice(
        models=models,
        splits=splits,
        experience=experience(settings, splits, asked.trajectories) if plan.mode == "offline" else {},
        runs_dir=settings.runs_dir,
        seeds=asked.seeds or plan.seeds,
        builder=asked.builder_model,
        limit=asked.limit,
        batch_size=asked.batch_size,
        workers=asked.workers,
    )


def chosen_splits(plan: Plan, asked: Asked) -> dict[str, tuple[str, ...]]:
    """By environment: the plan's, unless others were asked for."""
    envs = dict.fromkeys(asked.envs or plan.splits)
    if asked.splits:
        if len(envs) > 1:
            raise UsageError(f"--splits are of one environment, and {' and '.join(envs)} are to be played: choose one with --env")
        return {env: tuple(dict.fromkeys(asked.splits)) for env in envs}
    usual = {env: (scene.split,) for env, scene in SCENES.items()} | plan.splits
    if unknown := [env for env in envs if env not in usual]:
        raise UsageError(f"--env {unknown[0]}: {plan.name} does not say which of its splits to play; name them with --splits")
    return {env: usual[env] for env in envs}


def grouped(plan: Plan, asked: Asked) -> Plan:
    """The plan with the size of groups that was asked for."""
    if asked.group_size is None:
        return plan
    if plan.mode != "online":
        raise UsageError(f"--group-size makes groups of tasks, and the memory of {plan.name} is frozen: leave it out")
    return plan.model_copy(update={"run": {**plan.run, "group_size": asked.group_size}})
