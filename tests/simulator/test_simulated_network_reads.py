"""What says how names are resolved and networks are joined, and which right each read needs."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.tenant_server import GROUP, NETWORK, OTHER, SUBSCRIPTION, Client, Folder

PROVIDER = "/providers/Microsoft.Network"
ENDPOINT = f"{GROUP}{PROVIDER}/privateEndpoints/pe-one"
HUB = f"{GROUP}{PROVIDER}/virtualHubs/hub-one"
MANAGER = f"{GROUP}{PROVIDER}/networkManagers/avnm"
RULESET = f"/subscriptions/{OTHER}/resourceGroups/dns{PROVIDER}/dnsForwardingRulesets/rules"
RULESETS_ACTION = "Microsoft.Network/virtualNetworks/listDnsForwardingRulesets/action"
EFFECTIVE = f"{NETWORK}/listNetworkManagerEffectiveConnectivityConfigurations"
ZONE = f"/subscriptions/{OTHER}/resourceGroups/dns{PROVIDER}/privateDnsZones/privatelink.azurecr.io"


def zone_group(**more: str) -> dict[str, Any]:
    config = {"name": "registry", "properties": {"privateDnsZoneId": ZONE, "recordSets": []}}
    return {"name": "default", "properties": {"privateDnsZoneConfigs": [config]}, **more}


def status(client: Client, path: str, method: str = "GET") -> tuple[int, str]:
    reply = client.arm(path, method=method)
    return reply.status, reply.json["error"]["code"] if reply.status >= 400 else ""


@pytest.fixture(params=["a file of its own", "inside the endpoint's file"])
def endpoint(request: pytest.FixtureRequest, folder: Folder) -> Folder:
    """A private endpoint with a zone group that names a zone elsewhere."""
    properties: dict[str, Any] = {"customDnsConfigs": []}
    if request.param == "a file of its own":
        folder.write("arm/group.json", zone_group(id=f"{ENDPOINT}/privateDnsZoneGroups/default"))
    else:
        properties["privateDnsZoneGroups"] = [zone_group()]
    folder.write("arm/endpoint.json", {"id": ENDPOINT, "name": "pe-one", "properties": properties})
    return folder


def test_zone_groups_are_a_call_of_their_own_and_no_part_of_the_endpoint(client: Client, endpoint: Folder) -> None:
    result = client.arm(f"{ENDPOINT}/privateDnsZoneGroups").json["value"]
    assert [item["id"] for item in result] == [f"{ENDPOINT}/privateDnsZoneGroups/default"]
    assert result[0]["properties"]["privateDnsZoneConfigs"][0]["properties"]["privateDnsZoneId"] == ZONE
    assert client.arm(f"{ENDPOINT}/PRIVATEDNSZONEGROUPS/Default").json == result[0]
    assert client.arm(ENDPOINT).json["properties"] == {"customDnsConfigs": []}
    gone = status(client, f"{ENDPOINT}/privateDnsZoneGroups/gone")
    assert gone == (404, "ResourceNotFound")


def test_zone_groups_need_a_right_at_the_endpoints_group(client: Client, endpoint: Folder) -> None:
    for scope, action in ((GROUP, "*"), (GROUP, "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/read")):
        endpoint.write("authorization/caller.json", {"denied": [{"scope": scope, "actions": [action]}]})
        for path in (f"{ENDPOINT}/privateDnsZoneGroups", f"{ENDPOINT}/privateDnsZoneGroups/default"):
            assert status(client, path) == (403, "AuthorizationFailed")
        assert client.arm(ENDPOINT).status == (403 if action == "*" else 200)


def test_an_endpoint_without_a_zone_group_has_an_empty_list(client: Client, folder: Folder) -> None:
    folder.write("arm/endpoint.json", {"id": ENDPOINT, "name": "pe-one", "properties": {}})
    assert client.arm(f"{ENDPOINT}/privateDnsZoneGroups").json == {"value": []}


def test_connections_of_a_hub_and_parts_of_a_network_manager_are_children(client: Client, folder: Folder) -> None:
    joined = {"name": "spoke", "properties": {"remoteVirtualNetwork": {"id": NETWORK}}}
    children = ("connectivityConfigurations/mesh", "networkGroups/all", "networkGroups/all/staticMembers/one")
    bodies = [{"id": f"{MANAGER}/{child}", "name": child.rsplit("/", 1)[-1]} for child in children]
    hub = {"id": HUB, "name": "hub-one", "properties": {"hubVirtualNetworkConnections": [joined]}}
    folder.write("arm/joined.json", [hub, {"id": MANAGER, "name": "avnm"}, *bodies])
    assert client.arm(f"{HUB}/hubVirtualNetworkConnections").names == ["spoke"]
    assert client.arm(f"{HUB}/hubVirtualNetworkConnections/spoke").json["properties"] == joined["properties"]
    assert client.arm(HUB).json["properties"] == {}
    assert client.arm(f"{MANAGER}/connectivityConfigurations").names == ["mesh"]
    assert client.arm(f"{MANAGER}/networkGroups").names == ["all"]
    assert client.arm(f"{MANAGER}/networkGroups/all/staticMembers").names == ["one"]


@pytest.fixture
def ruleset(folder: Folder) -> Folder:
    """A ruleset in another subscription, linked to the network."""
    link = {"id": f"{RULESET}/virtualNetworkLinks/one", "name": "one"}
    link_properties = {"properties": {"virtualNetwork": {"id": NETWORK.upper()}}}
    rule = {"id": f"{RULESET}/forwardingRules/acr", "name": "acr", "properties": {"domainName": "azurecr.io."}}
    folder.write("arm/ruleset.json", [{"id": RULESET, "name": "rules"}, {**link, **link_properties}, rule])
    return folder


def test_rules_and_links_of_a_ruleset_are_children(client: Client, ruleset: Folder) -> None:
    assert client.arm(f"{RULESET}/forwardingRules").names == ["acr"]
    assert client.arm(f"{RULESET}/virtualNetworkLinks").names == ["one"]
    assert client.arm(f"/subscriptions/{OTHER}{PROVIDER}/dnsForwardingRulesets").names == ["rules"]


def test_reader_may_not_post_for_the_rulesets_of_a_network(client: Client, ruleset: Folder) -> None:
    reply = client.arm(f"{NETWORK}/listDnsForwardingRulesets", method="POST")
    assert (reply.status, reply.json["error"]["code"]) == (403, "AuthorizationFailed")
    assert f"perform action '{RULESETS_ACTION}' over scope '{NETWORK}'" in reply.json["error"]["message"]
    assert status(client, EFFECTIVE, "POST") == (403, "AuthorizationFailed")


def test_with_the_right_the_rulesets_of_a_network_are_listed_across_subscriptions(
    client: Client, ruleset: Folder
) -> None:
    ruleset.write("authorization/caller.json", {"granted": [RULESETS_ACTION.upper()]})
    reply = client.arm(f"{NETWORK}/listDnsForwardingRulesets", method="POST")
    linked = {"virtualNetworkLink": {"id": f"{RULESET}/virtualNetworkLinks/one"}}
    assert reply.json == {"value": [{"id": RULESET, "properties": linked}]}
    assert status(client, EFFECTIVE, "POST") == (403, "AuthorizationFailed")
    other = {"id": NETWORK + "2", "name": "vnet-two"}
    ruleset.write("arm/two.json", other)
    assert client.arm(f"{NETWORK}2/listDnsForwardingRulesets", method="POST").json == {"value": []}
    assert status(client, f"{NETWORK}-none/listDnsForwardingRulesets", "POST") == (404, "ResourceNotFound")


def test_a_granted_action_is_a_role_beside_reader_and_a_denial_still_wins(client: Client, ruleset: Folder) -> None:
    granted = ["Microsoft.Network/virtualNetworks/*/action"]
    ruleset.write("authorization/caller.json", {"granted": granted})
    root = f"/subscriptions/{SUBSCRIPTION}"
    custom = client.arm(
        f"{root}/providers/Microsoft.Authorization/roleDefinitions", "2022-04-01", filter="type eq 'CustomRole'"
    )
    assert [item["properties"]["permissions"][0]["actions"] for item in custom.json["value"]] == [granted]
    assert len(client.roles(root, f"assignedTo('{DEFAULT_PRINCIPAL}')")) == 2
    assert client.arm(EFFECTIVE, method="POST", body={}).json == {"value": []}
    denied = [{"scope": GROUP, "actions": ["*/action"]}]
    ruleset.write("authorization/caller.json", {"granted": granted, "denied": denied})
    assert status(client, EFFECTIVE, "POST") == (403, "AuthorizationFailed")


def test_a_role_in_the_folder_grants_as_well_and_a_body_is_the_answer(client: Client, folder: Folder) -> None:
    folder.assignment("contributor", GROUP, DEFAULT_PRINCIPAL, "4d97b98b-1d4f-4787-a291-c67834d212e7")
    mesh = {"id": f"{MANAGER}/connectivityConfigurations/mesh", "properties": {"connectivityTopology": "Mesh"}}
    folder.write("arm/effective.json", {"id": EFFECTIVE, "value": [mesh]})
    assert client.arm(EFFECTIVE, method="POST").json == {"value": [mesh]}
