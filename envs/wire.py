"""Messages between a worker and its environment processes: JSON behind a length of four bytes, big-endian.

A request is `{"id", "op": "reset" | "step" | "answer" | "prepare" | "close", "key", ...}`; `key` names one environment
within the process. `reset` and `prepare` add `env` and `game`, `step` adds `action`, `answer` adds `text`, `close` has no
answer. Requests are answered in order: `{"id", "result"}` with the text of a reset, the fields of a `StepResult` (without
those at its end where they are empty) or true, or `{"id", "error": [class name, message]}`. A reset whose game is not
prepared is refused with the result null, unless `anyway` is true; its answer also has `memory`, the MiB that the process
has taken at most so far.
"""

import struct
from typing import Any, BinaryIO, cast

import orjson

from runtime.env import Ask, StepResult
from runtime.events import Judgement

LENGTH = struct.Struct(">I")
MAX_MESSAGE = 64 << 20
"""Bytes of one message: what an environment answers must fit."""


def pack(message: dict[str, Any]) -> bytes:
    """One message as bytes; what isn't valid Unicode (lone surrogates of a model's answer) is replaced."""
    try:
        body = orjson.dumps(message)
    except orjson.JSONEncodeError:
        body = orjson.dumps(_cleaned(message))
    return LENGTH.pack(len(body)) + body


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_cleaned(part) for part in cast(list[Any], value)]
    return {key: _cleaned(part) for key, part in value.items()} if isinstance(value, dict) else value  # pyright: ignore


def pack_result(result: StepResult) -> list[Any]:
    """A step's result as JSON types."""
    ask, judgement = result.ask, result.judgement
    if ask is None and judgement is None and not result.masks:
        return list(result[:4])
    return [*result[:4], ask and list(ask), list(map(list, result.masks)), judgement and judgement.model_dump()]


def read_result(parts: list[Any]) -> StepResult:
    """What `pack_result` made of it."""
    result = StepResult(*parts)
    if len(parts) == 4:
        return result
    ask, judgement = cast(list[Any] | None, result.ask), cast(dict[str, Any] | None, result.judgement)
    return result._replace(ask=ask and Ask(*ask), judgement=judgement and Judgement(**judgement))


class Garbled(Exception):
    """What came is no message: nothing behind it can be understood either."""


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message of a blocking stream; None at its end, also where that cuts a message off. Raises `Garbled`."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    length = _length(head, 0)
    body = stream.read(length)
    return _message(body) if len(body) == length else None


class Frames:
    """Cuts what a socket gives, in whatever pieces, into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are complete with these bytes. Raises `Garbled`."""
        rest, start, messages = self._rest, 0, list[dict[str, Any]]()
        rest += data
        while len(rest) >= (body := start + LENGTH.size):
            end = body + _length(rest, start)
            if len(rest) < end:
                break
            messages.append(_message(rest[body:end]))
            start = end
        del rest[:start]
        return messages


def _length(data: bytes | bytearray, start: int) -> int:
    length: int = LENGTH.unpack_from(data, start)[0]
    if length > MAX_MESSAGE:
        raise Garbled(f"a message of {length} bytes, more than {MAX_MESSAGE}")
    return length


def _message(body: bytes | bytearray) -> dict[str, Any]:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Garbled(f"a message that is not JSON ({error})") from None
    if not isinstance(message, dict):
        raise Garbled("a message that is no object")
    return cast(dict[str, Any], message)


def check_answer(message: dict[str, Any]) -> None:
    """Raises `Garbled` for what is no answer of an environment process."""
    error: Any = message.get("error")
    whole = "result" in message if error is None else _are(error, str, str)
    if not (whole and isinstance(message.get("id"), int) and isinstance(message.get("memory", 0), int | float)):
        raise Garbled("a message that is no answer")


def check_notice(message: dict[str, Any]) -> None:
    """Raises `Garbled` for what is no message of the fork server."""
    kinds = {"id": int, "pid": int, "status": int, "error": str}
    if len(message) != 2 or "id" not in message or not all(isinstance(part, kinds.get(name, ())) for name, part in message.items()):
        raise Garbled("a message that tells of no process")


def _are(values: Any, *kinds: type) -> bool:
    return isinstance(values, list) and list(map(type, cast(list[Any], values))) == list(kinds)
