"""What a node hears when it pulls an image, and what the registry notices of it, decided by the tenant's data.

In the order in which a pull meets them: the name, the way, the registry's firewall, its encryption key, the token, the
repository and tag, the platform, the layers' own name. Nodes keep tokens for hours: TENANT/tokens.json may say that
those of a cluster are older than the roles as they are now:

    {"<cluster name>": "pulls"}    or "refused"

What the registry notices (`Seen`): nothing of a try whose name is not found, whose way is closed or that ends
elsewhere; of one that its firewall refuses a sign-in with 403 and nobody's name; else a sign-in of whoever offers
itself and, where that is let in, a pull with the status that simulator/registry answers. The last try without
credentials, which kubelet makes on AKS, is a sign-in of nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from simulator.arm.rbac import CONTENT, METADATA, Rights
from simulator.arm.rbac import PULL as PULL_ACTION
from simulator.arm.resources import Resource
from simulator.jsonfiles import JsonFile
from simulator.nodes.account_identity import principal_of_account, pulls_by_account
from simulator.nodes.machines import OwnIdentity
from simulator.nodes.node_network import RESOLVER, Node, NodeNetwork, table
from simulator.nodes.outcomes import LOGIN, PULL, Failed, Pulled, Seen, Step
from simulator.nodes.pull_texts import Image, anonymous, firewall, keyless, no_such_host, parsed, resolving, timeout
from simulator.nodes.pull_texts import token_refused as refused_token
from simulator.registry import manifests
from simulator.registry.hosts import Host, find_host
from simulator.tenant import Tenant

_PUBLIC_ADDRESS = "20.61.97.128"
_ARM64 = re.compile(r"standard_[a-z]+\d+(?:-\d+)?[a-z]*p", re.IGNORECASE)
_NOBODY = Step(LOGIN, 401)


@dataclass(frozen=True, slots=True)
class _Way:
    """How far the first request comes: what refuses it (None: the registry answers), and the address that it comes from
    for the registry; None: it never arrives. `own`: that is the node's own address."""

    refused: Failed | None
    source: str | None = None
    own: bool = False


