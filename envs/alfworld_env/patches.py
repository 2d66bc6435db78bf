"""What makes the stock TextWorld engine several times faster and changes nothing that it says.

`memoised()` swaps a few functions of TextWorld while a memoised engine is at work, and puts the stock ones back, so
that both kinds can stand in one process (and be compared). Only one thread may use the engine, as in stock.
"""

import copy
import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import fast_downward
from textworld.envs.pddl import logic, textgen
from textworld.logic import Rule

_stock_symbols: Any = textgen._parse_and_convert  # pyright: ignore[reportPrivateUsage]
_stock_grammar: Any = logic._parse_and_convert  # pyright: ignore[reportPrivateUsage]
_stock_translate: Any = fast_downward.pddl2sas
_TASK = re.compile(r'"Your task is to: [^"\\]*"')
_NO_TASK = '"Your task is to: ."'


@lru_cache(maxsize=4096)
def _symbols(text: str, rule_name: str) -> list[Any]:
    return _stock_symbols(text, rule_name=rule_name)


def _fresh_symbols(text: str, rule_name: str, trace: bool = False) -> list[Any]:
    # Stock parses every command template again for every command of every step. Deriving writes contexts into the
    # symbols, so each caller gets its own copy of the parsed ones.
    return _stock_symbols(text, rule_name=rule_name, trace=True) if trace else copy.deepcopy(_symbols(text, rule_name))


class _Rules:
    # Stock parses the same few dozen queries again for every sentence. A parsed rule is only ever read.
    parse_conjunctive_query = staticmethod(lru_cache(maxsize=4096)(Rule.parse_conjunctive_query))


def _shallow_context(context: dict[str, Any]) -> dict[str, Any]:
    # Stock copies contexts deeply. Only the two dictionaries are ever written to; the entities in them never are.
    return {**context, "variables": dict(context["variables"]), "mapping": dict(context["mapping"])}


@lru_cache(maxsize=8)
def _grammar(text: str, rule_name: str) -> tuple[dict[str, Any], Any]:
    return _stock_grammar(text, rule_name=rule_name)


def _shared_grammar(text: str, rule_name: str) -> tuple[dict[str, Any], Any]:
    # All games share one grammar but for the task line: parse it once without the line, and add the line's own rule.
    line = _TASK.search(text)
    if line is None:
        return _stock_grammar(text, rule_name=rule_name)
    actions, shared = _grammar(text.replace(line[0], _NO_TASK), rule_name)
    grammar: Any = textgen.ContextSensitiveGrammar()
    grammar.update(shared)
    grammar._rules["task"] = [textgen.ProductionRule(lhs="task", rhs=_fresh_symbols(json.loads(line[0]), "symbols"))]
    return actions, grammar


@lru_cache(maxsize=16)
def _translation(domain: str, problem: str) -> tuple[Any, str]:
    return _stock_translate(domain, problem)


def _translate_once(domain: str, problem: str, *, optimize: bool = False, **_verbose: bool) -> tuple[Any, str]:
    # Stock translates four times per episode: at load and at reset, each time also for a replanner that serves only
    # the `policy_commands` info, which an episode never asks for. The translated task is only ever read.
    return (None, "") if optimize else _translation(domain, problem)


def without_replanner(library: Any) -> None:
    """Make one loaded planner library skip the replanner's task, which `_translate_once` leaves empty."""

    def skip(_sas: bytes) -> None: ...

    library.load_sas_replan = skip


_SWAPS: tuple[tuple[Any, str, Any], ...] = (
    (textgen, "_parse_and_convert", _fresh_symbols),
    (textgen, "Rule", _Rules),
    (textgen, "copy_context", _shallow_context),
    (logic, "_parse_and_convert", _shared_grammar),
    (fast_downward, "pddl2sas", _translate_once),
)


@contextmanager
def memoised() -> Generator[None]:
    """Run a block on the swapped functions."""
    stock = [getattr(module, name) for module, name, _ in _SWAPS]
    for module, name, ours in _SWAPS:
        setattr(module, name, ours)
    try:
        yield
    finally:
        for (module, name, _), original in zip(_SWAPS, stock, strict=True):
            setattr(module, name, original)
