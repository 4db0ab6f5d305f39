"""Why a canary pod was not taken: each refusal has a cause of its own, and something of its own that cures it.

The API server's texts are those of its admission plugins (Kubernetes 1.36). The kubelet's reasons and texts are those
that its source names (pkg/kubelet/lifecycle, pkg/kubelet/eviction); the ones about Windows were not seen on a node.
"""

from __future__ import annotations

import re

import msgspec

from checks.causes import Cause
from checks.facts.canary import CanaryRefusal, RefusedBy

# How an authorizer refuses ('pods is forbidden: User "x" cannot create resource "pods" …'); what else is forbidden, a
# quota, a limit range, Pod Security or a policy refused at admission.
_NO_ROLE = re.compile(r"\bcannot [a-z]{1,20} resource\b")
_ADMISSION = re.compile(r'(?i)\bpods "[^"]{1,253}" is forbidden: |\badmission webhook\b|\bdenied (?:the )?request\b')


class CanaryRefusalCause(Cause):
    """Causes of a canary pod that was not taken."""

    NO_NODE = "canary-no-node", "No node of the pool can be named for a canary pod, so none was asked."
    QUOTA = "canary-quota", "A ResourceQuota of the namespace has no room for the canary pod."
    LIMIT_RANGE = "canary-limit-range", "A LimitRange of the namespace refuses the canary pod's requests or limits."
    POD_SECURITY = "canary-pod-security", "Pod Security admission refuses the canary pod."
    SERVICE_ACCOUNT = "canary-service-account", "The namespace has no service account for the canary pod."
    NAMESPACE_ENDING = "canary-namespace-ending", "The namespace of canary pods is being terminated."
    NAMESPACE_MISSING = "canary-namespace-missing", "The namespace of canary pods does not exist."
    RUNTIME_CLASS = "canary-runtime-class", "The canary pod's runtime class does not exist or does not work."
    PRIORITY = "canary-priority", "The Priority admission plugin refuses the canary pod."
    ADMISSION = "canary-admission", "A policy or an admission webhook refuses the canary pod."
    INVALID = "canary-invalid", "The API server does not accept the canary pod as valid."
    NODE_PODS = "canary-node-pods", "The node runs as many pods as it may."
    NODE_RESOURCES = "canary-node-resources", "The node has too little CPU, memory or storage left for the canary pod."
    TAINT = "canary-taint", "The node has a taint that the canary pod is not let to tolerate."
    NODE_AFFINITY = "canary-node-affinity", "The node's labels are not those of the node pool."
    OS = "canary-os", "The node's operating system is not the one that Azure Resource Manager shows for the pool."
    NODE_PRESSURE = "canary-node-pressure", "The node is under pressure (disk or processes) and takes no pods."
    NODE_SHUTDOWN = "canary-node-shutdown", "The node is shutting down."
    NODE_REFUSED = "canary-node-refused", "The node's kubelet refuses the canary pod for another reason."


class _Meaning(msgspec.Struct, frozen=True):
    """A cause by the refusal's reason or text, and what cures it."""

    cause: CanaryRefusalCause
    by: RefusedBy
    pattern: re.Pattern[str]
    missing: str


def _admission(cause: CanaryRefusalCause, pattern: str, missing: str) -> _Meaning:
    return _Meaning(cause, RefusedBy.API_SERVER, re.compile(pattern), missing)


def _kubelet(cause: CanaryRefusalCause, pattern: str, missing: str) -> _Meaning:
    return _Meaning(cause, RefusedBy.KUBELET, re.compile(pattern), missing)


