"""YAML as kubectl prints it, read event by event: no more than one item of a list is held in memory.

Bounded by that: aliases, which kubectl never prints and which let a small text unfold without end, are refused, and so
is what is nested deeper than any object of Kubernetes. Values stay text; only null is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

MAX_DEPTH = 100
_LOADER: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# What YAML does not allow; PyYAML refuses the whole text for one of them.
_NO_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NotYaml(Exception):
    """The text cannot be read further; its message says why and where."""


class _Open(msgspec.Struct):
    """A mapping or a sequence that has not ended: the key that waits for its value; whether its values are given."""

    value: dict[str, object] | list[object]
    key: str | None = None
    is_list_of_items: bool = False


def objects_in(text: str) -> Iterator[object]:
    """Every object: the items of a list, or a document itself. Raises NotYaml, after what could be read before it."""
    opened: list[_Open] = []
    try:
        for event in yaml.parse(_NO_YAML.sub(" ", text), Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise NotYaml(f"{_at(event.start_mark)}: aliases (*{(event.anchor or '')[:40]}) are not read")
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                _open(event, opened)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                yield from _placed(opened.pop().value, opened)
            elif isinstance(event, yaml.ScalarEvent):
                plain = event.implicit[0] and not event.style
                yield from _placed(None if plain and event.value in _NULLS else event.value, opened)
    except yaml.MarkedYAMLError as error:
        raise NotYaml(f"{_at(error.problem_mark)}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise NotYaml(str(error)) from None


def _open(event: yaml.Event, opened: list[_Open]) -> None:
    if len(opened) >= MAX_DEPTH:
        raise NotYaml(f"{_at(event.start_mark)}: nested deeper than {MAX_DEPTH}")
    if isinstance(event, yaml.MappingStartEvent):
        opened.append(_Open({}))
        return
    is_list = not opened or (len(opened) == 1 and opened[0].key == "items")
    opened.append(_Open([], is_list_of_items=is_list))


def _placed(value: object, opened: list[_Open]) -> Iterator[object]:
    """Puts a value where it belongs; gives it where it is an item of the list, or the document itself."""
    if not opened:
        if not isinstance(value, list):
            yield value
        return
    around = opened[-1]
    if around.is_list_of_items:
        yield value
    elif isinstance(around.value, list):
        around.value.append(value)
    elif around.key is None:
        around.key = value if isinstance(value, str) else ""
    else:
        around.value[around.key] = value
        around.key = None


def _at(mark: Any) -> str:
    """Where it is; the marks of libyaml and of PyYAML's own parser are alike."""
    return f"line {mark.line + 1}" if mark is not None else "at some line"
