"""How the page says figures: filters of the templates."""

import json
import math
from collections.abc import Callable
from typing import Any

from experiments.analysis.judged import is_delivered, is_hidden
from experiments.results import EpisodeRow


def outcome(row: EpisodeRow) -> str:
    """How an episode ended, in a word or two."""
    if row.outcome != "finished":
        return row.outcome
    if is_hidden(row):
        return "delivered" if is_delivered(row) else "no plan"
    return "success" if row.success else "failure"


def reward(row: EpisodeRow) -> str:
    """A dash where it is hidden."""
    return number(None if is_hidden(row) else row.reward, 2)


def memory(row: EpisodeRow) -> str:
    """What an episode had of memory."""
    if row.arm == "control":
        return "none"
    return f"{len(row.retrieved)} given" + (f", {len(row.withheld)} withheld" if row.withheld else "")


def share(value: float | None) -> str:
    """In percent; None is a dash."""
    return "–" if value is None else f"{value:.1%}"


def number(value: float | None, digits: int = 0) -> str:
    """With so many decimal places; None is a dash."""
    return "–" if value is None else f"{value:,.{digits}f}"


def amount(value: float | None, share: bool, digits: int) -> str:
    """One side of a comparison: a share, or a number of things."""
    return f"{value:.1%}" if share and value is not None else number(value, digits)


def short(value: int) -> str:
    """A count of tokens; millions, rounded, from ten of them."""
    return f"{value:,}" if value < 10_000_000 else f"{value / 1e6:,.1f} M"


def times(count: int, noun: str) -> str:
    """So many of them, in the right number."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def signed(value: float, share: bool, digits: int) -> str:
    """A difference, of shares in percentage points, with a typographic minus."""
    return f"{value * 100 if share else value:+,.{digits}f}".replace("-", "−")


def bounds(low: float | None, high: float | None, share: bool, digits: int) -> str:
    """An interval of differences."""
    return "too few" if low is None or high is None else f"{signed(low, share, digits)} to {signed(high, share, digits)}"


def episodes(value: float | None) -> str:
    """After how many episodes; a part of one is one."""
    return "never" if value is None else f"{math.ceil(value):,}"


def plain(value: Any) -> str:
    """A setting as one reads it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shorten(text: str, most: int) -> str:
    """At most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


FILTERS: dict[str, Callable[..., str]] = {
    each.__name__: each for each in (outcome, reward, memory, share, number, amount, short, times, signed, bounds, episodes, plain, shorten)
}
