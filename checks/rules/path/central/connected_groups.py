"""Whether a network manager connects two networks that no peering connects.

Members of one network group talk directly where a Mesh, or DirectlyConnected in a hub-and-spoke configuration, is in
effect on both; within one region unless the configuration is global. Where their address spaces overlap traffic is
dropped. Source: learn.microsoft.com/azure/virtual-network-manager/concept-connectivity-configuration.
"""

from __future__ import annotations

from checks.facts import NotSeen, NotSeenReason, Seen
from checks.facts.network import Networks, VirtualNetwork
from checks.facts.network_management import ConnectivityConfiguration
from checks.rules.path import node_network
from checks.rules.path.destinations import Match, any_of, networks

NOT_ASKED = NotSeen(NotSeenReason.NOT_APPLICABLE, "the connectivity configurations in effect were not asked for")


def connected(facts: Networks, near: VirtualNetwork, far_id: str) -> Match | NotSeen:
    """Whether one connected group holds both networks, or why the configurations in effect on one are not known."""
    parts = [facts.management.connectivity.get(one.rstrip("/").lower(), NOT_ASKED) for one in (near.id, far_id)]
    unread = next((part for part in parts if isinstance(part, NotSeen)), None)
    if unread is not None:
        return unread
    here, there = (part.value for part in parts if isinstance(part, Seen))
    far = node_network.find(facts, "virtual_networks", far_id, "virtual network")
    remote = far if isinstance(far, VirtualNetwork) else None
    pairs = ((one, other) for one in here for other in there if one.id == other.id)
    return any_of(_connects(one, other, near, remote) for one, other in pairs)


def in_a_group(facts: Networks, network_id: str) -> bool:
    """Whether a configuration that connects networks is in effect on a network, as far as that was read."""
    part = facts.management.connectivity.get(network_id.rstrip("/").lower())
    listed = part.value if isinstance(part, Seen) else ()
    return any(one.mesh or any(group.direct for group in one.groups) for one in listed)


def _connects(
    one: ConnectivityConfiguration, other: ConnectivityConfiguration, near: VirtualNetwork, far: VirtualNetwork | None
) -> Match:
    """Whether a configuration, as each of the two networks shows it, connects them."""
    joined = [group for group in one.groups if group.id in one.members and group.id in other.members]
    there = {group.id: group for group in other.groups}
    if one.mesh != other.mesh:
        return Match.MAYBE
    if not (one.settled and other.settled):
        return Match.MAYBE if joined else Match.NO
    if one.mesh:
        both = (*joined, *(there[group.id] for group in joined if group.id in there))
        flags = {one.everywhere, other.everywhere, *(group.everywhere for group in both)}
        # Whether a mesh joins networks of different groups, no page says.
        return _in_reach(near, far, flags) if joined else Match.MAYBE
    direct = [group for group in joined if group.direct]
    if direct:
        pairs = [(group, there.get(group.id, group)) for group in direct]
        if not all(far_side.direct for _, far_side in pairs):
            return Match.MAYBE
        return any_of(_in_reach(near, far, {here.everywhere, beyond.everywhere}) for here, beyond in pairs)
    unnamed = not one.members or not other.members
    return Match.MAYBE if unnamed and any(group.direct for group in one.groups) else Match.NO


def _in_reach(near: VirtualNetwork, far: VirtualNetwork | None, everywhere: set[bool | None]) -> Match:
    """Whether both are in one region, or the group is global, and their address spaces are apart."""
    if far is None or not near.location or not far.location:
        return Match.MAYBE
    if _region(near.location) != _region(far.location) and everywhere != {True}:
        return Match.NO if everywhere == {False} else Match.MAYBE
    own, others = networks(near.prefixes), networks(far.prefixes)
    apart = own and others and not any(a.overlaps(b) for a in own for b in others)
    return Match.YES if apart else Match.MAYBE


def _region(location: str) -> str:
    return location.lower().replace(" ", "")
