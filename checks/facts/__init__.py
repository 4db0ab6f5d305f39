"""The facts: frozen plain data between collect and judge. No SDK type and no raw body gets past this module.

Field names are the field's own (ARM, Kubernetes). A value that the wire did not carry, or carried in a wrong type, is
None here: a judge then says Unknown. ARM ids keep their spelling; compare them with ``same_id``.
"""

from __future__ import annotations

from checks.arm_ids import resource_group_of, same_id, subscription_of
from checks.facts.authorization import Authorization, DenyAssignment, Permission, RoleAssignment, RoleDefinition
from checks.facts.cluster_facts import ClusterFacts, RegistryPerformance, RegistryUse, SubscriptionFacts
from checks.facts.observation import NotSeen, NotSeenReason, Seen
from checks.facts.resources import (
    NO_CANARY,
    AgentPool,
    ClientSecret,
    Cluster,
    IdentityResource,
    KubeletIdentity,
    KubeletResource,
    NodeMachines,
    Principal,
    Registry,
    Subscription,
)
from checks.facts.workloads import ContainerImage, PodEvent, Workloads

__all__ = [
    "NO_CANARY",
    "AgentPool",
    "Authorization",
    "ClientSecret",
    "Cluster",
    "ClusterFacts",
    "ContainerImage",
    "DenyAssignment",
    "IdentityResource",
    "KubeletIdentity",
    "KubeletResource",
    "NodeMachines",
    "NotSeen",
    "NotSeenReason",
    "Permission",
    "PodEvent",
    "Principal",
    "Registry",
    "RegistryPerformance",
    "RegistryUse",
    "RoleAssignment",
    "RoleDefinition",
    "Seen",
    "Subscription",
    "SubscriptionFacts",
    "Workloads",
    "resource_group_of",
    "same_id",
    "subscription_of",
]
