"""Events and pods as objects, of JSON and of YAML: what in them may be a pull's error.

Events of both APIs: v1 (message, involvedObject) and events.k8s.io/v1 (note, regarding).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from checks.cli.classify.sighting import NOW, Sighting
from checks.cli.classify.texts.mentions import container_of_path, image_in
from checks.rules.azure.virtual_nodes import PROVIDER_FAILED

Object = Mapping[str, Any]
_STATUSES = (
    ("initContainerStatuses", "initContainers"),
    ("containerStatuses", "containers"),
    ("ephemeralContainerStatuses", "ephemeralContainers"),
)
_TIMES = ("lastTimestamp", "deprecatedLastTimestamp", "eventTime", "firstTimestamp")


def is_kubernetes(found: object) -> bool:
    """Whether something decoded is an object of Kubernetes, or looks like a piece of one."""
    return isinstance(found, dict) and not {"apiVersion", "kind", "items", "message", "note", "status"}.isdisjoint(
        found
    )


def sightings_of(found: object) -> Iterator[Sighting]:
    """What an event tells, or what the containers of a pod wait for; nothing of anything else."""
    if not isinstance(found, dict):
        return
    status = found.get("status")
    if isinstance(status, dict):
        yield from _of_pod(found, status)
    elif status is None and "items" not in found:
        message = _text(found, "message") or _text(found, "note")
        if message or _text(found, "reason"):
            yield _of_event(found, message)


def _of_event(event: Object, message: str) -> Sighting:
    subject = _object(event, "involvedObject") or _object(event, "regarding")
    kind, name = _text(subject, "kind"), _text(subject, "name")
    is_pod = kind == "Pod"
    return Sighting(
        message=message,
        reason=_text(event, "reason"),
        namespace=_text(subject, "namespace") or _text(_object(event, "metadata"), "namespace"),
        pod=name if is_pod else "",
        about="" if is_pod or not name else f"{kind}/{name}",
        container=container_of_path(_text(subject, "fieldPath")),
        image=image_in(message),
        node=_text(_object(event, "source"), "host") or _text(_object(event, "deprecatedSource"), "host"),
        when=_when(event),
    )


def _when(event: Object) -> float:
    """When it was last seen; 0 where it does not say."""
    series = _text(_object(event, "series"), "lastObservedTime")
    for text in (series, *(_text(event, name) for name in _TIMES)):
        try:
            found = datetime.fromisoformat(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return 0.0


def _of_pod(pod: Object, status: Object) -> Iterator[Sighting]:
    metadata, spec = _object(pod, "metadata"), _object(pod, "spec")
    namespace, name, node = _text(metadata, "namespace"), _text(metadata, "name"), _text(spec, "nodeName")
    base = Sighting(message="", namespace=namespace, pod=name, node=node, when=NOW)
    if _text(status, "reason") == PROVIDER_FAILED:
        message = _text(status, "message")
        yield replace(base, message=message, reason=PROVIDER_FAILED, image=image_in(message))
    for statuses, containers in _STATUSES:
        wanted = {_text(one, "name"): _text(one, "image") for one in _objects(spec, containers)}
        for one in _objects(status, statuses):
            waiting = _object(_object(one, "state"), "waiting")
            message, reason, name = _text(waiting, "message"), _text(waiting, "reason"), _text(one, "name")
            if message or reason:
                image = wanted.get(name) or _text(one, "image")
                yield replace(base, message=message, reason=reason, container=name, image=image)


def _text(found: Object, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _object(found: Object, name: str) -> Object:
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def _objects(found: Object, name: str) -> Iterator[Object]:
    value = found.get(name)
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
