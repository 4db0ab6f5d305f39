"""The canary's pod: its body, and what its status and events say. Pure: bytes and dicts in, facts out."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import msgspec

from checks.collect.arm import bodies
from checks.collect.kubernetes.refusals import MAX_BODY
from checks.collect.wire.errors import Temporary
from checks.facts.canary import CanaryNode, CanaryRefusal, CanaryReport, RefusedBy
from checks.rules.pull.canaries import POD_PREFIX, POOL_LABEL
from checks.rules.pull.observed_pulls import WAITING_FOR_IMAGE
from checks.text import one_line

LABELS = {"app.kubernetes.io/managed-by": "pullwatch", "app.kubernetes.io/name": "pullwatch-canary"}
_BACK_OFF_ONLY = re.compile(r'\s*Back-off pulling image "[^"]*"\s*')
# The kubelet's own brake (registryPullQPS): nothing was asked of the registry yet, and it tries again by itself.
_BRAKE = "pull QPS exceeded"
# A pod that says nothing of its own end is left behind after this time; one that does, a little after that.
LEFT_AFTER = timedelta(minutes=20)
MARGIN = timedelta(minutes=1)
# The pod's own end (activeDeadlineSeconds): not a refusal.
_ENDED = "DeadlineExceeded"
# Events of a pod that never came to pull: its sandbox, network or volumes failed.
_BEFORE_THE_PULL = frozenset({"FailedCreatePodSandBox", "FailedMount", "NetworkNotReady"})
_PRESSURES = ("DiskPressure", "PIDPressure")
_FIELD_PATH = re.compile(r"spec\.containers\{([^}]{1,63})\}")
# Reasons by which a container waits although its image has arrived.
AFTER_THE_PULL = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreStartHookError",
        "PostStartHookError",
        "CrashLoopBackOff",
    }
)


def pod(
    name: str, namespace: str, pool: str, node: str, images: dict[str, str], *, windows: bool, seconds: int
) -> dict[str, Any]:
    """A pod that asks for images (by container name) on one node of a pool and can do no harm.

    It keeps to Pod Security "restricted", has no service account token, tolerates every taint, requests nothing, and
    ends after ``seconds`` by itself. With ``nodeName`` the scheduler has nothing to do with it, so nothing is evicted
    to make room; the node selector is then checked by the kubelet. Requests of zero have to be written down: they would
    default to the limits. A Windows pod must not have the Linux fields.
    """
    system = "windows" if windows else "linux"
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    resources = {"requests": {"cpu": "0", "memory": "0"}, "limits": {"cpu": "50m", "memory": "64Mi"}}
    containers = [
        {"name": container, "image": image, "imagePullPolicy": "Always", "resources": resources}
        | ({} if windows else {"securityContext": own})
        for container, image in images.items()
    ]
    whole = {"runAsNonRoot": True} | ({} if windows else {"seccompProfile": {"type": "RuntimeDefault"}})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(LABELS),
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"},
        },
        "spec": {
            "nodeName": node,
            "os": {"name": system},
            "nodeSelector": {POOL_LABEL: pool, "kubernetes.io/os": system},
            "tolerations": [{"operator": "Exists"}],
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": whole,
            "containers": containers,
        },
    }


class PodState(msgspec.Struct, frozen=True):
    """A pod's status as far as pulls matter: each container's state by name, and how the kubelet refused the pod.

    ``secrets`` are the pull secrets that the API server gave it from its service account: a canary asks for none.
    ``deleting``: the API server accepted its deletion; ``finalizers`` keep it until they are taken off.
    """

    states: dict[str, dict[str, Any]] = {}
    refusal: CanaryRefusal | None = None
    node: str | None = None
    secrets: tuple[str, ...] = ()
    deleting: bool = False
    finalizers: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: bytes) -> PodState:
        """Out of a pod's JSON. Raises Temporary for what is none."""
        body = _decoded(raw)
        states = {
            name: state
            for status in bodies.objects(body, "status", "containerStatuses")
            if (name := bodies.text(status, "name")) and isinstance(state := status.get("state"), dict)
        }
        given = (bodies.text(secret, "name") for secret in bodies.objects(body, "spec", "imagePullSecrets"))
        return cls(
            states=states,
            refusal=None if states else _refusal(body),
            node=bodies.text(body, "spec", "nodeName"),
            secrets=tuple(name for name in given if name),
            deleting=bodies.text(body, "metadata", "deletionTimestamp") is not None,
            finalizers=tuple(map(one_line, bodies.strings(body, "metadata", "finalizers"))),
        )

    @staticmethod
    def left_behind(raw: bytes, now: datetime) -> list[str]:
        """Names of the canaries in a list that must have ended by now; one whose age cannot be read is left alone."""
        left = []
        for item in bodies.objects(_decoded(raw), "items"):
            name, made = bodies.text(item, "metadata", "name"), bodies.text(item, "metadata", "creationTimestamp")
            ours = name is not None and name.startswith(POD_PREFIX)
            if name and ours and bodies.text(item, "metadata", "deletionTimestamp"):
                left.append(name)  # something holds it, however young it is
            elif name and ours and made and (when := _time(made)) is not None and now - when > _longest_life(item):
                left.append(name)
        return left

    @staticmethod
    def message_of(raw: bytes) -> str:
        """The message of a Status answer, or the start of whatever it is."""
        try:
            message = bodies.text(_decoded(raw), "message")
        except Temporary:
            message = None
        return one_line(message or raw[:MAX_BODY].decode("utf-8", "replace"))


