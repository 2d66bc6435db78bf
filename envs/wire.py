"""Messages between a worker and its environment processes: JSON behind a length of four bytes, big-endian.

A request is `{"id", "op": "reset" | "step" | "prepare" | "close", "key", ...}`; `key` names one environment within the
process. `reset` and `prepare` add `env` and `game`, `step` adds `action`, `close` has no answer. Requests are answered in
order: `{"id", "result"}` with the text of a reset, the four fields of a `StepResult` or true, or
`{"id", "error": [class name, message]}`. A reset whose game is not prepared is refused with the result null, unless
`anyway` is true; its answer also has `memory`, the MiB that the process has taken at most so far.
"""

import struct
from typing import Any, BinaryIO

import orjson

LENGTH = struct.Struct(">I")


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
    return {key: _cleaned(part) for key, part in value.items()} if isinstance(value, dict) else value  # pyright: ignore


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message of a blocking stream; None at its end, also where that cuts a message off."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return orjson.loads(body) if len(body) == length else None


class Frames:
    """Cuts what a socket gives, in whatever pieces, into messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that are complete with these bytes."""
        data, start, messages = self._rest + data, 0, list[dict[str, Any]]()
        while len(data) >= (body := start + LENGTH.size):
            end = body + LENGTH.unpack_from(data, start)[0]
            if len(data) < end:
                break
            messages.append(orjson.loads(data[body:end]))
            start = end
        self._rest = data[start:]
        return messages
