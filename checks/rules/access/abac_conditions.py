"""Conditions of role assignments (version 2.0), evaluated for one action and one repository.

Source: Azure's "role assignment condition format and syntax", and Azure Container Registry's "ABAC repository
permissions", whose only attribute is the name of the requested repository. The whole language is parsed, but only what
is documented for a registry is evaluated; a condition with anything else is ``Unsettled`` as a whole, never true.

    ((!(ActionMatches{'…/content/read'}) AND !(ActionMatches{'…/metadata/read'}))
     OR (@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringStartsWithIgnoreCase 'team-a/'))

Azure calls AND mixed with OR without parentheses ambiguous: such a condition is evaluated only if every grouping gives
the same result. Parsing never raises and is bounded in length, depth and number of terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from checks.rules import wildcards

MAX_LENGTH = 16_384
MAX_DEPTH = 40
MAX_TERMS = 500
MAX_MIXED = 12
VERSION = "2.0"
REPOSITORY_NAME = "Microsoft.ContainerRegistry/registries/repositories:name"

_TOKEN = re.compile(
    r"\s*(?:(?P<attribute>@(?P<source>\w+)\s*\[(?P<name>[^\]]*)\])|(?P<text>'[^']*')|(?P<mark>&&|\|\||[(){},!])"
    r"|(?P<word>[A-Za-z][A-Za-z0-9]*(?::[A-Za-z]+)?))"
)
_AND, _OR, _NOT = ("and", "&&"), ("or", "||"), ("not", "!")
_QUANTIFIED = re.compile(r"for(?:any|all)of(?P<how>any|all)values:(?P<operator>\w+)")
_OPERATOR = re.compile(r"string(?P<negated>not)?(?P<how>equals|startswith|like)(?P<caseless>ignorecase)?")


class Unsettled(msgspec.Struct, frozen=True):
    """A condition that cannot be evaluated: its text, and the reason."""

    text: str
    why: str


class ActionMatches(msgspec.Struct, frozen=True):
    """Whether the checked action matches a pattern: ``*`` matches any text; case is ignored."""

    pattern: str


class NameCompares(msgspec.Struct, frozen=True):
    """Compares the repository's name with values. ``how`` is equals, startswith or like; ``every``: all must match."""

    how: str
    values: tuple[str, ...]
    negated: bool = False
    caseless: bool = False
    every: bool = False


class Not(msgspec.Struct, frozen=True):
    """The opposite of a term."""

    term: Node


class Chain(msgspec.Struct, frozen=True):
    """Terms with an operator ("and", "or") between every two of them."""

    terms: tuple[Node, ...]
    operators: tuple[str, ...]


Node: TypeAlias = "ActionMatches | NameCompares | Not | Chain"


class _Doubt(Exception):
    """Something in a text that is not documented for registries, or is not valid in a condition."""


def parse(text: str, version: str | None = None) -> Node | Unsettled:
    """The parsed condition, or why it cannot be evaluated. ``version`` is the assignment's conditionVersion."""
    if version is not None and version != VERSION:
        return Unsettled(text, f"condition version {version} is not supported")
    if len(text) > MAX_LENGTH:
        return Unsettled(text[:MAX_LENGTH], "the condition is too long to parse")
    try:
        return _Parser(_tokens(text)).whole()
    except _Doubt as doubt:
        return Unsettled(text, str(doubt))


def holds(node: Node, action: str, repository: str) -> bool | None:
    """Whether a condition is true for an action on a repository; None if the order of its operators is ambiguous."""
    if isinstance(node, ActionMatches):
        return wildcards.covers(node.pattern, action)
    if isinstance(node, NameCompares):
        results = (_compares(node, value, repository) for value in node.values)
        return all(results) if node.every else any(results)
    if isinstance(node, Not):
        inner = holds(node.term, action, repository)
        return None if inner is None else not inner
    return _chained([holds(term, action, repository) for term in node.terms], node.operators)


def evaluate(text: str, action: str, repository: str, version: str | None = None) -> bool | Unsettled:
    """Parses a condition and evaluates it for an action on a repository."""
    node = parse(text, version)
    if isinstance(node, Unsettled):
        return node
    result = holds(node, action, repository)
    return Unsettled(text, "AND and OR are combined without parentheses") if result is None else result


def condition_for_repositories(actions: Iterable[str], names: Iterable[str]) -> str:
    """The documented condition that restricts a role's actions to repositories by name."""
    other = " AND ".join(f"!(ActionMatches{{'{action}'}})" for action in actions)
    return f"(({other}) OR ({repository_expression(names)}))"


def repository_expression(names: Iterable[str]) -> str:
    """The expression that is true for repositories with these names; a name that no repository can have is left out."""
    valid = (name for name in names if "'" not in name and "\\" not in name)
    return " OR ".join(f"@Request[{REPOSITORY_NAME}] StringEqualsIgnoreCase '{name}'" for name in valid)


