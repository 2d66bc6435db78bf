"""TextWorld's own engine, as it is: 55 ms per step, two seconds per game, and a planner's library of 34 MB for each."""

import sys
from collections.abc import Mapping
from typing import Any

from textworld.core import EnvInfos
from textworld.envs.pddl.pddl import PddlEnv

from envs.alfworld_env.naming import name_entities


class _NamedEnv(PddlEnv):
    """TextWorld's environment with ALFWorld's names for things."""

    def _get_entity_infos(self) -> dict[str, Any]:
        infos: dict[str, Any] = super()._get_entity_infos()
        for entity, name in name_entities(infos).items():
            infos[entity].name = name
        return infos


class StockEngine:
    """Plays games, one at a time; satisfies `envs.alfworld_env.engine.Engine`. Reuse it: its library can't be freed."""

    def __init__(self) -> None:
        self._env = _NamedEnv(EnvInfos(won=True, admissible_commands=True))
        self.state: Any = None
        """All that TextWorld says of the current state."""

    def start(self, game: Mapping[str, Any]) -> tuple[str, bool]:
        """Begin a game."""
        argv = sys.argv  # The translator overwrites it.
        try:
            self._env.load(game)  # pyright: ignore[reportArgumentType] (its annotation forgets mappings)
            self.state = self._env.reset()
        finally:
            sys.argv = argv
        return self._said()

    def step(self, command: str) -> tuple[str, bool]:
        """Do one command."""
        self.state, _, _ = self._env.step(command)
        return self._said()

    def _said(self) -> tuple[str, bool]:
        return str(self.state.feedback), bool(self.state["won"])

    def admissible(self) -> list[str]:
        """The commands that would do something now, sorted."""
        return list(self.state["admissible_commands"])

    def facts(self) -> list[str]:
        """What is true now, sorted, in the words of the game."""
        entities = self.state["_entity_infos"]
        return sorted(f"{fact.name}({', '.join(entities[each.name].name for each in fact.arguments)})" for fact in self.state["_facts"])
