"""What network managers do to a node: whom a connected group lets it talk to, which traffic admin rules stop.

A tenant says what is in effect by the answers of the two POST lists of a network (simulator/arm/network_actions.py),
so nodes go by the same bodies. Sources and destinations of admin rules are prefixes or service tags; network groups are
taken to hold nothing.
"""

from __future__ import annotations

from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resources
from simulator.nodes.security_rules import fits

CONNECTIVITY = "listNetworkManagerEffectiveConnectivityConfigurations"
ADMIN_RULES = "listNetworkManagerEffectiveSecurityAdminRules"


def are_connected(resources: Resources, one: str, other: str) -> bool:
    """Whether a mesh, or direct connectivity, of one group holds both networks (by id)."""
    near, far = _groups(resources, one), _groups(resources, other)
    shared = near.keys() & far.keys()
    return any(near[pair] or _same_region(resources, one, other) for pair in shared)


def _groups(resources: Resources, network: str) -> dict[tuple[str, str], bool]:
    """The (configuration, group) pairs in which members talk to each other, and whether across regions."""
    found: dict[tuple[str, str], bool] = {}
    for item in _answer(resources, network, CONNECTIVITY):
        properties = _table(item.get("properties"))
        mesh = str(properties.get("connectivityTopology")).lower() == "mesh"
        inside = {ids.key(str(group.get("id"))) for group in _listed(item.get("configurationGroups"))}
        for group in _listed(properties.get("appliesToGroups")):
            name = ids.key(str(group.get("networkGroupId")))
            direct = str(group.get("groupConnectivity")).lower() == "directlyconnected"
            if name in inside and (mesh or direct):
                wide = properties.get("isGlobal") if mesh else group.get("isGlobal")
                found[(ids.key(str(item.get("id"))), name)] = str(wide).lower() == "true"
    return found


def verdict(resources: Resources, network: str, source: str, destination: str) -> str:
    """ "deny", "alwaysallow" or "allow" of the first admin rule about a node's TCP 443; "" where there is none."""
    rules = [_as_group_rule(item) for item in _answer(resources, network, ADMIN_RULES)]
    outward = [rule for rule in rules if str(rule.get("direction")).lower() == "outbound"]
    for rule in sorted(outward, key=lambda rule: int(rule.get("priority", 0))):
        if fits(rule, source, destination):
            return str(rule.get("access")).lower()
    return ""


def _as_group_rule(item: dict[str, Any]) -> dict[str, Any]:
    """An admin rule with the fields of a rule of a network security group."""
    properties = _table(item.get("properties"))
    protocol = str(properties.get("protocol"))
    return {
        **properties,
        "protocol": "*" if protocol.lower() == "any" else protocol,
        "sourceAddressPrefixes": _prefixes(properties.get("sources")),
        "destinationAddressPrefixes": _prefixes(properties.get("destinations")),
    }


def _prefixes(value: Any) -> list[str]:
    listed = _listed(value)
    named = [i for i in listed if str(i.get("addressPrefixType", "IPPrefix")).lower() in ("ipprefix", "servicetag")]
    return [str(item.get("addressPrefix")) for item in named] if listed else ["*"]


def _answer(resources: Resources, network: str, action: str) -> list[dict[str, Any]]:
    stored = resources.by_id.get(ids.key(f"{network}/{action}"))
    return _listed(stored.body.get("value")) if stored is not None else []


def _same_region(resources: Resources, one: str, other: str) -> bool:
    found = [resources.find(network) for network in (one, other)]
    regions = {str(network.body.get("location", "")).lower() for network in found if network is not None}
    return len(regions) == 1


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
