"""The kubeconfig that ARM returns: which server, which CA, and who may sign in how."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.wire.connections import HTTPS
from checks.collect.wire.errors import Temporary
from checks.facts import Cluster
from checks.text import one_line

MAX_BYTES = 262_144
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# libyaml takes a tenth of the time, and bounds how deep it nests; a PyYAML that was built without it has none.
_LOADER: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A value that is not what its tag says (!!bool, !!int, !!timestamp) is no YAMLError: PyYAML just fails on it.
_NO_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)


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


async def of_cluster(azure: Azure, cluster: Cluster) -> Kubeconfig:
    """The kubeconfig that Azure Resource Manager hands out for a cluster, if its server is the cluster's own.

    A token that is good at every cluster would go to that server. Raises CollectError.
    """
    kubeconfig = read(await reads.user_kubeconfig(azure, cluster))
    refusal = refusal_of_server(kubeconfig.server, cluster, development=bool(azure.settings.connect_to))
    if refusal:
        raise Temporary(refusal)
    return kubeconfig


def refusal_of_server(server: str, cluster: Cluster, *, development: bool = False) -> str:
    """Why the server of a cluster's kubeconfig may not be connected to; "" where it may.

    ``development``: PULLWATCH_CONNECT_TO is set, which the app refuses in Azure: API servers on loopback are simulated.
    """
    try:
        parts = urlsplit(server)
        host, port = (parts.hostname or "").lower(), parts.port or HTTPS
    except ValueError:
        return "the kubeconfig's server is no address"
    if development and host in LOOPBACK:
        return ""
    if not cluster.api_hosts:
        return f"Azure Resource Manager shows no fqdn of {cluster.name}, so its kubeconfig's server cannot be verified"
    if host in cluster.api_hosts and port == HTTPS and parts.path in ("", "/"):
        return ""
    return (
        f"the kubeconfig names the server {one_line(parts.netloc)[:100]}, which is not {cluster.name}'s own "
        f"({', '.join(cluster.api_hosts)})"
    )


def read(raw: bytes) -> Kubeconfig:
    """A kubeconfig out of its YAML. Raises Temporary where it is none, is too big, or names no https server."""
    if len(raw) > MAX_BYTES:
        raise Temporary("the kubeconfig is too big to be one")
    try:
        body = yaml.load(raw, Loader=_LOADER)
    except _NO_YAML:
        raise Temporary("the kubeconfig is no YAML") from None  # the error quotes the line, or the value itself
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
