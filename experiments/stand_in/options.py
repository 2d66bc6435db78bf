"""How a stand-in server behaves: address, key, latency, faults."""

from dataclasses import dataclass, fields

_SHARES = ("rate_limited", "server_error", "dropped", "truncated", "malformed")


@dataclass(frozen=True)
class Options:
    """Options of one server. Shares are of all chat and embedding requests, from 0 to 1, and exclude each other."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    key: str | None = None
    """Bearer key that requests must carry; None asks for none."""
    latency_ms: float = 0.0
    """Median time to answer, in milliseconds; 0 answers at once."""
    latency_sigma: float = 0.5
    """Spread of the lognormal latency: the standard deviation of its logarithm."""
    builder_ms: float = 0.0
    """What it takes beyond that to build or adjust a procedure, in milliseconds: a builder that is slower than the player."""
    rate_limited: float = 0.0
    """Share answered by 429 with Retry-After."""
    retry_after: float = 1.0
    """Seconds that a 429 asks to wait."""
    server_error: float = 0.0
    """Share answered by 500."""
    dropped: float = 0.0
    """Share whose connection is cut without an answer."""
    truncated: float = 0.0
    """Share whose body ends early."""
    malformed: float = 0.0
    """Share whose body is whole and not JSON."""
    seed: int = 0
    """Seed of latency and faults; they follow from it and the order of requests."""

    def __post_init__(self) -> None:
        shares = [getattr(self, name) for name in _SHARES]
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(f"shares of faults ({', '.join(_SHARES)}) must be 0 or more and add up to at most 1")
        if min(self.latency_ms, self.latency_sigma, self.builder_ms, self.retry_after) < 0:
            raise ValueError("latency_ms, latency_sigma, builder_ms and retry_after must be 0 or more")


def faults(options: Options) -> dict[str, float]:
    """The share of each kind of fault."""
    return {field.name: getattr(options, field.name) for field in fields(options) if field.name in _SHARES}
