"""ARM as the simulator answers it: what it insists on, where resources are found, how lists go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulator import Simulator
from tests.support.tenant_server import ARM, CLUSTER, GROUP, NETWORK, OTHER, REGISTRY, SUBSCRIPTION, Client, Folder

CLUSTERS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"


def code(reply: Any) -> str:
    text: str = reply.json["error"]["code"]
    return text


def more_clusters(folder: Folder, number: int) -> None:
    bodies = [{"id": CLUSTER.replace("aks-one", f"aks-{n}"), "name": f"aks-{n}"} for n in range(number)]
    folder.write("arm/more.json", bodies)


def test_a_request_without_api_version_is_refused_the_way_azure_refuses_it(client: Client, sim: Simulator) -> None:
    url = sim.environment["PULLWATCH_ARM_ENDPOINT"] + "/subscriptions"
    reply = client.send(url, Authorization=f"Bearer {sim.token(ARM)}")
    assert (reply.status, code(reply)) == (400, "MissingApiVersionParameter")


def test_a_request_without_a_token_is_challenged(client: Client, sim: Simulator) -> None:
    reply = client.send(sim.environment["PULLWATCH_ARM_ENDPOINT"] + "/subscriptions?api-version=2022-12-01")
    assert (reply.status, code(reply)) == (401, "AuthenticationFailed")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


@pytest.mark.parametrize("audience", ["https://graph.microsoft.com", "https://containerregistry.azure.net"])
def test_a_token_for_another_service_is_refused(client: Client, sim: Simulator, audience: str) -> None:
    url = sim.environment["PULLWATCH_ARM_ENDPOINT"] + "/subscriptions?api-version=2022-12-01"
    reply = client.send(url, Authorization=f"Bearer {sim.token(audience)}")
    assert (reply.status, code(reply)) == (401, "InvalidAuthenticationTokenAudience")


def test_a_token_from_elsewhere_is_refused(client: Client, sim: Simulator) -> None:
    url = sim.environment["PULLWATCH_ARM_ENDPOINT"] + "/subscriptions?api-version=2022-12-01"
    reply = client.send(url, Authorization="Bearer a.b.c")
    assert (reply.status, code(reply)) == (401, "InvalidAuthenticationToken")


def test_ids_are_found_in_any_case(client: Client) -> None:
    assert client.arm(CLUSTER.upper()).json["name"] == "aks-one"
    assert client.arm(CLUSTERS.lower()).names == ["aks-one"]


def test_a_body_is_served_as_it_stands_in_its_file(client: Client, folder: Folder) -> None:
    body = {"id": CLUSTER.replace("aks-one", "odd"), "name": "odd", "properties": None, "sku": 7, "text": "äöü \u2028"}
    folder.write("arm/odd.json", body)
    assert client.arm(str(body["id"])).json == body


def test_what_is_not_there_is_named_in_the_refusal(client: Client) -> None:
    gone = client.arm(CLUSTER.replace("aks-one", "gone"))
    assert (gone.status, code(gone)) == (404, "ResourceNotFound")
    assert "'Microsoft.ContainerService/managedClusters/gone' under resource group 'rg-one'" in gone.body.decode()
    group = client.arm(CLUSTER.replace("rg-one", "rg-none"))
    assert (group.status, code(group)) == (404, "ResourceGroupNotFound")
    subscription = client.arm(CLUSTERS.replace(SUBSCRIPTION, OTHER))
    assert (subscription.status, code(subscription)) == (404, "SubscriptionNotFound")
    nested = client.arm(f"{NETWORK}-none/subnets")
    assert (nested.status, code(nested)) == (404, "ParentResourceNotFound")


def test_a_list_goes_on_behind_next_link_until_all_are_told(client: Client, folder: Folder, sim: Simulator) -> None:
    more_clusters(folder, 7)
    seen, link, pages = [], None, 0
    reply = client.arm(CLUSTERS)
    while True:
        pages += 1
        seen += reply.names
        link = reply.json.get("nextLink")
        if link is None:
            break
        assert link.startswith(sim.environment["PULLWATCH_ARM_ENDPOINT"]) and "api-version=2025-11-01" in link
        reply = client.send(link, Authorization=f"Bearer {sim.token(ARM)}")
    assert (len(seen), len(set(seen)), pages) == (8, 8, 3)


def test_children_are_found_inside_their_parent_and_by_bodies_of_their_own(client: Client, folder: Folder) -> None:
    own = {"id": f"{NETWORK}/subnets/pods", "name": "pods", "properties": {}}
    folder.write("arm/subnet.json", own)
    assert sorted(client.arm(f"{NETWORK}/subnets").names) == ["nodes", "pods"]
    assert client.arm(f"{NETWORK}/subnets/nodes").json["properties"]["addressPrefix"] == "10.1.0.0/20"
    assert client.arm(f"{NETWORK}/virtualNetworkPeerings").names == []
    pool = client.arm(f"{CLUSTER}/agentPools/system").json
    assert pool["properties"] == {"count": 3, "type": "VirtualMachineScaleSets"}
    assert pool["type"] == "Microsoft.ContainerService/managedClusters/agentPools"


def test_record_sets_of_a_private_zone_are_listed_together_without_its_links(client: Client, folder: Folder) -> None:
    zone = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/privatelink.azurecr.io"
    children = ("A/regone", "A/regone.westeurope.data", "virtualNetworkLinks/hub")
    bodies = [{"id": f"{zone}/{child}", "name": child.split("/")[1]} for child in children]
    folder.write("arm/zone.json", [{"id": zone, "name": "privatelink.azurecr.io"}, *bodies])
    assert client.arm(f"{zone}/ALL").names == ["regone", "regone.westeurope.data"]
    assert client.arm(f"{zone}/A").names == ["regone", "regone.westeurope.data"]
    assert client.arm(f"{zone}/virtualNetworkLinks").names == ["hub"]


def test_interfaces_of_a_scale_sets_machines_are_listed_at_the_scale_set(client: Client, folder: Folder) -> None:
    scale_set = f"{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets/aks-system-vmss"
    nic = f"{scale_set}/virtualMachines/0/networkInterfaces/nic"
    address = f"{nic}/ipConfigurations/ipconfig1/publicIPAddresses/pip"
    folder.write("arm/vmss.json", [{"id": i, "name": i.rsplit("/", 1)[-1]} for i in (scale_set, nic, address)])
    assert client.arm(f"{scale_set}/networkInterfaces").names == ["nic"]
    assert client.arm(f"{scale_set}/publicIPAddresses").names == ["pip"]


@pytest.mark.parametrize(
    ("version", "mode", "rules"),
    [
        ("2017-10-01", False, True),
        ("2019-05-01", False, True),
        ("2019-12-01-preview", False, True),
        ("2021-08-01-preview", False, True),
        ("2021-09-01", False, False),
        ("2021-12-01-preview", False, True),
        ("2022-02-01-preview", False, False),
        ("2023-11-01-preview", False, False),
        ("2025-03-01-preview", True, False),
        ("2025-04-01", False, False),
        ("2025-11-01", True, False),
        ("2026-03-01-preview", True, False),
        ("2026-09-01-preview", True, True),
    ],
)
def test_a_registry_shows_only_what_its_api_version_shows(
    client: Client, version: str, mode: bool, rules: bool
) -> None:
    listed = client.arm(REGISTRY.rsplit("/", 1)[0], version).json["value"][0]["properties"]
    single = client.arm(REGISTRY, version).json["properties"]
    assert listed == single
    assert ("roleAssignmentMode" in single, "virtualNetworkRules" in single["networkRuleSet"]) == (mode, rules)


def test_an_edited_file_counts_at_once_and_a_broken_one_leaves_things_as_they_were(
    client: Client, folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    more_clusters(folder, 1)
    assert client.arm(CLUSTERS).names == ["aks-one", "aks-0"]
    folder.write("arm/more.json", "[{")
    assert client.arm(CLUSTERS).names == ["aks-one", "aks-0"]
    assert "more.json" in capfd.readouterr().err
    more_clusters(folder, 2)
    assert client.arm(CLUSTERS).names == ["aks-one", "aks-0", "aks-1"]
    (folder.root / "arm" / "more.json").unlink()
    assert client.arm(CLUSTERS).names == ["aks-one"]


def test_the_inventory_filters_by_type_and_leaves_properties_out(client: Client) -> None:
    kind = "resourceType eq 'microsoft.containerregistry/Registries'"
    result = client.arm(f"/subscriptions/{SUBSCRIPTION}/resources", "2021-04-01", filter=kind).json["value"]
    assert [item["id"] for item in result] == [REGISTRY]
    assert "properties" not in result[0] and result[0]["sku"]["name"] == "Premium"


def test_the_inventory_takes_types_combined_with_or(client: Client) -> None:
    def kinds(wanted: str) -> list[str]:
        items = client.arm(f"/subscriptions/{SUBSCRIPTION}/resources", "2021-04-01", filter=wanted).json["value"]
        return sorted(item["type"].lower() for item in items)

    registry = "resourceType eq 'Microsoft.ContainerRegistry/registries'"
    cluster = "resourceType eq 'Microsoft.ContainerService/managedClusters'"
    assert kinds(f"{registry} or {cluster}") == [
        "microsoft.containerregistry/registries",
        "microsoft.containerservice/managedclusters",
    ]
    assert kinds(f"{registry} and name eq 'other' or {cluster}") == ["microsoft.containerservice/managedclusters"]


def test_usages_follow_from_the_sku_unless_a_body_says_otherwise(client: Client, folder: Folder) -> None:
    rows = {row["name"]: row["limit"] for row in client.arm(f"{REGISTRY}/listUsages").json["value"]}
    assert (rows["Size"], rows["Geo-replications"]) == (500 * 1024**3, -1)
    folder.write("arm/usage.json", {"id": f"{REGISTRY}/listUsages", "value": [{"name": "Size", "currentValue": 9}]})
    assert client.arm(f"{REGISTRY}/listUsages").json == {"value": [{"name": "Size", "currentValue": 9}]}


def deny(folder: Folder, scope: str, *actions: str) -> None:
    folder.write("authorization/caller.json", {"denied": [{"scope": scope, "actions": list(actions)}]})


def test_a_closed_subscription_is_still_listed_and_answers_403_inside(client: Client, folder: Folder) -> None:
    deny(folder, f"/subscriptions/{SUBSCRIPTION.upper()}", "*")
    assert len(client.arm("/subscriptions", "2022-12-01").json["value"]) == 1
    for path in (CLUSTERS, CLUSTER, f"/subscriptions/{SUBSCRIPTION}", f"/subscriptions/{SUBSCRIPTION}/resourceGroups"):
        reply = client.arm(path)
        assert (reply.status, code(reply)) == (403, "AuthorizationFailed"), path
    message = client.arm(CLUSTERS).json["error"]["message"]
    assert "perform action 'Microsoft.ContainerService/managedClusters/read' over scope '/subscriptions/" in message
    assert message.endswith("please refresh your credentials.")


def test_a_subscription_that_may_not_be_read_is_not_listed(client: Client, folder: Folder) -> None:
    deny(folder, f"/subscriptions/{SUBSCRIPTION}", "Microsoft.Resources/subscriptions/read")
    assert client.arm("/subscriptions", "2022-12-01").json["value"] == []


def test_one_denied_action_leaves_the_others_alone(client: Client, folder: Folder) -> None:
    deny(folder, GROUP, "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action")
    assert client.arm(CLUSTER).status == 200
    assert client.arm(f"{CLUSTER}/listClusterUserCredential", method="POST").status == 403


def test_a_list_above_a_closed_group_leaves_its_resources_out(client: Client, folder: Folder) -> None:
    folder.write("arm/second.json", {"id": CLUSTER.replace("rg-one", "rg-one2"), "name": "aks-two"})
    deny(folder, GROUP, "*")
    assert client.arm(CLUSTERS).names == ["aks-two"]


def test_every_answer_is_on_record_with_its_subscription(client: Client, sim: Simulator) -> None:
    sim.requests.clear()
    client.arm(CLUSTER)
    client.arm("/subscriptions", "2022-12-01")
    assert [(r.service, r.status, r.subscription) for r in sim.requests] == [
        ("arm", 200, SUBSCRIPTION),
        ("arm", 200, None),
    ]
    assert sim.count("arm", containing="managedclusters") == 1


def test_unknown_json_values_are_told_and_left_out(
    client: Client, folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.write("arm/list.json", json.dumps([1, {"name": "no id"}, {"id": CLUSTER + "-x", "name": "aks-x"}]))
    assert client.arm(CLUSTERS).names == ["aks-one", "aks-x"]
    answered = capfd.readouterr().err
    assert "neither an object nor an array" in answered and "without `id`" in answered
