"""Network managers for tests: what is in effect on networks of a ``World``, as bodies, and read into facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from checks.collect.arm import network_manager_bodies
from checks.facts import NotSeen, Seen, subscription_of
from checks.facts.network_management import (
    ADMIN_RULES_ACTION,
    CONNECTIVITY_ACTION,
    AdminRules,
    ConnectivityConfiguration,
    NetworkManagement,
)
from checks.facts.visibility import Visibility
from checks.findings import Evidence

READ = Evidence("a list", "Azure Resource Manager", "2026-11-24T08:00:00+00:00", "2024-05-01")
MANAGER = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rg/providers/Microsoft.Network"
MANAGER += "/networkManagers/manager"
BOTH = [CONNECTIVITY_ACTION, ADMIN_RULES_ACTION]
_LISTS = {one.split("/")[2]: one for one in BOTH}


def in_effect(world: Any, network_id: str, *items: dict[str, Any]) -> None:
    """Adds connectivity configurations or security admin rules to what a POST list of a network answers."""
    for item in items:
        name = CONNECTIVITY_ACTION.split("/")[2] if "configurationGroups" in item else ADMIN_RULES_ACTION.split("/")[2]
        key = f"{network_id}/{name}"
        body = {"id": key, "name": name, "type": f"Microsoft.Network/virtualNetworks/{name}", "value": []}
        world.bodies.setdefault(key, body)["value"].append(item)


def nothing_in_effect(world: Any, *network_ids: str) -> None:
    """Networks of which both POST lists are readable, and empty."""
    for key in (f"{network_id}/{name}" for network_id in network_ids for name in _LISTS):
        world.bodies[key] = {"id": key, "name": key, "type": "Microsoft.Network/virtualNetworks/list", "value": []}


def configuration(
    topology: str = "Mesh", *, group: str = "spokes", direct: str = "DirectlyConnected", everywhere: str = "False",
    name: str = "mesh", inside: tuple[str, ...] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A connectivity configuration in effect, for one network group that the network is in (``inside``: others)."""
    key = f"{MANAGER}/networkGroups/{group}"
    item = {"networkGroupId": key, "groupConnectivity": direct, "isGlobal": everywhere, "useHubGateway": "False"}
    members = [key] if inside is None else [f"{MANAGER}/networkGroups/{one}" for one in inside]
    return {
        "id": f"{MANAGER}/connectivityConfigurations/{name}",
        "configurationGroups": [{"id": one, "properties": {"provisioningState": "Succeeded"}} for one in members],
        "properties": {"connectivityTopology": topology, "isGlobal": everywhere, "appliesToGroups": [item], "hubs": []},
    }


def admin_rule(name: str, priority: int, access: str, *to: str, kind: str = "IPPrefix", **over: Any) -> dict[str, Any]:
    """A security admin rule in effect: outbound TCP 443 from everywhere unless told otherwise."""
    collection = f"{MANAGER}/securityAdminConfigurations/baseline/ruleCollections/egress"
    base = {
        "priority": priority,
        "direction": "Outbound",
        "access": access,
        "protocol": "Tcp",
        "sources": [{"addressPrefix": "*", "addressPrefixType": "IPPrefix"}],
        "destinations": [{"addressPrefix": one, "addressPrefixType": kind} for one in to],
        "sourcePortRanges": ["0-65535"],
        "destinationPortRanges": ["443"],
    }
    return {"id": f"{collection}/rules/{name}", "kind": "Custom", "properties": base | over}


def management(bodies: Mapping[str, dict[str, Any]], visible: Visibility) -> NetworkManagement:
    """What the POST lists among bodies show, where their subscription is visible."""
    connectivity: dict[str, Seen[tuple[ConnectivityConfiguration, ...]] | NotSeen] = {}
    rules: dict[str, Seen[AdminRules] | NotSeen] = {}
    for key, body in bodies.items():
        network_id, _, name = key.rpartition("/")
        if _LISTS.get(name) and visible.roles_in(subscription_of(key)):
            if _LISTS[name] == ADMIN_RULES_ACTION:
                rules[network_id.lower()] = Seen(network_manager_bodies.admin_rules(body["value"]), READ)
            else:
                read = network_manager_bodies.configurations(body["value"])
                assert read is not None
                connectivity[network_id.lower()] = Seen(read, READ)
    return NetworkManagement(connectivity=connectivity, admin_rules=rules)
