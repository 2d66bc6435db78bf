"""Translates a game's planning problem.

Fast Downward's own translator does it (in a third of a second to more than one: hence the cache), with the options of
TextWorld's binding: nothing is pruned, and every variable has two values. Here its text format, SAS, only changes shape.
"""

import re
import sys
from array import array
from itertools import chain
from typing import Any, NamedTuple

import fast_downward

from envs.alfworld_env.naming import name_entities
from envs.alfworld_env.symbols import Unsupported
from envs.alfworld_env.translation import INT, Rows, Translation, Words

_ATOM = re.compile(r"Atom ([^(]*)\((.*)\)")


def translate(domain: str, problem: str) -> Translation:
    """Translate a planning problem. Raises whatever the translator does for a broken one; Unsupported for other kinds of problems."""
    argv = sys.argv  # The translator overwrites it.
    try:
        translated: Any = fast_downward.pddl2sas(domain, problem)  # Its annotation is wrong.
    finally:
        sys.argv = argv
    task, sas = translated
    numbers: dict[str, int] = {each.name: number for number, each in enumerate(task.objects)}
    return _compile(task, _Sas(sas, numbers), numbers)


class _Variable(NamedTuple):
    layer: int
    predicate: str
    objects: list[int]


class _Operator(NamedTuple):
    action: str
    objects: list[int]
    needs: list[int]
    effects: list[tuple[int, list[int]]]
    """Literal that becomes true, literals that this needs."""


class _Sas:
    """The text format, read line by line."""

    def __init__(self, text: str, numbers: dict[str, int]) -> None:
        self._lines = iter(text.splitlines())
        self._numbers = numbers
        self._expect("begin_version", "3", "end_version", "begin_metric")
        self._int()
        self._expect("end_metric")
        self.variables = [self._variable() for _ in range(self._int())]
        self._expect("0", "begin_state")  # No groups of variables that exclude each other.
        self.state = [self._int() for _ in self.variables]
        self._expect("end_state", "begin_goal")
        self.goal = self._literals()
        self._expect("end_goal")
        self.operators = [self._operator() for _ in range(self._int())]
        self.rules = [self._rule() for _ in range(self._int())]

    def _expect(self, *lines: str) -> None:
        for line in lines:
            if (found := next(self._lines)) != line:
                raise Unsupported(f"the translated problem has {found!r} where {line!r} was expected")

    def _int(self) -> int:
        return int(next(self._lines))

    def _literals(self) -> list[int]:
        return [_literal(*map(int, next(self._lines).split())) for _ in range(self._int())]

    def _variable(self) -> _Variable:
        self._expect("begin_variable")
        next(self._lines)
        layer = self._int()
        self._expect("2")
        name = next(self._lines)
        atom = _ATOM.fullmatch(name)
        if atom is None:
            raise Unsupported(f"the translated problem has a variable {name!r}")
        self._expect(f"Negated{name}", "end_variable")
        return _Variable(layer, atom[1], [self._numbers[each] for each in atom[2].split(", ") if each])

    def _operator(self) -> _Operator:
        self._expect("begin_operator")
        action, *arguments = next(self._lines).split()
        needs = self._literals()
        effects: list[tuple[int, list[int]]] = []
        for _ in range(self._int()):
            count, *given = map(int, next(self._lines).split())
            variable, before, after = given[2 * count :]
            needs += [_literal(variable, before)] if before >= 0 else []
            effects.append((_literal(variable, after), [_literal(*given[at : at + 2]) for at in range(0, 2 * count, 2)]))
        self._int()
        self._expect("end_operator")
        return _Operator(action, [self._numbers[each] for each in arguments], sorted(set(needs)), effects)

    def _rule(self) -> list[int]:
        self._expect("begin_rule")
        needs = self._literals()
        variable, _, after = map(int, next(self._lines).split())
        self._expect("end_rule")
        return [_literal(variable, after), *needs]


def _literal(variable: int, value: int) -> int:
    return 2 * variable + value


