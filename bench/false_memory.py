"""Memories that mislead or say nothing to the point, made out of a learned one: same goals, same retrieval, other texts."""

import json
import re
from collections.abc import Callable

EXCHANGED = (
    ("microwave", "fridge", "sinkbasin"),
    ("countertop", "bathtubbasin", "shelf", "armchair", "toilet", "sidetable", "garbagecan"),
    ("cabinet", "bed", "drawer", "sofa", "desk", "dresser", "diningtable", "stoveburner", "coffeemachine"),
)
"""Kinds of places: each is called by the next one's name."""

TRAVEL = """\
When to use: a journey of several days has to be planned within a budget
Preconditions: the dates, the number of people and the cities are known
Steps:
1. look for flights on the day of departure and note their numbers and prices
2. compare rooms by their price per night and the nights that they ask for at least
3. choose a different restaurant for every meal
Pitfalls: a flight of the wrong day is no use; add up all costs before the plan is final"""


def falsified(line: str) -> str:
    """A procedure that claims other places and appliances than it learned."""
    names = {name: ring[(at + 1) % len(ring)] for ring in EXCHANGED for at, name in enumerate(ring)}
    pattern = re.compile("|".join(sorted(names, key=len, reverse=True)))
    return _with_texts(line, lambda text: pattern.sub(lambda match: names[match[0]], text))


def irrelevant(line: str) -> str:
    """A procedure that is about something else altogether."""
    return _with_texts(line, lambda _: TRAVEL)


def _with_texts(line: str, change: Callable[[str], str]) -> str:
    procedure = json.loads(line)
    for revision in procedure["revisions"]:
        content = revision["content"]
        revision["content"] = {form: change(text) if text else text for form, text in content.items()}
    return json.dumps(procedure)
