"""PW203: the private endpoint is approved and in reach of the nodes."""

from __future__ import annotations

from checks.catalog.check import Check, Decides, Step
from checks.catalog.paths import ClusterPaths, path_findings
from checks.causes import Cause
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion


class EndpointCause(Cause):
    """Causes of PW203."""

    ENDPOINT_IN_NETWORK = "endpoint-in-network", "An approved private endpoint is in the node network."
    ENDPOINT_IN_PEER = (
        "endpoint-in-peer",
        "An approved private endpoint is in a network that is peered with the node network.",
    )
    ENDPOINT_IN_CONNECTED_GROUP = (
        "endpoint-in-connected-group",
        "An approved private endpoint is in a network that a network manager connects with the node network.",
    )
    ENDPOINT_BEHIND_HUB = (
        "endpoint-behind-hub",
        "An approved private endpoint is in a network that a virtual hub connects with the node network.",
    )
    ENDPOINT_HUB_ROUTING = (
        "endpoint-hub-routing",
        "Whether the virtual hub of the node network leads to the private endpoint is not known.",
    )
    ENDPOINT_OUT_OF_REACH = (
        "endpoint-out-of-reach",
        "The private endpoint is in a network that the node network is not connected with.",
    )
    ENDPOINT_SUBNETS_PEERED = (
        "endpoint-subnets-peered",
        "Only some subnets are peered, and whether the nodes' are among them is not known.",
    )
    ENDPOINT_TRANSIT = (
        "endpoint-transit",
        "The private endpoint can be reached only through a hub, an appliance or a gateway.",
    )
    ENDPOINT_ADDRESSES = "endpoint-addresses", "The private endpoint's addresses cannot be read."
    ENDPOINT_MANAGED = (
        "endpoint-network-manager",
        "No peering leads to the endpoint, but a network manager may connect the networks.",
    )
    ENDPOINT_NOT_READABLE = "endpoint-not-readable", "The node network or the endpoint's network cannot be read."
    ENDPOINT_ACCESS_OFF = "endpoint-access-off", "The peering does not allow access between the virtual networks."
    ENDPOINT_PENDING = "endpoint-pending", "The private endpoint connection waits for its approval."
    ENDPOINT_REJECTED = "endpoint-rejected", "The private endpoint connection was rejected."
    ENDPOINT_DISCONNECTED = "endpoint-disconnected", "The private endpoint connection is disconnected."
    ENDPOINT_STATE_UNCLEAR = "endpoint-state-unclear", "The state of the private endpoint connection is not shown."
    PEERING_NOT_CONNECTED = "peering-not-connected", "The peering between the networks is not connected on both sides."
    NO_PRIVATE_ENDPOINT = (
        "no-private-endpoint",
        "The registry has no private endpoint, and its public access is disabled.",
    )
    NO_ENDPOINT = "no-endpoint", "No private endpoint lets the nodes in."
    RECORD_ELSEWHERE = (
        "record-elsewhere",
        "DNS resolves to an address that is none of the registry's private endpoints.",
    )
    PUBLIC_PATH = "public-way", "DNS resolves the registry to its public endpoint."
    NO_NAME = "no-name", "The login server's name does not exist for the nodes."
    PROXY = "proxy", "The cluster's proxy resolves names and connects."
    CLOSED = "closed", "Public access is disabled and no private endpoint is approved."
    NO_POOLS = "no-pools", "Azure Resource Manager shows no node pool of the cluster."
    POOL_WITHOUT_NODES = "pool-without-nodes", "The node pool has no nodes now."
    CLUSTER_DELETING = "cluster-deleting", "The cluster is being deleted."


CHECK = Check(
    code="PW203",
    title="Private endpoint in reach",
    severity=Severity.ERROR,
    why=(
        "A private endpoint lets nodes in only when it is approved and lies in their network or in one peered with "
        "it both ways."
    ),
    how=(
        "The endpoint that the login server's name resolves to: its connection is Approved, and its network is the "
        "nodes' own or peered with it, Connected on both sides with virtual network access; or one network manager "
        "has both in a connected group; or one virtual hub connects both by its default route table. Peering is not "
        "transitive: through a hub, an appliance or a gateway it is Unknown, without one it is out of reach. What a "
        "network manager has in effect is asked where Pullwatch's own roles allow it, virtual hubs where the nodes' "
        "network is attached to one. An endpoint in a subscription that cannot be read is Unknown. Skipped where the "
        "nodes' names resolve to the public endpoint."
    ),
    permissions=(
        "Reader on the subscriptions of the registry, of its private endpoints and of their virtual networks",
        "where a network manager may connect networks: Microsoft.Network/virtualNetworks/"
        "listNetworkManagerEffectiveConnectivityConfigurations/action on both",
    ),
    fix="Approve the connection, or peer the networks both ways.",
    article=("VNet access",),
    links=(
        "https://learn.microsoft.com/azure/container-registry/container-registry-private-endpoints",
        "https://learn.microsoft.com/azure/virtual-network/virtual-network-peering-overview",
        "https://learn.microsoft.com/azure/virtual-network-manager/concept-connectivity-configuration",
        "https://learn.microsoft.com/azure/virtual-wan/about-virtual-hub-routing",
    ),
    decides=Decides.PATH,
    step=Step.NETWORK,
    causes=(EndpointCause,),
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.ENDPOINT, paths)
