"""Pods and events decoded straight into just the fields that are needed.

msgspec decodes a page of pods about 170 times faster than the client's own models. One object with a wrong type does
not lose the page: the page is then decoded object by object and what cannot be read is counted. Wire objects are out
of the garbage collector's sight (``gc=False``): they hold no cycles, and there are many of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from checks.collect.kubernetes.texts import Texts
from checks.collect.wire.errors import Temporary
from checks.facts import ContainerImage, PodEvent
from checks.rules import images
from checks.rules.azure import virtual_nodes
from checks.rules.pull.canaries import POD_PREFIX
from checks.rules.pull.image_volumes import KIND as VOLUME
from checks.rules.pull.image_volumes import failed_image
from checks.rules.pull.observed_pulls import ABOUT_PULLS, WAITING_FOR_IMAGE
from checks.text import one_line

T = TypeVar("T")
MAX_IMAGE = images.MAX_LENGTH + 1  # one that is longer is no reference, cut or not
MAX_REASON = 256
# Events that say nothing of pulls, and are the most: the API server leaves them out.
_NOISE = ("Scheduled", "Created", "Started", "Killing", "Pulling", "Unhealthy")
EVENTS = ",".join(("involvedObject.kind=Pod", *(f"reason!={word}" for word in _NOISE)))
_HASH = re.compile(r"-[a-z0-9]{5,10}$")
_ENDED = ("Succeeded", "Failed")


class Metadata(msgspec.Struct, rename="camel", gc=False):
    """Of ObjectMeta."""

    name: str = ""
    namespace: str = ""
    owner_references: list[Owner] | None = None
    deletion_timestamp: str | None = None
    continue_: str | None = msgspec.field(name="continue", default=None)


class Owner(msgspec.Struct, gc=False):
    """Of OwnerReference."""

    kind: str = ""
    name: str = ""
    controller: bool | None = None


class Container(msgspec.Struct, rename="camel", gc=False):
    """Of Container."""

    name: str = ""
    image: str | None = None
    image_pull_policy: str | None = None


class Named(msgspec.Struct, gc=False):
    """A reference by name."""

    name: str | None = None


class ImageSource(msgspec.Struct, rename="camel", gc=False):
    """Of ImageVolumeSource."""

    reference: str | None = None
    pull_policy: str | None = None


class Volume(msgspec.Struct, gc=False):
    """Of Volume."""

    name: str = ""
    image: ImageSource | None = None


class PodSpec(msgspec.Struct, rename="camel", gc=False):
    """Of PodSpec."""

    node_name: str | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    image_pull_secrets: list[Named] | None = None
    node_selector: dict[str, str] | None = None
    service_account_name: str | None = None
    volumes: list[Volume] | None = None


class Waiting(msgspec.Struct, gc=False):
    """Of ContainerStateWaiting."""

    reason: str | None = None
    message: str | None = None


class State(msgspec.Struct, gc=False):
    """Of ContainerState."""

    waiting: Waiting | None = None


class ContainerStatus(msgspec.Struct, gc=False):
    """Of ContainerStatus."""

    name: str = ""
    state: State | None = None


class Condition(msgspec.Struct, gc=False):
    """Of PodCondition."""

    type: str = ""
    status: str = ""


class PodStatus(msgspec.Struct, rename="camel", gc=False):
    """Of PodStatus."""

    phase: str | None = None
    start_time: str | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None
    reason: str | None = None
    message: str | None = None


class Pod(msgspec.Struct, gc=False):
    """Of Pod."""

    metadata: Metadata
    spec: PodSpec
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class StatusWithConditions(PodStatus, rename="camel", gc=False):
    """Of PodStatus, with what only canaries need: there are five conditions a pod, a fifth of what decoding costs."""

    conditions: list[Condition] | None = None


class PodWithConditions(Pod, gc=False):
    """Of Pod, with its conditions."""

    status: StatusWithConditions = msgspec.field(default_factory=StatusWithConditions)


class AccountMetadata(Metadata, rename="camel", gc=False):
    """Of ObjectMeta, with annotations."""

    annotations: dict[str, str] | None = None


class ServiceAccount(msgspec.Struct, rename="camel"):
    """Of ServiceAccount."""

    metadata: AccountMetadata
    image_pull_secrets: list[Named] | None = None


class NodeMetadata(Metadata, rename="camel", gc=False):
    """Of ObjectMeta, with labels."""

    labels: dict[str, str] | None = None


class Node(msgspec.Struct, gc=False):
    """Of Node."""

    metadata: NodeMetadata


class InvolvedObject(msgspec.Struct, rename="camel", gc=False):
    """Of ObjectReference."""

    kind: str | None = None
    name: str = ""
    namespace: str = ""
    field_path: str | None = None


class Source(msgspec.Struct, gc=False):
    """Of EventSource: ``host`` is the node of the kubelet that tells it."""

    host: str | None = None


class Event(msgspec.Struct, rename="camel", gc=False):
    """Of core/v1 Event."""

    involved_object: InvolvedObject
    source: Source | None = None
    reason: str | None = None
    message: str | None = None
    count: int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None


class Page(msgspec.Struct, Generic[T]):
    """A list answer: its kind, its items (null in Go means none) and where it goes on."""

    kind: str = ""
    items: list[T] | None = None
    metadata: Metadata = msgspec.field(default_factory=Metadata)


# The kind of a list of each.
_LISTS: dict[type[Any], str] = {
    Pod: "PodList",
    PodWithConditions: "PodList",
    Event: "EventList",
    ServiceAccount: "ServiceAccountList",
    Node: "NodeList",
}


def decode_page(raw: bytes | memoryview, kind: type[T]) -> tuple[list[T], str | None, int]:
    """The objects of one page, its continue token, and how many objects could not be read. Raises Temporary."""
    try:
        page = msgspec.json.decode(raw, type=Page[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError:
        return _one_by_one(raw, kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Temporary(f"the Kubernetes API sent what is no list: {error}") from error
    _require_list(page.kind, kind)
    return page.items or [], page.metadata.continue_, 0


def _require_list(found: str, kind: type[Any]) -> None:
    """An answer that is no list of these (a Status, an empty object) must not pass for a list of nothing."""
    wanted = _LISTS[kind]
    if found != wanted:
        what = one_line(found)[:80] or "an object without a kind"
        raise Temporary(f"the Kubernetes API sent what is no {wanted} but {what}")


def _one_by_one(raw: bytes | memoryview, kind: type[T]) -> tuple[list[T], str | None, int]:
    try:
        page = msgspec.json.decode(raw, type=Page[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Temporary(f"the Kubernetes API sent what is no list: {error}") from error
    _require_list(page.kind, kind)
    read: list[T] = []
    for item in page.items or []:
        try:
            read.append(msgspec.json.decode(item, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return read, page.metadata.continue_, len(page.items or []) - len(read)


def containers(pod: Pod, texts: Texts) -> list[ContainerImage]:
    """The images that the pod's containers of all three kinds and its volumes name; none of Pullwatch's own canaries.

    Pods that ended or are being deleted keep the status that they had: none of their containers waits any more. There
    are many pods: this is written for speed (a generator or a property a pod doubles its cost).
    """
    if pod.metadata.name.startswith(POD_PREFIX):
        return []
    spec, status, owner = pod.spec, pod.status, workload(pod)
    if pod.metadata.deletion_timestamp or status.phase in _ENDED:
        status = PodStatus(start_time=status.start_time)
    found: list[ContainerImage] = []
    if spec.init_containers:
        found += _of_kind(pod, owner, "init", spec.init_containers, status.init_container_statuses, texts)
    if spec.containers:
        found += _of_kind(pod, owner, "main", spec.containers, status.container_statuses, texts)
    if spec.ephemeral_containers:
        found += _of_kind(
            pod, owner, "ephemeral", spec.ephemeral_containers, status.ephemeral_container_statuses, texts
        )
    if status.reason == virtual_nodes.PROVIDER_FAILED:
        found = _failed_by_provider(pod, found, texts)
    for volume in spec.volumes or ():
        if volume.image is not None and volume.image.reference:
            return _with_volumes(pod, owner, found, texts)
    return found


def _failed_by_provider(pod: Pod, found: list[ContainerImage], texts: Texts) -> list[ContainerImage]:
    """A virtual node reports a failed pull as the pod's own reason: the images that its text is about wait."""
    text = pod.status.message or ""
    failed = virtual_nodes.failed_images(text, (container.image for container in found))
    return [
        msgspec.structs.replace(
            container,
            virtual=container.virtual or virtual_nodes.ACI,
            waiting_reason=virtual_nodes.PROVIDER_FAILED if container.image in failed else None,
            waiting_message=texts.safe(container.namespace, container.image, text)
            if container.image in failed
            else None,
        )
        for container in found
    ]


