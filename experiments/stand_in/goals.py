"""What a household task asks for, read from its sentence."""

import re
from functools import lru_cache
from typing import NamedTuple

from experiments.stand_in.english import STATES

_SOME = r"(?:an? |some |the )?"
_IN = r"(?:in/on|into|onto|in|on|to)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"\b(?:look at|examine) {_SOME}(?P<thing>\w+) (?:under|with) {_SOME}(?P<lamp>\w+)",
        rf"\b(?:find|put) (?P<two>two) (?P<thing>\w+) (?:and put them )?{_IN} {_SOME}(?P<target>\w+)",
        rf"\b(?P<operation>heat|cool|clean) {_SOME}(?P<thing>\w+) and put it {_IN} {_SOME}(?P<target>\w+)",
        rf"\bput {_SOME}(?P<operation>hot|cool|cold|clean) (?P<thing>\w+) {_IN} {_SOME}(?P<target>\w+)",
        rf"\bput {_SOME}(?P<thing>\w+) {_IN} {_SOME}(?P<target>\w+)",
    )
)
_STATE = {"heat": "hot", "cool": "cool", "clean": "clean"}


class Goal(NamedTuple):
    """`operation` is put, look, heat, cool or clean; `target` a kind of receptacle or, for look, empty; `lamp` the reverse."""

    operation: str
    thing: str
    target: str
    lamp: str
    amount: int

    @property
    def treats(self) -> bool:
        """Whether the thing must be heated, cooled or cleaned before it is put away."""
        return self.operation in _STATE


@lru_cache(maxsize=4096)
def parse(text: str) -> Goal | None:
    """The goal that a text states, or None where it states none that is known."""
    for form in _FORMS:
        if found := form.search(text.lower()):
            part = {"operation": "look" if "lamp" in form.groupindex else "put"} | found.groupdict()
            operation = STATES.get(part["operation"], part["operation"])
            return Goal(operation, part["thing"], part.get("target") or "", part.get("lamp") or "", 2 if "two" in part else 1)
    return None


def phrase(goal: Goal) -> str:
    """The goal as a sentence that `parse` reads back."""
    if goal.lamp:
        return f"look at {goal.thing} under the {goal.lamp}"
    if goal.amount == 2:
        return f"put two {goal.thing} in {goal.target}"
    return f"put a {_STATE[goal.operation] + ' ' if goal.treats else ''}{goal.thing} in {goal.target}"
