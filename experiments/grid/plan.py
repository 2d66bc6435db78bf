"""What an experiment varies and over what, read from a TOML file: five come with memp, others are one's own."""

import tomllib
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.config import TAKEN, RunConfig
from memory.procedure import Form, Update
from runtime.errors import DataError, UsageError
from runtime.events import Retrieval
from runtime.keys import Keys

FOLDER = Path(__file__).parent
NAMES = ("build", "retrieval", "update", "transfer", "top-k")

Varied = Literal["build", "retrieve", "update", "builder_model", "top_k"]
CHOICES: dict[Varied, tuple[str, ...]] = {"build": get_args(Form), "retrieve": get_args(Retrieval), "update": get_args(Update)}
"""What a strategy can be; the others are names of models and numbers."""
NONE = "none"
"""The arm without memory."""


class Plan(BaseModel):
    """One experiment: `values` of the run's setting `vary`, and beside them the arm without memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    says: str = ""
    """What the paper says of it, in words; empty where it says nothing."""
    paper: str | None = None
    """The table of `paper.toml` that holds the paper's figures."""
    mode: Literal["offline", "online"]
    vary: Varied
    values: tuple[str | int, ...] = ()
    """Empty for `builder_model`: then the models that play."""
    splits: dict[str, tuple[str, ...]]
    """By environment."""
    seeds: int = Field(default=1, ge=1)
    """Repetitions, each with an order of the tasks of its own."""
    sources: int = Field(default=300, ge=1)
    """Episodes of the train split from which memory is built, where no trajectories are stored."""
    stand_in: tuple[str, ...] = ("stand-in-strong",)
    """Models of the stand-in that play where none is named."""
    run: dict[str, Any] = {}
    """Further settings of each run: fields of `RunConfig`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.splits or not all(self.splits.values()):
            raise ValueError("splits names no split to play")
        if not self.values and self.vary != "builder_model":
            raise ValueError(f"values is empty: say which {self.vary} to compare")
        for value in self.values:
            known = CHOICES.get(self.vary)
            if known and value not in known:
                raise ValueError(f"values: {value!r} is no {self.vary}: choose among {', '.join(known)}")
            if self.vary == "top_k" and not (isinstance(value, int) and value > 0):
                raise ValueError(f"values: {value!r} is no number of procedures")
        if taken := self.run.keys() & {self.vary, *_OURS}:
            raise ValueError(f"run: {', '.join(sorted(taken))} can't be set there: the grid, a flag or a setting of memp does")
        if self.group_size is None and self.mode == "online":
            raise ValueError("run: an online experiment needs a group_size: its figures are told per group of tasks")
        if self.group_size is not None and self.mode == "offline":
            raise ValueError("run: group_size makes groups of tasks, and memory that is frozen learns from none: leave it out")
        RunConfig.model_validate({**self.run, "mode": self.mode, "exp_name": self.name, "model": "any"})
        return self

    @property
    def group_size(self) -> int | None:
        return self.run.get("group_size")


_LAID_OUT = ("mode", "exp_name", "model", "env", "split", "seed", "use_memory", "memory", "trajectories", "builder_model")
_ASKED = ("limit", "batch_size", "workers")
_APART = ("holdout", "procedure_dropout", "deprecate")
"""What a grid's figures know nothing of: they compare whole runs."""
_OURS = (*_LAID_OUT, *_ASKED, *_APART, "games", "experience", *TAKEN)


def read_plan(name: str) -> Plan:
    """The plan of that name, or in the file of that path. Raises `UsageError`, for a file that can't be used `DataError`."""
    if name in NAMES:
        return _read(FOLDER / f"{name}.toml")
    path = Path(name)
    if path.suffix != ".toml":
        raise UsageError(f"there is no experiment {name!r}: choose one of {', '.join(NAMES)}, or name a TOML file of your own")
    Keys(path.stem)
    return _read(path)


def _read(path: Path) -> Plan:
    try:
        return Plan.model_validate({"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))})
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}): name the TOML file of an experiment") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}") from None
    except ValueError as error:
        raise DataError(f"{path} is no TOML ({error}): see {FOLDER / 'build.toml'} for an example") from None
