"""The causes of a failed pull: a closed list with stable ids."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why an image could not be pulled."""

    UNAUTHORIZED = "unauthorized"
    CREDENTIALS_EXPIRED = "credentials_expired"
    CREDENTIALS_MISSING = "credentials_missing"
    FIREWALL_DENIED = "firewall_denied"
    DNS = "dns"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_REFUSED = "connect_refused"
    TLS = "tls"
    PROXY = "proxy"
    IMAGE_NOT_FOUND = "image_not_found"
    INVALID_REFERENCE = "invalid_reference"
    PLATFORM_MISMATCH = "platform_mismatch"
    UNSUPPORTED_MANIFEST = "unsupported_manifest"
    RATE_LIMITED = "rate_limited"
    REGISTRY_ERROR = "registry_error"
    CORRUPT_OR_INTERRUPTED = "corrupt_or_interrupted"
    NODE_DISK = "node_disk"
    POLICY = "policy"
    BACKOFF_ONLY = "backoff_only"
    UNKNOWN = "unknown"


# The registry was reached and requires a credential that it did not get.
CREDENTIALS = frozenset({Cause.UNAUTHORIZED, Cause.CREDENTIALS_EXPIRED, Cause.CREDENTIALS_MISSING})
