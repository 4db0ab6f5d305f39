"""What pods and events show about pulls: which containers wait for an image, and which pulls succeeded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from checks.facts import AgentPool, ContainerImage, NotSeen, PodEvent, RegistryUse, Seen, Workloads
from checks.rules import images, registry_names
from checks.rules.azure import virtual_nodes
from checks.rules.azure.node_pools import pool_of, pools_of_events
from checks.rules.pull import mirrors, virtual_node_failures
from checks.rules.pull.canaries import grants_whole_registry, split_attempts
from checks.rules.pull.errors import Classified, OtherEvent, PullErrorCause, classify, classify_event

# The waiting reasons for image errors (kubernetes/pkg/kubelet/images/types.go and the reasons that the CRI runtimes
# pass on).
WAITING_FOR_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        virtual_nodes.PROVIDER_FAILED,
    }
)
# The reasons of events whose texts tell of pulls; those of all others say nothing here.
FAILED = frozenset({"Failed", "InspectFailed", "ErrImageNeverPull", "ProviderCreateFailed"})
ABOUT_PULLS = FAILED | {"Pulled", "FailedToRetrieveImagePullSecret"}
_PULLED = 'Successfully pulled image "'


class FailedPull(msgspec.Struct, frozen=True):
    """A container that waits for its image, the cause, and the text that shows it.

    ``events`` counts kubelet's events about failed pulls of this image in the pod, since ``first_event`` (ISO 8601).
    ``mirror`` is what failed instead of the registry; "" where it was the registry, or the text does not say.
    ``virtual``: the pod is on a virtual node, which pulls with other credentials over another network path.
    """

    container: ContainerImage
    host: str | None
    classified: Classified
    text: str
    events: int = 0
    first_event: str | None = None
    mirror: str = ""
    virtual: bool = False

    @property
    def registry(self) -> str | None:
        """The login server of the registry that failed: the image's, or an Azure registry that is its mirror."""
        host = self.mirror if registry_names.is_azure(self.mirror) else self.host
        return registry_names.login_server_of(host) if host else None

    @property
    def foreign_mirror(self) -> str:
        """The mirror that failed, where it is no Azure registry: Azure shows nothing of it."""
        return "" if registry_names.is_azure(self.mirror) else self.mirror


class PullProof(msgspec.Struct, frozen=True):
    """A pull from a registry as kubelet reported it, and when (ISO 8601) it was last seen.

    ``layers``: the image was pulled; else its tag was not found, an answer that requires permission to pull. ``pools``
    are those whose nodes pulled (empty: not known), ``read_at`` is when kubelet's reports were read. ``logged``: it is
    the registry that tells of it, which gave the manifest.
    """

    host: str
    image: str
    when: str | None
    layers: bool = True
    pools: frozenset[str] = frozenset()
    read_at: str | None = None
    logged: bool = False


def failed_pulls(workloads: Workloads) -> tuple[FailedPull, ...]:
    """Every container that waits for an image; if its status shows only back-off, its events supply the cause."""
    events = workloads.events
    by_pod: dict[tuple[str, str], list[PodEvent]] = {}
    for event in () if isinstance(events, NotSeen) else events.value:
        if event.reason in FAILED:
            by_pod.setdefault((event.namespace, event.pod), []).append(event)
    waiting = (c for c in workloads.containers if c.waiting_reason in WAITING_FOR_IMAGE)
    known: dict[tuple[str, str, str], Classified] = {}  # many pods wait with the same message
    return tuple(
        _failed(container, by_pod.get((container.namespace, container.pod), []), known) for container in waiting
    )


def _failed(
    container: ContainerImage, events: list[PodEvent], known: dict[tuple[str, str, str], Classified]
) -> FailedPull:
    text = container.waiting_message or ""
    reason = container.waiting_reason or ""
    key = (text, reason, container.image)
    virtual = virtual_nodes.kind_of(container) is not None
    if reason == virtual_nodes.PROVIDER_FAILED:
        classified = virtual_node_failures.classify(container, text)
    else:
        classified = known.get(key) or classify(*key)
        known[key] = classified
    own = [event for event in events if container.image and _names(event.message, container.image)]
    if _settles_nothing(classified):
        for event in sorted(own, key=lambda event: event.last_seen or "", reverse=True):
            by_event = classify_event(event.message, event.reason, container.image)
            if not isinstance(by_event, OtherEvent) and not _settles_nothing(by_event):
                classified, text = by_event, event.message
                break
    first = min((event.first_seen for event in own if event.first_seen), default=None)
    count = sum(event.count for event in own)
    host = images.host_of(container.image)
    mirror = "" if virtual else mirrors.mirror_in(text, host)
    return FailedPull(container, host, classified, text, count, first, mirror, virtual)


def _settles_nothing(classified: Classified) -> bool:
    return classified.cause in (PullErrorCause.BACKOFF_ONLY, PullErrorCause.UNKNOWN)


