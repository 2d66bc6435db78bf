"""Puts into words: derives the text of a rule, a command or an answer from the grammar and what is true."""

from collections.abc import Iterator, Mapping

from envs.alfworld_env.facts import Facts, Mapped
from envs.alfworld_env.grammar import Grammar
from envs.alfworld_env.symbols import Each, Entity, Reference, Symbol, Text, Unsupported, Value


class Context:
    """Which objects the words of a template mean: by placeholder for queries, by name for values."""

    __slots__ = ("entities", "mapped")

    def __init__(self, mapped: Mapped, entities: dict[str, Entity]) -> None:
        self.mapped, self.entities = mapped, entities


class Teller:
    """The texts of one game."""

    def __init__(self, grammar: Grammar, entities: Mapping[str, Entity], facts: Facts) -> None:
        self._rules = grammar.rules
        self._entities = entities
        self._facts = facts

    def context(self, mapped: Mapped) -> Context:
        """What an action's parameters mean."""
        return Context(mapped, {name: self._entities[entity] for (name, _), entity in mapped.items()})

    def tell(self, symbols: tuple[Symbol, ...], context: Context) -> str:
        """The text of a template."""
        return "".join([part for symbol in symbols for part in self._parts(symbol, context)])

    def _parts(self, symbol: Symbol, context: Context) -> list[str]:
        match symbol:
            case Text(text):
                return [text]
            case Reference(rule):
                return [self._rule(rule, context)]
            case Each(said, _, listed):
                parts = [self._said(said, each) for each in self._contexts(symbol, context)]
                return self._list(parts, context) if listed else parts

    def _said(self, said: Reference | Value, context: Context) -> str:
        return self._rule(said.rule, context) if isinstance(said, Reference) else str(said.of(context.entities))

    def _contexts(self, symbol: Each, context: Context) -> Iterator[Context]:
        if symbol.query is None:
            yield context
            return
        for mapped in self._facts.matches(symbol.query, context.mapped):
            found = {name: self._entities[entity] for (name, _), entity in mapped.items()}
            yield Context(mapped, {**context.entities, **found})

    def _list(self, parts: list[str], context: Context) -> list[str]:
        if not parts:
            return [self._rule("list_empty", context)]
        if len(parts) == 1:
            return parts
        separator, last = self._rule("list_separator", context), self._rule("list_last_separator", context)
        return [separator.join(parts[:-1]), last, parts[-1]]

    def _rule(self, name: str, context: Context) -> str:
        for condition, symbols in self._rules.get(name, ()):
            if condition is None or next(self._facts.matches(condition, context.mapped), None) is not None:
                return self.tell(symbols, context)
        raise Unsupported(f"no rule {name!r} of the grammar applies")
