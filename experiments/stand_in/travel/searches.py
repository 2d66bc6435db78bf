"""What has been looked up so far, as an agent's own conversation tells it: results are shown once, its thoughts stay."""

from dataclasses import dataclass, field

from experiments.stand_in.travel.facts import Facts, listed
from experiments.stand_in.travel.records import FLIGHTS, SEARCHES, Record, Step


@dataclass
class Searches:
    """The steps of an episode by what they found."""

    done: list[str] = field(default_factory=list[str])
    """The searches that were made, in order."""
    facts: Facts = field(default_factory=Facts)
    """What was read or heard of the country."""
    latest: Step | None = None
    """The search whose result is shown now."""


def take_stock(record: Record, heard: Facts) -> Searches:
    """What an episode has found by now, beside what was heard before."""
    found = Searches(facts=Facts(dict(heard.cities), set(heard.grounded), set(heard.roadless)))
    for step in record.steps:
        found.facts.hear(step.thought)
        if step.name in SEARCHES or step.name == "CitySearch":
            found.done.append(step.action)
        if step.name == "CitySearch" and (cities := listed(step.observation)):
            found.facts.cities[step.arguments[0]] = cities
    last = record.steps[-1] if record.steps else None
    if last is not None and last.name in SEARCHES:
        found.latest = last
        _learn(found.facts, last)
    return found


def _learn(facts: Facts, step: Step) -> None:
    """What the result that is shown says of ways; told in the next thought, it is not lost when it is shown no more."""
    if step.way and step.is_fruitless:
        if step.name == FLIGHTS:
            facts.grounded.add(step.way)
        else:
            facts.roadless.add(step.way[:2])
