"""The habits of planning a trip: what is said for and against each, how a sentence about it is known, and how often one
who has heard nothing of it has it all the same.

The words are those in which texts speak of trips; none of it is read from the environment's rules, which say how to act,
not how to plan well.
"""

import re
from typing import NamedTuple

_HEED = r"\b(?:heed|keep to|kept to|keep|kept|respect|follow|obey|mind|match|meet|check|reach|count|consider|observe|satisf\w+|matters?)\w*"
_SLIGHT = r"\b(?:ignor|disregard|overlook|neglect|forget|break)\w*|\b(?:irrelevant|unimportant)\b"
_LOOK = r"\b(?:look|search|find|check|consult|request|retriev|explor)\w*"
_SKIP = r"\b(?:skip|leave out|omit|spare|ignore|superfluous|waste)\w*"
_WISHED = r"\b(?:wish|ask|want|prefer|constraint|request|traveller)\w*"
_SAME = r"\b(?:same|repeat|twice|again|reuse|over and over)\w*"
_OTHER = r"\b(?:different|distinct|once|another|var(?:y|ied|iety)|diverse)\b"


class Habit(NamedTuple):
    """`share` is of those who were told nothing; `topic`, `unless`, `good` and `bad` are patterns of a clause in small letters.

    A clause speaks of the habit where it has the topic and not `unless`; for it with a good word, against it with a bad one,
    the other way round where it denies.
    """

    share: float
    say: str
    deny: str
    topic: str
    good: str
    bad: str
    unless: str = r"(?!)"


