"""What a judge takes: all facts about one cluster, and what belongs to its subscription."""

from __future__ import annotations

import msgspec

from checks.facts.authorization import Authorization, Permission, RoleAssignment
from checks.facts.canary import Canaries
from checks.facts.encryption import EncryptionReads
from checks.facts.image_pull import ServiceAccountPulls
from checks.facts.network import Network, Networks
from checks.facts.node_identity import FormerIdentityNode
from checks.facts.observation import NotSeen, Seen
from checks.facts.pulls import Manifest, PullSecret, PullTimeBaseline
from checks.facts.registry_details import CacheRule, CredentialSet, Probe, PullCounts, Replication, Usage
from checks.facts.registry_log import RegistryLog
from checks.facts.resources import (
    NO_CANARY,
    ClientSecret,
    Cluster,
    KubeletResource,
    NodeMachines,
    Principal,
    Registry,
    Subscription,
)
from checks.facts.visibility import NOT_READ, Visibility
from checks.facts.workloads import ContainerImage, Workloads
from checks.findings import PullTime

# How the sources of a registry begin that pull errors name as a mirror.
MIRROR_OF = "mirror of "


class SubscriptionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to a subscription, read once per run and shared by all its shards."""

    subscription: Subscription
    clusters: Seen[tuple[Cluster, ...]] | NotSeen
    registries: Seen[tuple[Registry, ...]] | NotSeen
    authorization: Authorization
    network: Network | None = None
    own_roles: Seen[tuple[Permission, ...]] | NotSeen = NOT_READ


class RegistryUse(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that a cluster uses: how that is known, and what ARM says of it.

    ``sources`` are words for a person ("images of 3 pods", "role on the registry", "seen before", "cluster tag",
    "setting"). ``registry`` is None in ``Seen`` where the host is no Azure registry. ``names`` are the other hosts of
    it that were named: regional endpoints, data endpoints, the privatelink alias.
    """

    login_server: str
    sources: tuple[str, ...]
    registry: Seen[Registry] | NotSeen
    acr: bool = True
    images: tuple[ContainerImage, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def mirror_only(self) -> bool:
        """Nothing but pull errors names it, as a mirror of another registry: nodes send it no identity of theirs."""
        return bool(self.sources) and all(source.startswith(MIRROR_OF) for source in self.sources)


class RegistryPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """What ARM tells of one registry's performance, read once per run where a cluster in it uses the registry."""

    replications: Seen[tuple[Replication, ...]] | NotSeen
    usages: Seen[tuple[Usage, ...]] | NotSeen
    cache_rules: Seen[tuple[CacheRule, ...]] | NotSeen
    credential_sets: Seen[tuple[CredentialSet, ...]] | NotSeen


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All facts about one cluster, as the judges take them.

    ``authorization`` is keyed by the registry's subscription (lower case); ``through_groups`` likewise (for another
    identity than the kubelet's by ``identity_access.reads_key``), present only where the direct assignments did not
    already answer; ``denies_through_groups`` (names of deny assignments) only where one that names groups would matter.
    ``probes``, ``performance``, ``encryption`` (only of registries with keys of their owners), ``pull_counts`` and
    ``registry_logs`` are keyed by login server, ``tenants`` by subscription (lower case); the last two have nothing of
    registries that were not to be asked. ``kubelet_resource``, ``machines``, ``client_secrets`` and
    ``former_identity_nodes`` are None where there is nothing to look at. ``registries_cut`` counts the registries that
    are named and not in ``uses``.

    ``pull_secrets`` are keyed by "namespace/name" (empty: not read), ``manifests`` by ``images.canonical``,
    ``baselines`` by "registry|pool|unit"; ``arm_registries`` are the login servers that ARM knows by registry name.
    """

    cluster: Cluster
    principal: Seen[Principal] | NotSeen
    workloads: Seen[Workloads] | NotSeen
    uses: tuple[RegistryUse, ...] = ()
    registries_cut: int = 0
    authorization: dict[str, Authorization] = {}
    through_groups: dict[str, Seen[tuple[RoleAssignment, ...]] | NotSeen] = {}
    denies_through_groups: dict[str, Seen[frozenset[str]] | NotSeen] = {}
    tenants: dict[str, str] = {}
    kubelet_resource: Seen[KubeletResource] | NotSeen | None = None
    machines: Seen[tuple[NodeMachines, ...]] | NotSeen | None = None
    client_secrets: Seen[tuple[ClientSecret, ...]] | NotSeen | None = None
    probes: dict[str, Seen[Probe] | NotSeen] = {}
    performance: dict[str, RegistryPerformance] = {}
    pull_counts: dict[str, Seen[PullCounts] | NotSeen] = {}
    encryption: dict[str, EncryptionReads] = {}
    networks: Networks | None = None
    visibility: Visibility = Visibility()
    pull_secrets: dict[str, Seen[PullSecret] | NotSeen] = {}
    manifests: dict[str, Seen[Manifest] | NotSeen] = {}
    pull_times: tuple[PullTime, ...] = ()
    baselines: dict[str, PullTimeBaseline] = {}
    arm_registries: dict[str, tuple[str, ...]] = {}
    canaries: Canaries | NotSeen = NO_CANARY
    image_pull: ServiceAccountPulls | None = None
    former_identity_nodes: Seen[tuple[FormerIdentityNode, ...]] | NotSeen | None = None
    registry_logs: dict[str, Seen[RegistryLog] | NotSeen] = {}