def node_of_ready(pod: PodWithConditions) -> str | None:
    """The node of a pod that is Ready, which shows that its kubelet works; None for any other pod."""
    conditions, metadata = pod.status.conditions, pod.metadata
    if not conditions or not pod.spec.node_name or metadata.deletion_timestamp:
        return None
    for condition in conditions:
        if condition.type == "Ready" and condition.status == "True":
            return pod.spec.node_name
    return None


def node_taken_by(pod: Pod) -> str | None:
    """The node on which a pod takes a place: one that ended takes none."""
    return None if pod.status.phase in _ENDED else pod.spec.node_name


def _of_kind(
    pod: Pod, owner: str, kind: str, listed: list[Container], statuses: list[ContainerStatus] | None, texts: Texts
) -> list[ContainerImage]:
    items = []
    for container in listed:
        if container.image:
            waiting = _waiting(statuses, container.name)
            items.append(
                _image(pod, owner, kind, container.name, container.image, container.image_pull_policy, waiting, texts)
            )
    return items


def _image(
    pod: Pod, owner: str, kind: str, name: str, image: str, policy: str | None, waiting: Waiting | None, texts: Texts
) -> ContainerImage:
    metadata, spec = pod.metadata, pod.spec
    return ContainerImage(
        namespace=metadata.namespace,
        pod=metadata.name,
        workload=owner,
        container=name,
        kind=kind,
        image=texts.start(image, MAX_IMAGE),
        node=spec.node_name,
        os=spec.node_selector.get("kubernetes.io/os") if spec.node_selector else None,
        waiting_reason=texts.start(waiting.reason, MAX_REASON) if waiting and waiting.reason else None,
        waiting_message=texts.safe(metadata.namespace, image, waiting.message)
        if waiting and waiting.message and waiting.reason in WAITING_FOR_IMAGE
        else None,
        since=pod.status.start_time,
        pull_secrets=tuple(s.name for s in spec.image_pull_secrets if s.name) if spec.image_pull_secrets else (),
        pull_policy=policy,
        service_account=spec.service_account_name,
        virtual=virtual_nodes.virtual_kind(spec.node_name, spec.node_selector),
    )


