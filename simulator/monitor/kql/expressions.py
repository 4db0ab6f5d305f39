"""Scalar expressions: literals, columns, comparisons, and a few functions, compiled against the columns there are.

Comparisons of strings regard case (`==`, `in`, `matches regex`) or do not (`=~`, `in~`, `startswith`, `contains`,
`has`), as in Kusto. A comparison with null is false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.monitor.kql import errors
from simulator.monitor.kql.tokens import Token

Row = Mapping[str, Any]
Columns = Mapping[str, str]
Value = Callable[[Row], Any]
NUMBERS = ("int", "long", "real")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda one, other: bool(one == other),
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
}
_WORDS: dict[str, Callable[[str, str], bool]] = {
    "=~": lambda one, other: one.lower() == other.lower(),
    "startswith": lambda one, other: one.lower().startswith(other.lower()),
    "endswith": lambda one, other: one.lower().endswith(other.lower()),
    "contains": lambda one, other: other.lower() in one.lower(),
    "has": lambda one, other: (
        re.search(rf"(?<![a-z0-9]){re.escape(other.lower())}(?![a-z0-9])", one.lower()) is not None
    ),
}


@dataclass(frozen=True, slots=True)
class Expression:
    """`column` is the name where the expression is nothing but a column, or its bin."""

    kind: str
    value: Value
    column: str = ""


class Reader:
    """Reads a query's tokens one after the other. `now` is the time that the query runs at."""

    def __init__(self, text: str, found: list[Token], now: datetime) -> None:
        self._text, self._tokens, self._at, self._now = text, found, 0, now

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    def after(self, offset: int = 1) -> Token:
        """A token further on; the end stays the end."""
        return self._tokens[min(self._at + offset, len(self._tokens) - 1)]

    def take(self) -> Token:
        token = self.next
        self._at += 1 if token.kind else 0
        return token

    def takes(self, *texts: str) -> bool:
        """Whether the next token is one of these, which is then gone."""
        if self.next.kind in ("name", "sign") and self.next.text in texts:
            self._at += 1
            return True
        return False

    def wants(self, text: str) -> None:
        if not self.takes(text):
            raise self.wrong()

    def name(self) -> str:
        if self.next.kind != "name" or self.next.text[0] == "!" or self.next.text.endswith("~"):
            raise self.wrong()
        return self.take().text

    def number(self) -> int:
        if self.next.kind != "long":
            raise self.wrong()
        return int(self.take().value)

    def typed(self, kinds: Container[str]) -> dict[str, str]:
        """`(NAME: TYPE, …)`: types by name, of those that there are."""
        self.wants("(")
        found: dict[str, str] = {}
        while not found or self.takes(","):
            name = self.name()
            self.wants(":")
            if self.next.text not in kinds:
                raise self.wrong()
            found[name] = self.take().text
        self.wants(")")
        return found

    def wrong(self) -> errors.QueryError:
        return errors.syntax_error(self._text, self.next.position, self.next.text or "<end of query>")

    # expressions ----------------------------------------------------------------------------------------------------

    def expression(self, columns: Columns, operator: str) -> Expression:
        """`or` binds weaker than `and`; `operator` is what errors name."""
        one = self._both(columns, operator)
        while self.takes("or"):
            one = _either(one, self._both(columns, operator))
        return one

    def condition(self, columns: Columns, operator: str) -> Value:
        condition = self.expression(columns, operator)
        if condition.kind != "bool":
            raise errors.wrong_type(f"The predicate of '{operator}'", "bool")
        return condition.value

    def _both(self, columns: Columns, operator: str) -> Expression:
        one = self._comparison(columns, operator)
        while self.takes("and"):
            one = _both(one, self._comparison(columns, operator))
        return one

    def _comparison(self, columns: Columns, operator: str) -> Expression:
        one = self._primary(columns, operator)
        word = self.next.text if self.next.kind in ("name", "sign") else ""
        if word in _ORDER or word == "!=":
            self.take()
            return _ordered(one, self._primary(columns, operator), word)
        if word == "!~" or word.removeprefix("!") in _WORDS:
            self.take()
            return _worded(one, self._primary(columns, operator), word)
        if word == "matches":
            self.take()
            self.wants("regex")
            return self._matching(one)
        if word in ("in", "in~", "!in", "!in~"):
            self.take()
            return _among(one, self._listed(columns, operator), word)
        if word in ("between", "!between"):
            self.take()
            return self._between(one, columns, operator, word)
        return one

    def pattern(self) -> re.Pattern[str]:
        """A regular expression, which a string is."""
        try:
            pattern = re.compile(self.next.value if self.next.kind == "string" else "(")
        except (re.error, OverflowError):
            raise self.wrong() from None
        self.take()
        return pattern

    def _matching(self, one: Expression) -> Expression:
        if one.kind != "string":
            raise errors.wrong_type("matches regex", "string")
        pattern = self.pattern()
        return Expression("bool", lambda row: pattern.search(_text(one.value(row))) is not None)

    def _listed(self, columns: Columns, operator: str) -> list[Expression]:
        self.wants("(")
        listed = [self._primary(columns, operator)]
        while self.takes(","):
            listed.append(self._primary(columns, operator))
        self.wants(")")
        return listed

    def _between(self, one: Expression, columns: Columns, operator: str, word: str) -> Expression:
        self.wants("(")
        low = self._primary(columns, operator)
        self.wants("..")
        high = self._primary(columns, operator)
        self.wants(")")
        inside = _both(_ordered(one, low, ">="), _ordered(one, high, "<="))
        return inside if word == "between" else Expression("bool", lambda row: not inside.value(row))

    def _primary(self, columns: Columns, operator: str) -> Expression:
        token = self.next
        if token.kind in ("string", "datetime", "timespan", "long", "real", "bool"):
            self.take()
            return Expression(token.kind, lambda row: token.value)
        if self.takes("("):
            inner = self.expression(columns, operator)
            self.wants(")")
            return inner
        name = self.name()
        if self.next.text == "(" and self.next.kind == "sign":
            return self._function(name, columns, operator)
        if name not in columns:
            raise errors.unresolved(operator, "column or scalar expression", name)
        return Expression(columns[name], lambda row: row.get(name), name)

    def _function(self, name: str, columns: Columns, operator: str) -> Expression:
        self.wants("(")
        if name == "column_ifexists":
            return self._column_if_exists(columns, operator)
        given = [] if self.next.text == ")" else [self.expression(columns, operator)]
        while given and self.takes(","):
            given.append(self.expression(columns, operator))
        self.wants(")")
        return _called(name, given, self._now)

    def _column_if_exists(self, columns: Columns, operator: str) -> Expression:
        if self.next.kind != "string":
            raise self.wrong()
        name = str(self.take().value)
        self.wants(",")
        default = self._primary(columns, operator)
        self.wants(")")
        return Expression(columns[name], lambda row: row.get(name)) if name in columns else default