def _names(text: str, image: str) -> bool:
    """Whether a text names just this image: "web:1" is no part of "web:10"."""
    longer = "_.-/@" if ":" in image.rpartition("/")[2] else "_.-/@:"
    at = text.find(image)
    while at >= 0:
        after = text[at + len(image) : at + len(image) + 1]
        if not after or not (after.isalnum() or after in longer):
            return True
        at = text.find(image, at + 1)
    return False


def _pulls_of_nodes(workloads: Workloads) -> list[PodEvent]:
    """The events about successful pulls by kubelets: a virtual node's proves nothing of the nodes."""
    events = () if isinstance(workloads.events, NotSeen) else workloads.events.value
    pulled = [event for event in events if event.reason == "Pulled" and event.message.startswith(_PULLED)]
    nodes = {event.node for event in pulled} | {container.node for container in workloads.containers}
    virtual_ones = {node for node in nodes if virtual_nodes.virtual_kind(node, None) is not None}
    virtual = {(c.namespace, c.pod) for c in workloads.containers if c.virtual or c.node in virtual_ones}
    if not virtual and not virtual_ones:
        return pulled
    return [event for event in pulled if event.node not in virtual_ones and (event.namespace, event.pod) not in virtual]


def pulled_images(workloads: Workloads) -> frozenset[str]:
    """The images, as pods write them, that nodes pulled recently."""
    messages = (event.message for event in _pulls_of_nodes(workloads))
    return frozenset(text[len(_PULLED) :].partition('"')[0] for text in messages)


def pull_proofs(
    workloads: Workloads, pools: Iterable[AgentPool] = (), read_at: str | None = None
) -> dict[str, PullProof]:
    """The latest successful pull per registry (login server). "Already present on machine" proves nothing."""
    pulls = _pulls_of_nodes(workloads)
    latest: dict[str, str] = {}
    pools_by_image: dict[str, set[str | None]] = {}
    for event, pool in zip(pulls, pools_of_events(pulls, workloads.containers, pools), strict=True):
        image = event.message[len(_PULLED) :].partition('"')[0]
        latest[image] = max(latest.get(image, ""), event.last_seen or "")
        pools_by_image.setdefault(image, set()).add(pool.name if pool else None)
    proofs_by_host: dict[str, PullProof] = {}
    pools_by_host: dict[str, set[str | None]] = {}
    for image, when in sorted(latest.items(), key=lambda item: item[1]):
        host = registry_names.login_server_of(images.host_of(image) or "")
        if host:
            known = pools_by_host.setdefault(host, set())
            known |= pools_by_image[image]
            by_name = frozenset(name for name in known if name is not None)
            proofs_by_host[host] = PullProof(
                host, image, when or None, True, frozenset() if None in known else by_name, read_at
            )
    return proofs_by_host


def not_found_proofs(
    failing: Iterable[FailedPull], uses: Iterable[RegistryUse], pools: Iterable[AgentPool], read_at: str | None
) -> dict[str, PullProof]:
    """Per registry, an image that it reported as not found, which it does only if the caller may pull.

    Not if anyone may pull (anonymous pull), if repositories may be hidden (ABAC), if a pull secret may have supplied
    the credential, or if one of several attempts was refused: except for the last attempt that kubelet makes on AKS,
    which sends no credential and is refused whenever anonymous pull is off.
    """
    certain = {
        use.login_server
        for use in uses
        if isinstance(use.registry, Seen) and use.registry.value.anonymous_pull is False and grants_whole_registry(use)
    }
    all_pools, proofs_by_host = tuple(pools), dict[str, PullProof]()
    for pull in failing:
        missing = pull.classified.cause is PullErrorCause.IMAGE_NOT_FOUND and not pull.virtual
        absent = missing and _refused_without_credentials_only(pull.text)
        host = pull.registry
        if absent and host in certain and host is not None and not pull.container.pull_secrets:
            pool, before = pool_of(pull.container.node, all_pools), proofs_by_host.get(host)
            known = (frozenset({pool.name}) if pool else frozenset()) | (before.pools if before else frozenset())
            proofs_by_host[host] = PullProof(host, pull.container.image, read_at, False, known, read_at)
    return proofs_by_host


def _refused_without_credentials_only(text: str) -> bool:
    refused = [attempt.lower() for attempt in split_attempts(text) if "unauthorized" in attempt.lower()]
    return all("failed to fetch anonymous token" in attempt for attempt in refused)


def age_in_minutes(proof: PullProof) -> int | None:
    """How many minutes before the scan it was seen; None if either time is not known."""
    try:
        seen, read = (datetime.fromisoformat(text or "") for text in (proof.when, proof.read_at))
        return int((read - seen).total_seconds() // 60)
    except (ValueError, TypeError):
        return None


def describe_age(proof: PullProof) -> str:
    """How long before the scan it was seen, in words; "" if either time is not known."""
    minutes = age_in_minutes(proof)
    if minutes is None or minutes <= 0:
        return ""
    elapsed = f"{minutes} minute{'' if minutes == 1 else 's'}" if minutes < 120 else f"{minutes // 60} hours"
    return f" ({elapsed} before this scan)"
