"""Vectors of texts without a model: hashed words and character trigrams, content words heavy, function words light."""

import re
from collections import Counter
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from experiments.stand_in.english import FUNCTION_WORDS, OPERATIONS, STATES

DIMENSION = 256
_DIMENSIONS = {"text-embedding-3-small": 1536}
_SPOTS = 8
_LIGHT_WEIGHT, _TRIGRAM_WEIGHT = 0.05, 0.12
_SAME = OPERATIONS | STATES | {"examine": "look", "inspect": "look"}
_WORD = re.compile(r"[^\W_]+")


def supports(model: str) -> bool:
    """Whether a model of this name embeds here."""
    return model in _DIMENSIONS or model.startswith("stand-in-embedding")


def dimension(model: str) -> int:
    """Length of the model's vectors where the request asks for none."""
    return _DIMENSIONS.get(model, DIMENSION)


def _stem(word: str) -> str:
    word = _SAME.get(word, word)
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@lru_cache(maxsize=4096)
def _features(text: str) -> tuple[tuple[str, float], ...]:
    """Features with weights; repeated words count by the root of their number."""
    weights: Counter[str] = Counter()
    words = Counter(map(_stem, _WORD.findall(text.lower())))
    for word, times in words.items():
        weight = times**0.5 * (_LIGHT_WEIGHT if word in FUNCTION_WORDS else 1.0)
        weights[word] += weight  # pyright: ignore[reportArgumentType] - a Counter of floats
        padded = f"<{word}>"
        for start in range(len(padded) - 2):
            weights["#" + padded[start : start + 3]] += weight * _TRIGRAM_WEIGHT  # pyright: ignore[reportArgumentType]
    # Texts without a word (blanks, signs) differ too, and the empty one has a direction of its own.
    return tuple(weights.items()) or ((f"={text}", 1.0),)


@lru_cache(maxsize=65536)
def _spots(model: str, size: int, feature: str) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Where a feature stands in the vector, and with which signs."""
    digest = np.frombuffer(blake2b(f"{model}\x1f{feature}".encode(), digest_size=_SPOTS * 4).digest(), dtype="<u4")
    return (digest >> 1).astype(np.intp) % size, np.where(digest & 1, 1.0, -1.0).astype(np.float32)


def embed(text: str, model: str, size: int) -> NDArray[np.float32]:
    """A float32 vector of `size` numbers and of length 1; the same text, model and size give the same one."""
    vector = np.zeros(size, dtype=np.float32)
    for feature, weight in _features(text):
        spots, signs = _spots(model, size, feature)
        np.add.at(vector, spots, signs * np.float32(weight))
    norm = float(np.linalg.norm(vector))
    if norm == 0.0:  # features can cancel out in very short vectors
        vector[0], norm = 1.0, 1.0
    return vector / np.float32(norm)
