"""Requests into types, strictly: what is unknown, given twice or of another type is refused, and its name is said."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from checks.text import one_line, redacted
from checks.web.http import Asked, HttpResponse
from checks.web.problems import BODY, CODED, QUERY, TOO_LONG, Refused, problem

MAX_BODY = 65_536
MAX_VALUES = 100  # of all query parameters together
KEYS = frozenset({"code", "clientid"})  # the platform's own: the key in the address
_LISTS = (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)

_WHOLE = re.compile(r"-?[0-9]+")

T = TypeVar("T", bound=msgspec.Struct)


def read_query(asked: Asked, shape: type[T]) -> T:
    """The query as a Struct whose fields are its parameters; a field that is a tuple may be given more than once.

    Raises Refused (400) with ``parameter``.
    """
    fields = {field.encode_name: field for field in fields_of(shape)}
    given: dict[str, Any] = {}
    for name, values in own_query(asked).items():
        if name not in fields:
            raise Refused(_bad_query(name, f"there is no parameter {_shown(name)}; {_known(fields)}"))
        if takes_many(fields[name]):
            given[name] = values
        elif len(values) == 1:
            given[name] = values[0]
        else:
            raise Refused(_bad_query(name, f"{name} is given {len(values)} times and taken once"))
    for name, value in given.items():
        _checked(shape, fields[name], value)
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        missing = [field.encode_name for field in fields.values() if field.required and field.encode_name not in given]
        raise Refused(_bad_query(missing[0] if missing else "", _why(error))) from None


def own_query(asked: Asked) -> dict[str, list[str]]:
    """The query without the key that the platform takes there. Raises Refused (400) where it is too much."""
    own = {name: values for name, values in asked.query.items() if name.lower() not in KEYS}
    if sum(len(values) for values in own.values()) > MAX_VALUES:
        raise Refused(problem(QUERY, f"the query has more than {MAX_VALUES} values"))
    return own


def read_body(asked: Asked, shape: type[T]) -> T:
    """The body as a Struct, whatever Content-Type says: `curl -d` names a form.

    Raises Refused: 415 where it is compressed, 413 where it is longer than 64 KiB, 400 where it is not of that shape.
    """
    if asked.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused(problem(CODED, "send the body as it is, without Content-Encoding"))
    if len(asked.body) > MAX_BODY:
        raise Refused(problem(TOO_LONG, f"the body is longer than {MAX_BODY} bytes"))
    if not asked.body.strip():
        raise Refused(bad_body("the body is empty; it has to be a JSON object, {} where nothing is to be said"))
    try:
        read = msgspec.json.decode(asked.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(bad_body(f"the body is not what is expected: {_why(error)}")) from None
    json.loads(asked.body, object_pairs_hook=_once)  # of that shape by now, and so no deeper than that
    return read


def _once(members: list[tuple[str, Any]]) -> None:
    """Refuses an object that has a member twice: decoders differ in which of the two they take."""
    names = [name for name, _ in members]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refused(bad_body(f"{_shown(twice)} is given twice"))


def bad_body(why: str) -> HttpResponse:
    """400: a body that cannot be used, and why."""
    return problem(BODY, why)


def fields_of(shape: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    """The fields of a Struct with their types."""
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)
    return info.fields


def takes_many(field: inspect.Field) -> bool:
    """Whether a parameter may be given more than once."""
    kind = field.type
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return isinstance(kind, _LISTS)


def _is_whole_number(field: inspect.Field) -> bool:
    kind = field.type
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return isinstance(kind, inspect.IntType)


def words_of(kind: inspect.Type) -> list[str]:
    """The words that a parameter takes; none where it takes others."""
    match kind:
        case inspect.Metadata(type=inner) | inspect.VarTupleType(item_type=inner):
            return words_of(inner)
        case inspect.UnionType(types=types):
            return [word for each in types for word in words_of(each)]
        case inspect.LiteralType(values=values):
            return sorted(str(value) for value in values)
        case inspect.EnumType(cls=cls):
            return sorted(str(each.value) for each in cls)
    return []


def _checked(shape: type[msgspec.Struct], field: inspect.Field, value: Any) -> None:
    """Each value by itself, so that the refusal names its parameter."""
    kind = msgspec.structs.fields(shape)
    (declared,) = (each.type for each in kind if each.encode_name == field.encode_name)
    if _is_whole_number(field) and not _WHOLE.fullmatch(str(value)):  # 7.0 and 1e2 would be taken
        raise Refused(_bad_query(field.encode_name, f"{field.encode_name} cannot be used: Expected `int`"))
    try:
        msgspec.convert(value, declared, strict=False)
    except msgspec.ValidationError as error:
        words = words_of(field.type)
        takes = f"; it takes {', '.join(words)}" if words else ""
        raise Refused(
            _bad_query(field.encode_name, f"{field.encode_name} cannot be used: {_why(error)}{takes}")
        ) from None


def _bad_query(name: str, why: str) -> HttpResponse:
    return problem(QUERY, why, parameter=redacted(name)[:80])


def _known(names: dict[str, inspect.Field]) -> str:
    return f"it takes {', '.join(sorted(names))}" if names else "it takes none"


def _shown(name: str) -> str:
    return repr(redacted(name)[:80])


def _why(error: Exception) -> str:
    return redacted(one_line(str(error)))[:300]
