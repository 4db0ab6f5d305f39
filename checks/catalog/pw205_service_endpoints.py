"""PW205: service endpoints on the nodes' subnets and the registry's virtual network rules."""

from __future__ import annotations

from checks.catalog.check import Check, Decides, Step
from checks.catalog.paths import ClusterPaths, path_findings
from checks.causes import Cause
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion


class ServiceEndpointCause(Cause):
    """Causes of PW205."""

    SUBNET_ALLOWED = "subnet-allowed", "A virtual network rule of the registry allows the node subnet."
    SERVICE_ENDPOINT_MISSING = (
        "service-endpoint-missing",
        "A virtual network rule allows the subnet, which has no service endpoint.",
    )
    SERVICE_ENDPOINT_VOIDS_IP_RULES = (
        "service-endpoint-voids-ip-rules",
        "The subnet's service endpoint makes the registry's IP rules void, and no rule names it.",
    )
    NO_RULES = "no-rules", "The registry is open to all networks, or has no virtual network rules to match."
    RULES_UNREADABLE = "rules-unreadable", "The registry's virtual network rules could not be read."
    NO_SERVICE_ENDPOINT = "no-service-endpoint", "The node subnet has no service endpoint for container registries."
    PUBLIC_ACCESS_DISABLED = "public-access-disabled", "Public network access of the registry is disabled."
    PRIVATE_PATH = "private-way", "DNS resolves the registry to its private endpoint."
    PUBLIC_CLOSED = "public-closed", "The public path is closed, and DNS may resolve to the private endpoint."
    NO_NAME = "no-name", "The login server's name does not exist for the nodes."
    NO_PATH = "no-way", "No private endpoint lets the nodes in."
    PROXY = "proxy", "The cluster's proxy connects, not the node."
    CLOSED = "closed", "Public access is disabled and no private endpoint is approved."
    NO_POOLS = "no-pools", "Azure Resource Manager shows no node pool of the cluster."
    POOL_WITHOUT_NODES = "pool-without-nodes", "The node pool has no nodes now."
    CLUSTER_DELETING = "cluster-deleting", "The cluster is being deleted."


CHECK = Check(
    code="PW205",
    title="Service endpoints and virtual network rules",
    severity=Severity.ERROR,
    why=(
        "With the service endpoint Microsoft.ContainerRegistry on a subnet its traffic has a private source "
        "address: IP rules no longer apply to it."
    ),
    how=(
        "For each pool whose subnet has the service endpoint, a registry that restricts networks has to name the "
        "subnet in virtualNetworkRules. They are read with an api-version that shows them (2026-09-01-preview, "
        "else 2021-08-01-preview); the versions between hide them. Skipped where the registry is open to all, or "
        "the subnet has no service endpoint."
    ),
    permissions=("Reader on the registry's subscription and on the virtual network's",),
    fix="Add a virtual network rule for the subnet, or take the service endpoint off it.",
    article=("VNet access",),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-vnet",
        "https://learn.microsoft.com/azure/virtual-network/virtual-network-service-endpoints-overview",
    ),
    decides=Decides.PATH,
    step=Step.NETWORK,
    causes=(ServiceEndpointCause,),
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.SUBNETS, paths)
