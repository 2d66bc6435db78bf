"""A translated game being played: which operators apply, what they change, whether the goal is reached.

What a state needs is kept up to date instead of being found anew: each operator counts the literals that it still lacks,
and a change reaches only the operators that name it. A step touches about 200 of the 2,000 operators of a game.
"""

from collections.abc import Iterable

from envs.alfworld_env.facts import Arguments, Facts, Kind
from envs.alfworld_env.translation import Translation


class World:
    """One episode of a game."""

    def __init__(self, game: Translation) -> None:
        self._game = game
        self._kinds: list[Kind] = [tuple(kind) for kind in game.words.kinds]
        self._values = game.state.tolist()
        self._missing = game.missing.tolist()
        self.applicable = {number for number, missing in enumerate(self._missing) if not missing}
        """The operators that can be applied now."""
        self.facts = Facts(game.words.parents, dict(zip(self._kinds, map(self._first, self._kinds, game.facts), strict=True)))

    def named(self, objects: Iterable[int]) -> list[str]:
        """The names of objects in the planning problem."""
        names = self._game.words.objects
        return [names[each] for each in objects]

    def _first(self, kind: Kind, objects: Iterable[int]) -> set[Arguments]:
        named = self.named(objects)
        if len(kind) == 1:
            return {()} if named else set()
        return set(zip(*[iter(named)] * (len(kind) - 1), strict=True))

    def apply(self, operator: int) -> None:
        """Apply an operator, which must be applicable."""
        effects = self._game.effects[operator]
        given = self._game.words.conditions.get(str(operator))
        fired = effects if given is None else [each for each, needs in zip(effects, given, strict=True) if self._all(needs)]
        for literal in fired:
            self._set(literal)
        for literal in effects:  # All of them, fired or not: that is what TextWorld takes for true.
            self._tell(literal)

    def _all(self, literals: Iterable[int]) -> bool:
        return all(self._values[literal >> 1] == literal & 1 for literal in literals)

    def _set(self, literal: int) -> None:
        variable, value = literal >> 1, literal & 1
        if self._values[variable] == value:
            return
        self._values[variable] = value
        missing, applicable = self._missing, self.applicable
        for operator in self._game.users[literal ^ 1]:
            missing[operator] += 1
            applicable.discard(operator)
        for operator in self._game.users[literal]:
            missing[operator] -= 1
            if not missing[operator]:
                applicable.add(operator)

    def _tell(self, literal: int) -> None:
        number, *objects = self._game.atoms[literal >> 1]
        kind, arguments = self._kinds[number], tuple(self.named(objects))
        negated = (f"not_{kind[0]}", *kind[1:])
        if literal & 1:
            kind, negated = negated, kind
        self.facts.remove(negated, arguments)
        self.facts.add(kind, arguments)

    def won(self) -> bool:
        """Whether the goal holds."""
        words = self._game.words
        for variable in words.derived:
            self._values[variable] = self._game.state[variable]
        for layer in words.rules:
            while any(self._derive(*rule) for rule in layer):
                pass
        return self._all(words.goal)

    def _derive(self, literal: int, *needs: int) -> bool:
        if self._values[literal >> 1] == literal & 1 or not self._all(needs):
            return False
        self._values[literal >> 1] = literal & 1
        return True
