"""The grammar of a game: what it says by rule, and what its actions are called and answer.

All games share one grammar but for the line with the task, so it is parsed once per process, and the line by itself.
"""

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from envs.alfworld_env.symbols import Query, Symbol, Text, Unsupported, query, symbols

_TASK = re.compile(r'"Your task is to: [^"\\]*"')
_NO_TASK = '"Your task is to: ."'
_BLOCK = re.compile(r'\s*grammar\s*::\s*"""(.*?)"""\s*;', re.DOTALL)
_ACTION = re.compile(r"\s*action\s+([\w/-]+)\s*\{")
_FIELD = re.compile(r'\s*(?:(template|feedback)\s*::\s*"([^"]*)"|(grammar)\s*::\s*"""(.*?)""")\s*;', re.DOTALL)
_END = re.compile(r"\s*\}")


class Production(NamedTuple):
    """What a rule says where its condition holds (None: always)."""

    condition: Query | None
    symbols: tuple[Symbol, ...]


class ActionText(NamedTuple):
    """The command of an action, with its parameters in braces, and what is said once it is done."""

    template: tuple[Symbol, ...]
    feedback: tuple[Symbol, ...]


class Grammar(NamedTuple):
    """A game's grammar; of a rule's productions the first that applies is taken. Actions are named in lower case."""

    rules: dict[str, tuple[Production, ...]]
    actions: dict[str, ActionText]


def parse(text: str) -> Grammar:
    """The grammar of a game file; Unsupported where it is not of the kind that ALFWorld's games have."""
    line = _TASK.search(text)
    if line is None:
        return _parse(text)
    shared = _parse(text[: line.start()] + _NO_TASK + text[line.end() :])
    if shared.rules.get("task") != _says(_NO_TASK):
        return _parse(text)
    return Grammar({**shared.rules, "task": _says(line[0])}, shared.actions)


def _says(text: str) -> tuple[Production]:
    return (Production(None, symbols(json.loads(text))),)


@lru_cache(maxsize=8)
def _parse(text: str) -> Grammar:
    rules: dict[str, tuple[Production, ...]] = {}
    actions: dict[str, ActionText] = {}
    at = 0
    while text[at:].strip():
        if block := _BLOCK.match(text, at):
            rules |= _rules(block[1])
            at = block.end()
        elif action := _ACTION.match(text, at):
            at, actions[action[1].lower()] = _action(text, action.end(), rules)
        else:
            raise Unsupported(f"can't read the grammar at {text[at:].strip()[:40]!r}")
    return Grammar(rules, actions)


def _action(text: str, at: int, rules: dict[str, tuple[Production, ...]]) -> tuple[int, ActionText]:
    fields: dict[str, str] = {}
    while field := _FIELD.match(text, at):
        fields[field[1] or field[3]] = field[2] if field[1] else field[4]
        at = field.end()
    end = _END.match(text, at)
    if end is None or not {"template", "feedback"} <= fields.keys():
        raise Unsupported(f"can't read an action of the grammar at {text[at:].strip()[:40]!r}")
    rules |= _rules(fields.get("grammar", "{}"), comments=True)
    return end.end(), ActionText(symbols(fields["template"]), symbols(fields["feedback"]))


def _rules(block: str, comments: bool = False) -> dict[str, tuple[Production, ...]]:
    lines = [line for line in block.split("\n") if not (comments and line.lstrip().startswith("#"))]
    read: dict[str, list[dict[str, Any]]] = json.loads("\n".join(lines))
    return {name: tuple(_production(each) for each in productions) for name, productions in read.items()}


def _production(read: dict[str, Any]) -> Production:
    condition = str(read.get("condition") or "")
    return Production(query(condition) if condition else None, symbols(read["rhs"]) or (Text(""),))
