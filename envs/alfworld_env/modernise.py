"""ALFWorld's older action grammar, which most published trajectories are written in, brought to that of the games."""

import re

_PUT = re.compile(r"put (?P<object>.+?) (?:in/on|in|on) (?P<place>.+)")


def modernise(action: str) -> str:
    """`put X in/on Y` (or `in Y`, `on Y`) as `move X to Y`; every other action is the same in both grammars and comes back as it is.

    Nothing that the games understand is changed: their grammar names a `put`, too, but no action of their domain stands behind it.
    """
    put = _PUT.fullmatch(action.strip())
    return f"move {put['object']} to {put['place']}" if put else action
