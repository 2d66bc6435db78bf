"""The environments by name, each imported only when it is asked for: their libraries are slow to import.

An environment of one's own is named by its module's dotted path and offers what `EnvModule` lists; `Settings.environments`
says which of these events may name.
"""

import importlib
from contextlib import suppress
from typing import Protocol, cast

from envs.local import GameTask, LocalEnv
from runtime.config import Settings
from runtime.env import EnvDescription
from runtime.errors import UsageError

_MODULES = {
    "alfworld": "envs.alfworld_env",
    "travelplanner": "envs.travelplanner",
    "travelplanner-sole": "envs.travelplanner.sole",
}


class EnvModule(Protocol):
    """What the package of an environment has to offer. Its module `env` imports the libraries that it plays with."""

    __name__: str

    @property
    def SPLITS(self) -> tuple[str, ...]: ...  # noqa: N802 (a constant of the module)

    def describe(self) -> EnvDescription: ...

    def make(self, settings: Settings) -> LocalEnv: ...

    def games(self, split: str, settings: Settings) -> list[GameTask]: ...


def names() -> list[str]:
    """The environments that come with memp."""
    return sorted(_MODULES)


def is_allowed(env: str, settings: Settings) -> bool:
    """Whether an event from a stream may have this environment opened: not just any module that happens to be importable."""
    return env in _MODULES or env in settings.environments


def _module(env: str) -> EnvModule:
    if env not in _MODULES and "." not in env:
        raise UsageError(f"unknown environment {env!r}: choose one of {', '.join(names())}, or name a module of yours with a dot")
    try:
        return cast(EnvModule, importlib.import_module(_MODULES.get(env, env)))
    except ImportError as error:
        raise UsageError(f"the environment {env!r} can't be imported: {error}") from error


def describe(env: str) -> EnvDescription:
    """What the environment says of itself; UsageError for an unknown name (as in all functions here)."""
    return _module(env).describe()


def preload(env: str) -> None:
    """Import what an environment plays with, for the processes to be forked; what is missing or unknown is `make`'s to say."""
    with suppress(Exception):
        importlib.import_module(f"{_module(env).__name__}.env")


def make(env: str, settings: Settings) -> LocalEnv:
    """A new environment, for use inside an environment process; raises DataError where its data is missing."""
    return _module(env).make(settings)


def games(env: str, split: str, settings: Settings) -> list[GameTask]:
    """Every game of a split, once, in a stable order; UsageError for an unknown split, DataError for unusable data."""
    check_split(env, split)
    return _module(env).games(split, settings)


def check_split(env: str, split: str) -> None:
    """UsageError for an unknown split; its data need not be there."""
    known = _module(env).SPLITS
    if split not in known:
        raise UsageError(f"unknown split {split!r} of {env}: choose one of {', '.join(known)}")
