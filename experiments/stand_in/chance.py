"""Choices that look random and are not: each follows from the words that name it, in every process alike."""

from collections.abc import Iterable
from hashlib import blake2b


def draw(*words: object) -> float:
    """A number in [0, 1) that depends on the words and on nothing else."""
    digest = blake2b("\x1f".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def shuffled(things: Iterable[str], *words: object) -> list[str]:
    """The things in an order of their own for these words, whatever order they came in."""
    return sorted(things, key=lambda thing: (draw(*words, thing), thing))
