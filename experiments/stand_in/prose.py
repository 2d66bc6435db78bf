"""Reads plain sentences: which things they say are kept where, and which receptacle they say does what.

It knows English, not households: verbs of finding, putting, going and treating, prepositions, negation. Kinds of
things and places are given by the caller, so one text can be read for many rooms.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from experiments.stand_in import english

_MODES = {
    **dict.fromkeys(english.SEEK, "seek"),
    **dict.fromkeys(english.PUT, "put"),
    **dict.fromkeys(english.GO | english.OPEN, "go"),
    **dict.fromkeys(english.USE, "use"),
}
_VERBS = _MODES.keys() | english.OPERATIONS.keys() | english.BE
_PREPOSITIONS = english.AT | english.TOWARDS | english.BY
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_SENTENCE = re.compile(r"[.;:!?]\s|[.;:!?]$|\n")


@dataclass
class Claims:
    """What sentences claim; True stands for a claim, False for its denial."""

    kept: list[tuple[str, str, bool]] = field(default_factory=list[tuple[str, str, bool]])
    """(thing, place, claimed)."""
    works: list[tuple[str, str, bool]] = field(default_factory=list[tuple[str, str, bool]])
    """(operation, place, claimed)."""
    shut: set[str] = field(default_factory=set[str])
    """Places that are said to need opening."""


@lru_cache(maxsize=8192)
def _singulars(word: str) -> tuple[str, ...]:
    """Candidates for a word's dictionary form, itself first."""
    forms = [word, english.ALIASES.get(word, word)]
    if word.endswith("ves"):
        forms += [word[:-3] + "f", word[:-3] + "fe"]
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("s"):
        forms.append(word[:-1])
    return tuple(forms)


def _named(words: list[str], known: frozenset[str]) -> Iterator[str]:
    """The words with known kinds in the form in which they are known ("coffee tables" is coffeetable)."""
    position = 0
    while position < len(words):
        for width in (2, 1):
            joined = "".join(words[position : position + width])
            match = next((form for form in _singulars(joined) if form in known), None)
            if match:
                break
        yield match or words[position]
        position += width if match else 1


def _clauses(sentence: str) -> Iterator[str]:
    """Parts that stand for themselves: a comma splits where a verb follows, "but" always."""
    for part in re.split(r"\bbut\b", sentence):
        clause = ""
        for piece in part.split(","):
            if clause and _VERBS.isdisjoint(_WORD.findall(piece)):
                clause += "," + piece
            else:
                if clause:
                    yield clause
                clause = piece
        yield clause


_Named = tuple[str, bool]
"""A place, and whether the clause that names it denies what it says."""


@dataclass
class _Sentence:
    """One sentence being read word by word."""

    things: frozenset[str]
    places: frozenset[str]
    mode: str = ""
    last: str = ""
    denied: bool = False
    named: list[str] = field(default_factory=list[str])
    """Things."""
    found: list[_Named] = field(default_factory=list[_Named])
    """Places that a thing is said to be at."""
    passed: list[_Named] = field(default_factory=list[_Named])
    """Places gone to, or the sentence's subject."""
    brought: list[_Named] = field(default_factory=list[_Named])
    """Places that a thing is taken to."""
    tools: list[tuple[str, str, bool]] = field(default_factory=list[tuple[str, str, bool]])
    operations: list[tuple[str, bool, list[_Named]]] = field(default_factory=list[tuple[str, bool, list[_Named]]])
    """(operation, denied, the places gone or brought to by then: where it is done if nothing else is said)."""
    seeks: bool | None = None
    """None: no verb of finding yet; else whether the last one was denied."""
    opens: bool = False
    shut: set[str] = field(default_factory=set[str])

    def clause(self, text: str) -> None:
        words = list(_named(_WORD.findall(text), self.things | self.places))
        self.denied = not english.IN_VAIN.isdisjoint(words)
        preposition = ""
        for word in words:
            if word in self.places:
                self._place(word, preposition)
            elif word in self.things:
                self.named.append(word)
            else:
                self._word(word)
            if word in _PREPOSITIONS:
                preposition = word
            elif word in _VERBS:
                preposition = ""
            self.last = word

    def _word(self, word: str) -> None:
        if word in english.NOT or word.endswith("n't"):
            self.denied = True
        elif word in english.OPERATIONS and self.last not in english.BEFORE_ADJECTIVE:
            self.mode = "treat"
            self.operations.append((english.OPERATIONS[word], self.denied, self.passed + self.brought))
        elif word in _MODES:
            self.mode = _MODES[word]
            self.opens = word in english.OPEN
            if self.mode == "seek":
                self.seeks = self.denied

    def _place(self, place: str, preposition: str) -> None:
        """File a place under what the sentence is doing when it names it."""
        entry = (place, self.denied)
        if self.opens and not self.denied:
            self.shut.add(place)
        if preposition == "from" or (self.mode in ("", "use") and preposition in english.AT):
            self.found.append(entry)
        elif self.mode == "seek":
            (self.brought if preposition in english.TOWARDS else self.found).append(entry)
        elif self.mode == "treat" and preposition != "to":
            self.tools.append((self.operations[-1][0], *entry))
        else:
            (self.brought if self.mode == "put" else self.passed).append(entry)

    def close(self, claims: Claims) -> None:
        where = self.found or (self.passed if self.seeks is not None else [])
        seeks_denied = bool(self.seeks) and not self.found
        for thing in dict.fromkeys(self.named):
            claims.kept += [(thing, place, not (denied or seeks_denied)) for place, denied in where]
        claims.works += [(operation, place, not denied) for operation, place, denied in self.tools]
        served = {operation for operation, _, _ in self.tools}
        for operation, undone, here in self.operations:
            if operation not in served:
                claims.works += [(operation, place, not (denied or undone)) for place, denied in here]
        claims.shut |= self.shut


def read(lines: Iterable[str], things: frozenset[str], places: frozenset[str]) -> Claims:
    """What the lines claim of these kinds of things and places."""
    claims = Claims()
    for line in lines:
        for text in _SENTENCE.split(line.lower()):
            if text and text.strip():
                sentence = _Sentence(things, places)
                for clause in _clauses(text):
                    sentence.clause(clause)
                sentence.close(claims)
    return claims