class _Facts:
    """Numbers the kinds of facts, and sorts facts by them. Each kind that can change has its negation beside it."""

    def __init__(self, types: list[str]) -> None:
        self._types = types
        self.kinds: dict[tuple[str, ...], dict[tuple[int, ...], None]] = {}
        self._numbers: dict[tuple[str, ...], int] = {}

    def number(self, predicate: str, objects: list[int]) -> int:
        kind = (predicate, *(self._types[each] for each in objects))
        self.kinds.setdefault(kind, {})
        return self._numbers.setdefault(kind, len(self._numbers))

    def add(self, predicate: str, objects: list[int]) -> None:
        kind = (predicate, *(self._types[each] for each in objects))
        self.number(predicate, objects)
        self.kinds[kind][tuple(objects)] = None

    def rows(self) -> Rows:
        return Rows.of(chain(*(fact or (0,) for fact in facts)) for facts in self.kinds.values())


def _compile(task: Any, sas: _Sas, numbers: dict[str, int]) -> Translation:
    derived = [number for number, each in enumerate(sas.variables) if each.layer >= 0]
    if {literal >> 1 for each in sas.operators for literal in chain(each.needs, *(needs for _, needs in each.effects))} & set(derived):
        raise Unsupported("an action of the domain depends on a rule")
    actions = {each.name: [[part.name.strip("?"), part.type_name] for part in each.parameters] for each in task.actions}
    order = {action: number for number, action in enumerate(actions)}
    facts = _facts(task, sas, numbers)
    atoms = Rows.of([facts.number(each.predicate, each.objects), *each.objects] for each in sas.variables)
    return Translation(
        words=_words(task, sas, facts, derived, actions),
        facts=facts.rows(),
        atoms=atoms,
        operators=Rows.of([order[each.action], *each.objects] for each in sas.operators),
        effects=Rows.of([literal for literal, _ in each.effects] for each in sas.operators),
        users=_users(sas),
        missing=array(INT, (sum(sas.state[need >> 1] != need & 1 for need in each.needs) for each in sas.operators)),
        state=array(INT, sas.state),
    )


def _facts(task: Any, sas: _Sas, numbers: dict[str, int]) -> _Facts:
    facts = _Facts([each.type_name for each in task.objects])
    for each in sas.variables:
        facts.number(each.predicate, each.objects)
        facts.number(f"not_{each.predicate}", each.objects)
    for each in task.init:
        if hasattr(each, "predicate") and each.predicate != "=":  # The others are distances.
            facts.add(each.predicate, [numbers[name] for name in each.args])
    for value, each in zip(sas.state, sas.variables, strict=True):
        if value == 0:
            facts.add(each.predicate, each.objects)
    return facts


def _words(task: Any, sas: _Sas, facts: _Facts, derived: list[int], actions: dict[str, list[list[str]]]) -> Words:
    objects = [each.name for each in task.objects]
    names = name_entities({objects[each] for found in facts.kinds.values() for fact in found for each in fact})
    layers = sorted({each.layer for each in sas.variables if each.layer >= 0})
    return Words(
        objects=objects,
        types=[each.type_name for each in task.objects],
        names=[names.get(each, "") for each in objects],
        parents={each.name: list(each.supertype_names) for each in reversed(task.types)},
        actions=list(actions),
        parameters=list(actions.values()),
        kinds=[list(kind) for kind in facts.kinds],
        changing=sorted({each.predicate for each in sas.variables}),
        conditions={
            str(number): [needs for _, needs in each.effects]
            for number, each in enumerate(sas.operators)
            if any(needs for _, needs in each.effects)
        },
        rules=[[rule for rule in sas.rules if sas.variables[rule[0] >> 1].layer == layer] for layer in layers],
        derived=derived,
        goal=sas.goal,
    )


def _users(sas: _Sas) -> Rows:
    users: list[list[int]] = [[] for _ in range(2 * len(sas.state))]
    for number, each in enumerate(sas.operators):
        for literal in each.needs:
            users[literal].append(number)
    return Rows.of(users)
