"""Who pulls an image: the kubelet identity, an identity of the pod's service account, a virtual node, or nobody.

Where ``serviceAccountImagePullProfile`` is enabled, Linux nodes pull with the managed identity that the pod's service
account names, else with the cluster's default, else anonymously; the kubelet identity plays no part. An identity takes
an identity binding of the cluster. Windows nodes, and mirrored images of network-isolated clusters, keep the kubelet
identity.

Sources: Microsoft.ContainerService 2026-08-02-preview (ManagedClusterSecurityProfile); AgentBaker cse_config.sh
(writeCredentialProviderConfig) and configfunc.ps1; cloud-provider-azure pkg/credentialprovider; "Identity bindings for
AKS (preview)"; "Virtual nodes in AKS".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec

from checks.facts import ClusterFacts, ContainerImage, NotSeen, NotSeenReason, RegistryUse, Seen, same_id
from checks.facts.image_pull import IdentityBinding, ServiceAccountPulls
from checks.rules.azure import virtual_nodes
from checks.rules.azure.node_pools import pool_of

_OF_ITS_OWN = (
    "pods on virtual nodes on Azure Container Instances (v2) pull with an identity of their own, which is not read"
)
_STATIC = "Node"  # the kind of owner that a static pod's mirror has


class PullerKind(StrEnum):
    """What pulls."""

    KUBELET = "kubelet"
    ACCOUNT = "account"
    NOBODY = "nobody"
    VIRTUAL_NODE = "virtual-node"
    OPEN = "open"


class Puller(msgspec.Struct, frozen=True):
    """Who pulls for a pod. ``object_id`` and ``name`` are those of an account's identity.

    Where it is open: ``gap`` is the read that failed, or ``why`` says what cannot be known from here.
    """

    kind: PullerKind
    object_id: str = ""
    name: str = ""
    gap: NotSeen | None = None
    why: str = ""


KUBELET = Puller(PullerKind.KUBELET)
NOBODY = Puller(PullerKind.NOBODY)
VIRTUAL_NODE = Puller(PullerKind.VIRTUAL_NODE)


class Pullers:
    """The pullers of one cluster's pods."""

    def __init__(self, facts: ClusterFacts) -> None:
        self._facts = facts
        self._accounts = facts.image_pull
        self._known: dict[tuple[str, str], Puller] = {}
        self._alike: dict[tuple[object, ...], Puller] = {}

    def of(self, container: ContainerImage) -> Puller:
        """Who pulls for one container. Decided once for all that are alike: there are many pods of few kinds."""
        key = _what_decides(container)
        known = self._alike.get(key)
        if known is None:
            known = self._alike[key] = self._of(container)
        return known

    def of_each(self, containers: Iterable[ContainerImage]) -> tuple[Puller, ...]:
        """Everybody who pulls for one of these, each once, in the order of the containers."""
        alike = {_what_decides(container): container for container in containers}
        return tuple(dict.fromkeys(self.of(container) for container in alike.values()))

    def _of(self, container: ContainerImage) -> Puller:
        virtual = virtual_nodes.kind_of(container)
        if virtual is not None:
            return VIRTUAL_NODE if virtual == virtual_nodes.ACI else _open(_OF_ITS_OWN)
        if self._accounts is None or self._on_windows(container):
            return KUBELET
        key = (container.namespace, container.service_account or "default")
        if not self._accounts.enabled:
            return self._unless_signs(self._accounts, "/".join(key))
        if container.workload.split("/")[1:2] == [_STATIC]:
            return _open("static pods have no service account token, and which credentials they pull with is not known")
        if key not in self._known:
            self._known[key] = self._by_account(self._accounts, "/".join(key))
        return self._known[key]

    def of_registry(self, use: RegistryUse) -> tuple[Puller, ...]:
        """Everybody who pulls from a registry, each once; who would, where no image of it is in use."""
        found = dict.fromkeys(self.of_each(use.images))
        if self._accounts is None or not self._accounts.enabled:
            if found:
                return tuple(found)
            return (KUBELET,) if self._accounts is None else (self._unless_signs(self._accounts, ""),)
        if self._is_mirror_of_system_images(use):
            found[KUBELET] = None
            if not use.images:
                return (KUBELET,)
        workloads = self._facts.workloads
        if isinstance(workloads, NotSeen):
            found[Puller(PullerKind.OPEN, gap=workloads)] = None
        elif workloads.partial:
            found[_open(f"not all pods were read: {workloads.partial}")] = None
        if not found:
            found[self._without_pods(self._accounts)] = None
        return tuple(found)

    def of_canary(self, pool_name: str) -> Puller | None:
        """Who pulls for a canary pod, which has its namespace's account ``default``; None where that is not clear."""
        pool = next((pool for pool in self._facts.cluster.pools if pool.name == pool_name), None)
        if self._accounts is None or not self._accounts.enabled or (pool and (pool.os_type or "").lower() == "windows"):
            return KUBELET
        named = self._accounts.client_ids
        if not isinstance(named, Seen) or named.partial or any(name.endswith("/default") for name in named.value):
            return None
        return self._default(self._accounts)

    def _on_windows(self, container: ContainerImage) -> bool:
        pool = pool_of(container.node, self._facts.cluster.pools)
        return ((container.os or (pool.os_type if pool else None)) or "").lower() == "windows"

    def _is_mirror_of_system_images(self, use: RegistryUse) -> bool:
        """Whether a network-isolated cluster pulls mirrored images from it, which takes the kubelet identity always."""
        cluster = self._facts.cluster
        isolated = (cluster.artifact_source or "").lower() == "cache"
        return (
            isolated
            and isinstance(use.registry, Seen)
            and same_id(use.registry.value.id, cluster.bootstrap_registry_id)
        )

    def _unless_signs(self, accounts: ServiceAccountPulls, account: str) -> Puller:
        """The kubelet identity, unless the profile may be enabled: it could not be read, or an account names one."""
        profile = accounts.profile
        if isinstance(profile, Seen):
            return KUBELET
        if profile.why is not NotSeenReason.NOT_APPLICABLE:
            return Puller(PullerKind.OPEN, gap=profile)
        named = accounts.client_ids
        return Puller(PullerKind.OPEN, gap=profile) if isinstance(named, Seen) and account in named.value else KUBELET

    def _by_account(self, accounts: ServiceAccountPulls, account: str) -> Puller:
        named = accounts.client_ids
        if named is None or isinstance(named, NotSeen):
            return Puller(PullerKind.OPEN, gap=named) if named else _open("the service accounts were not read")
        client_id = named.value.get(account)
        if client_id is None and named.partial:
            return _open(f"not all service accounts could be read: {named.partial}")
        if client_id is None:
            return self._default(accounts)
        wanted = client_id.lower()
        named_by = f"identity {client_id} of the service account {account}"
        return _bound(accounts, named_by, lambda binding: (binding.client_id or "").lower() == wanted)

    def _without_pods(self, accounts: ServiceAccountPulls) -> Puller:
        default = self._default(accounts)
        nobody = "no pod uses the registry, and service accounts that name no identity pull with none"
        return _open(nobody) if default is NOBODY else default

    def _default(self, accounts: ServiceAccountPulls) -> Puller:
        assert isinstance(accounts.profile, Seen)  # it is enabled
        identity = accounts.profile.value.default_identity
        if identity is None:
            return NOBODY
        return _bound(accounts, f"default identity {identity}", lambda b: same_id(b.resource_id, identity))


