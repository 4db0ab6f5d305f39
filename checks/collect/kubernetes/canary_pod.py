"""The canary's pod: its body, and what its status and events say. Pure: bytes and dicts in, facts out."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from checks.collect.arm import bodies
from checks.collect.wire.errors import Temporary
from checks.facts.canary import CanaryReport
from checks.rules.pull.canaries import POD_PREFIX, POOL_LABEL
from checks.rules.pull.observed_pulls import WAITING_FOR_IMAGE
from checks.text import one_line, redacted

LABELS = {"app.kubernetes.io/managed-by": "pullwatch", "app.kubernetes.io/name": "pullwatch-canary"}
_BACK_OFF_ONLY = re.compile(r'\s*Back-off pulling image "[^"]*"\s*')
# The kubelet's own brake (registryPullQPS): nothing was asked of the registry yet, and it tries again by itself.
_BRAKE = "pull QPS exceeded"
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


def pod(name: str, namespace: str, pool: str, images: dict[str, str], *, windows: bool, seconds: int) -> dict[str, Any]:
    """A pod that asks for images (by container name) on one pool and can do no harm.

    It keeps to Pod Security "restricted", has no service account token, tolerates every taint, asks for next to
    nothing, and ends after ``seconds`` by itself. A Windows pod must not have the Linux fields.
    """
    system = "windows" if windows else "linux"
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    resources = {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"cpu": "50m", "memory": "64Mi"}}
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
    """A pod's status as far as pulls matter: each container's state by name, and why no node takes it (the scheduler's
    words, or those of a kubelet that refused it).

    ``secrets`` are the pull secrets that the API server gave it from its service account: a canary asks for none.
    """

    states: dict[str, dict[str, Any]] = {}
    unschedulable: str = ""
    node: str | None = None
    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: bytes) -> PodState:
        """Out of a pod's JSON. Raises Temporary for what is none."""
        body = _decoded(raw)
        states = {
            name: state
            for status in bodies.objects(body, "status", "containerStatuses")
            if (name := bodies.text(status, "name")) and isinstance(state := status.get("state"), dict)
        }
        refused = next(
            (
                bodies.text(c, "message") or "Unschedulable"
                for c in bodies.objects(body, "status", "conditions")
                if c.get("type") == "PodScheduled" and c.get("reason") == "Unschedulable"
            ),
            "",
        )
        if not states and bodies.text(body, "status", "phase") == "Failed":
            refused = f"{bodies.text(body, 'status', 'reason')}: {bodies.text(body, 'status', 'message')}"
        given = (bodies.text(secret, "name") for secret in bodies.objects(body, "spec", "imagePullSecrets"))
        secrets = tuple(name for name in given if name)
        return cls(states, one_line(refused), bodies.text(body, "spec", "nodeName"), secrets)

    @staticmethod
    def older_than(raw: bytes, before: datetime) -> list[str]:
        """Names of the canaries in a list that were made before a time; one whose time cannot be read is left alone."""
        old = []
        for item in bodies.objects(_decoded(raw), "items"):
            name, made = bodies.text(item, "metadata", "name"), bodies.text(item, "metadata", "creationTimestamp")
            ours = name is not None and name.startswith(POD_PREFIX)
            if name and ours and made and (when := _time(made)) is not None and when < before:
                old.append(name)
        return old

    @staticmethod
    def message_of(raw: bytes) -> str:
        """The message of a Status answer, or the start of whatever it is."""
        try:
            message = bodies.text(_decoded(raw), "message")
        except Temporary:
            message = None
        return one_line(message or raw[:300].decode("utf-8", "replace"))


def answered(state: PodState, container: str) -> CanaryReport | None:
    """What kubelet said of one container's image, or None while it said nothing yet.

    The text is empty where the status reports only a back-off.
    """
    status = state.states.get(container, {})
    ended = bodies.get(status, "terminated")
    ran = isinstance(ended, dict) and ended.get("reason") != "ContainerStatusUnknown"
    if isinstance(status.get("running"), dict) or ran:
        return CanaryReport(pulled=True, reason="Pulled", node=state.node, secrets=state.secrets)
    reason, text = bodies.text(status, "waiting", "reason"), redacted(bodies.text(status, "waiting", "message") or "")
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
        message = redacted(bodies.text(event, "message") or "")
        if where and event.get("reason") == "Failed" and len(message) > len(texts.get(where[1], "")):
            texts[where[1]] = message
    return texts


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
