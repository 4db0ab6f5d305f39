"""Events and texts that tell of something else than a pull that failed: probes, mounts, scheduling, starts.

Their words are those of pull errors ("connection refused", "not found", "403"), so they are told apart before any rule
is applied: by the event's reason, or by how the text begins. Source: kubernetes/pkg/kubelet/events/event.go, the
reasons of the scheduler's and the controllers' events, and kubelet's texts.
"""

from __future__ import annotations

import re

import msgspec

from checks.causes import Cause
from checks.rules.pull.errors.causes import PullErrorCause
from checks.rules.pull.errors.classify import Classified, classify
from checks.rules.pull.errors.unwrap import MAX_NAME, MAX_TEXT, ascii_lower, clean

MAX_EVIDENCE = 200


class OtherEventCause(Cause):
    """What the classifier answers where no pull failed."""

    NOT_A_PULL = "not_a_pull", "The text tells of something else than a pull that failed."


class OtherEvent(msgspec.Struct, frozen=True):
    """The answer about a text that is not a pull's error; ``rule`` and ``evidence`` as in ``Classified``."""

    cause: OtherEventCause
    rule: str
    evidence: str


# Reasons under which kubelet reports failed pulls and nothing else.
_PULL_REASONS = frozenset({
    "ErrImagePull", "ImagePullBackOff", "ImagePullFailure", "InvalidImageName", "ErrImageNeverPull",
    "ImageInspectError", "InspectFailed", "RegistryUnavailable", "SignatureValidationFailed",
    "FailedToRetrieveImagePullSecret",
})  # fmt: skip
# Reasons in neither list may be about a pull, so the text decides: Failed, BackOff, FailedSync, CreateContainerError,
# FailedCreate (admission), FailedCreatePodSandBox (the pause image).
_OTHER_REASONS = frozenset({
    "Unhealthy", "ProbeWarning", "ProbeError", "FailedScheduling", "Scheduled", "Preempted", "Preempting",
    "NotTriggerScaleUp", "TriggeredScaleUp", "Pulling", "Pulled", "Created", "Started", "Killing",
    "ExceededGracePeriod", "FailedKillPod", "NetworkNotReady", "NodeReady", "NodeNotReady", "NodeSchedulable",
    "NodeNotSchedulable", "Starting", "FailedAttachVolume", "FailedDetachVolume", "FailedMapVolume",
    "VolumeResizeFailed", "VolumeResizeSuccessful", "FileSystemResizeFailed", "FileSystemResizeSuccessful",
    "AlreadyMountedVolume", "SuccessfulAttachVolume", "SuccessfulMountVolume", "ProvisioningFailed",
    "ProvisioningSucceeded", "NodeRebooted", "NodeShutdown", "ContainerGCFailed", "ImageGCFailed",
    "FreeDiskSpaceFailed", "InvalidDiskCapacity", "FailedNodeAllocatableEnforcement", "NodeAllocatableEnforced",
    "SandboxChanged", "FailedPrepareDynamicResources", "FailedPostStartHook", "FailedPreStopHook",
    "PostStartHookError", "CreateContainerConfigError", "RunContainerError", "StartError", "ContainerCannotRun",
    "CrashLoopBackOff", "Completed", "OOMKilled", "ContainerCreating", "PodInitializing", "DNSConfigForming",
    "MissingClusterDNS", "Evicted", "EvictionThresholdMet", "SystemOOM", "OOMKilling", "TaintManagerEviction",
    "NodeHasDiskPressure", "NodeHasNoDiskPressure", "NodeHasSufficientMemory", "NodeHasSufficientPID",
    "SuccessfulCreate", "SuccessfulDelete", "ScalingReplicaSet", "SyncLoadBalancerFailed",
    "EnsuringLoadBalancer", "EnsuredLoadBalancer", "UpdatedLoadBalancer", "LeaderElection",
    "FailedGetResourceMetric", "FailedComputeMetricsReplicas", "FailedGetScale", "BackoffLimitExceeded",
    "SawCompletedJob",
})  # fmt: skip
# Only a text that says so itself is about a pull under these reasons: a CSI driver may mount images, and the image of
# an image volume is unpacked as it is mounted (containerd, internal/cri/server/container_image_mount.go).
_MOUNT_REASONS = frozenset({"FailedMount", "ImageVolumeMountFailed"})
_PREFIX = r"^(?:\(combined from similar events\): )?"
_OTHER_TEXT = re.compile(
    _PREFIX + r"(?:error: )?(?:(?:readiness|liveness|startup) probe\b|successfully pulled image\b|pulling image \""
    r"|(?:container )?image (?:\"[^\"]{0,600}\" )?already present on machine\b"
    r"|back-?off restarting\b|\d{1,6}/\d{1,6} nodes are available\b|no nodes available to schedule"
    r"|(?:created|started|stopping|killing) (?:container|pod)\b|(?:created|deleted) pod: |successfully assigned\b"
    r"|nameserver limits|search line limits|the node was low on resource|node \S{1,253} status is now\b"
    r"|node is not ready\b|(?:failed to|attempting to) (?:garbage collect|reclaim)\b|error syncing load balancer\b"
    r"|(?:exec lifecycle hook|poststarthook|prestophook|http lifecycle hook)\b"
    # The node's container runtime is down, and its disk is full.
    r"|\"?failed to get image status\b|(?:kubelet: )?\"?eviction manager: "
    r"|(?:multi-attach|attachvolume)|unable to upgrade connection\b|error executing (?:remote )?command\b)"
)
# These may hold a pull's error: the pause image's, or that of an image that a driver mounts.
_OTHER_UNLESS_PULL = re.compile(
    _PREFIX + r"(?:rpc error: code = \w{1,30} desc = )?"
    r"(?:(?:mount|unmount)volume|unable to (?:attach or )?mount volumes|failed to create pod sandbox"
    r"|failed to (?:setup|set up) network for sandbox|failed to start sandbox"
    r"|error: (?:secrets?|configmaps?|couldn't find key|cannot find volume|container has runasnonroot)\b"
    r"|(?:error: )?(?:error response from daemon: )?(?:failed to (?:create|start) (?:containerd )?(?:task|container)\b"
    r"|failed to (?:create|generate|reserve) (?:shim|container|containerd container|sandbox)\b"
    r"|imagevolumemountfailed\b|failed to mount image volume|oci runtime|runc|container create failed"
    r"|container_linux\.go))"
)
_SUB_PATH = re.compile(r"\b(?:image )?sub-?path\b")
_TELLS_OF_A_PULL = re.compile(
    # What is pulled is an image: by that word, by a name in quotes, or by a name with a registry, a tag or a digest.
    r"(?:failed|unable|error|trying and failing) (?:to )?pull(?:ing)?(?: and unpack)?"
    r"(?:(?: \w{1,20}){0,3}? images?\b| \\{0,3}[\"'`…]| (?!https?:)[^\s\"']{1,300}(?:/[\w…]|:\w))"
    r"|errimage|imagepullbackoff|back-?off pulling"
    r"|pull access denied|failed to (?:get sandbox image|resolve reference \\{0,3}[\"'`…](?!#)|resolve image)"
    r"|failed to (?:unpack|extract) (?:the )?(?:image|layer)|(?:error|failed) unpacking (?:image|layer)"
    r"|image pull\b|pull(?:ing)? image\b|pull failed: error response from daemon"
)