def _called(name: str, given: list[Expression], now: datetime) -> Expression:
    """A function by its name, with its arguments."""
    if name == "now" and not given:
        return Expression("datetime", lambda row: now)
    if name == "ago" and [one.kind for one in given] == ["timespan"]:
        return Expression("datetime", lambda row: now - given[0].value(row))
    if name == "not" and [one.kind for one in given] == ["bool"]:
        return Expression("bool", lambda row: not given[0].value(row))
    if name == "iif" and len(given) == 3 and given[0].kind == "bool" and given[1].kind == given[2].kind:
        fits, one, other = given
        return Expression(one.kind, lambda row: (one if fits.value(row) else other).value(row))
    if name == "bin" and [one.kind for one in given] == ["datetime", "timespan"]:
        moment, step = given
        return Expression("datetime", lambda row: _bin(moment.value(row), step.value(row)), moment.column)
    if name in ("tolower", "toupper", "isempty", "isnotempty"):
        if [one.kind for one in given] != ["string"]:
            raise errors.wrong_type(f"{name}()", "string")
        return _of_text(name, given[0].value)
    if name in ("now", "ago", "not", "iif", "bin"):
        raise errors.wrong_type(f"{name}()", "the right type")
    raise errors.unknown_function(name)


def _of_text(name: str, value: Value) -> Expression:
    if name == "tolower":
        return Expression("string", lambda row: _text(value(row)).lower())
    if name == "toupper":
        return Expression("string", lambda row: _text(value(row)).upper())
    return Expression("bool", lambda row: (_text(value(row)) == "") == (name == "isempty"))


def _bin(moment: datetime | None, step: timedelta) -> datetime | None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    return moment and start + (moment - start) // step * step


def _both(one: Expression, other: Expression) -> Expression:
    if (one.kind, other.kind) != ("bool", "bool"):
        raise errors.wrong_type("and", "bool")
    return Expression("bool", lambda row: one.value(row) and other.value(row))


def _either(one: Expression, other: Expression) -> Expression:
    if (one.kind, other.kind) != ("bool", "bool"):
        raise errors.wrong_type("or", "bool")
    return Expression("bool", lambda row: one.value(row) or other.value(row))


def _ordered(one: Expression, other: Expression, word: str) -> Expression:
    if one.kind != other.kind and not (one.kind in NUMBERS and other.kind in NUMBERS):
        raise errors.mismatch(one.kind, other.kind)
    if word == "!=":
        return Expression("bool", lambda row: one.value(row) != other.value(row))
    fits = _ORDER[word]

    def value(row: Row) -> bool:
        left, right = one.value(row), other.value(row)
        return left is not None and right is not None and fits(left, right)

    return Expression("bool", value)


def _worded(one: Expression, other: Expression, word: str) -> Expression:
    if (one.kind, other.kind) != ("string", "string"):
        raise errors.wrong_type(word, "string")
    fits, wanted = _WORDS["=~" if word == "!~" else word.removeprefix("!")], not word.startswith("!")
    return Expression("bool", lambda row: fits(_text(one.value(row)), _text(other.value(row))) == wanted)


def _among(one: Expression, listed: list[Expression], word: str) -> Expression:
    equal = _worded if word.endswith("~") else _ordered
    each = [equal(one, other, "=~" if word.endswith("~") else "==") for other in listed]
    wanted = not word.startswith("!")
    return Expression("bool", lambda row: any(fits.value(row) for fits in each) == wanted)


def _text(value: Any) -> str:
    """Strings are never null in Kusto."""
    return "" if value is None else str(value)
