"""A plan with what was chosen on the command line, laid out as cells: runs, and what each needs first."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.config import RunConfig
from experiments.grid.plan import NONE, Plan
from runtime.errors import UsageError
from runtime.keys import Keys

Kind = Literal["source", "memory", "episodes"]


@dataclass(frozen=True)
class Cell:
    """One run. Its name is its namespace's and its folder's, so that it is resumed as any run is."""

    config: RunConfig
    kind: Kind
    """source: episodes to build memory from; memory: built and exported; episodes: what the table counts."""
    arm: str = NONE
    """The value of what varies."""
    builder: str | None = None
    """Model that builds its memory; None without memory."""
    needs: "Cell | None" = None

    @property
    def name(self) -> str:
        return self.config.exp_name


@dataclass(frozen=True)
class Choice:
    """What was chosen for all cells."""

    models: tuple[str, ...]
    splits: dict[str, tuple[str, ...]]
    """By environment."""
    experience: dict[str, Path]
    """By environment: stored trajectories to build memory from; without, own episodes are played first."""
    runs_dir: Path
    seeds: int = 1
    builder: str | None = None
    limit: int | None = None
    batch_size: int = 16
    workers: int = 1


def lay_out(plan: Plan, choice: Choice) -> list[Cell]:
    """All cells, each after what it needs. Raises `UsageError` where two models' names can't be told apart as names of runs."""
    wanted = [cell for env, splits in choice.splits.items() for model in choice.models for cell in _cells(plan, choice, env, splits, model)]
    found: dict[str, Cell] = {}
    for cell in (each for last in wanted for each in _chain(last)):
        Keys(cell.name)
        if found.setdefault(cell.name, cell) != cell:
            raise UsageError(f"two cells would be named {cell.name}: play models whose names differ in more than signs apart")
    return list(found.values())


def _chain(cell: Cell) -> list[Cell]:
    return [*(_chain(cell.needs) if cell.needs else []), cell]


def _cells(plan: Plan, choice: Choice, env: str, splits: tuple[str, ...], model: str) -> list[Cell]:
    """What one model plays in one environment."""
    arms = [NONE, *map(str, plan.values or choice.models)]
    return [
        _cell(plan, choice, _base(plan, choice, env, split, model, seed), arm)
        for split in splits
        for arm in arms
        for seed in range(choice.seeds)
    ]


def _base(plan: Plan, choice: Choice, env: str, split: str, model: str, seed: int) -> RunConfig:
    return RunConfig.model_validate(
        {
            **plan.run,
            "mode": plan.mode,
            "exp_name": plan.name,
            "model": model,
            "env": env,
            "split": split,
            "seed": seed,
            "limit": choice.limit,
            "batch_size": choice.batch_size,
            "workers": choice.workers,
        }
    )


def _cell(plan: Plan, choice: Choice, base: RunConfig, arm: str) -> Cell:
    name = f"{plan.name}-{base.env}-{base.split}-{_plain(arm)}-{_plain(base.model)}-{base.seed}"
    if arm == NONE:
        return Cell(base.model_copy(update={"exp_name": name, "use_memory": False, "group_size": None}), "episodes")
    varied = {plan.vary: int(arm) if plan.vary == "top_k" else arm}
    builder = arm if plan.vary == "builder_model" else choice.builder or base.model
    config = base.model_copy(update={"exp_name": name, "builder_model": builder, **varied})
    if plan.mode == "online":
        return Cell(config, "episodes", arm, builder)
    memory = _memory(plan, choice, config, builder)
    file = choice.runs_dir / memory.name / "memory.jsonl"
    return Cell(config.model_copy(update={"memory": file}), "episodes", arm, builder, memory)


def _memory(plan: Plan, choice: Choice, config: RunConfig, builder: str) -> Cell:
    """The memory of a frozen arm: one for all arms, splits and seeds that can share it."""
    by_facts = "avefact" in (*plan.values, config.retrieve)
    parts = (config.build, *([config.update] if plan.vary == "update" else []), builder)
    source = None if config.env in choice.experience else _source(plan, choice, config, builder)
    shared = RunConfig(
        mode="build",
        exp_name="-".join((plan.name, "memory", config.env, *map(_plain, parts))),
        model=builder,
        env=config.env,
        build=config.build,
        retrieve="avefact" if by_facts else "query",
        update=config.update,
        same_goal=config.same_goal,
        trajectories=choice.runs_dir / source.name / "trajectories.jsonl" if source else choice.experience[config.env],
    )
    return Cell(shared, "memory", config.build, builder, source)


def _source(plan: Plan, choice: Choice, config: RunConfig, builder: str) -> Cell:
    """Episodes of the train split, played without memory by the model that builds."""
    base = _base(plan, choice, config.env, "train", builder, 0)
    name = f"{plan.name}-source-{config.env}-{_plain(builder)}"
    limit = min(plan.sources, choice.limit or plan.sources)
    changes = {"mode": "offline", "exp_name": name, "use_memory": False, "group_size": None, "limit": limit}
    return Cell(base.model_copy(update=changes), "source", NONE, builder)


def _plain(text: str) -> str:
    """A model's name as part of a run's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
