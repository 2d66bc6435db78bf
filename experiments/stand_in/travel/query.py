"""What a traveller asks for, read from the words of the query."""

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

_MONTHS = "January February March April May June July August September October November December".split()
_MONTH = "|".join(_MONTHS)
_NUMBERS = {word: number for number, word in enumerate("zero one two three four five six seven eight nine ten".split())}
_COUNT = rf"(\d{{1,3}}|{'|'.join(_NUMBERS)})"
NAME = rf"(?!(?:{_MONTH}|The|I|We|Our|My)\b)(?:(?:St|Ste|Mt|Ft)\.|[A-Z][\w'’-]*)(?: (?:(?:St|Ste|Mt|Ft)\.|[A-Z][\w'’-]*))*"
"""A city or a state, as texts name it."""

_ORIGINS = tuple(
    re.compile(form)
    for form in (
        rf"\b(?:depart\w*|leav\w*|start\w*|begin\w*|set\w*|tak\w*|embark\w*|commenc\w*|originat\w*)(?: (?:off|out|our journey|my journey))?"
        rf" (?:from |in |at )?({NAME})",
        rf"\b[Ff]rom ({NAME})",
    )
)
_CITY_COUNT = re.compile(rf"\b{_COUNT}\b(?:\s+[a-z]+){{0,2}}\s+cities", re.IGNORECASE)
_STATE = re.compile(rf"\bcities(?:\s+(?:with)?in|\s+of|\s+across|\s+around|\s+throughout|\s+from)(?: the state of)? ({NAME})")
_DESTINATION = re.compile(
    rf"\b(?:to|towards?|for|in|into|through|of|explore|exploring|visit|visiting|reach|reaching|destined for)(?: the city of)? ({NAME})"
)
_DATE = re.compile(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b|\b(\d{{1,2}})(?:st|nd|rd|th)\b(?: (?:of )?({_MONTH}))?")
_YEAR = re.compile(r"\b(20\d\d)\b")
_PEOPLE = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"\b{_COUNT}[- ](?:people|persons?|individuals|travell?ers|adults|friends|guests|of us)\b",
        rf"\b(?:group|party|family|team) of {_COUNT}\b",
        rf"\bfor {_COUNT}\b(?![- ](?:full )?(?:days?|weeks?|nights?|cit|different|distinct|unique|separate))",
    )
)
_PAIR = re.compile(r"\b(?:couple|pair|duo)\b", re.IGNORECASE)
_BUDGET = re.compile(r"\$\s?(\d[\d,]{0,15})")

CUISINES = ("American", "Chinese", "French", "Indian", "Italian", "Mediterranean", "Mexican")
_FOOD = re.compile(r"cuisine|food|eat|din(?:e|ing)|culinary|taste|meal|flavou?r|dish|restaurant", re.IGNORECASE)
_RULES = {
    "smoking": r"\bsmok",
    "parties": r"\bpart(?:ies|y)\b(?! of)",
    "children under 10": r"\bchild",
    "pets": r"\bpets?\b",
    "visitors": r"\bvisitors?\b",
}
_TYPES = {
    "not shared room": r"not (?:be )?shared?|non-shared|n't (?:be )?shared?|unshared",
    "entire room": r"\bentire(?:ly)?\b(?! (?:travel )?(?:budget|trip|journey))",
    "private room": r"\bprivate\b",
    "shared room": r"\bshared\b",
}
_UNWANTED = r"\b(?:no|not|non|avoid|without|exclud\w+|none|refrain\w*|rather than|instead of|of us|cannot|any)\b|n't\b"
_WAYS = {"no flight": r"\bflights?\b|\bfly\b|\bflying\b|\bair(?:line)? t", "no self-driving": r"self-driv|\bdriv(?:e|es|ing)\b"}


class Trip(NamedTuple):
    """A trip that is asked for; a wish that the query does not name is empty."""

    origin: str
    destination: str
    """A city, or the state whose cities are to be visited."""
    cities: int
    """How many cities of the state; 0 where the destination is a city."""
    dates: tuple[str, ...]
    """YYYY-MM-DD of each day."""
    people: int
    budget: int
    house_rule: str
    cuisines: tuple[str, ...]
    room_type: str
    transportation: str

    @property
    def banned(self) -> str:
        """The means that the wish rules out."""
        return self.transportation.removeprefix("no ")

    @property
    def key(self) -> str:
        """What tells this trip from others, however its query goes on."""
        return "\n".join((self.origin, self.destination, *self.dates[:1], str(len(self.dates)), str(self.people), str(self.budget)))


@lru_cache(maxsize=1024)
def read(text: str) -> Trip | None:
    """The trip that a query asks for; None where it names no origin, destination, dates or budget."""
    dates, budget = _dates(text), _BUDGET.findall(text)
    origin = next((found[1] for form in _ORIGINS if (found := form.search(text))), "")
    counted, state = _CITY_COUNT.search(text), _STATE.search(text)
    others = [name for name in _DESTINATION.findall(text) if name != origin]
    destination = state[1] if state else next(iter(others), "")
    if not (origin and destination and dates and budget):
        return None
    cities = _number(counted[1]) if counted else 0
    wishes = (_among(_RULES, text), _cuisines(text), _among(_TYPES, text), _transportation(text))
    return Trip(origin, destination, cities, dates, _people(text), int(budget[-1].replace(",", "")), *wishes)


def _number(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word.lower()]


def _people(text: str) -> int:
    found = next((found for form in _PEOPLE if (found := form.search(text))), None)
    return _number(found[1]) if found else 2 if _PAIR.search(text) else 1


def _dates(text: str) -> tuple[str, ...]:
    """All days from the first that is named to the last."""
    found = _DATE.findall(text)
    month = next((_MONTHS.index(first or last) + 1 for first, _, _, last in found if first or last), 0)
    year = _YEAR.search(text)
    if not month or len(found) < 2:
        return ()
    days = [int(day or other) for _, day, other, _ in found]
    try:
        first, last = (date(int(year[1]) if year else 2022, month, day) for day in (days[0], days[-1]))
    except ValueError:
        return ()
    return tuple((first + timedelta(day)).isoformat() for day in range(min((last - first).days, 60) + 1))


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[a-z0-9)][.?!;])\s", text)


def _among(forms: dict[str, str], text: str) -> str:
    return next((name for name, form in forms.items() if re.search(form, text, re.IGNORECASE)), "")


def _cuisines(text: str) -> tuple[str, ...]:
    told = " ".join(each for each in _sentences(text) if _FOOD.search(each))
    return tuple(each for each in CUISINES if re.search(rf"\b{each}\b", told))


def _transportation(text: str) -> str:
    for sentence in _sentences(text):
        way = _among(_WAYS, sentence)
        if way and re.search(_UNWANTED, sentence, re.IGNORECASE):
            return way
    return ""
