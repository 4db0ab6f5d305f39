"""What an API server's answer means that is not the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from checks.collect.wire.errors import CollectError, NotAllowed, NotAuthenticated, NotFound, Temporary
from checks.facts import Cluster
from checks.retry_after import asked_seconds
from checks.rules.fixes import az_aks
from checks.text import one_line

MAX_BODY = 64 * 1024
MAX_TEXT = 300


class Expired(CollectError):
    """410: the list has to be begun anew; with a ``token`` it can be gone on with, though not as it was."""

    def __init__(self, token: str | None) -> None:
        super().__init__("the Kubernetes API's list expired")
        self.token = token


class _ListMeta(msgspec.Struct):
    continue_: str | None = msgspec.field(name="continue", default=None)


class _Status(msgspec.Struct):
    """Of meta/v1 Status."""

    message: str | None = None
    metadata: _ListMeta | None = None


def error_of(
    status: int, headers: Mapping[str, str], body: bytes, cluster: Cluster, role: str, now: datetime
) -> CollectError:
    """The error that an answer other than 200 is. ``role`` is what a 403 is cured by."""
    decoded = _decoded(body)
    if status == 410:
        return Expired(decoded.metadata.continue_ if decoded.metadata else None)
    text = f"the Kubernetes API answered {status}: {message_of(body)}"
    if status == 429:
        return Temporary(f"throttled: {text}", asked_seconds(headers.get("Retry-After", ""), now) or 0.0)
    if status == 401:
        return _not_authenticated(text, cluster)
    if status == 403:
        return NotAllowed(text, role, cluster.id)
    return NotFound(text) if status == 404 else Temporary(text)


def message_of(body: bytes) -> str:
    """A Status's message; any other text as it stands, as one line."""
    message = _decoded(body).message or body[:MAX_BODY].decode("utf-8", "replace")
    return one_line(message)[:MAX_TEXT]


def _decoded(body: bytes) -> _Status:
    try:
        return msgspec.json.decode(body[:MAX_BODY], type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Status()


def _not_authenticated(text: str, cluster: Cluster) -> NotAuthenticated:
    """401 is about who asks, not about what is allowed: no role cures it."""
    if cluster.entra:
        missing = "a token of the Microsoft Entra tenant that the cluster is set up for (aadProfile.tenantID)"
        return NotAuthenticated(text, missing, (az_aks.show_entra_profile(cluster),))
    missing = "credentials that the cluster takes (those of its kubeconfig expired, or were replaced)"
    return NotAuthenticated(text, missing, ())
