"""What a text makes a traveller believe, whoever wrote it: how trips are planned well, and what the country is like."""

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from experiments.stand_in.travel.facts import Facts, observe
from experiments.stand_in.travel.habits import said
from experiments.stand_in.travel.records import Record, split
from experiments.stand_in.travel.shown import lessons, shown

# A sentence distils what a record shows once.
_STATED = 3


@dataclass
class Beliefs:
    """`weights` of habits: above 0 believed, below 0 disbelieved, absent unknown."""

    weights: Counter[str] = field(default_factory=Counter[str])
    facts: Facts = field(default_factory=Facts)

    def read(self, line: str) -> None:
        """Take in a line of prose."""
        for name, sign in said(line).items():
            self.weights[name] += sign * _STATED
        self.facts.hear(line)

    def watch(self, record: Record) -> None:
        """Take in an episode, by its outcome: what a failure did is no model, but what is told of why it failed is heard."""
        for name, sign in shown(record).items() if record.worth else ():
            self.weights[name] += sign * record.worth  # pyright: ignore[reportArgumentType] - a Counter of floats
        for name in lessons(record):
            self.weights[name] += 1
        observe(self.facts, record)


@lru_cache(maxsize=1024)
def believe(text: str, records: int | None = None) -> Beliefs:
    """Beliefs from a text; `records` is how many of its episodes are read, from the first (None: all)."""
    beliefs = Beliefs()
    found, prose = split(text.splitlines())
    for record in found[:records]:
        beliefs.watch(record)
    for line in prose:
        beliefs.read(line)
    return beliefs