def answered(state: PodState, container: str) -> CanaryReport | None:
    """What kubelet said of one container's image, or None while it said nothing yet.

    The text is empty where the status reports only a back-off.
    """
    status = state.states.get(container, {})
    ended = bodies.get(status, "terminated")
    ran = isinstance(ended, dict) and ended.get("reason") != "ContainerStatusUnknown"
    if isinstance(status.get("running"), dict) or ran:
        return CanaryReport(pulled=True, reason="Pulled", node=state.node, secrets=state.secrets)
    reason, text = bodies.text(status, "waiting", "reason"), bodies.said(status, "waiting", "message") or ""
    if reason in AFTER_THE_PULL:
        return CanaryReport(pulled=True, reason=reason, text=text, node=state.node, secrets=state.secrets)
    if reason not in WAITING_FOR_IMAGE or _BRAKE in text:
        return None
    error_text = "" if _BACK_OFF_ONLY.fullmatch(text) else text
    return CanaryReport(reason=reason, text=error_text, node=state.node, secrets=state.secrets)


def failed_texts(raw: bytes) -> dict[str, str]:
    """The longest text per container in a pod's Failed events: the short ones name only the step."""
    texts: dict[str, str] = {}
    for event in bodies.objects(_decoded(raw), "items"):
        where = _FIELD_PATH.fullmatch(bodies.text(event, "involvedObject", "fieldPath") or "")
        message = bodies.said(event, "message") or ""
        if where and event.get("reason") == "Failed" and len(message) > len(texts.get(where[1], "")):
            texts[where[1]] = message
    return texts


def stuck(raw: bytes) -> CanaryRefusal | None:
    """The newest of a pod's events by which it never came to pull, or None."""
    found = [
        CanaryRefusal(RefusedBy.KUBELET, reason, one_line(bodies.text(event, "message") or ""))
        for event in bodies.objects(_decoded(raw), "items")
        if (reason := bodies.text(event, "reason") or "") in _BEFORE_THE_PULL
    ]
    return found[-1] if found else None


def nodes_of(raw: bytes, pool: str) -> tuple[tuple[CanaryNode, ...], str]:
    """The nodes in a page of a list, and the token of the next page (empty: none). Raises Temporary."""
    body = _decoded(raw)
    found = tuple(_node(item, pool) for item in bodies.objects(body, "items"))
    return found, bodies.text(body, "metadata", "continue") or ""


def has_items(raw: bytes) -> bool:
    """Whether a list has an object in it. Raises Temporary."""
    return bool(bodies.objects(_decoded(raw), "items"))


def _node(item: dict[str, Any], pool: str) -> CanaryNode:
    conditions = {
        bodies.text(c, "type"): bodies.text(c, "status") for c in bodies.objects(item, "status", "conditions")
    }
    labels = bodies.get(item, "metadata", "labels")
    taints = [bodies.text(taint, "key") or "" for taint in bodies.objects(item, "spec", "taints")]
    virtual = isinstance(labels, dict) and (labels.get("type") == "virtual-kubelet" or "virtualization" in labels)
    return CanaryNode(
        name=bodies.text(item, "metadata", "name") or "",
        pool=pool,
        ready=conditions.get("Ready") == "True",
        cordoned=bodies.get(item, "spec", "unschedulable") is True,
        virtual=virtual or any(key.startswith("virtual-kubelet.io/") for key in taints),
        pressure=tuple(kind for kind in _PRESSURES if conditions.get(kind) == "True"),
    )


def _refusal(body: Any) -> CanaryRefusal | None:
    """The kubelet's refusal of a pod that never had a container."""
    reason = one_line(bodies.text(body, "status", "reason") or "")
    if bodies.text(body, "status", "phase") != "Failed" or reason == _ENDED:
        return None
    return CanaryRefusal(RefusedBy.KUBELET, reason, one_line(bodies.text(body, "status", "message") or ""))


def _longest_life(item: dict[str, Any]) -> timedelta:
    seconds = bodies.get(item, "spec", "activeDeadlineSeconds")
    known = isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < 86_400
    return timedelta(seconds=seconds) + MARGIN if known else LEFT_AFTER


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Temporary(f"the Kubernetes API sent what is no JSON: {error}") from error


def _time(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo else None
