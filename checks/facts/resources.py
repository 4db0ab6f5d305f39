"""Azure resources as ARM shows them: clusters, node pools, registries and identities."""

from __future__ import annotations

import msgspec

from checks.facts.encryption import Encryption, ResourceIdentity
from checks.facts.observation import NotSeen, NotSeenReason
from checks.facts.outbound import ClusterOutbound, NetworkAccess, PoolOutbound
from checks.findings import Evidence

NO_CANARY = NotSeen(NotSeenReason.OFF, "no canary was asked for")


class Subscription(msgspec.Struct, frozen=True):
    """A subscription the identity can see. ``state`` is ARM's word (Enabled, Disabled, …)."""

    id: str
    name: str = ""
    tenant_id: str | None = None
    state: str | None = None


class KubeletIdentity(msgspec.Struct, frozen=True):
    """``identityProfile.kubeletidentity``. RBAC wants the object id; a client id never matches an assignment."""

    resource_id: str | None = None
    client_id: str | None = None
    object_id: str | None = None


class AgentPool(msgspec.Struct, frozen=True, kw_only=True):
    """One element of ``agentPoolProfiles``.

    ``core_dns_zones`` are the domains (lower case) that LocalDNS on its nodes has CoreDNS answer for pulls: the
    ``vnetDNSOverrides`` with ClusterCoreDNS, where LocalDNS is enabled.
    """

    name: str
    mode: str | None = None
    type: str | None = None
    os_type: str | None = None
    vm_size: str | None = None
    count: int | None = None
    max_pods: int | None = None
    power_state: str | None = None
    node_image_version: str | None = None
    os_disk_type: str | None = None
    os_disk_size_gb: int | None = None
    vnet_subnet_id: str | None = None
    pod_subnet_id: str | None = None
    outbound: PoolOutbound = PoolOutbound()
    core_dns_zones: tuple[str, ...] = ()


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A managed cluster as ARM shows it (api 2026-08-01). ``api_hosts`` are its API server's names (lower case).

    ``node_provisioning``: node auto-provisioning is on, which makes single machines beside the pools.
    """

    id: str
    name: str
    location: str | None = None
    provisioning_state: str | None = None
    power_state: str | None = None
    has_identity: bool = False
    user_assigned: bool = False
    tenant_id: str | None = None
    kubelet: KubeletIdentity | None = None
    service_principal_client_id: str | None = None
    node_resource_group: str | None = None
    api_hosts: tuple[str, ...] = ()
    entra: bool = False
    azure_rbac: bool = False
    private: bool = False
    run_command_disabled: bool = False
    artifact_source: str | None = None
    bootstrap_registry_id: str | None = None
    node_provisioning: bool = False
    outbound: ClusterOutbound = ClusterOutbound()
    pools: tuple[AgentPool, ...] = ()
    tags: dict[str, str] = {}
    evidence: Evidence | None = None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped (az aks stop): it has no nodes then."""
        return (self.power_state or "").lower() == "stopped"

    def tag(self, name: str) -> str:
        """The value of a tag, whose name Azure takes in any case; "" where there is none."""
        return next((value for key, value in self.tags.items() if key.lower() == name), "")


# A tag of clusters that lists registries which they are judged on.
REGISTRIES_TAG = "pullwatch-registries"
# One that names who is to be notified of it, too.
NOTIFY_TAG = "pullwatch-notify"


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """A container registry as ARM shows it. ``role_assignment_mode`` and ``regional_endpoints`` None: ARM did not
    say at this api-version. ``encryption`` None: with keys of Microsoft's. ``identity`` None: it makes no sense.
    """

    id: str
    name: str
    login_server: str
    location: str | None = None
    sku: str | None = None
    provisioning_state: str | None = None
    role_assignment_mode: str | None = None
    anonymous_pull: bool | None = None
    admin_user_enabled: bool | None = None
    authentication_as_arm: str | None = None
    network_access: NetworkAccess = NetworkAccess()
    regional_endpoints: str | None = None
    encryption: Encryption | None = None
    identity: ResourceIdentity | None = ResourceIdentity()
    evidence: Evidence | None = None


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who pulls: the object id RBAC knows, and how it was found."""

    object_id: str
    kind: str
    client_id: str | None = None
    resource_id: str | None = None


class IdentityResource(msgspec.Struct, frozen=True, kw_only=True):
    """A user-assigned managed identity as ARM shows it."""

    id: str
    principal_id: str | None = None
    client_id: str | None = None


class KubeletResource(msgspec.Struct, frozen=True, kw_only=True):
    """What ARM has under the kubelet identity's resource id: None, where a whole list lacks it and its GET is a 404.

    ``others`` and ``siblings`` count the other identities that were listed in its subscription and in its group: they
    show that identities there are visible to us at all.
    """

    resource: IdentityResource | None
    others: int = 0
    siblings: int = 0


class NodeMachines(msgspec.Struct, frozen=True, kw_only=True):
    """A scale set, or a virtual machine, of a node resource group. ``pool`` is what its tags say, if they say.

    ``provisioned``: node auto-provisioning (Karpenter) made the machine, by the tag that it writes.
    ``made_for``: the cluster that the tag names.
    """

    id: str
    name: str
    pool: str | None = None
    identities: tuple[str, ...] = ()
    provisioned: bool = False
    made_for: str = ""


class ClientSecret(msgspec.Struct, frozen=True):
    """One of an application's ``passwordCredentials``: its end as Graph tells it (ISO 8601), never its value."""

    ends: str | None
    name: str | None = None