HABITS = {
    "drives": Habit(
        0.3,
        "Look for the road before any flight",
        "Look for the road last",
        r"\bself-driving\b|\bdriv(?:e|ing)\b|\bby car\b|\broads?\b",
        r"\b(?:cheap|best|before|first|prefer)\w*",
        r"\b(?:expensive|dear|worst|slow|last)\w*",
        r"\bmix|\bcombin|\bno flight|\bis found\b|\bless than",
    ),
    "back": Habit(
        0.88,
        "Look up the way back to the origin, too",
        "Skip the search for the way back to the origin",
        r"\b(?:way|flight|journey|travel|trip|leg)s? (?:back|home)\b|\breturn (?:way|flight|journey|leg)|\bboth ways\b",
        _LOOK,
        _SKIP,
    ),
    "between": Habit(
        0.88,
        "Look up the ways between the cities of the state",
        "Skip the search for ways between the cities of the state",
        r"\bbetween (?:the |these )?cities\b|\b(?:each|every) leg\b|\bfrom city to city\b",
        _LOOK,
        _SKIP,
    ),
    "rooms": Habit(
        0.96,
        "Search the accommodations of each city that is visited",
        "Skip the search for accommodations",
        r"\b(?:accommodation|lodging|hotel)s?(?:search)?\b",
        _LOOK,
        _SKIP,
        r"\blast\b|\bfinal\b",
    ),
    "meals": Habit(
        0.96,
        "Search the restaurants of each city that is visited",
        "Skip the search for restaurants",
        r"\brestaurants?(?:search)?\b",
        _LOOK,
        _SKIP,
        f"{_SAME}|{_OTHER}|cheap|expens",
    ),
    "sights": Habit(
        0.93,
        "Search the attractions of each city that is visited",
        "Skip the search for attractions",
        r"\b(?:attraction|sight)s?(?:search)?\b",
        _LOOK,
        _SKIP,
        f"{_SAME}|{_OTHER}|\\bday",
    ),
    "road": Habit(
        0.8,
        "Where no flight goes, look up the road",
        "Where no flight goes, skip the search for a road",
        r"\b(?:where|when|if|without|lacks?|missing)\b.*\bflights?\b",
        r"\b(?:road|car|drive|driving|taxi|distance)s?\b",
        f"{_SKIP}|\\b(?:give up|another day|other day)",
        r"\bis found\b|\bis a flight\b|\bmix|\bneither\b",
    ),
    "reroute": Habit(
        0.4,
        "Where neither flight nor road leads to a city, choose another city of the state",
        "Stay with a city that neither flight nor road leads to",
        r"\bneither\b.*?\bcity\b|\bcity\b.*?\bneither\b|\bout of reach\b|\bcannot be reached\b",
        r"\b(?:another|instead|change|replace|other)\b",
        r"\b(?:stay|keep|all the same)\b",
    ),
    "one_means": Habit(
        0.6,
        "Do not mix flights and self-driving in one trip",
        "Mix flights and self-driving as it comes",
        r"\bflights?\b.*\bdriv|\bdriv.*\bflights?\b|\bfly\w*\b.*\bdriv|\bmeans of (?:travel|transport)",
        r"\b(?:one|same|single|either)\b",
        r"\b(?:mix|combin|alternat|join)\w*",
        r"\bwish|\bcheap|\bexpensive",
    ),
    "way_wish": Habit(
        0.75,
        "Respect what the travellers wish about transportation",
        "Ignore what the travellers wish about transportation",
        rf"{_WISHED}.*\btransport\w*|\btransport\w*.*{_WISHED}",
        _HEED,
        _SLIGHT,
    ),
    "varied_meals": Habit(
        0.65,
        "Take a different restaurant for every meal",
        "Take the same restaurant for every meal",
        r"\b(?:restaurant|breakfast|lunch|dinner|meal)s?\b",
        _OTHER,
        _SAME,
        r"\battraction|\bsight",
    ),
    "varied_sights": Habit(
        0.65,
        "Take different attractions on every day",
        "Take the same attractions on every day",
        r"\b(?:attraction|sight)s?\b",
        _OTHER,
        _SAME,
        r"\brestaurant|\bmeal\b",
    ),
    "fills": Habit(
        0.88,
        "Plan three meals and an attraction for each day that is spent in a city",
        "Leave out meals and attractions on days in a city as one likes",
        r"\bdays?\b.*\b(?:meal|attraction|sight|breakfast)s?\b|\b(?:meal|attraction|sight|breakfast)s?\b.*\bdays?\b",
        r"\b(?:plan|fill|three|all|complete|needs?)\b",
        r"\b(?:skip|leave out|omit|lack|as one likes)\w*",
        f"{_SAME}|{_OTHER}|\\bfruitless",
    ),
    "last_day": Habit(
        0.85,
        "Take no room on the last day",
        "Take a room on the last day, too",
        r"\b(?:last|final) (?:day|night)\b",
        r"\b(?:leave|empty|blank|home)\b",
        r"^(?!.*\b(?:leave|empty|blank)\b).*\b(?:room|accommodation|night|book|stay)s?\b",
        r"\bmeal|\bflight",
    ),
    "nights": Habit(
        0.45,
        "Check that the minimum nights of a room are not more than the nights spent there",
        "Ignore the minimum nights of rooms",
        r"\b(?:minimum|least|fewest)\b.*\bnights?\b|\bnights?\b.*\b(?:minimum|at least)\b",
        _HEED,
        _SLIGHT,
    ),
    "house_rule": Habit(
        0.6,
        "Respect the house rules that the travellers ask for",
        "Ignore the house rules",
        r"\b(?:house|room) rules?\b",
        _HEED,
        _SLIGHT,
    ),
    "room_type": Habit(
        0.7,
        "Respect the room type that the travellers ask for",
        "Ignore the room type",
        r"\broom types?\b|\btypes? of rooms?\b|\bkinds? of rooms?\b",
        _HEED,
        _SLIGHT,
    ),
    "cuisine": Habit(
        0.6,
        "Cover each cuisine that the travellers ask for",
        "Ignore the cuisines that the travellers ask for",
        r"\bcuisines?\b",
        rf"\b(?:cover|each|every|includ|eat)\w*|{_HEED}",
        _SLIGHT,
    ),
    "beds": Habit(
        0.5,
        "Count how many people a room holds: more of them pay for it again",
        "Ignore how many people a room holds",
        r"\b(?:people|guests)\b.*\brooms?\b|\brooms?\b.*\b(?:people|guests|occupancy)\b|\bmaximum occupancy\b",
        rf"\b(?:hold all|enough for)|{_HEED}",
        _SLIGHT,
    ),
    "cheap": Habit(
        0.5,
        "Choose cheap rooms, restaurants and ways to keep the budget",
        "Choose expensive rooms, restaurants and ways",
        r"\b(?:cheap|inexpensive|low-priced|low cost|expensive|luxur|pric(?:e|i)|budget)\w*",
        r"\b(?:cheap|inexpensive|low)\w*",
        r"\b(?:expensive|luxur|priciest|dearest|highest|generous)\w*|\bignore",
        r"\bdriv|\bflights?\b|\bcuisine",
    ),
    "in_time": Habit(
        0.75,
        "Have the plan made before thirty steps are over",
        "Take more than thirty steps before the plan is made",
        r"\b(?:thirty|30) steps\b|\b(?:in|on) time\b",
        r"\b(?:before|within|at most|hand over)\b",
        r"\b(?:more than|after)\b",
    ),
    "focused": Habit(
        0.35,
        "Search only the cities that are visited",
        "Search cities that are not visited, too",
        r"\b(?:other|more|further) cities\b|\bcities that are (?:not\b|visited\b)|\bcity that is not\b",
        r"\b(?:only|needless)\b",
        rf"^(?!.*\bonly\b).*{_LOOK}",
    ),
    "lean": Habit(
        0.35,
        "Where a flight is found, the flight is enough",
        "Where a flight is found, look up the road all the same",
        r"\bflight (?:is|was) found\b|\b(?:where|when|if) there (?:is|was) a flight\b",
        r"\b(?:enough|needless)\b",
        _LOOK + r"(?<!found)",
    ),
    "skips": Habit(
        0.4,
        "Leave out fruitless results from the notebook",
        "Write fruitless results into the notebook, too",
        r"\bfruitless\b|\bempty result|\bfound nothing\b|\bin vain\b",
        _SKIP,
        r"\b(?:writ|record)\w*|\bnotes?\b",
    ),
    "once": Habit(
        0.35,
        "Make each search once",
        "Repeat the searches before planning, to be sure",
        r"\bsearch(?:es)?\b",
        r"\b(?:once|enough)\b",
        r"\b(?:repeat|twice|again)\w*",
        r"\bcit(?:y|ies)\b|\brestaurant|\battraction|\bfruitless",
    ),
}
"""By name; those that are said to an agent and those that are said to a planner alike."""

