"""The kubeconfig that ARM returns: which server, which CA, and who may sign in how."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from checks.collect.arm import bodies
from checks.collect.wire.errors import Temporary

MAX_BYTES = 262_144


class Kubeconfig(msgspec.Struct, frozen=True):
    """One cluster's address and trust, and how its user signs in.

    ``exec_plugin`` is true on Entra clusters: their token comes from azure-identity, never from the plugin. The other
    three are set on clusters without Entra ID, whose "user" is equal to cluster-admin.
    """

    server: str
    ca_pem: str
    exec_plugin: bool
    token: str | None = None
    certificate_pem: str | None = None
    key_pem: str | None = None

    def __repr__(self) -> str:
        """Without what signs in: these users are equal to cluster-admin."""
        return f"Kubeconfig({self.server})"


def read(raw: bytes) -> Kubeconfig:
    """A kubeconfig out of its YAML. Raises Temporary where it is none, is too big, or names no https server."""
    if len(raw) > MAX_BYTES:
        raise Temporary("the kubeconfig is too big to be one")
    try:
        body = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise Temporary("the kubeconfig is no YAML") from None  # the error quotes the line
    cluster = _first(body, "clusters", "cluster")
    user = _first(body, "users", "user")
    server = bodies.text(cluster, "server") or ""
    if not _https(server):
        raise Temporary("the kubeconfig names no https server")
    return Kubeconfig(
        server.rstrip("/"),
        _pem(cluster, "certificate-authority-data") or "",
        isinstance(bodies.get(user, "exec"), dict),
        bodies.text(user, "token"),
        _pem(user, "client-certificate-data"),
        _pem(user, "client-key-data"),
    )


def _first(body: Any, plural: str, singular: str) -> Any:
    return bodies.get(next(iter(bodies.objects(body, plural)), {}), singular)


def _https(server: str) -> bool:
    try:
        parts = urlsplit(server)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and not parts.username


def _pem(body: Any, key: str) -> str | None:
    value = bodies.get(body, key)
    if not isinstance(value, str):
        return None
    try:
        return base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise Temporary(f"the kubeconfig's {key} is not base64") from error
