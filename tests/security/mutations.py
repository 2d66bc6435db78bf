"""Documents that are nearly right, by seed: JSON as others might write it, and bytes as a broken disk might give them."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

MARKER = "memp-fuzz-executed"
"""A file of this name in the working directory tells that something in a document was executed."""

_VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        10**18,
        10**30,
        -(10**30),
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        " ",
        "1",
        "text",
        "\0",
        "\x1b[2J",
    ),
    *([], {}, [None], [[]], {"": ""}, {"v": 2}, "x" * 5000, "../../../etc/passwd", "{{7*7}}", "\ud800", "ünïcode 🛋", "NaN", "1e400"),
    *(f"__import__('os').system('touch {MARKER}')", f"$(touch {MARKER})", f"!!python/object/apply:os.system ['touch {MARKER}']"),
    *("cos\nsystem\n(S'touch x'\ntR.", "redis.call('FLUSHALL')", "*", "a:b", "9" * 400),
]
_RAW = [
    "1e400",
    "-1e400",
    "9" * 5000,
    "NaN",
    "Infinity",
    '"\\ud800"',
    '"\\u0000"',
    "[" * 300 + "]" * 300,
    "[" * 100_000,
    "nul",
    "'x'",
    "0x10",
]
_PLACE = "@@raw@@"
_WHOLE = [b"", b" ", b"{}", b"[]", b"null", b"0", b'""', b"\xff\xfe", b"\xef\xbb\xbf{}", b"\0" * 8, b"\x80\x04\x95.", b"[" * 100_000]


def mutants(valid: Sequence[Any], count: int, seed: int) -> Iterator[bytes]:
    """So many documents, each made of a valid one (JSON types); a few may be valid still. The same for the same seed."""
    random = Random(seed)
    for _ in range(count):
        yield _mutant(random, random.choice(valid))


def spoiled(valid: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Like `mutants`, of anything: bytes are exchanged, cut out, put in, or cut off."""
    random = Random(seed)
    for _ in range(count):
        content = random.choice(valid)
        for _ in range(random.choice((1, 1, 2, 5))):
            content = random.choice(_BYTEWISE)(random, content)
        yield content


def _mutant(random: Random, valid: Any) -> bytes:
    way = random.random()
    if way < 0.01:
        return random.choice(_WHOLE)
    document, raw = copy.deepcopy(valid), "0"
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        raw = _change(random, document) or raw
    content = json.dumps(document, ensure_ascii=random.random() < 0.5).replace(f'"{_PLACE}"', raw).encode(errors="surrogatepass")
    return random.choice(_BYTEWISE)(random, content) if way < 0.15 else content


def _change(random: Random, document: Any) -> str | None:
    """One change to a document in place; gives what is to be put in raw."""
    places: list[tuple[Any, Any]] = list(_places(document)) or [({"x": 0}, "x")]
    holder, key = random.choice(places)
    raw = None
    match random.randrange(8):
        case 0 if isinstance(holder, dict):
            holder.pop(key, None)
        case 1 if isinstance(holder, dict):
            holder[random.choice(("unknown", "__class__", "v", f"{key} ", ""))] = copy.deepcopy(random.choice(_VALUES))
        case 2:
            holder[key], raw = _PLACE, random.choice(_RAW)
        case 3:
            holder[key] = [holder[key]] if random.random() < 0.5 else {"x": holder[key]}
        case 4 if isinstance(holder, dict) and "v" in holder:
            holder["v"] = random.choice((0, 2, "1", None, 1.0, True))
        case 5 if isinstance(holder, dict):
            holder[key], raw = _PLACE, f"1, {json.dumps(key)}: {json.dumps(holder[key])}"  # the key is there twice
        case _:
            holder[key] = copy.deepcopy(random.choice(_VALUES))
    return raw


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """All places of a document: what holds a value, and under which key."""
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        yield document, key
        yield from _places(value)


def _cut_off(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _cut_out(random: Random, content: bytes) -> bytes:
    start = random.randrange(len(content) + 1)
    return content[:start] + content[start + random.randrange(1, 30) :]


def _put_in(random: Random, content: bytes) -> bytes:
    start = random.randrange(len(content) + 1)
    return content[:start] + random.randbytes(random.randrange(1, 8)) + content[start:]


def _exchange(random: Random, content: bytes) -> bytes:
    if not content:
        return b"\xff"
    at = random.randrange(len(content))
    return content[:at] + bytes([random.randrange(256)]) + content[at + 1 :]


_BYTEWISE: list[Callable[[Random, bytes], bytes]] = [_cut_off, _cut_out, _put_in, _exchange]