def _with_volumes(pod: Pod, owner: str, found: list[ContainerImage], texts: Texts) -> list[ContainerImage]:
    """The pod's image volumes too; an error of one that kubelet shows on a container becomes the volume's."""
    volumes = [(v.name, v.image) for v in pod.spec.volumes or () if v.image is not None and v.image.reference]
    references = [str(source.reference) for _, source in volumes]
    waiting: dict[str, Waiting] = {}
    kept = []
    for container in found:
        if container.waiting_reason in WAITING_FOR_IMAGE:
            failed = failed_image(container.waiting_message or "", container.image, references)
            if failed != container.image:
                waiting.setdefault(failed, Waiting(container.waiting_reason, container.waiting_message))
                container = msgspec.structs.replace(container, waiting_reason=None, waiting_message=None)
        kept.append(container)
    return kept + [
        _image(pod, owner, VOLUME, name, reference, source.pull_policy, waiting.get(reference), texts)
        for (name, source), reference in zip(volumes, references, strict=True)
    ]


def _waiting(statuses: list[ContainerStatus] | None, name: str) -> Waiting | None:
    for status in statuses or ():
        if status.name == name and status.state is not None:
            return status.state.waiting
    return None


def workload(pod: Pod) -> str:
    """ "namespace/Kind/name" of what made the pod. A ReplicaSet is named by its Deployment: its hash says nothing."""
    metadata, owners = pod.metadata, pod.metadata.owner_references
    if not owners:
        return f"{metadata.namespace}/Pod/{metadata.name}"
    owner = owners[0] if len(owners) == 1 else next((o for o in owners if o.controller), owners[0])
    return f"{metadata.namespace}/{_shown_owner(owner.kind, owner.name)}"


@lru_cache(maxsize=4096)  # a ReplicaSet has many pods
def _shown_owner(kind: str, name: str) -> str:
    hashed = _HASH.search(name) if kind == "ReplicaSet" else None
    return f"Deployment/{name[: hashed.start()]}" if hashed else f"{kind}/{name}"


def pod_events(event: Event, texts: Texts) -> list[PodEvent]:
    """An event as a fact; none about a canary of Pullwatch's own, which tells of itself (PW305)."""
    return [] if event.involved_object.name.startswith(POD_PREFIX) else [pod_event(event, texts)]


def pod_event(event: Event, texts: Texts) -> PodEvent:
    """An event as a fact."""
    return PodEvent(
        namespace=event.involved_object.namespace,
        pod=event.involved_object.name,
        reason=texts.start(event.reason or "", MAX_REASON),
        message=texts.of_pull(event.involved_object.namespace, event.involved_object.name, event.message)
        if event.message and event.reason in ABOUT_PULLS
        else "",
        count=event.count or 1,
        last_seen=event.last_timestamp or event.event_time,
        first_seen=event.first_timestamp or event.event_time,
        container=event.involved_object.field_path,
        node=event.source.host if event.source else None,
    )