def _what_decides(container: ContainerImage) -> tuple[object, ...]:
    """All that ``Pullers`` looks at of a container. A static pod's workload is of its kind and its node."""
    static = container.workload if _STATIC in container.workload else None
    return container.node, container.os, container.virtual, container.namespace, container.service_account, static


def _bound(accounts: ServiceAccountPulls, named: str, is_named: Callable[[IdentityBinding], bool]) -> Puller:
    """The identity of the binding that is named; without one, which identity it is cannot be known."""
    bindings = accounts.bindings
    if bindings is None or isinstance(bindings, NotSeen):
        return Puller(PullerKind.OPEN, gap=bindings) if bindings else _open("the identity bindings were not read")
    binding = next((one for one in bindings.value if is_named(one)), None)
    if binding is None or not binding.object_id:
        return _open(f"no identity binding of the cluster shows the object id of the {named}")
    return Puller(PullerKind.ACCOUNT, binding.object_id, named)


def needs_kubelet_identity(facts: ClusterFacts) -> bool:
    """Whether something is pulled with the kubelet identity: all is, unless service accounts' identities are on.

    Pods on Windows nodes keep it, and so do mirrored images of network-isolated clusters. A Windows pool alone, of
    which no pod is known to use an Azure registry, does not need it.
    """
    if facts.image_pull is None or not facts.image_pull.enabled:
        return True
    if (facts.cluster.artifact_source or "").lower() == "cache":
        return True
    pullers = Pullers(facts)
    return any(KUBELET in pullers.of_registry(use) for use in facts.uses)


def _open(why: str) -> Puller:
    return Puller(PullerKind.OPEN, why=why)
