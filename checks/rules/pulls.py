"""What pods and events say of pulls: which containers wait for an image, and which pulls succeeded."""

from __future__ import annotations

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
_PULLED = 'Successfully pulled image "'


class FailedPull(msgspec.Struct, frozen=True):
    """A container that waits for its image, the cause of it, and the text that told.

    ``events`` counts what kubelet reported of this image's failing pulls in the pod, since ``first_event`` (ISO 8601).
    """

    container: ContainerImage
    host: str | None
    classified: Classified
    text: str
    events: int = 0
    first_event: str | None = None


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
    known: dict[tuple[str, str, str], Classified] = {}  # many pods wait with the same words
    return tuple(
        _failed(container, by_pod.get((container.namespace, container.pod), []), known) for container in waiting
    )


def _failed(
    container: ContainerImage, events: list[PodEvent], known: dict[tuple[str, str, str], Classified]
) -> FailedPull:
    text = container.waiting_message or ""
    reason = container.waiting_reason or ""
    key = (text, reason, container.image)
    classified = known.get(key) or classify(*key)
    known[key] = classified
    mine = [event for event in events if container.image and container.image in event.message]
    if classified.cause in (Cause.BACKOFF_ONLY, Cause.UNKNOWN):
        for event in sorted(mine, key=lambda event: event.last_seen or "", reverse=True):
            told = classify(event.message, reason, container.image)
            if told.cause not in (Cause.BACKOFF_ONLY, Cause.UNKNOWN):
                classified, text = told, event.message
                break
    first = min((event.first_seen for event in mine if event.first_seen), default=None)
    count = sum(event.count for event in mine)
    return FailedPull(container, images.host_of(container.image), classified, text, count, first)


def pulled_images(workloads: Workloads) -> frozenset[str]:
    """The images, as pods write them, that nodes pulled just now."""
    events = () if isinstance(workloads.events, NotSeen) else workloads.events.value
    texts = {e.message for e in events if e.reason == "Pulled" and e.message.startswith(_PULLED)}
    return frozenset(text[len(_PULLED) :].partition('"')[0] for text in texts)


def proofs(workloads: Workloads) -> dict[str, Proof]:
    """The latest successful pull per registry host. "Already present on machine" proves nothing and is not counted."""
    latest: dict[str, str] = {}
    for event in () if isinstance(workloads.events, NotSeen) else workloads.events.value:
        if event.reason == "Pulled" and event.message.startswith(_PULLED):
            image = event.message[len(_PULLED) :].partition('"')[0]
            latest[image] = max(latest.get(image, ""), event.last_seen or "")
    found: dict[str, Proof] = {}
    for image, when in sorted(latest.items(), key=lambda item: item[1]):
        host = images.host_of(image)
        if host is not None:
            found[host] = Proof(host, image, when or None)
    return found