def _compares(node: NameCompares, value: str, repository: str) -> bool:
    name = repository.lower() if node.caseless else repository
    value = value.lower() if node.caseless else value
    if node.how == "equals":
        same = name == value
    elif node.how == "startswith":
        same = name.startswith(value)
    else:
        same = wildcards.like(value, name)
    return same != node.negated


def _chained(values: list[bool | None], operators: tuple[str, ...]) -> bool | None:
    """The value of a chain; None if its groupings give different results (or a term is None)."""
    if len(set(operators)) <= 1:
        return _joined(values, operators[0] if operators else "and")
    size = len(values)
    if size > MAX_MIXED:
        return None
    possible: dict[tuple[int, int], set[bool | None]] = {(i, i): {values[i]} for i in range(size)}
    for width in range(1, size):
        for start in range(size - width):
            end = start + width
            possible[start, end] = {
                _joined([left, right], operators[cut])
                for cut in range(start, end)
                for left in possible[start, cut]
                for right in possible[cut + 1, end]
            }
    results = possible[0, size - 1]
    return next(iter(results)) if len(results) == 1 else None


def _joined(values: list[bool | None], operator: str) -> bool | None:
    decisive = operator == "or"
    if decisive in values:
        return decisive
    return None if None in values else not decisive


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position, end)
        if match is None:
            raise _Doubt(f"unexpected text at {text[position : position + 40]!r}")
        kind = match.lastgroup if match["attribute"] is None else "attribute"
        tokens.append(_Token(kind or "", match[kind or 0]))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def whole(self) -> Node:
        """The single expression that all tokens form."""
        node = self._chain(0)
        if self._at < len(self._tokens):
            raise _Doubt(f"{self._tokens[self._at].text!r} follows the end of the condition")
        return node

    def _chain(self, depth: int) -> Node:
        terms, operators = [self._term(depth)], []
        while (operator := self._operator()) is not None:
            operators.append(operator)
            terms.append(self._term(depth))
            if len(terms) > MAX_TERMS:
                raise _Doubt("it has too many terms")
        return Chain(tuple(terms), tuple(operators)) if operators else terms[0]

    def _operator(self) -> str | None:
        word = self._peek()
        if word not in (*_AND, *_OR):
            return None
        self._at += 1
        return "and" if word in _AND else "or"

    def _term(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _Doubt("it is nested too deeply")
        token = self._next("an expression")
        low = token.text.lower()
        if token.kind in ("mark", "word") and low in _NOT:
            return Not(self._term(depth + 1))
        if token.text == "(":
            inner = self._chain(depth + 1)
            self._expect(")")
            return inner
        if token.kind == "word" and low == "actionmatches":
            values = self._set()
            if len(values) != 1:
                raise _Doubt("ActionMatches takes one pattern")
            return ActionMatches(values[0])
        if token.kind == "attribute":
            return self._comparison(token)
        raise _Doubt(f"{token.text!r} is not supported for registries")

    def _comparison(self, attribute: _Token) -> Node:
        if re.sub(r"\s+", "", attribute.text).lower() != f"@request[{REPOSITORY_NAME}]".lower():
            raise _Doubt(f"the attribute {attribute.text} is not supported for registries")
        operator = self._next("an operator")
        quantified = _QUANTIFIED.fullmatch(operator.text.lower())
        comparison = _OPERATOR.fullmatch(quantified["operator"] if quantified else operator.text.lower())
        if operator.kind != "word" or comparison is None:
            raise _Doubt(f"the operator {operator.text!r} is not supported for repository names")
        values = self._set() if self._peek() == "{" else (self._text(),)
        if len(values) > 1 and not quantified:
            raise _Doubt(f"{operator.text} takes one value, not {len(values)}")
        every = quantified is not None and quantified["how"] == "all"
        negated, caseless = comparison["negated"] is not None, comparison["caseless"] is not None
        return NameCompares(comparison["how"], values, negated, caseless, every)

    def _set(self) -> tuple[str, ...]:
        self._expect("{")
        values = [self._text()]
        while self._peek() == ",":
            self._at += 1
            values.append(self._text())
        self._expect("}")
        return tuple(values)

    def _text(self) -> str:
        token = self._next("a quoted string")
        value = token.text[1:-1]
        if token.kind != "text" or value.endswith("\\"):
            raise _Doubt(f"{token.text!r} is not a quoted string without escapes")
        return value

    def _peek(self) -> str | None:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        return token.text.lower() if token is not None and token.kind in ("mark", "word") else None

    def _next(self, expected: str) -> _Token:
        if self._at >= len(self._tokens):
            raise _Doubt(f"it ends where {expected} is expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, mark: str) -> None:
        token = self._next(repr(mark))
        if token.kind != "mark" or token.text != mark:
            raise _Doubt(f"{token.text!r} is not the expected {mark!r}")
