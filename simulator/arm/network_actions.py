"""POST lists of networks, which `*/read` does not cover: 403 for Reader, unlike the GETs that show the same in part.

Names and shapes: azure-mgmt-dnsresolver 1.1.0 (`dns_forwarding_rulesets.list_by_virtual_network`) and
azure-mgmt-network 33.1.0 (`list_network_manager_effective_connectivity_configurations`). What a network manager
deployed is in no other body: one whose id is `{network}/listNetworkManagerEffectiveConnectivityConfigurations` is the
answer, else the list is empty.
"""

from __future__ import annotations

from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resources

NETWORKS = "microsoft.network/virtualnetworks/"
RULESETS = "microsoft.network/dnsforwardingrulesets"


def needs_grant(full_type: str) -> bool:
    """Whether an action (`Microsoft.Network/virtualNetworks/listX`) is refused unless a role of the app allows it."""
    return full_type.lower().startswith("microsoft.network/")


def listed_at(network: str, full_type: str, resources: Resources) -> list[dict[str, Any]] | None:
    """The `value` of the answer; None for an action that is not one of these."""
    kind = full_type.lower()
    if kind == NETWORKS + "listdnsforwardingrulesets":
        return _rulesets(network, resources)
    if kind == NETWORKS + "listnetworkmanagereffectiveconnectivityconfigurations":
        return []
    return None


def _rulesets(network: str, resources: Resources) -> list[dict[str, Any]]:
    """Rulesets of any subscription linked to a network: {"id", "properties": {"virtualNetworkLink": {"id"}}}."""
    rulesets = []
    for ruleset in resources.everywhere(RULESETS):
        for link in resources.children(ruleset.id, "virtualNetworkLinks"):
            if _network_of(link.body) == ids.key(network):
                rulesets.append({"id": ruleset.id, "properties": {"virtualNetworkLink": {"id": link.id}}})
    return rulesets


def _network_of(link: dict[str, Any]) -> str | None:
    properties = link.get("properties")
    named = properties.get("virtualNetwork") if isinstance(properties, dict) else None
    identity = named.get("id") if isinstance(named, dict) else None
    return ids.key(identity) if isinstance(identity, str) else None
