"""Label and field selectors as the Kubernetes API server takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Test = Callable[[Mapping[str, Any]], bool]

# Fields beyond metadata.name and metadata.namespace that a kind can be selected by.
POD_FIELDS = frozenset(
    {
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    }
)
EVENT_FIELDS = frozenset(
    {
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    }
)
FIELDS: Mapping[str, frozenset[str]] = {
    "pods": POD_FIELDS,
    "events": EVENT_FIELDS,
    "secrets": frozenset({"type"}),
    "nodes": frozenset({"spec.unschedulable"}),
    "namespaces": frozenset({"status.phase"}),
}
_SET = re.compile(r"\s*(?P<key>[^\s=!,()]+)\s+(?P<how>in|notin)\s*\((?P<values>[^)]*)\)\s*")
_EQUAL = re.compile(r"\s*(?P<key>[^\s=!,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s=!,()]*)\s*")
_EXISTS = re.compile(r"\s*(?P<no>!?)\s*(?P<key>[^\s=!,()]+)\s*")


class SelectorError(ValueError):
    """The API server answers 400 with this text."""


def label_test(selector: str) -> Test:
    """`a=b,c!=d,e in (f,g),h,!i`; every requirement must hold. Raises SelectorError."""
    tests = [_label_requirement(part) for part in _split(selector)]
    return lambda labels: all(test(labels) for test in tests)


def field_test(selector: str, resource: str) -> Test:
    """`spec.nodeName=x,status.phase!=Running` on a whole object. Raises SelectorError for fields the kind lacks."""
    wanted: list[tuple[list[str], str, bool]] = []
    for part in _split(selector):
        match = _EQUAL.fullmatch(part)
        if match is None:
            raise SelectorError(f'invalid selector: "{selector}"; can\'t understand "{part}"')
        name = match["key"]
        if name not in {"metadata.name", "metadata.namespace"} | FIELDS.get(resource, frozenset()):
            raise SelectorError(f"field label not supported: {name}")
        wanted.append((name.split("."), match["value"], match["how"] != "!="))
    return lambda body: all((value_at(body, names) == value) is equal for names, value, equal in wanted)


def value_at(body: Any, path: list[str]) -> str:
    """The text of a field; "" where it is not set, as in Kubernetes."""
    if path == ["source"]:
        path = ["source", "component"]
    for name in path:
        body = body.get(name) if isinstance(body, Mapping) else None
    if isinstance(body, bool):
        return "true" if body else "false"
    return "" if body is None else str(body)


def _split(selector: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", selector) if part.strip()]


def _label_requirement(part: str) -> Test:
    if match := _SET.fullmatch(part):
        path, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["how"] == "in":
            return lambda labels: path in labels and labels[path] in values
        return lambda labels: labels.get(path) not in values
    if match := _EQUAL.fullmatch(part):
        path, value = match["key"], match["value"]
        if match["how"] == "!=":
            return lambda labels: labels.get(path) != value
        return lambda labels: labels.get(path) == value
    if match := _EXISTS.fullmatch(part):
        path, wanted = match["key"], not match["no"]
        return lambda labels: (path in labels) is wanted
    raise SelectorError(f'unable to parse requirement: found "{part}"')
