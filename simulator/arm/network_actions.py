"""POST lists of networks, which `*/read` does not cover: 403 for Reader, unlike the GETs that show the same in part.

Names and shapes: azure-mgmt-dnsresolver 1.1.0 (`dns_forwarding_rulesets.list_by_virtual_network`) and
azure-mgmt-network 33.1.0 (`list_network_manager_effective_connectivity_configurations`, `…_security_admin_rules`). What
a network manager deployed is in no other body: one whose id is `{network}/listNetworkManagerEffective…` is the answer,
else the list is empty. Its next page is asked for by `skipToken` in the body.
"""

from __future__ import annotations

import json
from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resources

NETWORKS = "microsoft.network/virtualnetworks/"
EFFECTIVE = (
    NETWORKS + "listnetworkmanagereffectiveconnectivityconfigurations",
    NETWORKS + "listnetworkmanagereffectivesecurityadminrules",
)
RULESETS = "microsoft.network/dnsforwardingrulesets"


def needs_grant(full_type: str) -> bool:
    """Whether an action (`Microsoft.Network/virtualNetworks/listX`) is refused unless a role of the app allows it."""
    return full_type.lower().startswith("microsoft.network/")


def listed_at(network: str, full_type: str, resources: Resources) -> list[dict[str, Any]] | None:
    """The `value` of the answer; None for an action that is not one of these."""
    kind = full_type.lower()
    if kind == NETWORKS + "listdnsforwardingrulesets":
        return _rulesets(network, resources)
    return None


def effective_page(path: str, full_type: str, body: bytes, resources: Resources, size: int) -> dict[str, Any] | None:
    """A page of what network managers have in effect on a network; None for an action that is not one of these."""
    if full_type.lower() not in EFFECTIVE:
        return None
    stored = resources.by_id.get(ids.key(path))
    value = stored.body.get("value") if stored is not None else []
    items = value if isinstance(value, list) else []
    start = _offset(body)
    more = {"skipToken": str(start + size)} if start + size < len(items) else {}
    return {"value": items[start : start + size], **more}


def _offset(body: bytes) -> int:
    try:
        token = json.loads(body or b"{}").get("skipToken", "0")
        return max(0, int(token))
    except (ValueError, AttributeError, TypeError):
        return 0


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
