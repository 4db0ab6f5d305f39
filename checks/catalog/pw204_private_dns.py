"""PW204: private DNS resolves the registry's names to its private endpoint."""

from __future__ import annotations

from checks.catalog.check import Check, Decides, Step
from checks.catalog.paths import ClusterPaths, path_findings
from checks.causes import Cause
from checks.findings import Finding, Severity
from checks.rules.path.evaluate import PathQuestion


class DnsCause(Cause):
    """Causes of PW204."""

    NAMES_LEAD_IN = "names-lead-in", "Private DNS resolves the registry's names to its private endpoint."
    LOGIN_RECORD_MISSING = "login-record-missing", "The private DNS zone has no record for the login server."
    LOGIN_RECORD_WRONG = "login-record-wrong", "The private DNS record of the login server has a wrong address."
    REGIONAL_RECORD_MISSING = (
        "regional-record-missing",
        "The zone has no record of a regional endpoint that images name.",
    )
    DATA_RECORD_MISSING = "data-record-missing", "The private DNS zone has no record for a data endpoint."
    DATA_RECORD_WRONG = "data-record-wrong", "The private DNS record of a data endpoint has a wrong address."
    REPLICA_DATA_RECORD_WRONG = "replica-data-record-wrong", "The record of another replica's data endpoint is wrong."
    REPLICA_DATA_RECORD_MISSING = (
        "replica-data-record-missing",
        "The private DNS zone has no record for the data endpoint of another region's replica.",
    )
    ZONE_NOT_LINKED = "zone-not-linked", "No private DNS zone with the registry's names is linked to the node network."
    CUSTOM_DNS = "custom-dns", "The network has DNS servers of its own, and what they answer is not known."
    RECORD_NOT_PRIVATE = "record-not-private", "The private DNS record has an address that is not private."
    NO_APPROVED_ENDPOINT = "no-approved-endpoint", "A private DNS record exists, but no approved private endpoint."
    BOTH_CLOSED = "both-closed", "Both the public and the private path are closed, whatever DNS answers."
    ENDPOINT_ACCESS_OFF = "endpoint-access-off", "The peering does not allow access between the virtual networks."
    ENDPOINT_OUT_OF_REACH = (
        "endpoint-out-of-reach",
        "The record's endpoint is in a network that the node network is not connected with.",
    )
    ENDPOINT_SUBNETS_PEERED = (
        "endpoint-subnets-peered",
        "Only some subnets are peered, and whether the nodes' are among them is not known.",
    )
    ENDPOINT_TRANSIT = (
        "endpoint-transit",
        "The record's endpoint can be reached only through a hub, an appliance or a gateway.",
    )
    ENDPOINT_HUB_ROUTING = (
        "endpoint-hub-routing",
        "Whether the virtual hub of the node network leads to the record's endpoint is not known.",
    )
    PEERING_NOT_CONNECTED = "peering-not-connected", "The peering between the networks is not connected on both sides."
    ENDPOINT_ADDRESSES = "endpoint-addresses", "The private endpoint's addresses cannot be read."
    ENDPOINT_MANAGED = (
        "endpoint-network-manager",
        "No peering leads to the record's endpoint, but a network manager may connect the networks.",
    )
    ZONE_NOT_KNOWN = "zone-not-known", "Where the registry's records are kept is not known: no zone group names a zone."
    ZONE_LINKS_HIDDEN = "zone-links-hidden", "The zone that holds the records has more links than can be read."
    FORWARDING_RULESET = (
        "forwarding-ruleset",
        "A DNS forwarding ruleset is linked to the node network, and what its rule comes to is not known.",
    )
    RESOLUTION_LOOP = (
        "resolution-loop",
        "A forwarding rule sends the name to a server whose network has the same rule: nobody answers it.",
    )
    LINK_IN_PROGRESS = "link-in-progress", "The link of the zone to the node network is not completed."
    ZONES_OVERLAP = (
        "zones-overlap",
        "Two linked zones are about the name, and the closer one lacks the record that the other has.",
    )
    LOCAL_DNS = "local-dns", "LocalDNS on the nodes sends the name to the cluster's CoreDNS."
    NETWORK_NOT_LISTED = "network-not-listed", "The node network is not listed, so neither are its DNS settings."
    NO_ENDPOINT = "no-endpoint", "No private endpoint is in reach that a record could name."
    NO_PATH = "no-way", "No private endpoint lets the nodes in."
    PROXY = "proxy", "The cluster's proxy resolves names and connects."
    PROXY_DECIDES_LAYERS = "proxy-decides-layers", "The cluster's proxy resolves the names of the layers' hosts."
    PUBLIC_PATH = "public-way", "DNS resolves the registry to its public endpoint."
    CLOSED = "closed", "Public access is disabled and no private endpoint is approved."
    NO_POOLS = "no-pools", "Azure Resource Manager shows no node pool of the cluster."
    POOL_WITHOUT_NODES = "pool-without-nodes", "The node pool has no nodes now."
    CLUSTER_DELETING = "cluster-deleting", "The cluster is being deleted."


CHECK = Check(
    code="PW204",
    title="Private DNS records",
    severity=Severity.ERROR,
    why=(
        "DNS decides which path nodes take: a missing zone link resolves to the public endpoint, a missing record to "
        "no address at all."
    ),
    how=(
        "The private DNS zones that are linked to the nodes' network answer the names of the login server and of "
        "each data endpoint; the addresses have to be those of the registry's private endpoint. A zone without the "
        "record means that the name does not exist, unless the link says NxDomainRedirect. A record that only "
        "another region's replica lacks is a warning. Custom DNS servers and forwarding rules are followed to the "
        "inbound endpoint of a DNS Private Resolver, or to an Azure Firewall that is a DNS proxy: the zones linked to "
        "its network answer then. Any other server decides for itself: Unknown."
    ),
    permissions=(
        "Reader on the subscriptions of the zones, the private endpoints and the virtual network",
        "Reader on the subscriptions of the rulesets, resolvers and firewalls that names pass",
    ),
    fix="Link the zone to the network, or add the record that is missing.",
    article=("VNet access", "DNS"),
    links=(
        "https://learn.microsoft.com/azure/private-link/private-endpoint-dns",
        "https://learn.microsoft.com/azure/dns/private-dns-fallback",
    ),
    decides=Decides.PATH,
    step=Step.DNS,
    causes=(DnsCause,),
)


def judge_path(paths: ClusterPaths) -> tuple[Finding, ...]:
    """Findings about each Azure registry that the cluster uses, per node pool where pools differ."""
    return path_findings(CHECK, PathQuestion.NAMES, paths)
