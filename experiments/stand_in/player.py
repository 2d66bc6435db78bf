"""Plays household games from the request's messages alone.

It searches, takes, treats and puts away. Where it looks first and which receptacle it tries first follow from what
the prompt says; where the prompt says nothing of use, from an order drawn for this room and task. It does not ask
whether there is guidance: no guidance simply leaves it without beliefs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from experiments.stand_in.beliefs import Beliefs, believe
from experiments.stand_in.chance import draw, shuffled
from experiments.stand_in.conversation import Conversation
from experiments.stand_in.goals import Goal, parse
from experiments.stand_in.skills import Skill
from experiments.stand_in.transcript import kind
from experiments.stand_in.world import World, replay


class Move(NamedTuple):
    """What the player thinks and does; an empty action is an answer that lacks one."""

    thought: str
    action: str


@dataclass(frozen=True)
class _Player:
    """One decision: everything it may know, gathered from the messages."""

    goal: Goal
    world: World
    beliefs: Beliefs
    receptacles: tuple[str, ...]
    skill: Skill
    key: str

    def move(self) -> Move:
        """The next move towards the goal."""
        held = self.world.holding
        if not held or kind(held) != self.goal.thing:
            return self._fetch()
        if self.goal.lamp:
            return self._light()
        if self.goal.treats and not any(done[:2] == (self.goal.operation, held) for done in self.world.treated):
            return self._treat(held)
        return self._deliver(held)

    # Finding things

    def _fetch(self) -> Move:
        thing = self.goal.thing
        for item, receptacle in self._seen(thing):
            if f"take {item} from {receptacle}" not in self.world.refused:
                return self._at(receptacle, f"take {item} from {receptacle}", f"I need the {item} from the {receptacle}.")
        # A thing that only has to be put away can't be waiting where it has to go.
        skipped = self.goal.target if not self.goal.treats else ""
        return self._search(thing, skipped)

    def _seen(self, thing: str) -> Iterator[tuple[str, str]]:
        """Things of a kind that are known to lie somewhere and are not where they belong, the nearest first."""
        here_first = sorted(self.world.contents.items(), key=lambda entry: entry[0] != self.world.at)
        for receptacle, items in here_first:
            settled = kind(receptacle) == self.goal.target and not self.goal.treats
            for item in sorted(items):
                if kind(item) == thing and item not in self.world.moved and not settled:
                    yield item, receptacle

    def _search(self, thing: str, skipped: str = "") -> Move:
        at = self.world.at
        if at in self.world.closed and at not in self.world.contents and not self._forgets(at):
            return Move(f"The {at} is closed, the {thing} may be in it.", f"open {at}")
        if at in self.world.opened and at not in self.world.closed:
            return Move(f"There is no {thing} in the {at}. I leave it as it was.", f"close {at}")
        unseen = [name for name in self._order("search", thing) if name not in self.world.contents and name not in self.world.closed]
        if at in unseen and f"examine {at}" not in self.world.refused:
            return Move(f"The {at} is within reach but I have not seen it yet.", f"examine {at}")
        for name in sorted(unseen, key=lambda name: kind(name) == skipped):
            return Move(f"I have not found a {thing} yet. Next I look at the {name}.", f"go to {name}")
        for name in sorted(self.world.closed - self.world.contents.keys()):
            return self._at(name, f"open {name}", f"The {name} is closed and all else is searched.")
        return Move(f"I have looked everywhere for a {thing}.", "look")

    def _forgets(self, receptacle: str) -> bool:
        share = self.skill.forgets_to_open / (4 if kind(receptacle) in self.beliefs.shut else 1)
        return draw(self.key, "open", receptacle) < share

    # Using things

    def _light(self) -> Move:
        for lamp, receptacle in self._seen(self.goal.lamp):
            if self.world.lit.count(lamp) < 2 and f"use {lamp}" not in self.world.refused:
                return self._at(receptacle, f"use {lamp}", f"The {lamp} is on the {receptacle}.")
        return self._search(self.goal.lamp)

    def _treat(self, held: str) -> Move:
        operation = self.goal.operation
        for name in self._order("treat", operation):
            action = f"{operation} {held} with {name}"
            if self._worth_trying(name, action):
                # Whoever is sure of an appliance looks for the fault in its door before giving it up.
                if action in self.world.refused and name == self.world.at and name in self.world.closed:
                    return Move(f"The {name} should {operation} it. It may have to be open.", f"open {name}")
                return self._at(name, action, f"I try to {operation} the {held} with the {name}.")
        return Move(f"Nothing here seems to {operation} the {held}.", "look")

    def _worth_trying(self, name: str, action: str) -> bool:
        tries = self.world.refused[action]
        sure = self.beliefs.works[self.goal.operation, kind(name)] > 0
        return tries == 0 or (sure and tries == 1 and (name in self.world.closed or name in self.world.opened))

    def _deliver(self, held: str) -> Move:
        targets = [name for name in self.receptacles if kind(name) == self.goal.target]
        begun = set(self.world.moved.values())
        for name in sorted(targets, key=lambda name: (name not in begun, name != self.world.at, draw(self.key, "put", name))):
            action = f"move {held} to {name}"
            if action in self.world.refused:
                continue
            if name == self.world.at and name in self.world.closed:
                return Move(f"The {name} is closed.", f"open {name}")
            return self._at(name, action, f"The {held} goes to the {name}.")
        return Move(f"I see no place for the {held}.", "look")

    # Ways

    def _order(self, purpose: str, subject: str) -> list[str]:
        """Receptacles, those first that the prompt speaks for, those last that it speaks against."""
        table = self.beliefs.kept if purpose == "search" else self.beliefs.works
        return sorted(shuffled(self.receptacles, self.key, purpose), key=lambda name: -table[subject, kind(name)])

    def _at(self, receptacle: str, action: str, thought: str) -> Move:
        """The action, or the way to where it can be done."""
        return Move(thought, action if self.world.at == receptacle else f"go to {receptacle}")


def _lapse(skill: Skill, key: str, conversation: Conversation) -> Move | None:
    """What a weak player does instead of the next move, now and then."""
    if conversation.repairing:
        return None
    turn = len(conversation.episode.turns)
    if draw(key, "malformed", turn) < skill.malformed:
        return Move("I am not sure what to do next, let me think about the task again.", "")
    if draw(key, "thread", turn) < skill.drops_thread:
        return Move("Where was I? Let me look around.", "look")
    return None


def play(conversation: Conversation, skill: Skill, salt: str) -> Move:
    """The move that answers a conversation; `salt` (model and seed) is what sets two players of one task apart."""
    episode = conversation.episode
    goal = parse(episode.task)
    if goal is None:
        return Move("I look around to find out more.", "look")
    key = f"{salt}\n{episode.introduction}"
    if lapse := _lapse(skill, key, conversation):
        return lapse
    things = frozenset(filter(None, (goal.thing, goal.lamp)))
    places = frozenset(map(kind, episode.receptacles))
    beliefs = believe(conversation.earlier, things, places) | believe(conversation.beside, things, places, skill.records)
    return _Player(goal, replay(episode.turns), beliefs, episode.receptacles, skill, key).move()
