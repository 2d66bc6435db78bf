"""Facts: stored once whoever has them, and how well those of a procedure match a task's (strategy `avefact`, paper §4.2).

A memory of many procedures has few distinct facts (there are only so many things and places), so that searching them stays cheap.
The first who has a fact embeds it for all: a model need not embed a text twice alike.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory.index import DIGITS
from memory.procedure import Fact

NAME_DIGITS = 8
"""Digits of a fact's id that say its environment and name."""


class Candidates(NamedTuple):
    """Procedures with a fact that matters, and all their facts."""

    procedures: list[str]
    owners: NDArray[np.intp]
    """Shape (facts,): which of the procedures has the fact."""
    names: list[str]
    """The facts' names, or what stands for them."""
    similarities: NDArray[np.float64]
    """Shape (wanted, facts): cosine to each fact that is wanted; one that is below the threshold may be 0."""


def name_id(env: str, name: str) -> str:
    """What the ids of all facts of this name in this environment begin with."""
    return _digest(env, name)[:NAME_DIGITS]


def fact_id(env: str, fact: Fact) -> str:
    """32 hex digits, the same for facts that say the same."""
    return name_id(env, fact.name) + _digest(env, fact.name, fact.value)[NAME_DIGITS:32]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def best_matches(wanted: Sequence[str], candidates: Candidates, threshold: float, k: int) -> list[tuple[str, float]]:
    """The k that match best, the best first, with the lack of similarity as distance; equally good ones in order of id. What has no
    match is left out."""
    scores = average_similarities(wanted, candidates, threshold)
    ranked = sorted((-score, procedure) for procedure, score in zip(candidates.procedures, scores, strict=True) if score > 0)
    return [(procedure, round(1.0 + lack, DIGITS)) for lack, procedure in ranked[:k]]


def average_similarities(wanted: Sequence[str], candidates: Candidates, threshold: float) -> list[float]:
    """For each procedure the mean, over the names of the wanted facts, of their highest cosine among its facts of the same name (of any,
    where none has it).

    A cosine below `threshold` is no match and counts as 0. Each in [0, 1]; 0 where either side has no facts.
    """
    total, names = np.zeros(len(candidates.procedures)), np.array(candidates.names)
    if not candidates.names:
        return total.tolist()
    for name, similarities in zip(wanted, np.round(candidates.similarities, DIGITS), strict=True):
        same = names == name
        best = np.full(len(total), -np.inf)
        np.maximum.at(best, candidates.owners[same], similarities[same])
        nameless = np.isneginf(best)[candidates.owners]
        np.maximum.at(best, candidates.owners[nameless], similarities[nameless])
        total += np.where(best >= threshold, best, 0.0)
    return np.round(np.minimum(1.0, total / max(1, len(wanted))), DIGITS).tolist()
