"""The fast engine: ALFWorld's games without TextWorld, word for word as TextWorld tells them.

A step of TextWorld's engine costs 55 ms, nine tenths of it for parsing templates and copying contexts again for each of
the admissible commands. Here templates are parsed once (`symbols`, `grammar`), the state is kept up to date instead of
being searched (`world`), and a command's text is derived once per game. Planning is not needed to play, so its library is
not loaded either: there is no native code that could take a process along.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from envs.alfworld_env.game_cache import GameCache
from envs.alfworld_env.grammar import Grammar, parse
from envs.alfworld_env.symbols import Each, Entity, Placeholder, Reference, Symbol, Value, symbols
from envs.alfworld_env.telling import Context, Teller
from envs.alfworld_env.translation import Translation
from envs.alfworld_env.translator import translate
from envs.alfworld_env.world import World
from runtime.prompts import NOTHING

_INTRODUCTION = symbols("#intro#")


class FastEngine:
    """Plays games, one at a time; satisfies `envs.alfworld_env.engine.Engine`."""

    def __init__(self, cache: GameCache | None = None) -> None:
        self._cache = cache
        self._episode: _Episode | None = None

    def start(self, game: Mapping[str, Any]) -> tuple[str, bool]:
        """Begin a game; where its translation is not in the cache it is made now, which takes long."""
        self._episode = _Episode(self._translation(game), parse(game["grammar"]))
        return self._episode.introduction(), self._episode.won

    def _translation(self, game: Mapping[str, Any]) -> Translation:
        key = str(game.get("hash", ""))  # What has no hash was made here, and is played once.
        found = self._cache.get(key) if self._cache and key else None
        if found is None:
            found = translate(game["pddl_domain"], game["pddl_problem"])
            if self._cache and key:
                self._cache.put(key, found)
        return found

    def step(self, command: str) -> tuple[str, bool]:
        """Do one command."""
        return self._playing.step(command), self._playing.won

    def admissible(self) -> list[str]:
        """The commands that would do something now, sorted."""
        return sorted(self._playing.commands())

    def facts(self) -> list[str]:
        """What is true now, sorted, in the words of the game."""
        return self._playing.facts()

    @property
    def _playing(self) -> "_Episode":
        if self._episode is None:
            raise RuntimeError("start a game first")
        return self._episode


class _Template(NamedTuple):
    """How the commands of an action are worded, and what their text depends on."""

    symbols: tuple[Symbol, ...]
    parameters: tuple[Placeholder, ...]
    shown: tuple[int, ...] | None
    """The parameters that alone decide about the text; None where it depends on the state."""


class _Episode:
    def __init__(self, game: Translation, grammar: Grammar) -> None:
        self._game, self._grammar = game, grammar
        self._world = World(game)
        words = game.words
        named = zip(words.objects, words.types, words.names, strict=True)
        self._entities = {entity: Entity(entity, type_, name) for entity, type_, name in named if name}
        self._teller = Teller(grammar, self._entities, self._world.facts)
        self._templates: dict[int, _Template] = {}
        self._texts: dict[int | tuple[int, ...], str] = {}
        self._commands: dict[str, int] | None = None
        self.won = self._world.won()

    def introduction(self) -> str:
        return self._teller.tell(_INTRODUCTION, self._teller.context({}))

    def facts(self) -> list[str]:
        facts = ((name, [self._entities[each].name for each in arguments]) for name, arguments in self._world.facts)
        return sorted(f"{name}({', '.join(names)})" for name, names in facts)

    def step(self, command: str) -> str:
        operator = self.commands().get(command.strip())
        if operator is None:
            return NOTHING
        self._world.apply(operator)
        self._commands = None
        self.won = self._world.won()
        action, *objects = self._game.operators[operator]
        feedback = self._grammar.actions[self._game.words.actions[action]].feedback
        return self._teller.tell(feedback, self._context(action, objects))

    def _context(self, action: int, objects: list[int]) -> Context:
        return self._teller.context(dict(zip(self._template(action).parameters, self._world.named(objects), strict=False)))

    def commands(self) -> dict[str, int]:
        """The operators that apply now, by the text of their command."""
        if self._commands is None:
            self._commands = {}
            for operator in sorted(self._world.applicable):
                self._commands.setdefault(self._command(operator), operator)
        return self._commands

    def _command(self, operator: int) -> str:
        text = self._texts.get(operator)
        if text is not None:
            return text
        action, *objects = self._game.operators[operator]
        shown = self._template(action).shown
        if shown is None:
            return self._derive(action, objects)
        key = (action, *[objects[each] for each in shown])  # One text for going to a place, wherever one comes from.
        text = self._texts[operator] = self._texts[key] = self._texts.get(key) or self._derive(action, objects)
        return text

    def _derive(self, action: int, objects: list[int]) -> str:
        text = self._teller.tell(self._template(action).symbols, self._context(action, objects))
        return text.format_map(self._entities)

    def _template(self, action: int) -> _Template:
        if action not in self._templates:
            parameters = tuple((name, type_) for name, type_ in self._game.words.parameters[action])
            template = self._grammar.actions[self._game.words.actions[action]].template
            self._templates[action] = _Template(template, parameters, self._shown(template, parameters))
        return self._templates[action]

    def _shown(self, template: tuple[Symbol, ...], parameters: tuple[Placeholder, ...]) -> tuple[int, ...] | None:
        """Which parameters alone decide about a template's text.

        Facts that never change are no part of the state. A query that maps a placeholder of its own looks at all parameters,
        since different placeholders stand for different objects.
        """
        names: set[str] = set()
        for symbol in template:
            if isinstance(symbol, Each):
                query = symbol.query or ()
                placeholders = {each for predicate in query for each in predicate.placeholders}
                if not isinstance(symbol.said, Value) or any(
                    predicate.name.removeprefix("not_") in self._game.words.changing for predicate in query
                ):
                    return None
                names |= symbol.said.names | {name for name, _ in (placeholders if placeholders <= set(parameters) else parameters)}
            elif isinstance(symbol, Reference):
                return None
        return tuple(number for number, (name, _) in enumerate(parameters) if name in names)
