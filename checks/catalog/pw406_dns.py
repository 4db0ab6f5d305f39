"""PW406: which resolver the nodes ask, and what DNS says of the nearest replica."""

from __future__ import annotations

from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, RegistryPerformance, RegistryUse, Seen
from checks.facts.network import Networks, VirtualNetwork
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.azure import regions
from checks.rules.fixes import az_network
from checks.rules.path import dns, node_network


class ResolverCause(Cause):
    """Causes of PW406."""

    AZURE_DNS = "azure-dns", "The nodes use Azure DNS."
    CUSTOM_DNS = "custom-dns", "The nodes use DNS servers of their own network."
    NETWORK_NOT_KNOWN = "network-not-known", "The node network is not known."
    NO_POOLS = "no-pools", "Azure Resource Manager shows no node pool of the cluster."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."


CHECK = Check(
    code="PW406",
    title="DNS near the nodes",
    severity=Severity.WARNING,
    why=(
        "A geo-replicated registry answers a name by where the resolver stands. Custom DNS servers in another region "
        "lead nodes to a far replica, and every pull waits for them."
    ),
    how=(
        "The DNS servers of the virtual networks that nodes stand in are read. Azure's own resolver stands in the "
        "network's region, so names resolve to the nearest replica. Custom servers are a warning where a registry has "
        "replicas, else a note: where they forward to cannot be read. What the name resolves to from where Pullwatch "
        "runs is shown where its resolver returns the end of the CNAME chain."
    ),
    permissions=("Reader on the virtual networks of the nodes",),
    fix="Let the DNS servers forward to 168.63.129.16 from the nodes' region, or use Azure's resolver.",
    article=("DNS",),
    links=(
        "https://learn.microsoft.com/azure/virtual-network/virtual-networks-name-resolution-for-vms-and-role-instances",
        "https://learn.microsoft.com/azure/container-registry/container-registry-troubleshoot-performance",
    ),
    advisory=True,
    causes=(ResolverCause,),
)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that the cluster uses."""
    return (_judge(view, _networks(view.facts)),)


def _networks(facts: ClusterFacts) -> tuple[VirtualNetwork, ...] | NotSeen:
    """The virtual networks that the cluster's pools stand in, each once; the first that is not known is the answer."""
    networks: dict[str, VirtualNetwork] = {}
    for pool in facts.cluster.pools:
        node_subnet = node_network.subnet_of_pool(facts.networks or Networks(), facts.cluster, pool)
        if isinstance(node_subnet, NotSeen):
            return node_subnet
        networks[node_subnet.network.id.lower()] = node_subnet.network
    return tuple(networks.values())


def _judge(view: RegistryView, networks: tuple[VirtualNetwork, ...] | NotSeen) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    if isinstance(use.registry, NotSeen):
        return CHECK.skipped(
            subject, ResolverCause.REGISTRY_NOT_SEEN, f"the registry {use.login_server} could not be read"
        )
    if isinstance(networks, NotSeen):
        if networks.why is NotSeenReason.NOT_ALLOWED:
            return CHECK.not_seen(subject, networks, "The network of the nodes")
        return CHECK.skipped(
            subject, ResolverCause.NETWORK_NOT_KNOWN, f"the nodes' network is not known: {networks.detail}"
        )
    if not networks:
        return CHECK.skipped(
            subject, ResolverCause.NO_POOLS, "Azure Resource Manager shows no node pool of the cluster"
        )
    from_here = _from_here(facts, use)
    evidence = (*(_servers(facts, network) for network in networks), *from_here)
    for network in networks:
        custom = dns.custom_servers(network)
        if custom:
            return _custom(subject, use, network, custom, facts.performance.get(use.login_server), evidence)
    summary = f"The nodes ask Azure's resolver, which stands in their own region, for {use.login_server}."
    return CHECK.passes(subject, ResolverCause.AZURE_DNS, summary, evidence)


def _custom(
    subject: Subject,
    use: RegistryUse,
    network: VirtualNetwork,
    servers: tuple[str, ...],
    performance: RegistryPerformance | None,
    evidence: tuple[Evidence, ...],
) -> Finding:
    several = _replicated(use, performance)
    what = "decide which replica nodes reach" if several else "answer for every pull"
    more = " and others" if len(servers) > 4 else ""
    summary = (
        f"The virtual network {network.name} has custom DNS servers ({', '.join(servers[:4])}{more}), which {what}."
    )
    return CHECK.fails(
        subject,
        ResolverCause.CUSTOM_DNS,
        summary,
        evidence,
        fix=(az_network.show_dns_servers(network.id),),
        severity=Severity.WARNING if several else Severity.INFO,
    )


def _replicated(use: RegistryUse, performance: RegistryPerformance | None) -> bool:
    """Whether names can lead to more than one region, as far as the replicas could be read."""
    if performance is None or isinstance(performance.replications, NotSeen) or isinstance(use.registry, NotSeen):
        return False
    locations = {regions.normalize(replica.location) for replica in performance.replications.value}
    home = use.registry.value.location
    return len(locations | ({regions.normalize(home)} if home else set())) > 1


def _servers(facts: ClusterFacts, network: VirtualNetwork) -> Evidence:
    part = (facts.networks or Networks()).of(network.id)
    listed = part.virtual_networks if part else None
    servers = ", ".join(network.dns_servers[:8]) or "none, so Azure's own"
    source = f"{network.id} (Azure Resource Manager)"
    if not isinstance(listed, Seen):
        return Evidence(f"dhcpOptions.dnsServers of {network.name}: {servers}", source)
    at = listed.evidence
    return Evidence(f"dhcpOptions.dnsServers of {network.name}: {servers}", source, at.read_at, at.api_version)


def _from_here(facts: ClusterFacts, use: RegistryUse) -> tuple[Evidence, ...]:
    """What the name resolves to for Pullwatch: its own place decides that, so it is told and decides nothing."""
    probe = facts.probes.get(use.login_server)
    canonical = probe.value.canonical if isinstance(probe, Seen) else None
    if probe is None or isinstance(probe, NotSeen) or canonical is None:
        return ()
    region = regions.region_of_host(canonical)
    where = f", in {region}" if region else ""
    what = f"{use.login_server} resolves to {canonical}{where}"
    return (Evidence(what, probe.evidence.source, probe.evidence.read_at),)
