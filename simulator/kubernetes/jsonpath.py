"""kubectl's `-o jsonpath=...`: the part of it that reads lists.

Text, quoted literals, `range`/`end` (nested too), `.a.b`, `['a']`, `[*]`, `[0]`, `[?(@.a.b)]`, and `\\.` in names, as
client-go evaluates them for kubectl, which allows missing keys: what is not there prints nothing, null prints "null",
objects and arrays print as JSON, several results of one expression are joined by a blank.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.kubernetes.selectors import SelectorError

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_STEP = re.compile(
    r"\.(?P<name>(?:\\.|[^\\.\[\]\s(){}'\"@])+)"
    r"|\[(?P<all>\*)\]|\[(?P<index>-?\d+)\]|\['(?P<quoted>[^']*)'\]|\[\?\(@(?P<filter>[^()]*)\)\]"
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a path: `what` is "name", "all", "index" or "has"; `value` a name, an index, or the path it has."""

    what: str
    value: Any = None


@dataclass(slots=True)
class _Node:
    """A literal (`text`), an expression (`path`), or a loop over `path` with a `body`."""

    text: str | None = None
    path: list[_Step] = field(default_factory=list)
    body: list[_Node] | None = None


def printed(template: str, document: Any) -> str:
    """What kubectl prints. Raises SelectorError for a template that is none, or that meets a wrong type."""
    tokens = _tokens(template)
    nodes = _block(tokens, inside=False)
    return "".join(_evaluated(nodes, document))


def _tokens(template: str) -> Iterator[tuple[str, str]]:
    """("text", literal) and ("action", what stands between braces), in their order."""
    at = 0
    while at < len(template):
        if template[at] != "{":
            end = template.find("{", at)
            end = len(template) if end < 0 else end
            yield "text", template[at:end]
            at = end
            continue
        end = _closing(template, at + 1)
        yield "action", template[at + 1 : end].strip()
        at = end + 1


def _closing(template: str, at: int) -> int:
    quote = ""
    while at < len(template):
        letter = template[at]
        if quote and letter == "\\":
            at += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "}":
            return at
        at += 1
    raise SelectorError(f"error parsing jsonpath {template}, unclosed action")


def _block(tokens: Iterator[tuple[str, str]], *, inside: bool) -> list[_Node]:
    nodes: list[_Node] = []
    for kind, value in tokens:
        if kind == "text":
            nodes.append(_Node(text=value))
        elif value == "end":
            if not inside:
                raise SelectorError("error parsing jsonpath, not in range, nothing to end")
            return nodes
        elif value.startswith("range "):
            nodes.append(_Node(path=_path(value[6:].strip()), body=_block(tokens, inside=True)))
        elif value[:1] in ('"', "'"):
            nodes.append(_Node(text=_unquoted(value)))
        else:
            nodes.append(_Node(path=_path(value)))
    if inside:
        raise SelectorError("error parsing jsonpath, unclosed range")
    return nodes


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[-1] != value[0]:
        raise SelectorError(f"error parsing jsonpath, unterminated quoted string {value}")
    return re.sub(r"\\(.)", lambda text: _ESCAPES.get(text[1], text[0]), value[1:-1])


def _path(text: str) -> list[_Step]:
    steps: list[_Step] = []
    at = 1 if text[:1] in ("$", "@") else 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise SelectorError(f"error parsing jsonpath {{{text}}}, unrecognized character in action at {at}")
        steps.append(_step(match))
        at = match.end()
    return steps


def _step(match: re.Match[str]) -> _Step:
    if match["name"] is not None:
        return _Step("name", match["name"].replace("\\", ""))
    if match["quoted"] is not None:
        return _Step("name", match["quoted"])
    if match["index"] is not None:
        return _Step("index", int(match["index"]))
    return _Step("all") if match["all"] else _Step("has", _path(match["filter"]))


def _evaluated(nodes: list[_Node], value: Any) -> Iterator[str]:
    for node in nodes:
        if node.text is not None:
            yield node.text
        elif node.body is not None:
            for item in _results([value], node.path):
                yield from _evaluated(node.body, item)
        else:
            yield " ".join(_text(result) for result in _results([value], node.path))


def _results(values: list[Any], path: list[_Step]) -> list[Any]:
    for step in path:
        values = [result for value in values for result in _walked(value, step)]
    return values


def _walked(value: Any, step: _Step) -> list[Any]:
    if value is None:
        return []
    if step.what == "name":
        return [value[step.value]] if isinstance(value, dict) and step.value in value else []
    if not isinstance(value, list):
        raise SelectorError(f"error executing jsonpath: {_text(value)} is not array or slice")
    if step.what == "index":
        if not -len(value) <= step.value < len(value):
            raise SelectorError(f"error executing jsonpath: array index out of bounds: index {step.value}")
        return [value[step.value]]
    return [item for item in value if step.what == "all" or _results([item], step.value)]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
