"""Whether a private DNS zone that cannot be seen may answer for a registry with private endpoints.

That no zone is linked to a network is an absence. It is certain only where the zones that the zone groups of the
registry's endpoints name can be read with all their links, and every subscription's zones and forwarding rulesets are
shown completely. Source: "Private Link and DNS integration at scale" (zones lie in a connectivity subscription, where
application teams hold no rights), "What is Azure DNS Private Resolver" (a linked ruleset answers before public DNS).
"""

from __future__ import annotations

from checks.arm_ids import name_of
from checks.facts import NotSeen, NotSeenReason, Registry, Seen
from checks.facts.network import Networks, VirtualNetwork, Zone
from checks.rules import visibility
from checks.rules.path import node_network
from checks.rules.path.destinations import suffix_of
from checks.rules.path.names import rulesets
from checks.rules.path.names.zones import covers
from checks.rules.results import Result, not_seen, unknown

# Lists the rulesets of any subscription that are linked to a network; Reader does not allow it.
LINKED_ACTION = "Microsoft.Network/virtualNetworks/listDnsForwardingRulesets/action"


def zones_question(
    networks: Networks, network: VirtualNetwork, registry: Registry, host: str, *, listed: bool = True
) -> Result | None:
    """Why it is not certain that no private zone is linked to a network that answers for a registry's name.

    ``listed`` False: Azure Resource Manager does not list the network. None: no such zone is, for certain.
    """
    if not listed:
        summary = f"No network of the nodes is listed, so whether a private DNS zone answers for {host} is not known."
        return unknown("network-not-listed", summary, "the nodes' virtual network")
    named = _named_zones(networks, registry)
    if isinstance(named, Result):
        return named
    hidden = next((result for zone in named if (result := _links_unseen(networks, zone, host)) is not None), None)
    return hidden or _list_unseen(networks, network, visibility.PRIVATE_ZONES, host)


def closer_zone(networks: Networks, registry: Registry, name: str, answered: Zone | None) -> Result | None:
    """Why the zone that answered may not be the closest: the endpoints' zone groups name a closer one that is hidden.

    Records of data endpoints may lie in ``{region}.data.privatelink.*``, a zone of its own beside ``privatelink.*``.
    Source: "Azure Private Endpoint private DNS zone values".
    """
    named = _named_zones(networks, registry)
    if isinstance(named, Result) or answered is None:
        return None
    closer = [z for z in named if covers(name_of(z).lower(), name) and len(name_of(z)) > len(answered.name)]
    there = (one for one in closer if not _is_gone(node_network.find(networks, "zones", one, "private DNS zone")))
    return next((result for zone in there if (result := _links_unseen(networks, zone, name)) is not None), None)


def _is_gone(zone: object) -> bool:
    return isinstance(zone, NotSeen) and zone.why is NotSeenReason.NOT_FOUND


def rulesets_question(networks: Networks, network: VirtualNetwork, registry: Registry, host: str) -> Result | None:
    """Why it is not certain that all DNS forwarding rulesets are known that are linked to a network."""
    if rulesets.are_known(networks, network):
        return None
    return _list_unseen(networks, network, visibility.RULESETS, host)


def elsewhere(networks: Networks, network: VirtualNetwork, registry: Registry, host: str) -> Result | None:
    """Why public DNS may not be what answers in a network where no zone and no ruleset does that can be seen.

    To be asked where ``zones_question`` and ``rulesets_question`` have no answer.
    """
    named = _named_zones(networks, registry)
    if isinstance(named, Result):
        return named
    return (
        zones_beyond(networks, network, host)
        or (None if rulesets.are_known(networks, network) else _resolved_elsewhere(networks, registry, host, named))
        or _nowhere(networks, registry, host, bool(named))
    )


def rulesets_uncertain(networks: Networks, network: VirtualNetwork, registry: Registry) -> bool:
    """Whether a ruleset that is linked to a network may be hidden, so that the network itself has to be asked."""
    host, named = registry.login_server, _named_zones(networks, registry)
    return (
        _list_unseen(networks, network, visibility.RULESETS, host) is not None
        or zones_beyond(networks, network, host) is not None
        or isinstance(named, Result)
        or _resolved_elsewhere(networks, registry, host, named) is not None
    )


def _list_unseen(networks: Networks, network: VirtualNetwork, resource_type: str, host: str) -> Result | None:
    gap = visibility.hidden_anywhere(networks.visibility, resource_type) or _refused(networks, resource_type)
    what = f"The DNS zones and rulesets that may answer for {host} in {network.name}"
    if resource_type == visibility.RULESETS:
        what = f"Which DNS forwarding rulesets are linked to {network.name} ({LINKED_ACTION} there would show them)"
    return not_seen(gap, what) if gap is not None else None


