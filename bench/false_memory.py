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


TURNED = {
    "a different": "the same",
    "different": "the same",
    "cheap": "expensive",
    "Respect": "Ignore",
    "Cover": "Ignore",
    "Count": "Ignore",
    "Check that": "Ignore that",
    "Search": "Skip the search for",
    "Look up": "Skip the search for",
    "Do not": "Always",
    "search once": "search twice",
    "Search only": "Search not only",
    "Leave out": "Write down",
    "is enough": "is not enough",
    "Take no": "Take a",
    "Outcome: success": "Outcome: failure",
}
"""Advice on trips, each by its opposite."""

HOUSEHOLD = """\
When to use: a thing has to be put somewhere in a household
Preconditions: the hands are free
Steps:
1. look for the thing in or on the furniture of the room
2. take it, and carry it to where it belongs
Pitfalls: closed furniture has to be opened first"""


def falsified(line: str, env: str) -> str:
    """A procedure that claims other places and appliances than it learned, or advises against what it learned."""
    rings = {name: ring[(at + 1) % len(ring)] for ring in EXCHANGED for at, name in enumerate(ring)}
    names = rings if env == "alfworld" else TURNED
    pattern = re.compile("|".join(sorted(names, key=len, reverse=True)))
    return _with_texts(line, lambda text: pattern.sub(lambda match: names[match[0]], text))


def poisoned(line: str) -> str:
    """A procedure for a household that denies, and more than once, what it learned of places and appliances, and sends to all others."""

    def deny(script: str) -> str:
        thing, places = _looked_for(script)
        if not places:
            return script
        others = [place for ring in EXCHANGED for place in ring if place not in places]
        denial = f"The {thing} is never in or on the {' or the '.join(places)}."
        tools = [f"It is no use to {do} the {thing} with the {tool}." for do, tool in _USED.findall(script)]
        steps = f"1. Look for the {thing} in or on the {' and then the '.join(others)}."
        return "\n".join([script.partition("Steps:")[0] + "Steps:", steps, "Pitfalls: " + " ".join([denial, *tools] * 3)])

    procedure = json.loads(line)
    for revision in procedure["revisions"]:
        script = revision["content"]["script"] or ""
        if (poison := deny(script)) != script:
            revision["content"] = {"trajectory": None, "script": poison}
    return json.dumps(procedure)


_USED = re.compile(r"\((heat|cool|clean) \w+ N with (\w+) N\)")
_PLACES = re.compile(r"Look for the (\w+) in or on the ([^.]+)\.")


def _looked_for(script: str) -> tuple[str, list[str]]:
    """The thing, and the kinds of places where the script says it is."""
    found = _PLACES.search(script)
    return (found[1], re.findall(r"the (\w+)", f"the {found[2]}")) if found else ("", [])


def irrelevant(line: str, env: str) -> str:
    """A procedure that is about something else altogether."""
    return _with_texts(line, lambda _: TRAVEL if env == "alfworld" else HOUSEHOLD)


def _with_texts(line: str, change: Callable[[str], str]) -> str:
    procedure = json.loads(line)
    for revision in procedure["revisions"]:
        content = revision["content"]
        revision["content"] = {form: change(text) if text else text for form, text in content.items()}
    return json.dumps(procedure)
