"""When an episode is stopped before its time, as upstream stops it: on repetition, and on failure after failure."""

from collections import Counter

from envs.travelplanner.tools import INVALID_ACTION, PLANNER, Result, parse

PATIENCE = 3
"""Times that the same action may not be given in a row, and failures after which a tool is not tried again."""
REPEATED = f"same action {PATIENCE} times repeated"
_TOOLS = {
    "FlightSearch": "flights",
    "AttractionSearch": "attractions",
    "RestaurantSearch": "restaurants",
    "CitySearch": "cities",
    "GoogleDistanceMatrix": "googleDistanceMatrix",
    "NotebookWrite": "notebook",
}
"""Upstream's names of the counters. It looks for that of `AccommodationSearch` under a name that it does not have, and
falls back on the counter of invalid actions: rooms may be sought in unknown cities for ever."""


class Patience:
    """Counts over one episode; the planner's failures are not counted, though a success of its sets all back."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._times = 0
        self._failures: Counter[str] = Counter()

    def refuse(self, action: str) -> str | None:
        """Upstream's words for why the episode ends before this action is done; None where it goes on. Call it once an action."""
        self._times = self._times + 1 if action == self._last else 1
        self._last = action
        if self._times == PATIENCE:
            return REPEATED
        name = (parse(action) or ("", ""))[0]
        if not action or name == PLANNER:
            return None
        counter = _TOOLS.get(name, INVALID_ACTION)
        if self._failures[counter] >= PATIENCE:
            return f"{counter} early stop due to {PATIENCE} max retries."
        return None

    def count(self, result: Result) -> None:
        """Take note of how an action went; a success forgives all failures."""
        if result.failed:
            self._failures[_TOOLS.get(result.tool, result.tool)] += 1
        else:
            self._failures.clear()
