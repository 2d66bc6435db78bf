"""What a text makes the player believe, whoever wrote it: memory's guidance, a few-shot example, the rules."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from experiments.stand_in.prose import Claims, read
from experiments.stand_in.transcript import Episode, kind, split
from experiments.stand_in.world import replay

# A sentence distils what a record shows once; being taken from somewhere says more than lying there in passing.
_STATED, _USED = 3, 2


@dataclass(frozen=True)
class Beliefs:
    """Weights: above 0 believed, below 0 disbelieved, absent unknown."""

    kept: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By (kind of thing, kind of receptacle): how strongly the one is thought to be found there."""
    works: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By (operation, kind of receptacle): how strongly the one is thought to do it."""
    shut: set[str] = field(default_factory=set[str])
    """Kinds of receptacles that are thought to need opening."""

    def __or__(self, other: "Beliefs") -> "Beliefs":
        kept, works = Counter(self.kept), Counter(self.works)
        kept.update(other.kept)
        works.update(other.works)
        return Beliefs(kept, works, self.shut | other.shut)


def _from_episode(beliefs: Beliefs, episode: Episode) -> None:
    world = replay(episode.turns)
    for (thing, receptacle), weight in world.sightings.items():
        beliefs.kept[kind(thing), kind(receptacle)] += weight
    for operation, _, receptacle in world.treated:
        beliefs.works[operation, kind(receptacle)] += _USED
    for action in world.refused:
        operation, _, rest = action.partition(" ")
        if " with " in rest:
            beliefs.works[operation, kind(rest.rpartition(" with ")[2])] -= 1
    beliefs.shut.update(map(kind, world.opened))


def _from_claims(beliefs: Beliefs, claims: Claims) -> None:
    for thing, place, claimed in claims.kept:
        beliefs.kept[thing, place] += _STATED if claimed else -_STATED
    for operation, place, claimed in claims.works:
        beliefs.works[operation, place] += _STATED if claimed else -_STATED
    beliefs.shut.update(claims.shut)


def gather(episodes: Iterable[Episode], lines: Iterable[str], things: frozenset[str], places: frozenset[str]) -> Beliefs:
    """Beliefs from records and from prose; prose is read for these kinds only."""
    beliefs = Beliefs()
    for episode in episodes:
        _from_episode(beliefs, episode)
    _from_claims(beliefs, read(lines, things, places))
    return beliefs


@lru_cache(maxsize=1024)
def believe(text: str, things: frozenset[str], places: frozenset[str], records: int | None = None) -> Beliefs:
    """Beliefs from a text; `records` is how many of its episodes are read, from the first (None: all)."""
    episodes, prose = split(text.splitlines())
    return gather(episodes[:records], prose, things, places)
