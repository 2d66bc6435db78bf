"""What is true in a game, and the ways in which a query can be."""

from collections.abc import Iterator, Mapping

from envs.alfworld_env.symbols import Placeholder, Predicate, Query, Unsupported

Arguments = tuple[str, ...]
"""Names of objects."""
Kind = tuple[str, ...]
"""A predicate and the types of its arguments."""
Mapped = dict[Placeholder, str]
"""Objects by placeholder."""


class Facts:
    """Facts by their kind (all kinds that there can be).

    Those of one kind are sorted when they are asked for, and again only after they have changed.
    """

    def __init__(self, parents: Mapping[str, list[str]], facts: dict[Kind, set[Arguments]]) -> None:
        self._parents = parents
        self._facts = facts
        self._kinds: dict[str, list[Kind]] = {}
        for kind in facts:
            self._kinds.setdefault(kind[0], []).append(kind)
        self._sorted: dict[Kind, list[Arguments]] = {}
        self._meant: dict[Predicate, Kind | None] = {}

    def add(self, kind: Kind, arguments: Arguments) -> None:
        self._facts[kind].add(arguments)
        self._sorted.pop(kind, None)

    def remove(self, kind: Kind, arguments: Arguments) -> None:
        self._facts[kind].discard(arguments)
        self._sorted.pop(kind, None)

    def __iter__(self) -> Iterator[tuple[str, Arguments]]:
        return ((kind[0], arguments) for kind, facts in self._facts.items() for arguments in facts)

    def matches(self, query: Query, mapped: Mapped) -> Iterator[Mapped]:
        """Every way to map the query's placeholders so that it is true, in the order of the facts.

        Different placeholders stand for different objects, also those that are mapped already, whether the query names them or not.
        """
        return self._match(query, 0, dict(mapped), set(mapped.values()))

    def _match(self, query: Query, depth: int, mapped: Mapped, used: set[str]) -> Iterator[Mapped]:
        if depth == len(query):
            yield dict(mapped)
            return
        placeholders = query[depth].placeholders
        new = [each for each in placeholders if each not in mapped]
        for arguments in self._candidates(query[depth], mapped, new):
            if self._map(placeholders, arguments, mapped, used):
                yield from self._match(query, depth + 1, mapped, used)
            for each in new:
                used.discard(mapped.pop(each, ""))

    def _candidates(self, predicate: Predicate, mapped: Mapped, new: list[Placeholder]) -> list[Arguments]:
        kind = self._kind(predicate)
        if kind is None:
            return []
        if not new:  # No need to look through all of them.
            arguments = tuple([mapped[each] for each in predicate.placeholders])
            return [arguments] if arguments in self._facts[kind] else []
        if kind not in self._sorted:
            self._sorted[kind] = sorted(self._facts[kind])
        return self._sorted[kind]

    @staticmethod
    def _map(placeholders: tuple[Placeholder, ...], arguments: Arguments, mapped: Mapped, used: set[str]) -> bool:
        for placeholder, argument in zip(placeholders, arguments, strict=True):
            there = mapped.get(placeholder)
            if there is None:
                if argument in used:
                    return False
                mapped[placeholder] = argument
                used.add(argument)
            elif there != argument:
                return False
        return True

    def _kind(self, predicate: Predicate) -> Kind | None:
        """The one kind of facts that a condition speaks of; its types may be supertypes of theirs."""
        if predicate not in self._meant:
            kinds = [kind for kind in self._kinds.get(predicate.name, []) if self._within(kind, predicate)]
            if len(kinds) > 1:  # TextWorld has an order for these; no game of ALFWorld's domain needs it.
                raise Unsupported(f"{predicate.name} stands for several kinds of facts")
            self._meant[predicate] = kinds[0] if kinds else None
        return self._meant[predicate]

    def _within(self, kind: Kind, predicate: Predicate) -> bool:
        wanted = [type_ for _, type_ in predicate.placeholders]
        return len(kind) == len(wanted) + 1 and all(
            type_ == super_ or super_ in self._parents.get(type_, []) for type_, super_ in zip(kind[1:], wanted, strict=True)
        )
