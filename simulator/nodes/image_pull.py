"""What a node hears when it pulls an image: the texts containerd and kubelet write, decided by the tenant's data.

In the order in which a pull meets them: the name, the way, the registry's firewall, its encryption key, the token, the
repository and tag, the platform, the layers' own name. Nodes keep tokens for hours: TENANT/tokens.json may say that
those of a cluster are older than the roles as they are now:

    {"<cluster name>": "pulls"}    or "refused"
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from simulator.arm.rbac import CONTENT, METADATA, PULL, Rights
from simulator.arm.resources import Resource
from simulator.jsonfiles import JsonFile
from simulator.nodes.account_identity import principal_of_account, pulls_by_account
from simulator.nodes.machines import OwnIdentity
from simulator.nodes.node_network import RESOLVER, Node, NodeNetwork, table
from simulator.registry import manifests
from simulator.registry.hosts import Host, find_host
from simulator.tenant import Tenant

_PUBLIC_ADDRESS = "20.61.97.128"
_FORBIDDEN = "403 Forbidden"
_PULLED_BYTES = 28_311_552
_ARM64 = re.compile(r"standard_[a-z]+\d+(?:-\d+)?[a-z]*p", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pulled:
    size: int = _PULLED_BYTES


@dataclass(frozen=True, slots=True)
class Failed:
    """`code` is the gRPC code by which containerd hands the error to kubelet, `text` its description.

    `again` is what the next try heard: kubelet makes one per credential, on AKS a last one without any.
    """

    text: str
    code: str = "Unknown"
    again: Failed | None = None

    @property
    def message(self) -> str:
        """As kubelet tells it: newer ones leave gRPC's prefix out where the code says nothing."""
        answered = self.text if self.code == "Unknown" else f"rpc error: code = {self.code} desc = {self.text}"
        return answered if self.again is None else f"[{answered}, {self.again.message}]"


@dataclass(frozen=True, slots=True)
class _Image:
    """A reference taken apart; `full` is how containerd writes it."""

    host: str
    repository: str
    reference: str
    full: str

    @property
    def manifest(self) -> str:
        return f"https://{self.host}/v2/{self.repository}/manifests/{self.reference}"


class NodePull:
    """Pulls of one tenant's nodes."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._network = NodeNetwork(tenant)
        self._tokens = JsonFile(tenant.root / "tokens.json", {}, tenant.report)

    def pull(
        self,
        cluster: Resource,
        pool: dict[str, Any],
        reference: str,
        seed: str,
        account: dict[str, Any] | None = None,
        *,
        own: OwnIdentity | None = None,
    ) -> Pulled | Failed:
        """`seed` decides what chance decides on a node: which of several addresses it leaves with. `account` is the
        body of the pod's service account; `own`: the node's identity is not the cluster's."""
        image = _parsed(reference)
        host = find_host(self._tenant, image.host)
        node = self._network.node(cluster, pool)
        if host is None:
            return _no_such_host(image, image.host)
        resource = self._tenant.resources().find(host.resource_id) if host.azure else None
        refused = self._network_refusal(node, resource, host, image, seed)
        if refused is not None:
            return refused
        if host.keyless:
            return replace(
                _token_refused(image, "oauth", _FORBIDDEN), again=_token_refused(image, "anonymous", _FORBIDDEN)
            )
        principal = self._principal(node, account or {}, own)
        if not self._may_pull(node, host, image, principal):
            return self._unauthorized(node, host, image, principal)
        failed = self._content(node, resource, host, image)
        if failed is None:
            return Pulled()
        return replace(failed, again=_anonymous(image)) if host.azure and not host.anonymous else failed

    def _content(self, node: Node, resource: Resource | None, host: Host, image: _Image) -> Failed | None:
        """What who may pull hears, None where the image comes."""
        tags = host.repositories.get(image.repository, {})
        entry = next((e for tag, e in tags.items() if _is_named(image, tag, e)), None)
        if entry is None:
            return Failed(_resolving(image, f"{image.full}: not found"), "NotFound")
        if not _has_platform(entry, node.pool):
            digest = manifests.documents(image.repository, image.reference, entry)[0][0].digest
            content = f'failed to pull and unpack image "{image.full}": no match for platform in manifest {digest}'
            return Failed(f"{content}: not found", "NotFound")
        return self._layers(node, resource, host, image)

    def _network_refusal(
        self, node: Node, resource: Resource | None, host: Host, image: _Image, seed: str
    ) -> Failed | None:
        """What stops the first request, or None where the registry answers it."""
        address = "public" if resource is None else self._network.lookup(node, image.host, resource)
        if address is None:
            return _no_such_host(image, image.host)
        if not self._network.lets_out(node, address):
            return _timeout(image, _PUBLIC_ADDRESS if address == "public" else address)
        if address != "public":
            assert resource is not None  # only those have private addresses
            return None if self._network.is_reached(node, address, resource) else _timeout(image, address)
        source = self._network.leaves_with(node, seed)
        if source is None:
            return _timeout(image, _PUBLIC_ADDRESS)
        if resource is not None and host.public and self._network.allows_subnet(node, resource):
            return None
        return None if host.lets_in(source) else _firewall(image)

    def _may_pull(self, node: Node, host: Host, image: _Image, principal: str | None) -> bool:
        if host.anonymous:
            return True
        kept = table(self._tokens.value()).get(str(node.cluster.body.get("name", "")))
        if kept is not None:
            return bool(kept == "pulls")
        if not host.azure or principal is None:
            return False
        rights = Rights(self._tenant.authorization(), principal)
        if not host.by_repository:
            return rights.may(PULL, host.resource_id)
        asked = (CONTENT, METADATA)
        return all(rights.may(a, host.resource_id, data=True, repository=image.repository) for a in asked)

    def _unauthorized(self, node: Node, host: Host, image: _Image, principal: str | None) -> Failed:
        """A managed identity without any right gets no token to offer, so kubelet asks without; by repositories it gets
        one, which opens nothing. A service principal's password is offered in any case."""
        if not host.azure or principal is None:
            return _anonymous(image)
        if host.by_repository:
            why = "repository does not exist or may require authorization: server message: insufficient_scope"
            denied = _resolving(image, f"pull access denied, {why}: authorization failed")
            return Failed(denied, again=_anonymous(image))
        if "kubeletidentity" in table(node.properties.get("identityProfile")):
            return _anonymous(image)
        return replace(_token_refused(image, "oauth"), again=_anonymous(image))

    def _principal(self, node: Node, account: dict[str, Any], own: OwnIdentity | None) -> str | None:
        """The object id that tokens are for: of the service account's identity where the cluster has that on, else of
        the kubelet identity or the cluster's service principal."""
        if pulls_by_account(node.cluster, node.pool):
            return principal_of_account(node.cluster, account, self._tenant.resources())
        if own is not None:
            return own.principal
        kubelet = table(table(node.properties.get("identityProfile")).get("kubeletidentity"))
        if isinstance(kubelet.get("objectId"), str):
            return str(kubelet["objectId"])
        client = str(table(node.properties.get("servicePrincipalProfile")).get("clientId", "")).lower()
        for _, body in self._tenant.graph():
            if client and str(body.get("appId", "")).lower() == client:
                return str(body.get("id"))
        return None

    def _layers(self, node: Node, resource: Resource | None, host: Host, image: _Image) -> Failed | None:
        """The layers come from another host; with data endpoints (a private endpoint brings them) by its own name."""
        if resource is None or not (".data." in host.blob_host or self._network.has_endpoint(resource)):
            return None
        label, suffix = host.name.rsplit(".", 2)[0], ".".join(host.name.rsplit(".", 2)[1:])
        name = f"{label}.{str(resource.body.get('location', '')).lower()}.data.{suffix}"
        address = self._network.lookup(node, name, resource)
        if address is not None and self._answers(node, resource, host, address):
            return None
        lost = f" lookup {name} on {RESOLVER}:53: no such host" if address is None else f" {address}:443: i/o timeout"
        url = f'Get "https://{name}/{image.repository}/{manifests.digest_of(manifests.LAYER_BYTES)}"'
        step = f'failed to pull and unpack image "{image.full}": failed to copy: httpReadSeeker: failed open'
        return Failed(f"{step}: failed to do request: {url}: dial tcp{':' if address is None else ''}{lost}")

    def _answers(self, node: Node, resource: Resource, host: Host, address: str) -> bool:
        """Whether a data endpoint answers at an address: its firewall is the registry's."""
        if not self._network.lets_out(node, address):
            return False
        if address != "public":
            return self._network.is_reached(node, address, resource)
        source = self._network.leaves_with(node, "")
        return source is not None and host.lets_in(source)


