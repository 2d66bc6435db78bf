"""Latency and faults, by seed and in the order of requests."""

import math
from random import Random

from aiohttp import web

from experiments.stand_in.options import Options, faults
from experiments.stand_in.wire import Refusal


class Weather:
    """What happens to each request on its way; the only state beside the counters."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._random = Random(options.seed)  # noqa: S311 - a repeatable sequence, no secret

    def latency(self) -> float:
        """Seconds until the next answer."""
        spread = self._random.gauss(0.0, self._options.latency_sigma)
        return self._options.latency_ms / 1000 * math.exp(spread)

    def fault(self) -> str | None:
        """The fault of the next request, by the name of its option."""
        point = self._random.random()
        for name, share in faults(self._options).items():
            if point < share:
                return name
            point -= share
        return None


def refuse(fault: str, options: Options) -> web.Response:
    """The answer of a 429 or a 500."""
    if fault == "rate_limited":
        refusal = Refusal(429, "Rate limit reached; wait and try again.", "requests", "rate_limit_exceeded")
        headers = {"Retry-After": f"{options.retry_after:g}"}
    else:
        refusal, headers = Refusal(500, "The server had an error; try again.", "server_error"), {}
    return web.Response(status=refusal.status, body=refusal.body(), content_type="application/json", headers=headers)


async def spoil(request: web.Request, fault: str, body: bytes) -> web.StreamResponse:
    """Cut the connection without an answer (dropped), or in the middle of it (truncated), or break its JSON (malformed)."""
    if fault == "malformed":
        return web.Response(body=body[: len(body) // 2], content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    if fault == "truncated":
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
    if request.transport is not None:
        # Closing lets what was written go out first; aborting does not.
        request.transport.close() if fault == "truncated" else request.transport.abort()
    return response
