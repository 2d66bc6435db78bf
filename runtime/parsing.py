"""Thought and action out of an answer, whatever a model wraps around them."""

import re
from typing import NamedTuple

_FENCE = re.compile(r"^[ \t]*```.*$", re.MULTILINE)
_LABEL = r"^[ \t>*_#-]*{label}[ \t*_]*(?:\d+[ \t*_]*)?:[ \t*_]*"
_ACTION = re.compile(_LABEL.format(label="action") + r"(?P<action>[^\n]*)", re.IGNORECASE | re.MULTILINE)
_ANY_LABEL = re.compile(_LABEL.format(label="(?:thoughts?|action|observation)"), re.IGNORECASE | re.MULTILINE)
_THOUGHT = re.compile(
    _LABEL.format(label="thoughts?") + r"(?P<thought>.*?)(?=\Z|" + _LABEL.format(label="action") + ")", re.I | re.M | re.S
)
_BRACKET = re.compile(r"[\[\]]")
_LONGEST = 1 << 16
"""Characters beyond its own line within which an action is sought to its end."""
_WRAPPING = "`*_\"' \t\r"


class Answer(NamedTuple):
    """`action` is None where the answer holds none."""

    thought: str
    action: str | None


def parse(text: str) -> Answer:
    """Read `Thought: … Action: …`: labels in any case or emphasis, code fences dropped, the first of several actions.

    An action on the line after its label counts, too, and one whose bracket is open goes on until it is closed. What stands
    before the action is the thought, labelled or not.
    """
    text = _FENCE.sub("", text)
    match = _ACTION.search(text)
    if match is None:
        return Answer(text.strip(), None)
    rest = text[match.end() :]
    action = _clean(match["action"] + _open_end(match["action"], rest)) or _next_line(rest)
    thought = _THOUGHT.search(text)
    before = thought["thought"] if thought and thought.start() < match.start() else text[: match.start()]
    return Answer(before.strip(), action or None)


def _clean(action: str) -> str:
    """Without emphasis, quotes and blanks around it; a closing full stop belongs to prose, not to an action."""
    return action.strip(_WRAPPING).removesuffix(".").strip(_WRAPPING)


def _open_end(action: str, rest: str) -> str:
    """What belongs to an action on the lines behind its own: up to the bracket that closes it, nothing where none does."""
    depth = action.count("[") - action.count("]")
    if depth <= 0:
        return ""
    label = _ANY_LABEL.search(rest, 0, _LONGEST)
    for bracket in _BRACKET.finditer(rest, 0, label.start() if label else _LONGEST):
        depth += 1 if bracket[0] == "[" else -1
        if depth == 0:
            return rest[: bracket.end()]
    return ""


def _next_line(rest: str) -> str:
    line = next((line for line in rest.splitlines() if line.strip()), "")
    return "" if re.match(_LABEL.format(label=r"(thoughts?|observation)"), line, re.IGNORECASE) else _clean(line)