def _parsed(reference: str) -> _Image:
    rest, _, digest = reference.partition("@")
    host, slash, path = rest.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = "docker.io", rest if slash else f"library/{rest}"
    repository, colon, tag = path.rpartition(":")
    if not colon:
        repository, tag = path, "latest"
    full = f"{host}/{repository}@{digest}" if digest else f"{host}/{repository}:{tag}"
    return _Image(host.lower(), repository, digest or tag, full)


def _is_named(image: _Image, tag: str, entry: Any) -> bool:
    if image.reference == tag:
        return True
    return any(document.digest == image.reference for document in manifests.documents(image.repository, tag, entry)[0])


def _has_platform(entry: Any, pool: dict[str, Any]) -> bool:
    """Linux nodes on amd64 unless the pool says otherwise. An image for one platform runs anywhere kubelet tries it."""
    listed = entry.get("platforms") if isinstance(entry, dict) else None
    platforms = [str(item) for item in listed] if isinstance(listed, list) else []
    architecture = "arm64" if _ARM64.match(str(pool.get("vmSize", ""))) else "amd64"
    wanted = f"{str(pool.get('osType') or 'Linux').lower()}/{architecture}"
    return not platforms or any(platform.startswith(wanted) for platform in platforms)


def _resolving(image: _Image, what: str) -> str:
    return f'failed to pull and unpack image "{image.full}": failed to resolve reference "{image.full}": {what}'


def _request(image: _Image, what: str) -> str:
    return _resolving(image, f'failed to do request: Head "{image.manifest}": {what}')


def _no_such_host(image: _Image, name: str) -> Failed:
    return Failed(_request(image, f"dial tcp: lookup {name} on {RESOLVER}:53: no such host"))


def _timeout(image: _Image, address: str) -> Failed:
    return Failed(_request(image, f"dial tcp {address}:443: i/o timeout"))


def _token_url(image: _Image) -> str:
    scope = quote(f"repository:{image.repository}:pull", safe="")
    return f"https://{image.host}/oauth2/token?scope={scope}&service={image.host}"


def _firewall(image: _Image) -> Failed:
    """An answer to HEAD has no body, so nodes never hear which address was refused."""
    return Failed(_resolving(image, f"unexpected status from HEAD request to {image.manifest}: 403 Forbidden"))


def _token_refused(image: _Image, kind: str, answer: str = "401 Unauthorized") -> Failed:
    asked = f"unexpected status from GET request to {_token_url(image)}: {answer}"
    return Failed(_resolving(image, f"failed to authorize: failed to fetch {kind} token: {asked}"))


def _anonymous(image: _Image) -> Failed:
    return _token_refused(image, "anonymous")
