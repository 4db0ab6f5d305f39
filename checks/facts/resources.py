"""The facts: frozen plain data between collect and judge. No SDK type and no raw body gets past this module.

Field names are the field's own (ARM, Kubernetes). A value that the wire did not carry, or carried in a wrong type, is
None here: a judge then says Unknown. ARM ids keep their spelling; compare them with ``same_id``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from checks.facts_outbound import ClusterOutbound, PoolOutbound, RegistryOutlook
from checks.facts_pulls import Baseline, Manifest, PullSecret
from checks.facts_registry import CacheRule, CredentialSet, Probe, Replication, Usage
from checks.verdicts import Evidence, PullTime

if TYPE_CHECKING:  # these build on this module
    from checks.facts_canary import Canaries
    from checks.facts_network import Network, Networks

T = TypeVar("T")


class Why(StrEnum):
    """Why something was not looked at."""

    NOT_ALLOWED = "not-allowed"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    NOT_FOUND = "not-found"
    ERROR = "error"
    OFF = "off"
    NOT_APPLICABLE = "not-applicable"


class Seen(msgspec.Struct, Generic[T], frozen=True):
    """A value that was read, with where, when and at which api-version. ``partial`` says what of it could not be."""

    value: T
    evidence: Evidence
    partial: str = ""


class NotSeen(msgspec.Struct, frozen=True):
    """A look that did not happen or failed. ``role`` names what would allow it, ``fix`` grants it."""

    why: Why
    detail: str
    role: str | None = None
    fix: tuple[str, ...] = ()


def same_id(one: str | None, other: str | None) -> bool:
    """Whether two ARM ids name the same resource: case is Azure's to choose, a trailing slash says nothing."""
    return one is not None and other is not None and one.rstrip("/").lower() == other.rstrip("/").lower()


def subscription_of(resource_id: str) -> str:
    """The subscription guid (lower case) in an ARM id, or "" where there is none."""
    parts = resource_id.split("/")
    return parts[2].lower() if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""


def resource_group_of(resource_id: str) -> str:
    """The resource group's name in an ARM id as it is spelt there, or ""."""
    parts = resource_id.split("/")
    return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else ""


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
    """One element of ``agentPoolProfiles``."""

    name: str
    mode: str | None = None
    type: str | None = None
    os_type: str | None = None
    vm_size: str | None = None
    count: int | None = None
    power_state: str | None = None
    node_image_version: str | None = None
    os_disk_type: str | None = None
    os_disk_size_gb: int | None = None
    vnet_subnet_id: str | None = None
    outbound: PoolOutbound = PoolOutbound()


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A managed cluster as ARM shows it (api 2026-08-01)."""

    id: str
    name: str
    location: str | None = None
    provisioning_state: str | None = None
    power_state: str | None = None
    has_identity: bool = False
    tenant_id: str | None = None
    kubelet: KubeletIdentity | None = None
    service_principal_client_id: str | None = None
    node_resource_group: str | None = None
    entra: bool = False
    azure_rbac: bool = False
    private: bool = False
    local_accounts_disabled: bool = False
    run_command_disabled: bool = False
    artifact_source: str | None = None
    bootstrap_registry_id: str | None = None
    outbound: ClusterOutbound = ClusterOutbound()
    pools: tuple[AgentPool, ...] = ()
    tags: dict[str, str] = {}
    evidence: Evidence | None = None


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """A container registry as ARM shows it. ``role_assignment_mode`` None: ARM did not say at this api-version."""

    id: str
    name: str
    login_server: str
    location: str | None = None
    sku: str | None = None
    provisioning_state: str | None = None
    role_assignment_mode: str | None = None
    anonymous_pull: bool | None = None
    public_network_access: str | None = None
    default_action: str | None = None
    data_endpoint_host_names: tuple[str, ...] = ()
    authentication_as_arm: str | None = None
    outlook: RegistryOutlook = RegistryOutlook()
    evidence: Evidence | None = None


class RoleAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """One role assignment. ``scope`` may be "/", a management group, a subscription or anything below."""

    id: str
    scope: str
    principal_id: str
    role_definition_id: str
    principal_type: str | None = None
    condition: str | None = None
    condition_version: str | None = None


class Permission(msgspec.Struct, frozen=True):
    """One element of a role's ``permissions``: notActions subtract inside their own element only."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()
    condition: str | None = None


class RoleDefinition(msgspec.Struct, frozen=True):
    """A role. ``guid`` is the last segment of its id in lower case: the stable key."""

    guid: str
    name: str
    permissions: tuple[Permission, ...] = ()


class DenyAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """A deny assignment. ``effect`` is None at api-versions that do not show it (an audit one then looks enforced).

    ``may_be_groups`` are those of its principals and excluded principals (lower case) that are groups, or whose type
    ARM does not tell.
    """

    id: str
    name: str
    scope: str
    permissions: tuple[Permission, ...] = ()
    principals: tuple[str, ...] = ()
    exclude_principals: tuple[str, ...] = ()
    may_be_groups: tuple[str, ...] = ()
    not_child_scopes: bool = False
    condition: str | None = None
    effect: str | None = None


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """What one subscription's authorization reads gave: each list was seen, or not and why."""

    assignments: Seen[tuple[RoleAssignment, ...]] | NotSeen
    definitions: Seen[dict[str, RoleDefinition]] | NotSeen
    denies: Seen[tuple[DenyAssignment, ...]] | NotSeen


class SubscriptionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a subscription, read once per run and shared by all its shards."""

    subscription: Subscription
    clusters: Seen[tuple[Cluster, ...]] | NotSeen
    registries: Seen[tuple[Registry, ...]] | NotSeen
    authorization: Authorization
    network: Network | None = None


class ContainerImage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One container of one pod: the image it wants and, where it waits, why.

    ``kind`` is "init", "main" or "ephemeral"; ``workload`` is "Kind/name" of the controller as far as the pod tells
    (a ReplicaSet's hash is cut, so it reads Deployment/name).
    """

    namespace: str
    pod: str
    workload: str
    container: str
    kind: str
    image: str
    node: str | None = None
    os: str | None = None
    waiting_reason: str | None = None
    waiting_message: str | None = None
    since: str | None = None
    pull_secrets: tuple[str, ...] = ()
    pull_policy: str | None = None
    service_account: str | None = None


class PodEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Kubernetes event about a pod: its reason ("Failed", "Pulled", "BackOff"), text, count and times.

    ``node`` is the node whose kubelet tells it, where the event names one.
    """

    namespace: str
    pod: str
    reason: str
    message: str
    count: int = 1
    last_seen: str | None = None
    first_seen: str | None = None
    node: str | None = None
    container: str | None = None


class Workloads(msgspec.Struct, frozen=True, kw_only=True):
    """What the Kubernetes API said. ``unreadable`` counts objects that could not be decoded (told, not lost).

    ``way`` says how it was asked, where not directly.
    """

    containers: tuple[ContainerImage, ...] = ()
    events: Seen[tuple[PodEvent, ...]] | NotSeen
    pods: int = 0
    unreadable: int = 0
    way: str = ""


class RegistryUse(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that a cluster uses: how that is known, and what ARM says of it.

    ``sources`` are words for a person ("images of 3 pods", "role on the registry", "seen before", "cluster tag",
    "setting"). ``registry`` is None in ``Seen`` where the host is no Azure registry.
    """

    login_server: str
    sources: tuple[str, ...]
    registry: Seen[Registry] | NotSeen
    acr: bool = True
    images: tuple[ContainerImage, ...] = ()


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who pulls: the object id RBAC knows, and how it was found."""

    object_id: str
    kind: str
    client_id: str | None = None
    resource_id: str | None = None


class RegistryPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """What ARM tells of one registry's performance, read once per run where a cluster in it uses the registry."""

    replications: Seen[tuple[Replication, ...]] | NotSeen
    usages: Seen[tuple[Usage, ...]] | NotSeen
    cache_rules: Seen[tuple[CacheRule, ...]] | NotSeen
    credential_sets: Seen[tuple[CredentialSet, ...]] | NotSeen


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
    """A scale set, or a virtual machine, of a node resource group. ``pool`` is what its tags say, if they say."""

    id: str
    name: str
    pool: str | None = None
    identities: tuple[str, ...] = ()


class ClientSecret(msgspec.Struct, frozen=True):
    """One of an application's ``passwordCredentials``: its end as Graph tells it (ISO 8601), never its value."""

    ends: str | None
    name: str | None = None


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All facts about one cluster, as the judges take them.

    ``authorization`` is keyed by the registry's subscription (lower case); ``through_groups`` likewise, present only
    where the direct assignments did not already answer; ``denies_through_groups`` (names of deny assignments) only
    where one that names groups would matter. ``probes`` and ``performance`` are keyed by login server, ``tenants`` by
    subscription (lower case). ``kubelet_resource``, ``machines`` and ``client_secrets`` are None where there is
    nothing to look at.

    ``pull_secrets`` are keyed by "namespace/name" (empty: not read), ``manifests`` by ``images.canonical``,
    ``baselines`` by "registry|pool|unit"; ``arm_registries`` are the login servers that ARM knows by registry name.
    """

    cluster: Cluster
    principal: Seen[Principal] | NotSeen
    workloads: Seen[Workloads] | NotSeen
    uses: tuple[RegistryUse, ...] = ()
    authorization: dict[str, Authorization] = {}
    through_groups: dict[str, Seen[tuple[RoleAssignment, ...]] | NotSeen] = {}
    denies_through_groups: dict[str, Seen[frozenset[str]] | NotSeen] = {}
    tenants: dict[str, str] = {}
    kubelet_resource: Seen[KubeletResource] | NotSeen | None = None
    machines: Seen[tuple[NodeMachines, ...]] | NotSeen | None = None
    client_secrets: Seen[tuple[ClientSecret, ...]] | NotSeen | None = None
    probes: dict[str, Seen[Probe] | NotSeen] = {}
    performance: dict[str, RegistryPerformance] = {}
    networks: Networks | None = None
    pull_secrets: dict[str, Seen[PullSecret] | NotSeen] = {}
    manifests: dict[str, Seen[Manifest] | NotSeen] = {}
    pull_times: tuple[PullTime, ...] = ()
    baselines: dict[str, Baseline] = {}
    arm_registries: dict[str, tuple[str, ...]] = {}
    canaries: Canaries | NotSeen = NotSeen(Why.OFF, "no canary was asked for")
