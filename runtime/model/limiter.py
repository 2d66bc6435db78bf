"""How many requests may be under way at once: found out from the endpoint's own answers."""

import anyio
import structlog

log = structlog.get_logger()

_FACTOR = 0.7
"""What a cut leaves of the limit."""


class AdaptiveLimiter:
    """A limit that grows while it is what holds requests back, and is cut when the endpoint reports congestion.

    Until the first cut each success adds one (so the limit doubles per round of requests), after it a round adds one.
    A success counts only where every slot was taken: an idle limit proves nothing. Congestion cuts once per episode:
    neither for requests that began before the last cut, nor within `cooldown` seconds of it.
    """

    def __init__(self, maximum: int, *, start: int = 16, cooldown: float = 2.0) -> None:
        self._maximum = max(1, maximum)
        self._exact = float(min(start, self._maximum))
        self.capacity = anyio.CapacityLimiter(self.limit)
        self._cooldown = cooldown
        self.cuts = 0
        self._last_cut = float("-inf")

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return int(self._exact)

    @property
    def in_use(self) -> int:
        """Requests that are under way."""
        return self.capacity.borrowed_tokens

    def slot(self) -> "Slot":
        """To be entered: waits for a free slot, in order of arrival, and holds it. A body that raises counts neither way."""
        return Slot(self)

    def congested(self, began: int) -> None:
        """Cuts the limit, unless the request that began after `began` cuts belongs to an episode that was answered already."""
        now = anyio.current_time()
        if began < self.cuts or now - self._last_cut < self._cooldown:
            return
        self.cuts, self._last_cut = self.cuts + 1, now
        self._resize(self._exact * _FACTOR)
        log.info("llm_limit_cut", limit=self.limit)

    def succeeded(self) -> None:
        """A request was answered, and holds its slot still."""
        if self.capacity.borrowed_tokens >= self.limit:
            self._resize(self._exact + (1 / self._exact if self.cuts else 1))

    def _resize(self, exact: float) -> None:
        self._exact = min(max(exact, 1.0), float(self._maximum))
        self.capacity.total_tokens = self.limit


class Slot:
    """One request's place, while it is entered."""

    def __init__(self, limiter: AdaptiveLimiter) -> None:
        self._limiter = limiter
        self._began = 0
        self.waited = 0.0
        """Seconds that it took to get the slot."""

    async def __aenter__(self) -> "Slot":
        capacity = self._limiter.capacity
        try:
            capacity.acquire_on_behalf_of_nowait(self)  # the other way would let all other tasks run first, free or not
        except anyio.WouldBlock:
            asked = anyio.current_time()
            await capacity.acquire_on_behalf_of(self)
            self.waited = anyio.current_time() - asked
        self._began = self._limiter.cuts
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._limiter.succeeded()
        self._limiter.capacity.release_on_behalf_of(self)

    def congested(self) -> None:
        """To be called when the endpoint answered that it is asked too much (429), before the body raises."""
        self._limiter.congested(self._began)