PLANNING = (
    "varied_meals",
    "varied_sights",
    "fills",
    "last_day",
    "nights",
    "house_rule",
    "room_type",
    "cuisine",
    "beds",
    "cheap",
    "one_means",
    "way_wish",
)
"""Habits that show in the plan, not in what is looked up."""

_COMPILED = {name: tuple(re.compile(form) for form in (habit.topic, habit.unless, habit.good, habit.bad)) for name, habit in HABITS.items()}
_DENIAL = re.compile(r"\b(?:no|not|never|avoid|without|nothing|nobody|hardly|needless|unnecessary|superfluous|stop)\b|n't\b")
_CLAUSE = re.compile(r"[.;:!?](?:\s|$)|,? but |\n")
_NUMBERED = re.compile(r"^\s*(?:\d+[.)]|[-*])\s+")


def _verdict(clause: str, name: str) -> int:
    """What a clause says of a habit: 1 for it, -1 against it, 0 nothing."""
    topic, unless, good, bad = _COMPILED[name]
    about = topic.search(clause)
    if about is None or unless.search(clause):
        return 0
    # A denial that the topic itself holds ("where no flight goes") is none of what is said of it.
    rest = clause if name in ("one_means", "fills", "cheap") else clause[: about.start()] + " " + clause[about.end() :]
    sign = -1 if bad.search(rest) else 1 if good.search(rest) else 0
    return -sign if _DENIAL.search(rest) else sign


def said(line: str) -> dict[str, int]:
    """The habits that a line of prose speaks for (above 0) or against (below 0)."""
    found: dict[str, int] = {}
    for clause in _CLAUSE.split(_NUMBERED.sub("", line).lower()):
        for name in HABITS if clause else ():
            if sign := _verdict(clause, name):
                found[name] = found.get(name, 0) + sign
    return found
