"""Counts of what a server was asked and answered, for tests and load runs."""

from collections import Counter, OrderedDict
from typing import Any

_REMEMBERED = 100_000
_SHOWN = 1_000


class Stats:
    """Counters since the start. `attempts` counts arrivals, the others answers; requests are known by their hash."""

    def __init__(self) -> None:
        self.attempts = 0
        self.chat = 0
        self.embeddings = 0
        self.embedded_texts = 0
        self.rejected = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.roles: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.requests: OrderedDict[str, int] = OrderedDict()
        """Answers by `role:hash` of the request; the latest 100,000."""

    def arrive(self) -> None:
        self.attempts += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def answered(self, role: str, model: str, request: str) -> None:
        """One answer that went out whole; `role` as in usage (agent, builder, adjustment, facts, embedding)."""
        self.roles[role] += 1
        self.models[model] += 1
        name = f"{role}:{request}"
        self.requests[name] = self.requests.pop(name, 0) + 1
        if len(self.requests) > _REMEMBERED:
            self.requests.popitem(last=False)

    def repeated(self) -> dict[str, int]:
        """Requests that were answered more than once, with how often."""
        return {name: times for name, times in self.requests.items() if times > 1}

    def view(self) -> dict[str, Any]:
        """All of it as JSON; of the repeated requests at most 1,000."""
        plain = {name: value for name, value in vars(self).items() if name != "requests"}
        return plain | {"distinct": len(self.requests), "repeated": dict(list(self.repeated().items())[:_SHOWN])}
