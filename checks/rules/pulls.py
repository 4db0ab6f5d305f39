"""What pods and events say of pulls: which containers wait for an image, and which pulls succeeded."""

from __future__ import annotations

import re

import msgspec

from checks.facts import ContainerImage, NotSeen, PodEvent, Workloads
from checks.rules import images
from checks.rules.pull_errors import Cause, Classified, classify

# The waiting reasons by which kubelet says that an image is the trouble (kubernetes/pkg/kubelet/images/types.go and
# the reasons that the CRI runtimes hand up).
WAITING_FOR_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_PULLED = re.compile(r'Successfully pulled image "([^"]{1,2048})"')


class FailedPull(msgspec.Struct, frozen=True):
    """A container that waits for its image, the cause of it, and the text that told."""

    container: ContainerImage
    host: str | None
    classified: Classified
    text: str


class Proof(msgspec.Struct, frozen=True):
    """A successful pull from a host, as kubelet reported it, and when (ISO 8601) it was last seen."""

    host: str
    image: str
    when: str | None


def failed_pulls(workloads: Workloads) -> tuple[FailedPull, ...]:
    """Every container that waits for an image; where its status tells only of back-off, its events supply the cause."""
    events = workloads.events
    by_pod: dict[tuple[str, str], list[PodEvent]] = {}
    for event in () if isinstance(events, NotSeen) else events.value:
        if event.reason in ("Failed", "InspectFailed", "ErrImageNeverPull"):
            by_pod.setdefault((event.namespace, event.pod), []).append(event)
    waiting = (c for c in workloads.containers if c.waiting_reason in WAITING_FOR_IMAGE)
    return tuple(_failed(container, by_pod.get((container.namespace, container.pod), [])) for container in waiting)


def _failed(container: ContainerImage, events: list[PodEvent]) -> FailedPull:
    text = container.waiting_message or ""
    reason = container.waiting_reason or ""
    classified = classify(text, reason, container.image)
    if classified.cause in (Cause.BACKOFF_ONLY, Cause.UNKNOWN):
        latest_first = sorted(events, key=lambda event: event.last_seen or "", reverse=True)
        for event in (e for e in latest_first if container.image in e.message):
            told = classify(event.message, reason, container.image)
            if told.cause not in (Cause.BACKOFF_ONLY, Cause.UNKNOWN):
                classified, text = told, event.message
                break
    return FailedPull(container, images.host_of(container.image), classified, text)


def proofs(workloads: Workloads) -> dict[str, Proof]:
    """The latest successful pull per registry host. "Already present on machine" proves nothing and is not counted."""
    found: dict[str, Proof] = {}
    for event in () if isinstance(workloads.events, NotSeen) else workloads.events.value:
        match = _PULLED.match(event.message) if event.reason == "Pulled" else None
        host = images.host_of(match.group(1)) if match else None
        if match is None or host is None:
            continue
        known = found.get(host)
        if known is None or (event.last_seen or "") > (known.when or ""):
            found[host] = Proof(host, match.group(1), event.last_seen)
    return found
