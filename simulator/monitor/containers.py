"""The containers of pods, as far as pulls are concerned. A fleet has very many pods: nothing else of them is read.

A pod in which something has the wrong type is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from simulator.monitor.clock import moment

_WAITS = ("ErrImagePull", "ImagePullBackOff")


@dataclass(frozen=True, slots=True)
class Container:
    """`pod` is the pod's uid, or its namespace and name; `began` is when the pod did.

    `waits`: it waits for its image. `ran`: when it was started, for one that did; None too where nothing tells.
    """

    pod: str
    namespace: str
    account: str
    node: str
    name: str
    image: str
    policy: str
    began: datetime | None
    waits: bool
    ran: datetime | None


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str | None = None
    uid: str | None = None
    creation_timestamp: str | None = None


class _Named(msgspec.Struct, rename="camel"):
    name: str
    image: str | None = None
    image_pull_policy: str | None = None


class _Spec(msgspec.Struct, rename="camel"):
    node_name: str | None = None
    service_account_name: str | None = None
    init_containers: list[_Named] | None = None
    containers: list[_Named] | None = None


class _Waiting(msgspec.Struct):
    reason: str | None = None


class _Ran(msgspec.Struct, rename="camel"):
    started_at: str | None = None


class _State(msgspec.Struct):
    waiting: _Waiting | None = None
    running: _Ran | None = None
    terminated: _Ran | None = None


class _Told(msgspec.Struct, rename="camel"):
    name: str
    state: _State | None = None
    last_state: _State | None = None
    image_id: str | None = msgspec.field(default=None, name="imageID")
    restart_count: int | None = None


class _Status(msgspec.Struct, rename="camel"):
    start_time: str | None = None
    init_container_statuses: list[_Told] | None = None
    container_statuses: list[_Told] | None = None


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec | None = None
    status: _Status | None = None


_POD = msgspec.json.Decoder(_Pod)


def containers_of(raw: bytes) -> Iterator[Container]:
    """The containers of a pod that is on a node, from its JSON."""
    try:
        pod = _POD.decode(raw)
    except msgspec.ValidationError:
        return
    spec, status = pod.spec or _Spec(), pod.status or _Status()
    if spec.node_name:
        for told_of, listed in (
            (status.init_container_statuses, spec.init_containers),
            (status.container_statuses, spec.containers),
        ):
            told = {one.name: one for one in told_of or ()}
            for named in listed or ():
                yield _container(pod.metadata, spec, status, named, told.get(named.name) or _Told(named.name))


def _container(metadata: _Metadata, spec: _Spec, status: _Status, named: _Named, told: _Told) -> Container:
    namespace = metadata.namespace or "default"
    waiting = told.state.waiting if told.state is not None else None
    waits = waiting is not None and waiting.reason in _WAITS
    began = moment(status.start_time) or moment(metadata.creation_timestamp)
    image = named.image or ""
    latest = image.endswith(":latest") or ":" not in image.rsplit("/", 1)[-1]
    return Container(
        pod=metadata.uid or f"{namespace}/{metadata.name}",
        namespace=namespace,
        account=spec.service_account_name or "default",
        node=spec.node_name or "",
        name=named.name,
        image=image,
        policy=named.image_pull_policy or ("Always" if latest else "IfNotPresent"),
        began=began,
        waits=waits,
        ran=None if waits else _started(told, began),
    )


def _started(told: _Told, began: datetime | None) -> datetime | None:
    """When a container that runs or ran was pulled: with its pod, where it restarted since."""
    states = [state for state in (told.state, told.last_state) if state is not None]
    ran = [one for state in states for one in (state.running, state.terminated) if one is not None]
    if not ran and not told.image_id:
        return None
    if told.restart_count:
        return began
    return next((at for at in (moment(one.started_at) for one in ran) if at is not None), began)
