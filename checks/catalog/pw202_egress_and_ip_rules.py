"""PW202: the addresses that nodes leave with, against a registry's public access and IP rules."""

from __future__ import annotations

from checks.catalog.check import Check, Decides, Step
from checks.catalog.paths import ClusterPaths, path_findings
from checks.causes import Cause
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion


class EgressCause(Cause):
    """Causes of PW202."""

    OPEN_TO_ALL = "open-to-all", "The registry's public endpoint is open to all networks."
    EGRESS_OPEN = "egress-open", "Nodes have outbound access to the internet, where the registry is."
    NOT_JUDGED = "not-judged", "Azure shows no more of the path to this registry than the nodes' own side."
    IP_ALLOWED = "ip-allowed", "The registry's IP rules allow the addresses that the nodes use for egress."
    IP_NOT_ALLOWED = (
        "ip-not-allowed",
        "The registry's IP rules allow none of the addresses that the nodes use for egress.",
    )
    IP_PARTLY_ALLOWED = (
        "ip-partly-allowed",
        "The registry's IP rules allow only a part of the addresses that the nodes use for egress.",
    )
    PUBLIC_ACCESS_DISABLED = "public-access-disabled", "Public network access of the registry is disabled."
    PUBLIC_ACCESS_UNCLEAR = "public-access-unclear", "The registry's network settings could not be understood."
    EGRESS_DEFAULT = "egress-default", "Nodes use Azure's default outbound access, whose addresses are not fixed."
    EGRESS_PROXY = "egress-proxy", "Nodes use a proxy, whose egress addresses are not known."
    EGRESS_ROUTED = "egress-routed", "A route sends the traffic to an appliance, whose egress addresses are not known."
    EGRESS_HUB = (
        "egress-hub",
        "The node network is attached to a virtual hub, whose default route may lead to a firewall.",
    )
    EGRESS_UNKNOWN = "egress-unknown", "Azure Resource Manager does not show the addresses that nodes use for egress."
    NO_EGRESS = "no-egress", "The node network has no outbound access."
    ROUTE_DROPS = "route-drops", "A route drops the traffic to the registry."
    SERVICE_ENDPOINT = (
        "service-endpoint",
        "A service endpoint gives the traffic a private source address, so IP rules do not apply.",
    )
    PRIVATE_PATH = "private-way", "DNS resolves the registry to its private endpoint."
    PUBLIC_CLOSED = "public-closed", "The public path is closed, and DNS may resolve to the private endpoint."
    NO_NAME = "no-name", "The login server's name does not exist for the nodes."
    NO_POOLS = "no-pools", "Azure Resource Manager shows no node pool of the cluster."
    POOL_WITHOUT_NODES = "pool-without-nodes", "The node pool has no nodes now."
    CLUSTER_DELETING = "cluster-deleting", "The cluster is being deleted."


CHECK = Check(
    code="PW202",
    title="Egress addresses and IP rules",
    severity=Severity.ERROR,
    why="A registry that restricts its public endpoint answers 403 to addresses that no rule allows.",
    how=(
        "Per node pool, in Azure's order: the subnet's routes, its NAT gateway, the nodes' own public addresses, "
        "the load balancer's outbound addresses. They are compared with publicNetworkAccess, defaultAction and the "
        "IP rules: all in, some in (intermittent 403), none in. Only IPv4 counts. Addresses behind a proxy, a "
        "route to an appliance or a basic load balancer cannot be read: Unknown; so is the address where a virtual "
        "hub may give the nodes their default route. Skipped where the nodes' "
        "names resolve to a private endpoint. Of well-known registries on the internet (mcr.microsoft.com, docker.io) "
        "it is judged whether nodes have outbound access at all."
    ),
    permissions=("Reader on the subscriptions of the cluster, of its virtual network and of its public addresses",),
    fix="Allow the addresses with `az acr network-rule add`, or bring a private endpoint into reach.",
    article=("client firewall", "public access"),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-access-selected-networks",
        "https://learn.microsoft.com/azure/nat-gateway/nat-overview",
    ),
    decides=Decides.PATH,
    step=Step.NETWORK,
    causes=(EgressCause,),
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.ADDRESSES, paths)
