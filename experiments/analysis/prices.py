"""What episodes and their learning cost in US dollars, where the price of a model is known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from experiments.results import EpisodeRow
from runtime.events import Role, Usage
from runtime.model.usage import cost


@dataclass(frozen=True)
class Models:
    """Whose prices count: the model that plays, the one that builds, and the one that embeds; None has no price."""

    agent: str | None = None
    builder: str | None = None
    embedding: str | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Models":
        """From a run's `config.json`, of whatever version."""
        agent, builder, embedding = (config.get(name) for name in ("model", "builder_model", "embedding_model"))
        return cls(*(str(each) if each else None for each in (agent, builder or agent, embedding)))

    def episodes(self, rows: Sequence[EpisodeRow]) -> float | None:
        """Dollars of these episodes together."""
        usage = total_usage(rows)
        return total_cost(usage, costs_of(usage, model=self.agent, embedding_model=self.embedding))

    def learning(self, usage: Mapping[Role, Usage]) -> float | None:
        """Dollars of what the curator spent."""
        return total_cost(usage, costs_of(usage, model=self.builder, embedding_model=self.embedding))


def costs_of(usage: Mapping[Role, Usage], *, model: str | None, embedding_model: str | None) -> dict[Role, float]:
    """US dollars per role, of the roles whose model has a known price."""
    costs: dict[Role, float] = {}
    for role, used in usage.items():
        name = embedding_model if role == "embedding" else model
        if name and (price := _cost(name, *_mean_call(used))) is not None:
            costs[role] = price * max(1, used.calls)
    return costs


def _mean_call(used: Usage) -> tuple[int, int, int]:
    """Several models charge more per token for long calls: a sum over a run, priced as if it were one, comes out twice too dear."""
    calls = max(1, used.calls)
    return round(used.input / calls), round(used.cached / calls), round(used.output / calls)


@lru_cache(maxsize=1 << 16)
def _cost(name: str, input: int, cached: int, output: int) -> float | None:
    """Kept, as a price takes long to work out, and a report asks for that of each episode several times."""
    return cost(name, Usage(input=input, cached=cached, output=output))


def total_cost(usage: Mapping[Role, Usage], costs: Mapping[Role, float]) -> float | None:
    """The sum of `costs`; None where a role's price is not known, unless it is the embedding, which hardly weighs (or is local)."""
    unpriced = usage.keys() - costs.keys() - {"embedding"}
    return sum(costs.values()) if costs and not unpriced else None


def total_usage(rows: Sequence[EpisodeRow]) -> dict[Role, Usage]:
    """Tokens and calls of all rows together, per role."""
    return added(each.usage for each in rows)


def added(usages: Iterable[Mapping[Role, Usage]]) -> dict[Role, Usage]:
    """The sum per role."""
    total: dict[Role, Usage] = {}
    for each in usages:
        for role, usage in each.items():
            total[role] = total.get(role, Usage()) + usage
    return total
