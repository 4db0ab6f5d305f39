"""What the app may see and how it can find out: its own roles, filtered lists, hidden and delegated subscriptions."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.entra.app_permissions import DEFAULT_CLIENT, DEFAULT_PRINCIPAL, DEFAULT_TENANT
from tests.support.tenant_server import (
    CLUSTER,
    GROUP,
    KUBELET,
    NETWORK,
    OTHER,
    READER,
    REGISTRY,
    SUBSCRIPTION,
    Client,
    Folder,
)

ROOT = f"/subscriptions/{SUBSCRIPTION}"
ELSEWHERE = f"/subscriptions/{OTHER}"
SECOND = f"{ROOT}/resourceGroups/rg-two"
THIRD = f"{ROOT}/resourceGroups/RG-Three"
REGISTRIES = "/providers/Microsoft.ContainerRegistry/registries"
AUTHORIZATION = "/providers/Microsoft.Authorization"
MANAGEMENT = "/providers/Microsoft.Management/managementGroups/"
ASSIGNMENT_READ = "Microsoft.Authorization/roleAssignments/read"
SUBSCRIPTION_READ = "Microsoft.Resources/subscriptions/read"
ZONES = "Microsoft.Network/privateDnsZones/*"
OWN = f"assignedTo('{DEFAULT_PRINCIPAL}')"
CUSTOMER = "c0570000-0000-0000-0000-00000000000a"
Held = list[tuple[str, str, tuple[str, ...]]]


@pytest.fixture
def folder(folder: Folder) -> Folder:
    """Two more resource groups, and a second subscription with a registry."""
    far = f"{ELSEWHERE}/resourceGroups/x{REGISTRIES}/regfar"
    scopes = (f"{SECOND}{REGISTRIES}/regtwo", f"{THIRD}{REGISTRIES}/regthree", far)
    folder.write("arm/more.json", [{"id": scope, "name": scope.rsplit("/", 1)[-1]} for scope in scopes])
    return folder


def caller(folder: Folder, **body: Any) -> None:
    folder.write("authorization/caller.json", body)


def deny(folder: Folder, scope: str, *actions: str) -> None:
    caller(folder, denied=[{"scope": scope, "actions": list(actions)}])


def listed(client: Client, path: str, **options: str) -> list[Any]:
    """The items of all pages."""
    reply = client.arm(path, "2022-04-01", **options)
    assert reply.status == 200, reply.body
    items = list(reply.json["value"])
    while "nextLink" in reply.json:
        token = client.sim.token("https://management.azure.com/")
        reply = client.send(reply.json["nextLink"], Authorization=f"Bearer {token}")
        items += reply.json["value"]
    return items


def held(client: Client, scope: str = ROOT, query: str = OWN) -> Held:
    """(scope, role, what it excepts) of the assignments a list answers; a role by its name, read by the id it names."""
    items = []
    for item in listed(client, f"{scope}{AUTHORIZATION}/roleAssignments", filter=query):
        properties = item["properties"]
        role = client.arm(properties["roleDefinitionId"], "2022-04-01").json["properties"]
        excepted = tuple(pattern for part in role["permissions"] for pattern in part["notActions"])
        items.append((properties["scope"], role["type"] if excepted else role["roleName"], excepted))
    return sorted(items)


def refusal(client: Client, path: str, **options: Any) -> tuple[int, str]:
    reply = client.arm(path, "2022-04-01", **options)
    return reply.status, reply.json["error"]["code"] if reply.status >= 400 else ""


FORBIDDEN = (403, "AuthorizationFailed")

# The app's own roles


def test_without_denials_the_app_is_reader_of_every_subscription(client: Client) -> None:
    assert held(client) == [(ROOT, "Reader", ())]
    assert held(client, ELSEWHERE) == [(ELSEWHERE, "Reader", ())]
    assert held(client, REGISTRY, f"atScope() and {OWN}") == [(ROOT, "Reader", ())]
    items = listed(client, f"{ROOT}{AUTHORIZATION}/roleAssignments")
    assert [item["properties"]["roleDefinitionId"].rsplit("/", 1)[-1] for item in items] == [READER]
    assert client.arm(items[0]["id"], "2022-04-01").json == items[0]


CASES: list[tuple[str, tuple[str, ...], Held]] = [
    (ROOT, (ZONES,), [(ROOT, "CustomRole", (ZONES,))]),
    ("/", (ZONES,), [(ROOT, "CustomRole", (ZONES,))]),
    (GROUP.upper(), ("*",), [(THIRD, "Reader", ()), (SECOND, "Reader", ())]),
    (GROUP, (ZONES,), [(THIRD, "Reader", ()), (GROUP, "CustomRole", (ZONES,)), (SECOND, "Reader", ())]),
    (REGISTRY, ("*",), [(scope, "Reader", ()) for scope in (THIRD, CLUSTER, NETWORK, SECOND)]),
    (ROOT, ("Microsoft.ContainerService/managedClusters/runcommand/action",), [(ROOT, "Reader", ())]),
    (ROOT, ("Microsoft.Authorization/roleAssignments/write", "*/delete"), [(ROOT, "Reader", ())]),
    (f"{ROOT}/resourceGroups/rg", ("*",), [(scope, "Reader", ()) for scope in (THIRD, GROUP, SECOND)]),
]


@pytest.mark.parametrize(("scope", "actions", "expected"), CASES)
def test_a_denial_takes_away_as_much_as_it_says(
    client: Client, folder: Folder, scope: str, actions: tuple[str, ...], expected: Held
) -> None:
    deny(folder, scope, *actions)
    assert held(client) == sorted(expected)


@pytest.mark.parametrize("action", ["*", "*/read", "*read"])
def test_where_every_read_is_denied_the_app_holds_nothing_and_may_not_ask(
    client: Client, folder: Folder, action: str
) -> None:
    deny(folder, ROOT, action)
    assert refusal(client, f"{ROOT}{AUTHORIZATION}/roleAssignments", filter=OWN) == FORBIDDEN
    assert [item["properties"]["scope"] for item in listed(client, f"{AUTHORIZATION}/roleAssignments")] == [ELSEWHERE]
    deny(folder, "/", action)
    assert refusal(client, f"{ELSEWHERE}{AUTHORIZATION}/roleAssignments", filter=OWN) == FORBIDDEN


def test_denials_at_several_places_add_up(client: Client, folder: Folder) -> None:
    entries = [(ROOT, ZONES), (GROUP, "*"), (SECOND, "Microsoft.Compute/*")]
    caller(folder, denied=[{"scope": scope, "actions": [action]} for scope, action in entries])
    assert held(client) == [
        (THIRD, "CustomRole", (ZONES,)),
        (SECOND, "CustomRole", (ZONES, "Microsoft.Compute/*")),
    ]


def test_a_denial_at_a_management_group_holds_below_it(client: Client, folder: Folder) -> None:
    groups = {"Top": {"parent": None}, "middle": {"parent": "top", "subscriptions": [SUBSCRIPTION]}}
    folder.write("authorization/managementGroups.json", groups)
    deny(folder, MANAGEMENT + "TOP", "*")
    assert refusal(client, CLUSTER) == FORBIDDEN
    assert held(client, ELSEWHERE) == [(ELSEWHERE, "Reader", ())]
    deny(folder, MANAGEMENT + "top", ZONES)
    assert held(client) == [(ROOT, "CustomRole", (ZONES,))]


def test_at_scope_shows_at_and_above_and_the_plain_list_below_as_well(client: Client, folder: Folder) -> None:
    deny(folder, GROUP, "*")
    assert held(client, ROOT, f"atScope() and {OWN}") == []
    assert held(client, SECOND, f"atScope() and {OWN}") == [(SECOND, "Reader", ())]
    below = [(THIRD, "Reader", ()), (SECOND, "Reader", ())]
    assert held(client, ROOT, OWN) == below
    assert held(client, ROOT, f"principalId eq '{DEFAULT_PRINCIPAL}'") == below


def test_a_custom_role_is_listed_and_read_by_its_id(client: Client, folder: Folder) -> None:
    deny(folder, ROOT, ZONES, "Microsoft.Network/privateEndpoints/read")
    items = listed(client, f"{ROOT}{AUTHORIZATION}/roleDefinitions", filter="type eq 'CustomRole'")
    assert [item["properties"]["permissions"] for item in items] == [
        [
            {
                "actions": ["*/read"],
                "notActions": [ZONES, "Microsoft.Network/privateEndpoints/read"],
                "dataActions": [],
                "notDataActions": [],
            }
        ]
    ]
    assert client.arm(items[0]["id"], "2022-04-01").json == items[0]
    named = listed(client, f"{ROOT}{AUTHORIZATION}/roleAssignments", filter=OWN)
    assert [item["properties"]["roleDefinitionId"] for item in named] == [items[0]["id"]]
    assert listed(client, f"{ELSEWHERE}{AUTHORIZATION}/roleDefinitions", filter="type eq 'CustomRole'") == []


def test_what_the_folder_says_of_the_app_stands_beside_it_and_nothing_twice(client: Client, folder: Folder) -> None:
    team = "bbbbbbbb-0000-0000-0000-000000000009"
    folder.assignment("reader", ROOT.upper(), DEFAULT_PRINCIPAL.upper(), READER)
    folder.assignment("of-its-group", GROUP, team)
    folder.write("authorization/groups.json", {team: [DEFAULT_PRINCIPAL]})
    assert client.roles(ROOT, OWN) == ["of-its-group", "reader"]
    assert client.roles(ROOT, f"principalId eq '{KUBELET}'") == []


def test_assignments_in_the_callers_file_replace_what_would_be_derived(client: Client, folder: Folder) -> None:
    body = {
        "id": f"{SECOND}{AUTHORIZATION}/roleAssignments/own",
        "type": "Microsoft.Authorization/roleAssignments",
        "name": "own",
        "properties": {"scope": SECOND, "principalId": DEFAULT_PRINCIPAL, "roleDefinitionId": f"/x/{READER}"},
    }
    caller(folder, assignments=[body, "no body"])
    assert client.roles(ROOT, OWN) == ["own"]
    assert client.roles(ELSEWHERE, OWN) == []
    caller(folder, assignments="none", principalId=KUBELET, granted="none")
    assert held(client, ROOT, f"assignedTo('{KUBELET}')") == [(ROOT, "Reader", ())]


def test_roles_that_may_not_be_read_stay_closed(client: Client, folder: Folder) -> None:
    deny(folder, ROOT, ASSIGNMENT_READ)
    for query in (OWN, f"atScope() and {OWN}", f"principalId eq '{DEFAULT_PRINCIPAL}'"):
        assert refusal(client, f"{ROOT}{AUTHORIZATION}/roleAssignments", filter=query) == FORBIDDEN
    assert refusal(client, f"{GROUP}{AUTHORIZATION}/roleAssignments") == FORBIDDEN
    assert refusal(client, f"{ROOT}{AUTHORIZATION}/roleDefinitions") == (200, "")


# Lists with gaps, hidden subscriptions


def test_a_list_at_the_subscription_shows_the_readable_part_and_no_sign_of_the_rest(
    client: Client, folder: Folder
) -> None:
    folder.assignment("in-the-closed-group", REGISTRY, KUBELET)
    deny(folder, GROUP, "*")
    assert sorted(client.arm(f"{ROOT}{REGISTRIES}").names) == ["regthree", "regtwo"]
    assert sorted(client.arm(f"{ROOT}/resources", "2021-04-01").names) == ["regthree", "regtwo"]
    assert client.arm(f"{ROOT}/resourceGroups", "2021-04-01").names == ["rg-two", "RG-Three"]
    assert client.roles(ROOT, f"principalId eq '{KUBELET}'") == []
    assert refusal(client, f"{GROUP}{REGISTRIES}") == FORBIDDEN


def test_a_resource_in_an_unreadable_group_is_refused_in_arms_words_whether_it_exists_or_not(
    client: Client, folder: Folder
) -> None:
    deny(folder, GROUP, "*")
    for path in (REGISTRY, f"{REGISTRY}-none"):
        reply = client.arm(path)
        assert (reply.status, reply.json) == (
            403,
            {
                "error": {
                    "code": "AuthorizationFailed",
                    "message": f"The client '{DEFAULT_CLIENT}' with object id '{DEFAULT_PRINCIPAL}' does not have "
                    "authorization to perform action 'Microsoft.ContainerRegistry/registries/read' over scope "
                    f"'{path}' or the scope is invalid. If access was recently granted, please refresh your "
                    "credentials.",
                }
            },
        )


def test_a_type_that_may_not_be_read_is_refused_and_others_are_complete(client: Client, folder: Folder) -> None:
    deny(folder, ROOT, ZONES)
    assert refusal(client, f"{ROOT}/providers/Microsoft.Network/privateDnsZones") == FORBIDDEN
    assert len(client.arm(f"{ROOT}{REGISTRIES}").names) == 3


@pytest.mark.parametrize("scope", [ROOT, "/", MANAGEMENT + "top"])
def test_a_hidden_subscription_is_not_listed_and_whatever_is_asked_of_it_is_refused(
    client: Client, folder: Folder, scope: str
) -> None:
    folder.write("authorization/managementGroups.json", {"top": {"subscriptions": [SUBSCRIPTION]}})
    folder.assignment("inside", REGISTRY, DEFAULT_PRINCIPAL)
    deny(folder, scope, SUBSCRIPTION_READ)
    expected = [] if scope == "/" else [OTHER]
    assert [item["subscriptionId"] for item in listed(client, "/subscriptions")] == expected
    paths = ("", REGISTRIES, "/resourceGroups", "/resources", "/locations", f"{AUTHORIZATION}/roleAssignments")
    for path in (*(ROOT + path for path in paths), GROUP, CLUSTER, REGISTRY, f"{NETWORK}/subnets"):
        assert refusal(client, path) == FORBIDDEN, path
    assert refusal(client, f"{CLUSTER}/listClusterUserCredential", method="POST") == FORBIDDEN
    if expected:
        assert held(client, ELSEWHERE) == [(ELSEWHERE, "Reader", ())]
        assert refusal(client, f"{ELSEWHERE}{REGISTRIES}") == (200, "")


def test_a_closed_subscription_is_listed_and_a_group_cannot_hide_it(client: Client, folder: Folder) -> None:
    deny(folder, ROOT, "*")
    assert len(listed(client, "/subscriptions")) == 2
    deny(folder, GROUP, SUBSCRIPTION_READ)
    assert len(listed(client, "/subscriptions")) == 2
    assert refusal(client, CLUSTER) == (200, "")


# Delegated subscriptions (Azure Lighthouse)


@pytest.fixture
def delegated(folder: Folder) -> Folder:
    """The second subscription is a customer's; somebody of the customer's holds a role at every kind of scope."""
    body = {
        "id": ELSEWHERE,
        "subscriptionId": OTHER,
        "tenantId": CUSTOMER,
        "managedByTenants": [{"tenantId": DEFAULT_TENANT.upper()}],
    }
    folder.write("arm/customer.json", body)
    folder.write("arm/subscription.json", {"id": ROOT, "subscriptionId": SUBSCRIPTION, "tenantId": DEFAULT_TENANT})
    registry = f"{ELSEWHERE}/resourceGroups/x{REGISTRIES}/regfar"
    for name, scope in (("above", "/"), ("at", ELSEWHERE), ("below", registry)):
        folder.assignment(f"customers-{name}", scope, KUBELET)
    denial = {
        "id": f"{registry}{AUTHORIZATION}/denyAssignments/lock",
        "type": "Microsoft.Authorization/denyAssignments",
        "name": "lock",
        "properties": {"scope": registry, "principals": [{"id": "00000000-0000-0000-0000-000000000000"}]},
    }
    folder.write("authorization/lock.json", denial)
    return folder


def test_a_delegated_subscription_is_listed_with_both_tenants(client: Client, delegated: Folder) -> None:
    document = {item["subscriptionId"]: item for item in listed(client, "/subscriptions")}
    assert document[OTHER]["tenantId"] == CUSTOMER
    assert document[OTHER]["managedByTenants"] == [{"tenantId": DEFAULT_TENANT.upper()}]
    assert document[SUBSCRIPTION]["tenantId"] == DEFAULT_TENANT


@pytest.mark.parametrize("scope", ["", "/resourceGroups/x", f"/resourceGroups/x{REGISTRIES}/regfar"])
def test_through_a_delegation_only_the_apps_own_assignments_are_shown(
    client: Client, delegated: Folder, scope: str
) -> None:
    scope = ELSEWHERE + scope
    own = client.roles(ELSEWHERE, OWN)
    assert held(client, scope) == [(ELSEWHERE, "Reader", ())]
    for query in (None, "atScope()", f"atScope() and {OWN}", f"principalId eq '{DEFAULT_PRINCIPAL}'"):
        assert client.roles(scope, query) == own, query
    for query in (f"principalId eq '{KUBELET}'", f"assignedTo('{KUBELET}')", f"atScope() and assignedTo('{KUBELET}')"):
        assert client.roles(scope, query) == [], query
    assert client.roles(scope, None, "denyAssignments") == []


def test_a_customers_assignment_is_not_found_by_its_id_either(client: Client, delegated: Folder) -> None:
    assert refusal(client, f"{ELSEWHERE}{AUTHORIZATION}/roleAssignments/customers-at") == (
        404,
        "RoleAssignmentNotFound",
    )
    assert "customers-at" not in client.roles("/")


def test_what_the_apps_group_holds_is_shown_through_the_delegation(client: Client, delegated: Folder) -> None:
    team = "bbbbbbbb-0000-0000-0000-000000000009"
    delegated.assignment("of-its-group", ELSEWHERE, team)
    delegated.write("authorization/groups.json", {team: [DEFAULT_PRINCIPAL]})
    assert "of-its-group" in client.roles(ELSEWHERE, OWN)
    assert client.roles(ELSEWHERE, f"principalId eq '{team}'") == ["of-its-group"]


def test_own_subscriptions_and_those_of_other_tenants_without_a_delegation_show_everything(
    client: Client, delegated: Folder
) -> None:
    assert "customers-above" in client.roles(ROOT)
    for managing in ([], [{"tenantId": CUSTOMER}], None, [7]):
        body = {"id": ELSEWHERE, "subscriptionId": OTHER, "tenantId": CUSTOMER, "managedByTenants": managing}
        delegated.write("arm/customer.json", body)
        assert "customers-at" in client.roles(ELSEWHERE), managing


def test_a_delegation_of_one_resource_group_shows_that_group(client: Client, delegated: Folder) -> None:
    scope = f"{ELSEWHERE}/resourceGroups/y{REGISTRIES}/regmore"
    delegated.write("arm/y.json", {"id": scope, "name": "regmore"})
    deny(delegated, f"{ELSEWHERE}/resourceGroups/x", "*")
    assert held(client, ELSEWHERE) == [(f"{ELSEWHERE}/resourceGroups/y", "Reader", ())]
    assert client.arm(f"{ELSEWHERE}{REGISTRIES}").names == ["regmore"]
