"""Role and deny assignments: which ones each `$filter` answers, and what creating and removing does."""

from __future__ import annotations

import json

import pytest

from simulator import Simulator
from tests.support.tenant_server import (
    ACR_PULL,
    CLUSTER,
    GROUP,
    KUBELET,
    OTHER,
    READER,
    REGISTRY,
    SUBSCRIPTION,
    Client,
    Folder,
)

ROOT = f"/subscriptions/{SUBSCRIPTION}"
PERSON = "bbbbbbbb-0000-0000-0000-000000000001"
INNER = "cccccccc-0000-0000-0000-000000000001"
OUTER = "cccccccc-0000-0000-0000-000000000002"
MANAGEMENT = "/providers/Microsoft.Management/managementGroups/"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"


@pytest.fixture
def folder(folder: Folder) -> Folder:
    """One assignment at every kind of scope, and a neighbour whose name begins the same; the app has none."""
    folder.write("authorization/caller.json", {"assignments": []})
    folder.assignment("at-root", "/", PERSON, READER)
    folder.assignment("at-top-group", MANAGEMENT + "top", PERSON, READER)
    folder.assignment("at-side-group", MANAGEMENT + "side", PERSON, READER)
    folder.assignment("at-subscription", ROOT.upper(), OUTER, READER)
    folder.assignment("at-group", GROUP, INNER)
    folder.assignment("at-registry", REGISTRY, KUBELET)
    folder.assignment("at-neighbour", REGISTRY + "2", KUBELET)
    folder.write("authorization/groups.json", {OUTER: [INNER], INNER: [KUBELET.upper()]})
    return folder


def tree(folder: Folder) -> None:
    """The subscription stands under top/middle; side is elsewhere."""
    groups = {"Top": {"parent": None}, "middle": {"parent": "top", "subscriptions": [SUBSCRIPTION]}}
    folder.write("authorization/managementGroups.json", {**groups, "side": {"parent": None, "subscriptions": []}})


def test_without_a_filter_everything_above_at_and_below_is_listed(client: Client, folder: Folder) -> None:
    tree(folder)
    above = ["at-root", "at-subscription", "at-top-group"]
    assert client.roles(GROUP) == sorted([*above, "at-group", "at-registry", "at-neighbour"])
    assert client.roles(REGISTRY) == sorted([*above, "at-group", "at-registry"])


def test_at_scope_lists_at_and_above_and_nothing_below(client: Client, folder: Folder) -> None:
    tree(folder)
    assert client.roles(GROUP, "atScope()") == ["at-group", "at-root", "at-subscription", "at-top-group"]
    assert client.roles(ROOT, "atScope()") == ["at-root", "at-subscription", "at-top-group"]


def test_every_management_group_is_above_while_nobody_says_which(client: Client) -> None:
    assert {"at-top-group", "at-side-group"} <= set(client.roles(REGISTRY, "atScope()"))


def test_principal_id_lists_direct_ones_only_and_takes_a_groups_own_id(client: Client) -> None:
    assert client.roles(ROOT, f"principalId eq '{KUBELET}'") == ["at-neighbour", "at-registry"]
    assert client.roles(REGISTRY, f"principalId eq '{INNER.upper()}'") == ["at-group"]


@pytest.mark.parametrize(
    "query",
    [
        f"atScope() and principalId eq '{KUBELET}'",
        f"principalId eq '{KUBELET}' and assignedTo('{KUBELET}')",
        "roleName like 'x'",
    ],
)
def test_a_filter_azure_does_not_take_is_refused(client: Client, query: str) -> None:
    assert client.arm(REGISTRY + ASSIGNMENTS, "2022-04-01", filter=query).status == 400


def test_assigned_to_goes_through_nested_groups(client: Client) -> None:
    listed = client.roles(REGISTRY, f"assignedTo('{KUBELET}')")
    assert listed == ["at-group", "at-registry", "at-subscription"]
    both = client.roles(GROUP, f"atScope() and assignedTo('{KUBELET}')")
    assert both == ["at-group", "at-subscription"]


def test_assigned_to_answers_nothing_for_a_groups_id(client: Client) -> None:
    assert client.roles(REGISTRY, f"atScope() and assignedTo('{INNER}')") == []


def test_another_subscription_sees_only_what_stands_above_it(client: Client, folder: Folder) -> None:
    folder.write("arm/other.json", {"id": f"/subscriptions/{OTHER}", "subscriptionId": OTHER})
    tree(folder)
    assert client.roles(f"/subscriptions/{OTHER}") == ["at-root"]


def test_a_management_group_lists_what_is_below_it(client: Client, folder: Folder) -> None:
    tree(folder)
    assert "at-registry" in client.roles(MANAGEMENT + "top")
    assert "at-registry" not in client.roles(MANAGEMENT + "side")


def test_the_oldest_api_version_lacks_the_principal_type(client: Client) -> None:
    for version, shown in (("2015-07-01", False), ("2022-04-01", True)):
        body = client.arm(f"{REGISTRY}{ASSIGNMENTS}/at-registry", version).json
        assert ("principalType" in body["properties"]) is shown


def test_an_assignment_with_odd_content_is_served_where_its_id_places_it(client: Client, folder: Folder) -> None:
    kind = "Microsoft.Authorization/roleAssignments"
    folder.write("authorization/odd.json", {"id": f"{GROUP}/providers/{kind}/odd", "name": "odd", "properties": None})
    assert "odd" in client.roles(REGISTRY, "atScope()")


