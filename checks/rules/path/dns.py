"""Names as nodes look them up: whose answer counts, from the nodes' network to the zone that has the record.

LocalDNS of a pool may send a domain to CoreDNS. Custom DNS servers of a network get every question. Else the private
DNS zones linked to it answer, before the rules of the forwarding rulesets linked to it do, before public DNS does.
Public DNS leads a registry's names to ``privatelink.*`` once the registry has a private endpoint; a registry without
any is not affected by zones of that name, nor by rules.
Source: "What is Azure DNS Private Resolver", DNS resolution process; "Azure Private Endpoint DNS integration".
"""

from __future__ import annotations

import msgspec

from checks.facts import Registry, Seen
from checks.facts.network import Networks, VirtualNetwork
from checks.rules.path import unseen_zones
from checks.rules.path.destinations import address, suffix_of
from checks.rules.path.destinations import network as as_network
from checks.rules.path.names import local_dns, rulesets
from checks.rules.path.names.servers import AZURE_DNS, Unclear, answering
from checks.rules.path.names.zones import Resolution, ResolvesTo, in_zones, unsettled
from checks.rules.path.node_network import NodeSubnet
from checks.rules.results import Result, not_seen, unknown

MAX_HOPS, MAX_SERVERS = 3, 10
CUSTOM_DNS = "custom-dns"


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One name of a registry, and the networks it is looked up in."""

    networks: Networks
    registry: Registry
    host: str

    @property
    def private(self) -> str:
        """The name that public DNS leads to where the registry has a private endpoint."""
        return private_name(self.host, suffix_of(self.registry))


def is_public(networks: Networks, registry: Registry) -> bool:
    """A registry has no private endpoint that anybody knows of, so public DNS has its names."""
    known = networks.endpoints_of.get(registry.id.rstrip("/").lower(), ())
    approved = any((endpoint.status or "").lower() == "approved" for endpoint in known)
    return not registry.network_access.connections and not approved


def zones_answer(networks: Networks, network: VirtualNetwork, registry: Registry) -> bool:
    """Whether a zone that is linked to a network answers for a registry's names, so that nobody else is asked."""
    names = (registry.login_server, private_name(registry.login_server, suffix_of(registry)))
    return any(in_zones(networks, network, name) is not None for name in names)


def private_name(host: str, suffix: str) -> str:
    """The name that public DNS leads to for a registry with a private endpoint."""
    return f"{host.removesuffix(f'.{suffix}')}.privatelink.{suffix}"


def custom_servers(network: VirtualNetwork) -> tuple[str, ...]:
    """The DNS servers of a network that are not Azure's own."""
    return tuple(server for server in network.dns_servers if server.strip() != AZURE_DNS)


def resolve(networks: Networks, node_subnet: NodeSubnet, registry: Registry, host: str) -> Resolution:
    """Where a name of a registry leads for the nodes of a subnet."""
    asked, network = _Asked(networks=networks, registry=registry, host=host), node_subnet.network
    by_pods = local_dns.question(node_subnet.pool, host, asked.private)
    if by_pods is not None:
        return unsettled(host, by_pods)
    if custom_servers(network):
        return _by_servers(asked, network)
    return _by_azure(asked, network, listed=node_subnet.listed)


def _by_servers(asked: _Asked, network: VirtualNetwork) -> Resolution:
    """The answer of a network's own DNS servers."""
    servers = network.dns_servers
    through = f"the DNS servers of {network.name}, {', '.join(servers[:MAX_SERVERS])}"
    resolution = _of_servers(asked, network, servers, through)
    if isinstance(resolution, Resolution):
        return msgspec.structs.replace(resolution, custom=True)
    hint = _hint(asked.networks, custom_servers(network))
    summary = (
        f"The network {network.name} uses the DNS servers {', '.join(custom_servers(network)[:MAX_SERVERS])}, which "
        f"decide where names lead: {resolution.why}.{hint}"
    )
    if resolution.gap is not None:
        gap = msgspec.structs.replace(resolution.gap, detail=f"{resolution.why}. {resolution.gap.detail}")
        return unsettled(asked.host, not_seen(gap, f"What the DNS servers of {network.name} answer"))
    return unsettled(asked.host, unknown(CUSTOM_DNS, summary, "what the custom DNS servers answer"))


def _by_azure(
    asked: _Asked, network: VirtualNetwork, visited: tuple[str, ...] = (), *, listed: bool = True
) -> Resolution:
    """The answer of Azure DNS in a network: its zones, then its rulesets, then public DNS."""
    known = _of_zones(asked, network)
    if known is not None and known.redirected:
        known = _redirected(asked, network, known)
    if known is None:
        question = unseen_zones.zones_question(asked.networks, network, asked.registry, asked.host, listed=listed)
        known = unsettled(asked.host, question) if question else None
    if known is None:
        known = _of_rulesets(asked, network, visited)
    if known is None:
        question = unseen_zones.elsewhere(asked.networks, network, asked.registry, asked.host)
        known = unsettled(asked.host, question) if question else None
    if known is None:
        known = Resolution(resolves_to=ResolvesTo.PUBLIC, host=asked.host)
    return known if known.view is not None else msgspec.structs.replace(known, view=network)


