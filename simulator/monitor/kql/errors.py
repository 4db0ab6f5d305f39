"""Why a query is not run, with the codes and words that Azure Monitor Logs has for it."""

from __future__ import annotations

from typing import Any


class QueryError(Exception):
    """`kind` is SyntaxError or SemanticError, `code` such as SYN0002 or SEM0100; `details` stand beside them."""

    def __init__(self, kind: str, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.kind, self.code, self.message, self.details = kind, code, message, details


def syntax_error(text: str, position: int, token: str) -> QueryError:
    """What cannot be read, or is no part of the subset, at a place of the query."""
    before = text[:position]
    line, column = before.count("\n") + 1, position - before.rfind("\n") - 1
    message = f"Query could not be parsed at '{token}' on line [{line},{column}]"
    return QueryError("SyntaxError", "SYN0002", message, line=line, pos=column, token=token)


def unresolved(operator: str, what: str, name: str) -> QueryError:
    """A table, column or function that nobody knows; `what` says which."""
    message = f"'{operator}' operator: Failed to resolve {what} named '{name}'"
    return QueryError("SemanticError", "SEM0100", message)


def unknown_function(name: str) -> QueryError:
    return QueryError("SemanticError", "SEM0260", f"Unknown function: '{name}'.")


def mismatch(one: str, other: str) -> QueryError:
    message = f"Cannot compare values of types {one} and {other}. Try adding explicit casts"
    return QueryError("SemanticError", "SEM0064", message)


def wrong_type(what: str, wanted: str) -> QueryError:
    return QueryError("SemanticError", "SEM0139", f"{what} takes an argument of type {wanted}")