def test_deny_assignments_take_the_same_filters_and_show_their_effect_at_one_version_only(
    client: Client, folder: Folder
) -> None:
    kind = "Microsoft.Authorization/denyAssignments"
    everyone = [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}]
    bodies = [
        {
            "id": f"{GROUP}/providers/{kind}/{name}",
            "type": kind,
            "name": name,
            "properties": {"scope": GROUP, "principals": listed, "denyAssignmentEffect": "audit"},
        }
        for name, listed in (("for-all", everyone), ("for-group", [{"id": INNER, "type": "Group"}]))
    ]
    folder.write("authorization/deny.json", bodies)
    assert client.roles(REGISTRY, "atScope()", "denyAssignments") == ["for-all", "for-group"]
    assert client.roles(REGISTRY, f"assignedTo('{KUBELET}')", "denyAssignments") == ["for-group"]
    path = f"{GROUP}/providers/{kind}/for-all"
    assert "denyAssignmentEffect" not in client.arm(path, "2022-04-01").json["properties"]
    assert client.arm(path, "2024-07-01-preview").json["properties"]["denyAssignmentEffect"] == "audit"


def test_builtin_roles_are_there_without_being_listed(client: Client) -> None:
    result = client.arm(ROOT + DEFINITIONS, "2022-04-01", filter="roleName eq 'acrpull'").json["value"]
    assert [item["name"] for item in result] == [ACR_PULL]
    assert result[0]["id"] == f"{ROOT}{DEFINITIONS}/{ACR_PULL}"
    assert result[0]["properties"]["permissions"][0]["actions"] == ["Microsoft.ContainerRegistry/registries/pull/read"]
    assert client.arm(f"{DEFINITIONS}/{ACR_PULL}", "2022-04-01").json["id"] == f"{DEFINITIONS}/{ACR_PULL}"


def test_a_custom_role_is_listed_where_it_may_be_assigned(client: Client, folder: Folder) -> None:
    body = {
        "id": f"{ROOT}{DEFINITIONS}/custom",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": "custom",
        "properties": {"roleName": "Mine", "type": "CustomRole", "assignableScopes": [GROUP], "permissions": []},
    }
    folder.write("authorization/custom.json", body)
    own = "type eq 'CustomRole'"
    assert client.roles(REGISTRY, own, "roleDefinitions") == ["custom"]
    assert client.roles(ROOT, own, "roleDefinitions") == []
    assert client.roles(ROOT, f"atScopeAndBelow() and {own}", "roleDefinitions") == ["custom"]
    missing = client.arm(f"{ROOT}{DEFINITIONS}/nobody", "2022-04-01")
    assert (missing.status, missing.json["error"]["code"]) == (404, "RoleDefinitionDoesNotExist")


def create(client: Client, scope: str, name: str, principal: str, **more: str) -> tuple[int, str]:
    properties = {"roleDefinitionId": f"{ROOT}{DEFINITIONS}/{ACR_PULL}", "principalId": principal, **more}
    reply = client.arm(f"{scope}{ASSIGNMENTS}/{name}", "2022-04-01", "PUT", {"properties": properties})
    return reply.status, reply.json.get("error", {}).get("code", "")


def test_a_created_assignment_stays_in_the_folder_until_it_is_deleted(client: Client, folder: Folder) -> None:
    assert create(client, CLUSTER, "new", KUBELET) == (201, "")
    assert "new" in client.roles(CLUSTER, f"principalId eq '{KUBELET}'")
    kept = json.loads((folder.root / "authorization" / "roleAssignment-new.json").read_text())
    assert kept["properties"]["scope"] == CLUSTER
    path = f"{CLUSTER}{ASSIGNMENTS}/new"
    assert [client.arm(path, "2022-04-01", "DELETE").status for _ in range(2)] == [200, 204]
    assert client.arm(path, "2022-04-01").json["error"]["code"] == "RoleAssignmentNotFound"


def test_the_same_grant_twice_is_a_conflict(client: Client) -> None:
    assert create(client, REGISTRY, "again", KUBELET) == (409, "RoleAssignmentExists")
    assert create(client, REGISTRY.upper(), "at-registry", KUBELET)[0] == 201


def test_an_unknown_principal_needs_its_type_told(client: Client) -> None:
    stranger = "dddddddd-0000-0000-0000-000000000001"
    assert create(client, REGISTRY, "stranger", stranger) == (400, "PrincipalNotFound")
    assert create(client, REGISTRY, "stranger", stranger, principalType="ServicePrincipal") == (201, "")


def test_assignments_may_be_closed_while_the_resource_is_open(client: Client, folder: Folder) -> None:
    actions = ["Microsoft.Authorization/roleAssignments/read"]
    folder.write("authorization/caller.json", {"denied": [{"scope": GROUP, "actions": actions}]})
    assert client.arm(REGISTRY).status == 200
    assert client.arm(REGISTRY + ASSIGNMENTS, "2022-04-01").status == 403
    assert client.arm(REGISTRY + DEFINITIONS, "2022-04-01").status == 200


def test_lists_of_assignments_have_pages_too(client: Client, sim: Simulator) -> None:
    reply = client.arm(ROOT + ASSIGNMENTS, "2022-04-01")
    assert len(reply.json["value"]) == 3 and "nextLink" in reply.json


def test_a_read_of_more_than_one_page_keeps_its_filter(client: Client, sim: Simulator) -> None:
    link = client.arm(ROOT + ASSIGNMENTS, "2022-04-01", filter="atScope()").json["nextLink"]
    rest = client.send(link, Authorization=f"Bearer {sim.token('https://management.azure.com')}")
    assert "at-registry" not in rest.names