class NodePull:
    """Pulls of one tenant's nodes."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._network = NodeNetwork(tenant)
        self._tokens = JsonFile(tenant.root / "tokens.json", {}, tenant.report)

    @property
    def generation(self) -> tuple[int, int]:
        """Changes with the files that only nodes read."""
        self._tokens.value()
        return self._tokens.generation, self._network.generation

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
        image = parsed(reference)
        host = find_host(self._tenant, image.host)
        node = self._network.node(cluster, pool)
        if host is None:
            return no_such_host(image, image.host)
        resource = self._tenant.resources().find(host.resource_id) if host.azure else None
        way = self._way(node, resource, host, image, seed)
        if way.refused is not None:
            return replace(way.refused, seen=_seen(host, image, way, Step(LOGIN, 403)))
        if host.keyless:
            step = Step(LOGIN, 403, self._principal(node, account or {}, own) or "")
            return replace(keyless(image), seen=_seen(host, image, way, step))
        principal = self._principal(node, account or {}, own)
        if not self._may_pull(node, host, image, principal):
            failed, steps = self._unauthorized(node, host, image, principal)
            return replace(failed, seen=_seen(host, image, way, *steps))
        signed_in = self._sign_in(host, image, principal)
        refused, pulled = self._content(node, resource, host, image, signed_in[-1].principal)
        if refused is None:
            return Pulled(seen=_seen(host, image, way, *signed_in, pulled))
        if host.azure and not host.anonymous:
            seen = _seen(host, image, way, *signed_in, pulled, _NOBODY)
            return replace(refused, again=anonymous(image), seen=seen)
        return replace(refused, seen=_seen(host, image, way, *signed_in, pulled))

    def seen_once(
        self,
        cluster: Resource,
        pool: dict[str, Any],
        reference: str,
        seed: str,
        account: dict[str, Any] | None = None,
        *,
        own: OwnIdentity | None = None,
    ) -> Seen | None:
        """What the registry noticed of a pull that came through, whatever a node would hear now; None where it is none
        of Azure's. Arguments as for `pull`."""
        image = parsed(reference)
        host = find_host(self._tenant, image.host)
        resource = self._tenant.resources().find(host.resource_id) if host is not None and host.azure else None
        if host is None or resource is None:
            return None
        node = self._network.node(cluster, pool)
        way = self._way(node, resource, host, image, seed)
        if way.source is None or way.refused is not None:
            inside = self._network.own_address(node)
            left_with = None if self._network.has_endpoint(resource) else self._network.leaves_with(node, seed)
            way = _Way(None, left_with or inside, own=left_with in (None, inside))
        signed_in = self._sign_in(host, image, self._principal(node, account or {}, own))
        _, found = self._manifest(host, image)
        return _seen(host, image, way, *signed_in, Step(PULL, 200, signed_in[-1].principal, found))

    def _way(self, node: Node, resource: Resource | None, host: Host, image: Image, seed: str) -> _Way:
        address = "public" if resource is None else self._network.lookup(node, image.host, resource)
        if address is None:
            return _Way(no_such_host(image, image.host))
        if not self._network.lets_out(node, address):
            return _Way(timeout(image, _PUBLIC_ADDRESS if address == "public" else address))
        inside = self._network.own_address(node)
        if address != "public":
            assert resource is not None  # only those have private addresses
            is_reached = self._network.is_reached(node, address, resource)
            return _Way(None, inside, own=True) if is_reached else _Way(timeout(image, address))
        source = self._network.leaves_with(node, seed)
        if source is None:
            return _Way(timeout(image, _PUBLIC_ADDRESS))
        by_subnet = resource is not None and host.public and self._network.allows_subnet(node, resource)
        refused = None if by_subnet or host.lets_in(source) else firewall(image)
        return _Way(refused, source, own=source == inside)

    def _sign_in(self, host: Host, image: Image, principal: str | None) -> tuple[Step, ...]:
        """How one who may pull is let in. Where everybody may, who has no right of its own comes in as nobody."""
        if not host.anonymous or (host.by_repository and principal is not None):
            return (Step(LOGIN, 200, principal or ""),)
        if principal is None:
            return (Step(LOGIN, 200),)
        if self._has_right(host, image, principal):
            return (Step(LOGIN, 200, principal),)
        return (Step(LOGIN, 401, principal), Step(LOGIN, 200))

    def _content(
        self, node: Node, resource: Resource | None, host: Host, image: Image, principal: str
    ) -> tuple[Failed | None, Step]:
        """What who may pull hears (None: the image comes), and the pull as the registry notices it."""
        entry, digest = self._manifest(host, image)
        if entry is None:
            tagged = f'manifest tagged by "{image.reference}" is not found'
            why = tagged if image.repository in host.repositories else "repository name not known to registry"
            failed = Failed(resolving(image, f"{image.full}: not found"), "NotFound")
            return failed, Step(PULL, 404, principal, why=why)
        pulled = Step(PULL, 200, principal, digest)
        if not _has_platform(entry, node.pool):
            content = f'failed to pull and unpack image "{image.full}": no match for platform in manifest {digest}'
            return Failed(f"{content}: not found", "NotFound"), pulled
        return self._layers(node, resource, host, image), pulled

    def _manifest(self, host: Host, image: Image) -> tuple[Any, str]:
        """The entry of the registry's file that an image means, and its digest; (None, "") where it is missing."""
        for tag, entry in host.repositories.get(image.repository, {}).items():
            if image.is_named(tag, entry):
                named = manifests.documents(image.repository, image.reference, entry)[0][0].digest
                return entry, image.reference if image.reference.startswith("sha256:") else named
        return None, ""

    def _may_pull(self, node: Node, host: Host, image: Image, principal: str | None) -> bool:
        if host.anonymous:
            return True
        kept = table(self._tokens.value()).get(str(node.cluster.body.get("name", "")))
        if kept is not None:
            return bool(kept == "pulls")
        return host.azure and principal is not None and self._has_right(host, image, principal)

    def _has_right(self, host: Host, image: Image, principal: str) -> bool:
        rights = Rights(self._tenant.authorization(), principal)
        if not host.by_repository:
            return rights.may(PULL_ACTION, host.resource_id)
        asked = (CONTENT, METADATA)
        return all(rights.may(a, host.resource_id, data=True, repository=image.repository) for a in asked)

    def _unauthorized(
        self, node: Node, host: Host, image: Image, principal: str | None
    ) -> tuple[Failed, tuple[Step, ...]]:
        """A managed identity without any right gets no token to offer, so kubelet asks without; by repositories it gets
        one, which opens nothing. A service principal's password is offered in any case."""
        if not host.azure or principal is None:
            return anonymous(image), (_NOBODY,)
        if host.by_repository:
            why = "repository does not exist or may require authorization: server message: insufficient_scope"
            denied = resolving(image, f"pull access denied, {why}: authorization failed")
            steps = (Step(LOGIN, 200, principal), Step(PULL, 401, principal), _NOBODY)
            return Failed(denied, again=anonymous(image)), steps
        refused = (Step(LOGIN, 401, principal), _NOBODY)
        if "kubeletidentity" in table(node.properties.get("identityProfile")):
            return anonymous(image), refused
        return replace(refused_token(image, "oauth"), again=anonymous(image)), refused

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

    def _layers(self, node: Node, resource: Resource | None, host: Host, image: Image) -> Failed | None:
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


def _seen(host: Host, image: Image, way: _Way, *steps: Step) -> Seen | None:
    if not host.azure or way.source is None:
        return None
    return Seen(host.resource_id, host.name, way.source, way.own, image.repository, image.reference, steps)


def _has_platform(entry: Any, pool: dict[str, Any]) -> bool:
    """Linux nodes on amd64 unless the pool says otherwise. An image for one platform runs anywhere kubelet tries it."""
    listed = entry.get("platforms") if isinstance(entry, dict) else None
    platforms = [str(item) for item in listed] if isinstance(listed, list) else []
    architecture = "arm64" if _ARM64.match(str(pool.get("vmSize", ""))) else "amd64"
    wanted = f"{str(pool.get('osType') or 'Linux').lower()}/{architecture}"
    return not platforms or any(platform.startswith(wanted) for platform in platforms)