def classify_event(message: str, reason: str = "", image: str = "") -> Classified | OtherEvent:
    """The cause of a failed pull, or that the text is about something else. Never raises.

    For texts of unknown origin, such as piped events. What a container waits for is always a pull: ``classify``.
    """
    reason = reason.strip()
    if reason in _PULL_REASONS:
        return classify(message, reason, image)
    if reason in _OTHER_REASONS:
        return _other("event-reason", reason)
    text = ascii_lower(clean(message[:MAX_TEXT], image[:MAX_NAME]))
    # A message of several lines may tell of a pull after something else.
    rest = ascii_lower(clean(message[:MAX_TEXT].lstrip().partition("\n")[2], image[:MAX_NAME]))
    begins = None if _TELLS_OF_A_PULL.search(rest) else _OTHER_TEXT.match(text)
    if begins:
        return _other("event-text", begins[0])
    if _TELLS_OF_A_PULL.search(text):
        return classify(message, reason, image)
    if reason in _MOUNT_REASONS:
        return _other("event-reason", reason)
    found = _OTHER_UNLESS_PULL.match(text) or _SUB_PATH.search(text)
    if found is None:
        return classify(message, reason, image)
    # The image of another platform is pulled, and fails as its container starts.
    classified = classify(message, reason, image)
    if classified.cause is PullErrorCause.PLATFORM_MISMATCH:
        return classified
    return _other("event-text", found[0])


def tells_of_a_pull(message: str, reason: str = "") -> bool:
    """Whether an event's reason, or a text itself in the words of kubelet and container runtimes, is about a pull."""
    return (
        reason.strip() in _PULL_REASONS or _TELLS_OF_A_PULL.search(ascii_lower(clean(message[:MAX_TEXT]))) is not None
    )


def _other(rule: str, evidence: str) -> OtherEvent:
    return OtherEvent(OtherEventCause.NOT_A_PULL, rule, evidence[:MAX_EVIDENCE])
