"""Azure Resource Graph: `POST /providers/Microsoft.ResourceGraph/resources`, for a part of its query language.

    Resources | where EXPRESSION | project COLUMN, NAME = tostring(COLUMN.PROPERTY), …

The tables are Resources (top-level resources) and authorizationresources (role assignments of subscriptions and below,
as without `authorizationScopeFilter`). EXPRESSION knows `and`, `or`, parentheses, `=~`, `==`, `startswith`, `endswith`,
their negations with `!`, and `in~ (…)`. What else a query says is refused, never passed over. Only what the caller may
read is shown. Source: Microsoft.ResourceGraph 2022-10-01; "Supported Azure Resource Graph query language elements".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aiohttp import web

from simulator.arm import ids
from simulator.arm.authorization import parse_filter
from simulator.arm.request import ArmRequest
from simulator.responses import Refusal, answer, arm_refusal
from simulator.tenant import Tenant

PATH = ("providers", "microsoft.resourcegraph", "resources")
PAGE = 1_000
ASSIGNMENT = "microsoft.authorization/roleassignments"
_TOKEN = re.compile(r"\s*('[^'\\]*'|in~|[A-Za-z_][\w.]*|=~|==|!=|!~|![a-z]+|[(),|=])")
Row = dict[str, Any]
Test = Callable[[Row], bool]
_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "=~": lambda value, literal: value.lower() == literal.lower(),
    "==": lambda value, literal: value == literal,
    "startswith": lambda value, literal: value.lower().startswith(literal.lower()),
    "endswith": lambda value, literal: value.lower().endswith(literal.lower()),
}


def answers(request: ArmRequest, tenant: Tenant) -> web.Response:
    """The page of a query that a request asks for."""
    body = _body(request)
    query = _Query(str(body.get("query", "")))
    subscriptions = {str(guid).lower() for guid in body.get("subscriptions") or []}
    given = body.get("options")
    options: dict[str, Any] = given if isinstance(given, dict) else {}
    start, size = _offset(options.get("$skipToken")), min(int(options.get("$top", 100)), PAGE)
    rows = [query.projected(row) for row in _rows(request, tenant, query.table, subscriptions) if query.test(row)]
    shown = rows[start : start + size]
    page = {"totalRecords": len(rows), "count": len(shown), "data": shown, "facets": [], "resultTruncated": "false"}
    if start + size < len(rows):
        page["$skipToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return answer(page)


def _rows(request: ArmRequest, tenant: Tenant, table: str, subscriptions: set[str]) -> Iterator[Row]:
    resources, caller = tenant.resources(), request.caller
    for guid, subscription in resources.subscriptions.items():
        if (subscriptions and guid not in subscriptions) or caller.hides_subscription(subscription.id):
            continue
        if table == "resources":
            for one in resources.in_subscription(guid):
                if not caller.is_denied(f"{one.path.full_type}/read", one.id):
                    yield {**one.body, "type": one.kind, "subscriptionId": guid}
        elif not caller.is_denied("Microsoft.Authorization/roleAssignments/read", f"/subscriptions/{guid}"):
            scope = f"/subscriptions/{guid}"
            listed = tenant.authorization_with_own_roles().assignments("roleAssignments", scope, parse_filter(None))
            for one in listed:
                if ids.covers(ids.key(scope), ids.key(str(one.body.get("properties", {}).get("scope", "")))):
                    yield {**one.body, "type": ASSIGNMENT, "subscriptionId": guid}


def _body(request: ArmRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise _refused("the body is no JSON") from error
    if not isinstance(body, dict):
        raise _refused("the body is no object")
    return body


def _offset(token: object) -> int:
    return int(base64.urlsafe_b64decode(token)) if isinstance(token, str) else 0


def _refused(why: str) -> Refusal:
    return arm_refusal(400, "BadRequest", f"Please provide below info when asking for support: {why}.")


class _Query:
    """A query taken apart: its table, which rows it wants, which columns it shows."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self.table = self._take().lower()
        if self.table not in ("resources", "authorizationresources"):
            raise _refused(f"there is no table {self.table}")
        self.test: Test = lambda row: True
        self._columns: dict[str, str] = {}
        while self._tokens:
            self._expect("|")
            self._operator(self._take())

    def projected(self, row: Row) -> Row:
        columns = self._columns or {name: name for name in row}
        return {name: _value(row, path) for name, path in columns.items()}

    def _operator(self, name: str) -> None:
        if name == "where":
            self.test = self._either()
        elif name == "project":
            self._project()
        else:
            raise _refused(f"the simulator does not know the operator {name}")

    def _project(self) -> None:
        while True:
            name = self._take()
            renamed = bool(self._tokens) and self._tokens[0] == "="
            if renamed:
                self._take()
            self._columns[name] = self._column() if renamed else name
            if not self._tokens or self._tokens[0] != ",":
                return
            self._take()

    def _either(self) -> Test:
        tests = [self._all()]
        while self._tokens and self._tokens[0] == "or":
            self._take()
            tests.append(self._all())
        return lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._term()]
        while self._tokens and self._tokens[0] == "and":
            self._take()
            tests.append(self._term())
        return lambda row: all(test(row) for test in tests)

    def _term(self) -> Test:
        if self._tokens and self._tokens[0] == "(":
            self._take()
            inner = self._either()
            self._expect(")")
            return inner
        column, comparison = self._column(), self._take()
        if comparison == "in~":
            literals = {literal.lower() for literal in self._list()}
            return lambda row: _text(row, column).lower() in literals
        negated = comparison.startswith("!")
        known = _COMPARISONS.get(comparison.lstrip("!"))
        if known is None:
            raise _refused(f"the simulator does not know the comparison {comparison}")
        compare, literal = known, self._literal()
        return lambda row: compare(_text(row, column), literal) is not negated

    def _column(self) -> str:
        name = self._take()
        if name != "tostring":
            return name
        self._expect("(")
        name = self._take()
        self._expect(")")
        return name

    def _list(self) -> Iterable[str]:
        self._expect("(")
        listed = [self._literal()]
        while self._tokens and self._tokens[0] == ",":
            self._take()
            listed.append(self._literal())
        self._expect(")")
        return listed

    def _literal(self) -> str:
        token = self._take()
        if not token.startswith("'"):
            raise _refused(f"{token} is no string")
        return token[1:-1]

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise _refused(f"the query lacks a {token}")

    def _take(self) -> str:
        if not self._tokens:
            raise _refused("the query ends too early")
        return self._tokens.pop(0)


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise _refused(f"the simulator does not understand {text[at : at + 20]!r}")
        yield match[1]
        at = match.end()


def _value(row: Row, path: str) -> Any:
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(row: Row, path: str) -> str:
    value = _value(row, path)
    return "" if value is None else str(value)
