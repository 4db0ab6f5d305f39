"""The causes of a failed pull: a closed list with stable ids."""

from __future__ import annotations

from checks.causes import Cause


class PullErrorCause(Cause):
    """Why an image could not be pulled."""

    UNAUTHORIZED = (
        "unauthorized",
        "The registry requires a credential, and the one that the node used, if any, does not allow the pull.",
    )
    CREDENTIALS_EXPIRED = "credentials_expired", "The credential has expired."
    CREDENTIALS_MISSING = "credentials_missing", "The registry requires a credential, and the node had none."
    FIREWALL_DENIED = "firewall_denied", "The registry's firewall refused the node's address."
    DNS = "dns", "The node could not resolve a name."
    CONNECT_TIMEOUT = "connect_timeout", "The node's connection timed out."
    CONNECT_REFUSED = "connect_refused", "The node's connection was refused, or was cut before an answer."
    TLS = "tls", "TLS failed: an untrusted or expired certificate, or something that intercepts the connection."
    PROXY = "proxy", "A proxy refused or failed."
    IMAGE_NOT_FOUND = (
        "image_not_found",
        "The repository, tag or digest does not exist, or is not shown to the node.",
    )
    INVALID_REFERENCE = "invalid_reference", "The image reference is not valid."
    PLATFORM_MISMATCH = "platform_mismatch", "The image does not exist for the node's platform."
    UNSUPPORTED_MANIFEST = (
        "unsupported_manifest",
        "The node's container runtime does not support the image's manifest.",
    )
    RATE_LIMITED = "rate_limited", "The registry limits the rate of pulls."
    REGISTRY_ERROR = "registry_error", "The registry answered with an error of its own."
    CORRUPT_OR_INTERRUPTED = "corrupt_or_interrupted", "The download was corrupt or interrupted."
    NODE_DISK = "node_disk", "The node's disk is full or fails."
    POLICY = "policy", "A policy on the node or in the cluster forbids the image."
    BACKOFF_ONLY = "backoff_only", "Only a back-off is reported, which names no cause."
    UNKNOWN = "unknown", "The text of the error is not known."


# The registry was reached and requires a credential that it did not get.
CREDENTIALS = frozenset(
    {PullErrorCause.UNAUTHORIZED, PullErrorCause.CREDENTIALS_EXPIRED, PullErrorCause.CREDENTIALS_MISSING}
)
