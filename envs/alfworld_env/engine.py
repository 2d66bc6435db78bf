"""The seam behind which games are played: something that starts a game and takes its commands.

TextWorld's own engine stands here, as it is (`stock`) or with its repeated work saved (`memoised`, the default).
Not thread-safe; many engines may live in one thread. An engine holds a copy of the planner's library of 34 MB, which
can't be freed: reuse engines by starting another game.
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

from textworld.core import EnvInfos
from textworld.envs.pddl.pddl import PddlEnv

from envs.alfworld_env import patches
from envs.alfworld_env.naming import name_entities
from runtime.prompts import NOTHING

EngineKind = Literal["stock", "memoised"]


class Engine(Protocol):
    """Plays one game at a time; `game` holds the texts `pddl_domain`, `grammar` and `pddl_problem` of a game file."""

    def start(self, game: Mapping[str, Any]) -> tuple[str, bool]:
        """Begin a game, also the same one again: its introduction, and whether the goal holds already."""
        ...

    def step(self, command: str) -> tuple[str, bool]:
        """The answer to one command, and whether the goal holds now."""
        ...

    def admissible(self) -> list[str]:
        """The commands that would do something now, sorted."""
        ...


class _NamedEnv(PddlEnv):
    """TextWorld's environment with ALFWorld's names for things."""

    def _get_entity_infos(self) -> dict[str, Any]:
        infos: dict[str, Any] = super()._get_entity_infos()
        for entity, name in name_entities(infos).items():
            infos[entity].name = name
        return infos


class TextWorldEngine:
    """TextWorld's engine; `kind` tells whether with or without the savings of `patches`."""

    def __init__(self, kind: EngineKind = "memoised") -> None:
        self._memoised = kind == "memoised"
        self._env = _NamedEnv(EnvInfos(won=True, admissible_commands=True))
        self._state: Any = None
        if self._memoised:
            patches.without_replanner(self._env.downward_lib)

    def _saving(self) -> AbstractContextManager[None]:
        return patches.memoised() if self._memoised else nullcontext()

    def start(self, game: Mapping[str, Any]) -> tuple[str, bool]:
        argv = sys.argv  # The translator overwrites it.
        try:
            with self._saving():
                self._env.load(game)  # pyright: ignore[reportArgumentType] (its annotation forgets mappings)
                self._state = self._env.reset()
        finally:
            sys.argv = argv
        return self._said()

    def step(self, command: str) -> tuple[str, bool]:
        # A refused command leaves the state as it was: no need to derive all admissible commands again.
        if self._memoised and command.strip() not in self._state["_valid_commands"]:
            return NOTHING, bool(self._state["won"])
        with self._saving():
            self._state, _, _ = self._env.step(command)
        return self._said()

    def _said(self) -> tuple[str, bool]:
        return str(self._state.feedback), bool(self._state["won"])

    def admissible(self) -> list[str]:
        return list(self._state["admissible_commands"])
