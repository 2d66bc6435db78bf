"""The text templates of a game's grammar, parsed: literal text, rules by name, values, and lists over what is true.

    You arrive at {r.name}. #examineReceptacle.feedback#
    [{o.indefinite + ' ' + o.name | inreceptacle(o:object, r:receptacle)}]

Read exactly as TextWorld's generated parser reads them, its oddities with them: blanks at the start of a line are dropped,
and a template ends where it can't be read on. That parser is not used as importing it takes seconds.
"""

import ast
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

Placeholder = tuple[str, str]
"""Name and type, as in `r:receptacle`."""


class Entity(NamedTuple):
    """One thing of a game, as templates see it."""

    id: str
    type: str
    name: str
    definite: str = "the"
    indefinite: str = "a"

    def __str__(self) -> str:
        return self.name


class Predicate(NamedTuple):
    """One condition of a query."""

    name: str
    placeholders: tuple[Placeholder, ...]


Query = tuple[Predicate, ...]
"""Conditions that hold together."""


class Text(NamedTuple):
    """Said as it is."""

    text: str


class Reference(NamedTuple):
    """Stands for what the rules of that name say."""

    rule: str


class Value(NamedTuple):
    """An expression over entities by name, such as `r.name or r.id`."""

    expression: str
    of: Callable[[dict[str, Entity]], Any]
    names: frozenset[str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.expression == other.expression

    def __hash__(self) -> int:
        return hash(self.expression)


class Each(NamedTuple):
    """What it holds, once for every way in which the query can be true (once, where there is none); `listed`: with commas."""

    said: Reference | Value
    query: Query | None
    listed: bool


Symbol = Text | Reference | Each

_LINE_START = re.compile(r"^(//.*|\s*)\n?", re.MULTILINE)
_TABS = re.compile(r"\t+")
_TAG = re.compile(r"[\w()/!<>\-\s,.]+")
_GIVEN = re.compile(r"[^;|{}\n\[\]#]+")
_BAR = re.compile(r"\s*\|\s*")
_STATEMENT = re.compile(r"[^|\[\]{}\n<>]+")
_LITERAL = re.compile(r'[^;|"<>\[\]#{}]*')
_PREDICATE = re.compile(r"\s*(!?[\w/]+)\s*\(([^()]*)\)\s*")
_PLACEHOLDER = re.compile(r"\s*([\w']+)\s*(?::\s*([\w/-]+)\s*)?")


class Unsupported(ValueError):
    """The text uses what this engine does not know."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: play it with --engine stock")


def query(text: str) -> Query:
    """`openable(r:receptacle) & opened(r:receptacle)`, parsed; Unsupported for anything else."""
    return tuple(_predicate(part) for part in text.split("&"))


def _predicate(text: str) -> Predicate:
    found = _PREDICATE.fullmatch(text)
    placeholders = [_PLACEHOLDER.fullmatch(part) for part in found[2].split(",")] if found else []
    if found is None or found[1].startswith("!") or None in placeholders:
        raise Unsupported(f"can't read the condition {text!r}")
    return Predicate(found[1], tuple((each[1], each[2] or each[1].rstrip("'")) for each in placeholders if each))


def value(expression: str) -> Value:
    """An expression, ready to be computed. Only what grammars need is understood: nothing that a file says is ever executed."""
    try:
        tree = ast.parse(expression.strip(" \t"), mode="eval").body
    except SyntaxError:
        raise Unsupported(f"can't read the expression {expression!r}") from None
    names = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return Value(expression, _compute(tree, expression), names)


def _compute(node: ast.expr, expression: str) -> Callable[[dict[str, Entity]], Any]:
    match node:
        case ast.Name(id=name):
            return lambda entities: entities[name]
        case ast.Attribute(value=ast.Name(id=name), attr=field) if field in Entity._fields:
            return lambda entities: getattr(entities[name], field)
        case ast.Constant(value=constant):
            return lambda _: constant
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _compute(left, expression), _compute(right, expression)
            return lambda entities: first(entities) + second(entities)
        case ast.BoolOp(op=ast.Or(), values=nodes):
            options = [_compute(each, expression) for each in nodes]
            return lambda entities: _first_true([option(entities) for option in options])
        case _:
            raise Unsupported(f"can't compute {expression!r}")


def _first_true(values: list[Any]) -> Any:
    return next((each for each in values if each), values[-1])


def symbols(text: str) -> tuple[Symbol, ...]:
    """A template, parsed; Unsupported where it needs more than grammars of this kind do."""
    return _Reader(text).symbols()


class _Reader:
    """Reads from left to right; what returns None has not matched, and the caller goes back."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def symbols(self) -> tuple[Symbol, ...]:
        found: list[Symbol] = []
        while True:
            start = self._at
            symbol = self._try(self._listing) or self._try(self._conditional) or self._try(self._reference) or self._terminal()
            if self._at == start:
                return tuple(found)
            found.append(symbol)

    def _try(self, rule: Callable[[], T | None]) -> T | None:
        start = self._at
        found = rule()
        if found is None:
            self._at = start
        return found

    def _skip(self) -> None:
        start = -1
        while self._at != start:
            start = self._at
            while found := _LINE_START.match(self._text, self._at):
                if not found[1]:
                    break
                self._at = found.end()
            self._take(_TABS)

    def _take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _token(self, token: str) -> bool:
        self._skip()
        found = self._text.startswith(token, self._at)
        self._at += found
        return found

    def _listing(self) -> Each | None:
        if not self._token("["):
            return None
        inner = self._conditional()
        return Each(inner.said, inner.query, True) if inner is not None and self._token("]") else None

    def _conditional(self) -> Each | None:
        if not self._token("{"):
            return None
        said = self._try(self._reference) or self._try(self._value)
        if said is None:
            return None
        given = self._try(self._given)
        return Each(said, given, False) if self._token("}") else None

    def _given(self) -> Query | None:
        if self._take(_BAR) is None:
            return None
        self._skip()
        text = self._take(_GIVEN)
        return None if text is None else query(text)

    def _value(self) -> Value | None:
        self._skip()
        text = self._take(_STATEMENT)
        return None if text is None else value(text)

    def _reference(self) -> Reference | None:
        if not self._token("#"):
            return None
        self._skip()
        tag = self._take(_TAG)
        return Reference(tag) if tag is not None and self._token("#") else None

    def _terminal(self) -> Text:
        return self._try(self._quoted) or self._plain()

    def _quoted(self) -> Text | None:
        if not self._token('"'):
            return None
        text = self._take(_LITERAL)
        return Text(text or "") if self._token('"') else None

    def _plain(self) -> Text:
        self._skip()
        return Text(self._take(_LITERAL) or "")
