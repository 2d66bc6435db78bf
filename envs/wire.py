"""Messages between a worker and its environment processes: JSON behind a length of four bytes, big-endian.

A request is `{"id", "op": "reset" | "step" | "close", "key", ...}`; `key` names one environment within the process.
`reset` adds `env` and `game`, `step` adds `action`, `close` has no answer. An answer is `{"id", "result"}`, the text of
a reset or the four fields of a `StepResult`, or `{"id", "error": [class name, message]}`. Requests are answered in order.
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
