"""What went wrong in one attempt at a request: worth another one, or refused for good."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import httpx2
from openai import APIStatusError
from pydantic import ValidationError

from runtime.errors import LLMError, LLMRejected, RequestRejected
from runtime.model.address import Address


class WrongService(Exception):
    """Something answers at the address, but no model."""


ATTEMPT_ERRORS = (APIStatusError, aiohttp.ClientError, OSError, ValidationError, WrongService)
"""What an attempt can raise."""

_AGAIN = (408, 409, 429)
_THIS_REQUEST = (400, 413, 422)
_UNREACHABLE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_UNUSABLE = (aiohttp.InvalidURL, ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError)


class Fault(Exception):
    """An attempt failed in a way that another attempt may not."""

    def __init__(self, cause: str, *, congested: bool = False, retry_after: float | None = None, unreachable: bool = False) -> None:
        super().__init__(cause)
        self.congested = congested
        """The endpoint says that it is asked too much."""
        self.retry_after = retry_after
        """Seconds for which the endpoint asks to be left alone."""
        self.unreachable = unreachable
        """No connection came about."""


def translate(error: Exception, address: Address) -> Fault | LLMError:
    """What an error of `ATTEMPT_ERRORS` means; its text holds no key."""
    if isinstance(error, APIStatusError):
        return _status(error, address)
    if isinstance(error, WrongService):
        return LLMRejected(f"{address.shown} serves {error}, not a model. Check {address.url_variable}: such addresses often end in /v1.")
    if isinstance(error, ValidationError):
        return Fault("a malformed answer")
    chain = list(_chain(error))
    said = address.redacted(f"{type(chain[-1]).__name__}: {chain[-1]}")
    if any(isinstance(link, _UNUSABLE) for link in chain):
        return LLMRejected(f"{address.shown} can't be used ({said}). Check {address.url_variable}.")
    return Fault(said, unreachable=any(isinstance(link, _UNREACHABLE) for link in chain))


def _status(error: APIStatusError, address: Address) -> Fault | LLMError:
    status, said = error.status_code, f"{error.status_code}: {address.redacted(_said(error))}"
    if "insufficient_quota" in (error.code, error.type) or status == 402:
        return LLMRejected(f"{address.shown} answered {said}. The account of {address.key_variable} has no credit left: add some.")
    if status in _AGAIN or status >= 500:
        return Fault(said, congested=status == 429, retry_after=_retry_after(error.response.headers))
    if status in _THIS_REQUEST:
        return RequestRejected(f"{address.shown} refused this request with {said}")
    if status in (401, 403):
        return LLMRejected(f"{address.shown} refused the key with {said}. Set {address.key_variable} to one that is valid there.")
    return LLMRejected(f"{address.shown} answered {said}. Check {address.url_variable} and the name of the model.")


def _said(error: APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict) and isinstance(body.get("message"), str):  # pyright: ignore[reportUnknownMemberType]
        return str(body["message"])  # pyright: ignore[reportUnknownArgumentType]
    return error.response.text or error.response.reason_phrase


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds: the header gives them or a date, and some endpoints give milliseconds in one of their own."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return max(0.0, (date - _now(headers)).total_seconds()) if date.tzinfo else None


def _now(headers: httpx2.Headers) -> datetime:
    """The time by the endpoint's own clock, where it tells: ours may be off."""
    try:
        told = parsedate_to_datetime(headers.get("date") or "")
    except ValueError:
        return datetime.now(UTC)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
