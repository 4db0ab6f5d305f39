"""What infra/scan-access*.bicep grant: least rights, and nothing beyond reads at a management group.

That they lint, and that their samples deploy what the reviewed snapshots say, is tested in test_main.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from checks.rules import visibility
from simulator.arm.builtin_roles import builtin_roles
from tests.support import bicep, infra
from tests.support.infra import INFRA
from tests.support.permissions_page import PAGE
from tests.support.scan_access import actions_of, beyond_the_roles, scan_roles

Snapshot = dict[str, Any]

compiled = pytest.mark.skipif(bool(bicep.what_is_missing()), reason=bicep.what_is_missing())
FILES = ("scan-access", "management-group")
PRINCIPAL = "11111111-0000-0000-0000-00000000000a"
ONE = "/subscriptions/00000000-0000-0000-0000-000000000001"
TWO = "/subscriptions/00000000-0000-0000-0000-000000000002"
CLUSTERS = "providers/Microsoft.ContainerService/managedClusters"
# Every role that may be granted, by its GUID; the names are Azure's own.
ALLOWED = {
    "4abbcc35-e782-43d8-92c5-2d3f1bd2253f": "Azure Kubernetes Service Cluster User Role",
    "7f6c6a51-bcf8-42ba-9220-52d62157d7db": "Azure Kubernetes Service RBAC Reader",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "b93aa761-3e63-49ed-ac28-beffa264f7ac": "Container Registry Repository Reader",
    "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb": "Azure Kubernetes Service RBAC Writer",
}
WRITER = "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb"
NAMED = {"reader": "roleName", "runCommand": "runCommandRoleName"}
ONE_SUBSCRIPTION = f"""using '../scan-access.bicep'
param principalId = '{PRINCIPAL}'
param subscriptionIds = ['{ONE.rpartition("/")[2]}']
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiler works."""
    return tmp_path_factory.mktemp("infra")


@pytest.fixture(scope="module")
def snapshots(folder: Path) -> dict[str, Snapshot]:
    return {name: infra.expand(INFRA / "samples" / f"{name}.bicepparam", folder) for name in FILES}


@pytest.fixture(scope="module")
def templates() -> dict[str, dict[str, Any]]:
    return {name: bicep.build(INFRA / f"{name}.bicep") for name in ("scan-access", "scan-access-mg")}


def definitions(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """The properties of the custom roles by GUID."""
    return {one["name"]: one["properties"] for one in infra.of_type(snapshot, "Authorization/roleDefinitions")}


def grants(snapshot: Snapshot) -> set[tuple[str, str]]:
    """(scope, name of the role) of each assignment; KeyError for a role that is on no list."""
    names = ALLOWED | {guid: properties["roleName"] for guid, properties in definitions(snapshot).items()}
    return {
        (
            one["id"].partition("/providers/Microsoft.Authorization/")[0],
            names[one["properties"]["roleDefinitionId"].rpartition("/")[2]],
        )
        for one in infra.of_type(snapshot, "Authorization/roleAssignments")
    }


# the files -----------------------------------------------------------------------------------------------------------


@compiled
@pytest.mark.parametrize(
    ("name", "required"),
    [("scan-access", {"principalId", "subscriptionIds"}), ("scan-access-mg", {"principalId"})],
)
def test_a_file_asks_for_what_has_no_default(
    templates: dict[str, dict[str, Any]], name: str, required: set[str]
) -> None:
    parameters = templates[name]["parameters"]
    assert {key for key, one in parameters.items() if "defaultValue" not in one} == required
    assert all(one["metadata"]["description"].endswith(".") for one in parameters.values())


# what is granted -----------------------------------------------------------------------------------------------------


@compiled
def test_every_subscription_gets_the_same_roles_and_two_clusters_their_own(snapshots: dict[str, Snapshot]) -> None:
    reads = ("Pullwatch Reader", *(ALLOWED[one["id"]] for s in ("kubernetesReads", "imageReads") for one in roles(s)))
    assert grants(snapshots["scan-access"]) == {
        *((scope, role) for scope in (ONE, TWO) for role in reads),
        (f"{ONE}/resourceGroups/rg-shop/{CLUSTERS}/aks-shop/namespaces/pullwatch-canary", ALLOWED[WRITER]),
        (f"{TWO}/resourceGroups/rg-bank/{CLUSTERS}/aks-bank", "Pullwatch Run Command"),
    }


@compiled
def test_a_management_group_gets_the_reads_and_neither_canaries_nor_run_command(
    templates: dict[str, dict[str, Any]], snapshots: dict[str, Snapshot]
) -> None:
    group = f"/providers/Microsoft.Management/managementGroups/{bicep.MANAGEMENT_GROUP}"
    reads = ("Pullwatch Reader", *(ALLOWED[one["id"]] for s in ("kubernetesReads", "imageReads") for one in roles(s)))
    assert grants(snapshots["management-group"]) == {(group, role) for role in reads}
    assert set(templates["scan-access-mg"]["parameters"]) == {
        "principalId",
        "roleName",
        "kubernetesReads",
        "imageReads",
    }


@compiled
@pytest.mark.parametrize(("switch", "other"), [("kubernetesReads", "imageReads"), ("imageReads", "kubernetesReads")])
def test_a_switch_takes_its_own_roles_away(
    snapshots: dict[str, Snapshot], folder: Path, switch: str, other: str
) -> None:
    without = infra.expand_text(f"{ONE_SUBSCRIPTION}param {switch} = false\n", folder)
    assert grants(without) == {(ONE, "Pullwatch Reader"), *((ONE, role["name"]) for role in roles(other))}
    assert len(definitions(without)) == 1, "no role for Run Command where no cluster is named"


def roles(switch: str) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = scan_roles()[switch]
    return listed


@compiled
@pytest.mark.parametrize("name", FILES)
def test_custom_roles_hold_what_the_list_says_and_no_data_actions(snapshots: dict[str, Snapshot], name: str) -> None:
    wanted = {one["name"]: one for one in (scan_roles()["reader"], scan_roles()["runCommand"])}
    for properties in definitions(snapshots[name]).values():
        (permission,) = properties["permissions"]
        assert permission | {"actions": sorted(permission["actions"])} == {
            "actions": sorted(wanted[properties["roleName"]]["actions"]),
            "notActions": [],
            "dataActions": [],
            "notDataActions": [],
        }
        assert properties["description"] == wanted[properties["roleName"]]["description"]
        assert "/" not in properties["assignableScopes"]


@compiled
def test_another_owners_deployment_does_not_replace_the_custom_roles(
    snapshots: dict[str, Snapshot], folder: Path
) -> None:
    """Other GUIDs with the same names, which Azure refuses with RoleDefinitionWithSameNameExists."""
    others = _roles_by_name(infra.expand_text(_for_subscriptions(TWO, ONE, cluster_in=ONE), folder))
    mine = _roles_by_name(snapshots["scan-access"])
    assert set(mine) == set(others) == {scan_roles()[key]["name"] for key in NAMED}
    assert not set(mine.values()) & set(others.values())
    assert set(_roles_by_name(snapshots["management-group"]).values()).isdisjoint(mine.values())


@compiled
def test_the_same_owners_next_deployment_changes_the_custom_roles_that_are_there(
    snapshots: dict[str, Snapshot], folder: Path
) -> None:
    third = ONE.replace("0001", "0003")
    grown = infra.expand_text(_for_subscriptions(ONE, TWO, third, cluster_in=TWO), folder)
    assert _roles_by_name(grown) == _roles_by_name(snapshots["scan-access"])
    reader = definitions(grown)[_roles_by_name(grown)["Pullwatch Reader"]]
    assert reader["assignableScopes"] == [ONE, TWO, third]


@compiled
def test_another_name_is_another_role(snapshots: dict[str, Snapshot], folder: Path) -> None:
    named = "".join(f"param {parameter} = 'Pullwatch of the bank {key}'\n" for key, parameter in NAMED.items())
    others = _roles_by_name(infra.expand_text(_for_subscriptions(ONE, TWO, cluster_in=TWO) + named, folder))
    mine = _roles_by_name(snapshots["scan-access"])
    assert set(others) == {f"Pullwatch of the bank {key}" for key in NAMED}
    assert not set(mine.values()) & set(others.values())


@compiled
def test_what_every_deployment_repeats_and_whose_name_is_another_is_said_where_one_looks(
    templates: dict[str, dict[str, Any]],
) -> None:
    parameters = templates["scan-access"]["parameters"]
    said = {name: one["metadata"]["description"] for name, one in parameters.items()}
    for name in ("subscriptionIds", "runCommandClusterIds"):
        assert "every deployment repeats the whole list" in said[name]
    group = templates["scan-access-mg"]["parameters"]["roleName"]["metadata"]["description"]
    for text in (said["roleName"], group, PAGE.read_text("utf-8"), (INFRA / "README.md").read_text("utf-8")):
        assert "RoleDefinitionWithSameNameExists" in text


def _for_subscriptions(*scopes: str, cluster_in: str) -> str:
    """Parameters for some subscriptions, with Run Command on a cluster in one of them."""
    listed = ", ".join(f"'{scope.rpartition('/')[2]}'" for scope in scopes)
    cluster = f"{cluster_in}/resourceGroups/rg-bank/{CLUSTERS}/aks-bank"
    return (
        f"using '../scan-access.bicep'\nparam principalId = '{PRINCIPAL}'\nparam subscriptionIds = [{listed}]\n"
        f"param runCommandClusterIds = ['{cluster}']\n"
    )


def _roles_by_name(snapshot: Snapshot) -> dict[str, str]:
    """The GUIDs of the custom roles by their names."""
    return {properties["roleName"]: guid for guid, properties in definitions(snapshot).items()}


@compiled
@pytest.mark.parametrize("name", FILES)
def test_assignments_are_for_the_identity_and_named_by_what_they_are(snapshots: dict[str, Snapshot], name: str) -> None:
    assignments = infra.of_type(snapshots[name], "Authorization/roleAssignments")
    for one in assignments:
        assert one["properties"] | {"roleDefinitionId": ""} == {
            "roleDefinitionId": "",
            "principalId": PRINCIPAL,
            "principalType": "ServicePrincipal",
        }
    assert len({one["name"] for one in assignments}) == len(assignments)


# the list of roles ---------------------------------------------------------------------------------------------------


def test_built_in_roles_have_the_ids_that_azure_gave_their_names() -> None:
    azures = {guid: body["properties"]["roleName"] for guid, body in builtin_roles().items()}
    listed = [*roles("kubernetesReads"), *roles("imageReads"), scan_roles()["canary"]]
    assert {one["id"]: one["name"] for one in listed} == ALLOWED
    assert all(azures[guid] == name for guid, name in ALLOWED.items())


def test_the_reader_role_reads_and_does_nothing_else() -> None:
    actions = list(scan_roles()["reader"]["actions"])
    assert all(re.fullmatch(r"Microsoft\.\w+(/\w+)+/read", action) for action in actions), "no wildcard, no write"
    assert actions == sorted(set(actions), key=str.lower)


def test_lists_count_as_complete_with_the_reader_role() -> None:
    """Else what rests on an absence would be Unknown for whoever holds it."""
    types = [
        value for name, value in vars(visibility).items() if name.isupper() and str(value).startswith("Microsoft.")
    ]
    assert len(types) > 8
    assert {f"{one}/read".lower() for one in types} <= actions_of("reader")


def test_an_action_that_no_role_holds_is_named_if_pullwatch_asked_for_it(tmp_path: Path) -> None:
    lines = (
        "pullwatch/0.1.0\tMicrosoft.Storage/storageAccounts/read",
        "pullwatch/0.1.0\tMicrosoft.ContainerService/managedClusters/runCommand/action",
        "pullwatch/0.1.0\tmicrosoft.network/privatednszones/a/read",
        "AZURECLI/2.80\tMicrosoft.KeyVault/vaults/read",
    )
    (tmp_path / "1.txt").write_text("\n".join(lines) + "\n")
    assert beyond_the_roles(tmp_path) == ["microsoft.storage/storageaccounts/read"]