def _of_zones(asked: _Asked, network: VirtualNetwork) -> Resolution | None:
    """The answer of the zones that are linked to a network, or of public DNS for a registry that is public."""
    direct = in_zones(asked.networks, network, asked.host)
    if direct is not None:
        return msgspec.structs.replace(direct, host=asked.host)
    if is_public(asked.networks, asked.registry):
        return Resolution(resolves_to=ResolvesTo.PUBLIC, host=asked.host)
    resolution = in_zones(asked.networks, network, asked.private)
    if resolution is None:
        return None
    connections = asked.registry.network_access.connections
    certain = any(c.approved() for c in connections) or not connections
    if resolution.resolves_to in (ResolvesTo.ABSENT, ResolvesTo.PRIVATE) and not certain:
        why = "no private endpoint of the registry is approved, so whether public DNS points to the zone is not certain"
        return unsettled(asked.host, unknown("no-approved-endpoint", f"{asked.host}: {why}.", "an approved endpoint"))
    closer = unseen_zones.closer_zone(asked.networks, asked.registry, asked.private, resolution.zone)
    return unsettled(asked.host, closer) if closer else msgspec.structs.replace(resolution, host=asked.host)


def _redirected(asked: _Asked, network: VirtualNetwork, known: Resolution) -> Resolution:
    """The answer of public DNS for a name that a linked zone lacks, unless a rule may catch it: no page says which."""
    question = unseen_zones.rulesets_question(asked.networks, network, asked.registry, asked.host)
    decision = question or rulesets.deciding(asked.networks, network, asked.host, asked.private)
    if decision is None:
        return known
    if isinstance(decision, Result):
        return unsettled(asked.host, decision)
    zone = known.zone.name if known.zone else "a zone"
    summary = (
        f"{zone} is linked to {network.name} and has no record of {asked.host}, which its link has public DNS resolve "
        f"(NxDomainRedirect), and {decision} is linked, too: which of them answers is not known."
    )
    return unsettled(asked.host, unknown(rulesets.CAUSE, summary, "whether the rule or public DNS answers"))


def _of_rulesets(asked: _Asked, network: VirtualNetwork, visited: tuple[str, ...]) -> Resolution | None:
    """The answer of the rule that decides in a network; None where none does."""
    question = unseen_zones.rulesets_question(asked.networks, network, asked.registry, asked.host)
    decision = question or rulesets.deciding(asked.networks, network, asked.host, asked.private)
    if decision is None:
        return None
    if isinstance(decision, Result):
        return unsettled(asked.host, decision)
    if network.id in visited:
        return Resolution(resolves_to=ResolvesTo.ABSENT, host=asked.host, view=network, loops=True)
    beyond = unseen_zones.zones_beyond(asked.networks, network, asked.host)
    if beyond is not None:
        return unsettled(asked.host, beyond)
    near = rulesets.asking(asked.networks, decision.ruleset)
    through = f"{decision}, which is linked to {network.name}"
    servers = decision.rule.servers
    resolution = (
        near
        if isinstance(near, Unclear)
        else _of_servers(asked, near, servers, through, (*visited, network.id), by_rule=True)
    )
    if isinstance(resolution, Resolution):
        return resolution
    what = f"In {network.name}, {decision} sends {asked.host} to {', '.join(servers[:MAX_SERVERS]) or 'no server'}"
    if resolution.gap is not None:
        gap = msgspec.structs.replace(resolution.gap, detail=f"{resolution.why}. {resolution.gap.detail}")
        return unsettled(asked.host, not_seen(gap, f"{what}, whose answer"))
    summary = f"{what}: {resolution.why}."
    return unsettled(asked.host, unknown(rulesets.CAUSE, summary, "what that server answers"))


def _of_servers(
    asked: _Asked,
    near: VirtualNetwork,
    servers: tuple[str, ...],
    through: str,
    visited: tuple[str, ...] = (),
    *,
    by_rule: bool = False,
) -> Resolution | Unclear:
    """The answer of DNS servers, which have to agree: any of them may be asked."""
    if not servers or len(servers) > MAX_SERVERS or len(visited) > MAX_HOPS:
        return Unclear("they name no server that can be followed")
    views: dict[str, VirtualNetwork] = {}
    for server in servers:
        if by_rule and server.strip() == AZURE_DNS:
            return Unclear(f"a rule may not name {AZURE_DNS}")
        view = answering(asked.networks, near, server)
        if isinstance(view, Unclear):
            return view
        views[view.id.lower()] = view
    answers = [_by_azure(asked, view, visited) for view in views.values()]
    first = next((one for one in answers if one.resolves_to is ResolvesTo.UNSETTLED), answers[0])
    same = {(one.resolves_to, frozenset(one.addresses), one.loops) for one in answers}
    if first.resolves_to is not ResolvesTo.UNSETTLED and len(same) > 1:
        return Unclear("they do not all answer the same")
    return msgspec.structs.replace(first, through=(through, *first.through))


def _hint(networks: Networks, servers: tuple[str, ...]) -> str:
    """Where custom servers stand in a network that a zone of registries is linked to, that is the usual good case."""
    hub = next((h for h in _holding(networks, servers) if h in networks.zones_of), None)
    return f" They stand in {hub.rsplit('/', 1)[-1]}, which a zone of registries is linked to." if hub else ""


def _holding(networks: Networks, servers: tuple[str, ...]) -> list[str]:
    names: list[str] = []
    for part in networks.by_subscription.values():
        for key, network in part.virtual_networks.value.items() if isinstance(part.virtual_networks, Seen) else ():
            spaces = [p for text in network.prefixes if (p := as_network(text))]
            if any((one := address(server)) and any(one in p for p in spaces) for server in servers):
                names.append(key)
    return names