_ELSEWHERE = "another namespace in PULLWATCH_CANARY_NAMESPACE"
_C = CanaryRefusalCause
# The first that fits. The kubelet's are matched on "Reason: message", so that the reason is anchored at the start.
_MEANINGS = (
    _admission(_C.NAMESPACE_ENDING, r"\bbeing terminated\b", _ELSEWHERE),
    _admission(
        _C.NAMESPACE_MISSING,
        r'\bnamespaces? "[^"]{1,253}" not found',
        "the namespace that PULLWATCH_CANARY_NAMESPACE names",
    ),
    _admission(
        _C.QUOTA,
        r"\b(?:exceeded|failed|status unknown for) quota\b",
        f"room for one more pod in the namespace's ResourceQuota, or {_ELSEWHERE}",
    ),
    _admission(
        _C.SERVICE_ACCOUNT,
        r"\bserviceaccount\b.{0,300}\bnot found|\blooking up service account\b",
        "the service account default in the namespace",
    ),
    _admission(
        _C.LIMIT_RANGE,
        r"\b(?:minimum|maximum) [a-z0-9./-]{1,253} usage per \w+ is\b|\blimit to request ratio\b",
        f"a LimitRange that takes requests of zero and small limits, or {_ELSEWHERE}",
    ),
    _admission(_C.POD_SECURITY, r"\bviolates PodSecurity\b", f"a namespace that takes restricted pods: {_ELSEWHERE}"),
    _admission(_C.RUNTIME_CLASS, r"(?i)\bruntimeclass\b", "the runtime class that the namespace gives pods"),
    _admission(_C.PRIORITY, r"\bPriorityClass\b|\bpriority admission controller\b", "a default priority class"),
    _kubelet(_C.NODE_PODS, r"OutOfpods\b", "a node of the pool with room for one more pod"),
    _kubelet(_C.NODE_RESOURCES, r"OutOf", "a node of the pool with some CPU, memory and storage left"),
    _kubelet(_C.TAINT, r"TaintToleration\b", "a node of the pool whose taints the namespace lets pods tolerate"),
    _kubelet(_C.NODE_AFFINITY, r"NodeAffinity\b", "a node with the label kubernetes.azure.com/agentpool of its pool"),
    _kubelet(_C.OS, r"PodOS(?:NotSupported|SelectorNodeLabelDoesNotMatch)\b", "the pool's osType as its nodes have it"),
    _kubelet(
        _C.RUNTIME_CLASS,
        r"FailedCreatePodSandBox: .{0,2000}\bruntime\b.{0,300}\bconfigured",
        "a node with the runtime handler",
    ),
    _kubelet(_C.NODE_PRESSURE, r"Evicted\b", "a node of the pool that is not under DiskPressure or PIDPressure"),
    _kubelet(_C.NODE_SHUTDOWN, r"(?:NodeShutdown|Terminated)\b", "a node of the pool that is not shutting down"),
)
_INVALID = re.compile(r'^Pod "[^"]{0,300}" is invalid: ')


def is_admission_refusal(status: int, message: str) -> bool:
    """Whether a refused request to make a pod is about the pod or its namespace, not about the caller's rights."""
    if status in (400, 404, 422):
        return True
    return status == 403 and _ADMISSION.search(message) is not None and not _NO_ROLE.search(message)


def cause_of(refusal: CanaryRefusal) -> CanaryRefusalCause:
    """The cause of a refusal."""
    return _meaning(refusal)[0]


def missing_of(refusal: CanaryRefusal) -> str:
    """What would have the pod taken."""
    return _meaning(refusal)[1]


def _meaning(refusal: CanaryRefusal) -> tuple[CanaryRefusalCause, str]:
    if refusal.by is RefusedBy.PULLWATCH:
        return CanaryRefusalCause.NO_NODE, refusal.reason or "a node of the pool that can be named"
    text = f"{refusal.reason}: {refusal.message}" if refusal.by is RefusedBy.KUBELET else refusal.message
    for known in _MEANINGS:
        if known.by is refusal.by and _fits(known, text):
            return known.cause, known.missing
    if refusal.by is RefusedBy.KUBELET:
        return CanaryRefusalCause.NODE_REFUSED, "a node of the pool whose kubelet takes the pod"
    if _INVALID.match(refusal.message):
        return CanaryRefusalCause.INVALID, "a pod that this version of Kubernetes accepts"
    return CanaryRefusalCause.ADMISSION, f"a policy that takes canary pods, or {_ELSEWHERE}"


def _fits(known: _Meaning, text: str) -> bool:
    return bool(known.pattern.match(text) if known.by is RefusedBy.KUBELET else known.pattern.search(text))