def _named_zones(networks: Networks, registry: Registry) -> tuple[str, ...] | Result:
    """The zones (ids) that zone groups of the registry's approved endpoints name."""
    named: list[str] = []
    for endpoint_id in _approved_endpoints(networks, registry):
        groups = networks.zone_groups.get(endpoint_id.rstrip("/").lower())
        if groups is None:
            groups = node_network.hidden(networks, endpoint_id, f"The private endpoint {name_of(endpoint_id)}")
        if isinstance(groups, NotSeen):
            return not_seen(groups, f"The zone that holds the records of the private endpoint {name_of(endpoint_id)}")
        named += groups.value
    return tuple(dict.fromkeys(named))


def _approved_endpoints(networks: Networks, registry: Registry) -> tuple[str, ...]:
    listed = [c.endpoint_id for c in registry.network_access.connections if c.approved() and c.endpoint_id]
    known = networks.endpoints_of.get(registry.id.rstrip("/").lower(), ())
    others = [endpoint.id for endpoint in known if (endpoint.status or "").lower() == "approved"]
    return tuple({one.rstrip("/").lower(): one for one in (*others, *listed)}.values())


def _links_unseen(networks: Networks, zone_id: str, host: str) -> Result | None:
    """Why the links of a zone that holds the records are not all known."""
    what = f"The private DNS zone {zone_id}, which the records of {host} are written to,"
    zone = node_network.find(networks, "zones", zone_id, "private DNS zone")
    if isinstance(zone, NotSeen):
        return not_seen(zone, what)
    assert isinstance(zone, Zone)
    if isinstance(zone.links, NotSeen):
        return not_seen(zone.links, f"The links of {zone_id}")
    missing = (zone.link_count or 0) - len(zone.links.value)
    if missing > 0:
        summary = f"{what} has {zone.link_count} links, of which {missing} are not shown."
        return unknown("zone-links-hidden", summary, f"all links of {zone_id}", look_failed=True)
    return None


def _refused(networks: Networks, resource_type: str) -> NotSeen | None:
    """A list that was refused or failed, though the app's roles would allow it."""
    kind = "zones" if resource_type == visibility.PRIVATE_ZONES else "rulesets"
    for network in networks.by_subscription.values():
        part = getattr(network, kind)
        if isinstance(part, NotSeen):
            return part
        parts = (entry.links for entry in part.value.values())
        gap = next((links for links in parts if isinstance(links, NotSeen)), None)
        if gap is not None:
            return gap
    return None


def zones_beyond(networks: Networks, network: VirtualNetwork, host: str) -> Result | None:
    """A peered network that cannot be seen, as a hub is: zones and rulesets of its subscription may answer here too.

    The network of a Virtual WAN hub (``HV_…``) lies in a subscription of Microsoft's, where no customer keeps zones.
    """
    for peering in network.peerings:
        if name_of(peering.remote_id).lower().startswith("hv_"):
            continue
        remote = node_network.find(networks, "virtual_networks", peering.remote_id, "peered virtual network")
        if isinstance(remote, NotSeen) and remote.why is not NotSeenReason.NOT_FOUND:
            return not_seen(remote, f"The network of a peer, whose owner may have a zone or ruleset for {host},")
    return None


def _resolved_elsewhere(networks: Networks, registry: Registry, host: str, named: tuple[str, ...]) -> Result | None:
    """A network that the zone with the records is linked to and that cannot be seen: a resolver in it may answer here.

    A ruleset, which lies beside its resolver, makes it answer for networks that are not even peered with it. Source:
    "Azure DNS Private Resolver endpoints and rulesets".
    """
    zones = [node_network.find(networks, "zones", one, "private DNS zone") for one in named]
    for zone in (*zones, *zones_holding(networks, registry)):
        if not isinstance(zone, Zone):  # told apart before, by its links
            continue
        for link in zone.links.value if isinstance(zone.links, Seen) else ():
            remote = node_network.find(networks, "virtual_networks", link.network_id, "linked virtual network")
            if isinstance(remote, NotSeen) and remote.why is not NotSeenReason.NOT_FOUND:
                return not_seen(remote, f"A network that {zone.name} is linked to, whose resolver may answer {host},")
    return None


def _nowhere(networks: Networks, registry: Registry, host: str, named: bool) -> Result | None:
    """No zone group names a zone, and none that can be read holds the record: it may lie anywhere, made by hand."""
    if named or zones_holding(networks, registry):
        return None
    summary = (
        f"No zone group of {registry.name}'s private endpoints names a private DNS zone, and no zone that can be read "
        f"holds a record of {host}: where its records are kept is not known."
    )
    return unknown("zone-not-known", summary, "the private DNS zone that holds the registry's records")


def zones_holding(networks: Networks, registry: Registry) -> tuple[Zone, ...]:
    """The private link zones that hold a record of a registry, of those that were seen."""
    suffix = suffix_of(registry)
    relative = registry.login_server.removesuffix(f".{suffix}")
    listed = (part.zones for part in networks.by_subscription.values())
    seen = (zone for part in listed if isinstance(part, Seen) for zone in part.value.values())
    return tuple(
        zone
        for zone in seen
        if zone.name == f"privatelink.{suffix}" and isinstance(zone.records, Seen) and relative in zone.records.value
    )
