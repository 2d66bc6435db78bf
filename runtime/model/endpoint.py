"""Calls to one OpenAI-compatible endpoint: its client, its limiter, and the only layer that retries."""

import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import anyio
import structlog

from runtime.config import Settings
from runtime.errors import LLMUnavailable
from runtime.model.address import Address
from runtime.model.faults import ATTEMPT_ERRORS, Fault, translate
from runtime.model.limiter import AdaptiveLimiter, Slot
from runtime.model.wire import Wire, open_wire

log = structlog.get_logger()

T = TypeVar("T")
Request = Callable[[Wire], Awaitable[T]]
"""One attempt: sends a request and reads the answer. It raises what `Wire.post` raises, and Fault for a useless answer."""


@dataclass(frozen=True)
class Backoff:
    """Pauses between attempts: exponential with full jitter, so that many callers do not come back together."""

    base: float = 0.5
    """Seconds; bound of the first pause, doubled for each further one."""
    cap: float = 20.0
    """Seconds; bound of every pause that the endpoint did not ask for."""

    def pause(self, failures: int, retry_after: float | None) -> float:
        """Seconds to wait after so many failures; never less than the endpoint asked for."""
        bound = min(self.cap, self.base * 2 ** min(failures - 1, 30))
        jitter = random.uniform(0, bound)  # noqa: S311 - no secret
        return jitter if retry_after is None else retry_after + min(jitter, self.base)


class Endpoint:
    """Sends requests until they are answered, refused for good, or their deadline has passed."""

    def __init__(self, wire: Wire, address: Address, settings: Settings, backoff: Backoff) -> None:
        self._wire = wire
        self._address = address
        self._deadline = settings.llm_deadline
        self._patience = settings.llm_connect_timeout + 10
        self._backoff = backoff
        self.limiter = AdaptiveLimiter(settings.llm_max_concurrency)

    async def call(self, request: Request[T]) -> T:
        """The answer. Raises LLMUnavailable, LLMRejected or RequestRejected; a cancelled call leaves nothing behind."""
        deadline = anyio.current_time() + self._deadline
        for failures in itertools.count(1):
            try:
                async with self.limiter.slot() as slot:
                    deadline += slot.waited  # which is our own doing, not the endpoint's
                    return await self._attempt(request, slot, deadline)
            except Fault as error:
                fault = error
            pause = self._backoff.pause(failures, fault.retry_after)
            if anyio.current_time() + pause >= deadline:
                raise self._unavailable(fault, failures) from None
            log.debug("llm_retry", endpoint=self._address.shown, failures=failures, cause=str(fault), pause=round(pause, 2))
            await anyio.sleep(pause)
        raise AssertionError("the count has no end")

    async def check(self, request: Request[object]) -> None:
        """One attempt, to tell at once of an address where nobody answers, a wrong key or a refused model.

        A failure of any other kind passes with a warning: somebody answers there, and `call` will retry. Raises what `call` raises.
        """
        try:
            async with self.limiter.slot() as slot:
                await self._attempt(request, slot, anyio.current_time() + self._patience)
        except Fault as fault:
            if fault.unreachable:
                where = self._address.shown
                raise LLMUnavailable(
                    f"Nobody answers at {where} ({fault}). Start the model there, or set {self._address.url_variable}."
                ) from None
            log.warning("llm_check_failed", endpoint=self._address.shown, cause=str(fault))

    async def _attempt(self, request: Request[T], slot: Slot, deadline: float) -> T:
        try:
            with anyio.CancelScope(deadline=deadline):
                return await request(self._wire)
        except ATTEMPT_ERRORS as error:
            raised = translate(error, self._address)
            if isinstance(raised, Fault) and raised.congested:
                slot.congested()
            raise raised from None  # the client's error holds the request, and with it the key
        raise Fault("no complete answer in time")

    def _unavailable(self, fault: Fault, attempts: int) -> LLMUnavailable:
        return LLMUnavailable(
            f"{self._address.shown} did not answer within {self._deadline:g} s ({attempts} attempts, the last: {fault}). "
            f"Check the endpoint, or raise MEMP_LLM_DEADLINE."
        )


@asynccontextmanager
async def open_endpoint(address: Address, settings: Settings, backoff: Backoff | None = None) -> AsyncGenerator[Endpoint]:
    """An endpoint with its connections, which are closed at the end."""
    async with open_wire(address, settings) as wire:
        yield Endpoint(wire, address, settings, backoff or Backoff())
