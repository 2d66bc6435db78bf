"""What the scribe takes from records and procedures about one kind of task."""

from dataclasses import dataclass

from experiments.stand_in.beliefs import Beliefs, gather
from experiments.stand_in.goals import Goal
from experiments.stand_in.transcript import Episode, kind, split
from experiments.stand_in.world import replay


@dataclass(frozen=True)
class Knowledge:
    """Kinds of receptacles, the most telling first."""

    found: tuple[str, ...]
    """Where the goal's thing was."""
    vain: tuple[str, ...]
    """Where it was looked for in vain."""
    tools: tuple[str, ...]
    """What did the operation."""
    idle: tuple[str, ...]
    """What did nothing when the operation was tried with it."""
    lamps: tuple[str, ...]
    """Where the lamp was."""
    shut: frozenset[str]
    """What had to be opened."""
    absent: frozenset[str] = frozenset()
    """Of `vain`, the kinds that were searched through and through."""


def _ranked(beliefs: Beliefs, table: str, subject: str, sign: int) -> tuple[str, ...]:
    weights = {place: sign * weight for (of, place), weight in getattr(beliefs, table).items() if of == subject and sign * weight > 0}
    return tuple(sorted(weights, key=lambda place: (-weights[place], place)))


def _from_beliefs(goal: Goal, beliefs: Beliefs) -> Knowledge:
    return Knowledge(
        found=_ranked(beliefs, "kept", goal.thing, 1),
        vain=_ranked(beliefs, "kept", goal.thing, -1),
        tools=_ranked(beliefs, "works", goal.operation, 1),
        idle=_ranked(beliefs, "works", goal.operation, -1),
        lamps=_ranked(beliefs, "kept", goal.lamp, 1) if goal.lamp else (),
        shut=frozenset(beliefs.shut),
    )


def from_record(goal: Goal, episode: Episode) -> Knowledge:
    """What an episode shows about a goal, be it its own or another's."""
    world = replay(episode.turns)
    known = _from_beliefs(goal, gather([episode], (), frozenset(), frozenset()))
    used = {*known.found, *known.tools, *known.lamps, goal.target}
    vain = dict.fromkeys(kind(name) for name in world.contents if kind(name) not in used)
    unseen = {kind(name) for name in episode.receptacles if name not in world.contents}
    return Knowledge(known.found, tuple(vain), known.tools, known.idle, known.lamps, known.shut, frozenset(vain.keys() - unseen))


def from_procedure(goal: Goal, text: str, places: frozenset[str]) -> Knowledge:
    """What a procedure says of its goal; its prose is read for these places."""
    episodes, prose = split(text.splitlines())
    things = frozenset(filter(None, (goal.thing, goal.lamp)))
    return _from_beliefs(goal, gather(episodes, prose, things, places))


def _joined(first: tuple[str, ...], second: tuple[str, ...], without: frozenset[str] | set[str]) -> tuple[str, ...]:
    return tuple(place for place in dict.fromkeys(first + second) if place not in without)


def merged(old: Knowledge, new: Knowledge) -> Knowledge:
    """The older knowledge corrected by a newer record: what the record contradicts goes, what it shows comes first."""
    found = _joined(new.found, old.found, new.absent)
    tools = _joined(new.tools, old.tools, set(new.idle) - set(new.tools))
    return Knowledge(
        found=found,
        vain=_joined(new.vain, old.vain, set(found)),
        tools=tools,
        idle=_joined(new.idle, old.idle, set(tools)),
        lamps=_joined(new.lamps, old.lamps, frozenset()),
        shut=old.shut | new.shut,
    )
