"""May it pull, over the wire: the real SDKs against raw bodies, for every way in which Azure grants and denies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator import running
from tests.support.cli import Scan, scan
from tests.support.tenant_builder import (
    ACR_PULL,
    READER,
    REPOSITORY_READER,
    SUBSCRIPTION,
    TENANT_ID,
    Tenant,
    guid,
    object_id,
)

CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
PULL = "Microsoft.ContainerRegistry/registries/pull/read"
CONTENT = "Microsoft.ContainerRegistry/registries/repositories/content/read"
METADATA = "Microsoft.ContainerRegistry/registries/repositories/metadata/read"
NAME = "@Request[Microsoft.ContainerRegistry/registries/repositories:name]"
EVERYONE = {"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}
ME = object_id("aks-1")
ABAC: dict[str, Any] = {"properties": {"roleAssignmentMode": "AbacRepositoryPermissions"}}
OTHER = guid("another subscription")


def narrowed(repository: str) -> str:
    others = f"!(ActionMatches{{'{CONTENT}'}}) AND !(ActionMatches{{'{METADATA}'}})"
    return f"(({others}) OR ({NAME} StringEqualsIgnoreCase '{repository}'))"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster whose pods use two repositories of one registry; nothing is granted."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    tenant.pod("acrone.azurecr.io/team/web:1")
    tenant.pod("acrone.azurecr.io/team/api:1")
    return tenant


def look(tenant: Tenant, *arguments: str) -> Scan:
    with running(tenant.root) as simulator:
        return scan(simulator.environment, *arguments)


def judged(tenant: Tenant, code: str = "PW102") -> tuple[str, str]:
    finding = look(tenant).finding(code)
    return finding["verdict"], finding["cause"]


def define(tenant: Tenant, name: str, *permissions: dict[str, list[str]], scope: str | None = None) -> str:
    """A custom role; returns its guid."""
    key = guid(f"role {name}")
    scope = scope or f"/subscriptions/{SUBSCRIPTION}"
    empty: dict[str, list[str]] = {"actions": [], "notActions": [], "dataActions": [], "notDataActions": []}
    body = {
        "id": f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{key}",
        "name": key,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": name,
            "type": "CustomRole",
            "assignableScopes": [scope],
            "permissions": [empty | permission for permission in permissions],
        },
    }
    tenant.write("authorization", body, f"role-{key}")
    return key


def forbid(tenant: Tenant, **properties: Any) -> None:
    """A deny assignment on everything for everyone at the subscription, unless the properties say otherwise."""
    scope = properties.get("scope", f"/subscriptions/{SUBSCRIPTION}")
    name = guid(f"deny {sorted(properties)}")
    base = {
        "denyAssignmentName": "lock",
        "scope": scope,
        "permissions": [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}],
        "principals": [EVERYONE],
        "excludePrincipals": [],
        "doNotApplyToChildScopes": False,
        "denyAssignmentEffect": "enforced",
    }
    body = {
        "id": f"{scope}/providers/Microsoft.Authorization/denyAssignments/{name}",
        "name": name,
        "type": "Microsoft.Authorization/denyAssignments",
        "properties": base | properties,
    }
    tenant.write("authorization", body, f"deny-{name}")


# Where a role is assigned


@pytest.mark.parametrize(
    "scope",
    [
        "/subscriptions/{sub}/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/ACRONE",
        "/subscriptions/{sub}/resourcegroups/RG",
        "/subscriptions/{sub}",
        "/providers/Microsoft.Management/managementGroups/corp",
        "/",
    ],
)
def test_a_role_reaches_the_registry_from_every_scope_above(tenant: Tenant, scope: str) -> None:
    tenant.registry()
    tenant.assign(ME.upper(), ACR_PULL, scope.format(sub=SUBSCRIPTION))
    assert judged(tenant) == ("pass", "role-held")


@pytest.mark.parametrize("scope", ["/subscriptions/{sub}/resourceGroups/r", "/subscriptions/{sub}/resourceGroups/rg2"])
def test_a_role_at_a_group_whose_name_only_begins_alike_does_not(tenant: Tenant, scope: str) -> None:
    tenant.registry()
    tenant.assign(ME, ACR_PULL, scope.format(sub=SUBSCRIPTION))
    assert judged(tenant) == ("fail", "role-missing")


def test_a_management_group_that_stands_above_another_subscription_does_not(tenant: Tenant) -> None:
    tenant.registry()
    tenant.write("authorization", {"corp": {"parent": None, "subscriptions": [OTHER]}}, "managementGroups")
    tenant.assign(ME, ACR_PULL, "/providers/Microsoft.Management/managementGroups/corp")
    assert judged(tenant) == ("fail", "role-missing")


def test_a_registry_of_another_subscription_is_judged_by_that_ones_assignments(tenant: Tenant) -> None:
    tenant.add_subscription(OTHER)
    registry = tenant.registry(sub=OTHER)
    tenant.assign(ME, ACR_PULL, f"/subscriptions/{SUBSCRIPTION}")
    assert judged(tenant) == ("fail", "role-missing")
    tenant.assign(ME, ACR_PULL, registry)
    assert judged(tenant) == ("pass", "role-held")


# What a role allows


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ([{"actions": ["microsoft.containerregistry/*/READ"]}], "pass"),
        ([{"actions": ["*/pull/read"]}], "pass"),
        ([{"actions": ["*"], "notActions": ["*/pull/*"]}], "fail"),
        ([{"actions": ["*"], "notActions": ["*/pull/*"]}, {"actions": [PULL]}], "pass"),
        ([{"actions": ["Microsoft.ContainerRegistry/registries/read"]}], "fail"),
        ([{"dataActions": ["*"]}], "fail"),
        ([{"actions": []}], "fail"),
    ],
)
def test_a_custom_role_counts_by_its_actions(
    tenant: Tenant, permissions: list[dict[str, list[str]]], expected: str
) -> None:
    registry = tenant.registry()
    tenant.assign(ME, define(tenant, "custom", *permissions), registry)
    assert judged(tenant)[0] == expected


def test_a_custom_role_that_may_be_assigned_only_below_the_subscription_is_read(tenant: Tenant) -> None:
    registry = tenant.registry()
    tenant.assign(ME, define(tenant, "local", {"actions": [PULL]}, scope=tenant.group("rg")), registry)
    assert judged(tenant) == ("pass", "role-held")


def test_a_role_whose_definition_is_nowhere_is_unknown(tenant: Tenant) -> None:
    registry = tenant.registry()
    tenant.assign(ME, guid("no such role"), registry)
    assert judged(tenant) == ("unknown", "role-definition-unreadable")


def test_a_role_that_the_control_plane_identity_holds_does_not_help_the_nodes(tenant: Tenant) -> None:
    registry = tenant.registry()
    tenant.assign(guid("aks-1 control"), ACR_PULL, registry)
    tenant.assign(guid("aks-1 client"), ACR_PULL, registry)
    assert judged(tenant) == ("fail", "role-missing")


# ABAC mode


@pytest.mark.parametrize("role", [ACR_PULL, READER, CONTRIBUTOR, OWNER])
def test_registry_wide_roles_grant_nothing_in_abac_mode(tenant: Tenant, role: str) -> None:
    registry = tenant.registry(**ABAC)
    tenant.assign(ME, role, registry)
    finding = look(tenant).finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("fail", "role-not-honoured")
    assert "grants nothing there" in finding["summary"]
    assert "Container Registry Repository Reader" in finding["fix"][0]
    assert "attach-acr" not in " ".join(finding["fix"])


def test_a_repository_role_pulls_in_abac_mode_and_not_in_legacy_mode(tenant: Tenant) -> None:
    registry = tenant.registry(**ABAC)
    tenant.assign(ME, REPOSITORY_READER, registry)
    assert judged(tenant) == ("pass", "role-held")
    tenant.registry()
    assert judged(tenant) == ("fail", "role-missing")


def test_a_conditioned_role_names_the_repositories_it_leaves_out(tenant: Tenant) -> None:
    registry = tenant.registry(**ABAC)
    conditioned = {"condition": narrowed("team/web"), "conditionVersion": "2.0"}
    tenant.assign(ME, REPOSITORY_READER, registry, properties=conditioned)
    result = look(tenant)
    finding = result.finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("fail", "repositories-left-out")
    assert "team/api" in finding["summary"]
    assert "team/web" not in finding["summary"]
    assert result.row()["access"]["cause"] == "repositories-left-out"
    more = {"condition": narrowed("team/api"), "conditionVersion": "2.0"}
    tenant.assign(ME, REPOSITORY_READER, f"/subscriptions/{SUBSCRIPTION}", properties=more)
    assert judged(tenant) == ("pass", "role-held")


def test_a_condition_that_is_not_known_is_unknown_with_its_text(tenant: Tenant) -> None:
    registry = tenant.registry(**ABAC)
    text = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:Name] stringEquals 'foo'"
    tenant.assign(ME, REPOSITORY_READER, registry, properties={"condition": text, "conditionVersion": "2.0"})
    finding = look(tenant).finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "condition")
    assert text in finding["summary"]


def test_a_condition_without_a_repository_in_use_is_unknown(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster(tags={"pullwatch-registries": "acrone.azurecr.io"})
    registry = tenant.registry(**ABAC)
    tenant.assign(ME, REPOSITORY_READER, registry, properties={"condition": narrowed("team/web")})
    finding = look(tenant).finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "condition")
    assert "no repository in use is known" in finding["summary"]


# Deny assignments


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, ("fail", "denied")),
        ({"principals": [{"id": ME, "type": "ServicePrincipal"}]}, ("fail", "denied")),
        ({"principals": [{"id": guid("x"), "type": "ServicePrincipal"}]}, ("pass", "role-held")),
        ({"excludePrincipals": [{"id": ME, "type": "ServicePrincipal"}]}, ("pass", "role-held")),
        ({"excludePrincipals": [{"id": guid("x"), "type": "ServicePrincipal"}]}, ("fail", "denied")),
        ({"excludePrincipals": [{"id": guid("team"), "type": "Group"}]}, ("unknown", "deny-undetermined")),
        ({"principals": [{"id": guid("team"), "type": "Group"}]}, ("fail", "denied")),
        ({"principals": [{"id": guid("strangers"), "type": "Group"}]}, ("pass", "role-held")),
        ({"doNotApplyToChildScopes": True}, ("pass", "role-held")),
        ({"denyAssignmentEffect": "audit"}, ("pass", "role-held")),
        ({"permissions": [{"actions": ["*"], "notActions": ["*/read"]}]}, ("pass", "role-held")),
        ({"permissions": [{"dataActions": ["*"]}]}, ("pass", "role-held")),
        ({"permissions": [{"actions": ["*"]}], "principals": ["garbled"]}, ("unknown", "deny-undetermined")),
        ({"scope": "/providers/Microsoft.Management/managementGroups/corp"}, ("fail", "denied")),
        ({"scope": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg2"}, ("pass", "role-held")),
    ],
)
def test_a_deny_assignment_outranks_the_role_where_it_applies(
    tenant: Tenant, properties: dict[str, Any], expected: tuple[str, str]
) -> None:
    registry = tenant.registry()
    tenant.assign(ME, ACR_PULL, registry)
    outer, inner = guid("team"), guid("inner team")
    tenant.groups({outer: [inner], inner: [ME], guid("strangers"): [guid("x")]})
    forbid(tenant, **properties)
    assert judged(tenant) == expected


def test_in_abac_mode_a_deny_on_one_of_the_two_data_actions_is_enough(tenant: Tenant) -> None:
    registry = tenant.registry(**ABAC)
    tenant.assign(ME, REPOSITORY_READER, registry)
    forbid(tenant)
    assert judged(tenant) == ("pass", "role-held")
    forbid(tenant, permissions=[{"dataActions": [METADATA]}])
    assert judged(tenant) == ("fail", "denied")


# What may not be read


@pytest.mark.parametrize("kind", ["roleAssignments", "roleDefinitions", "denyAssignments"])
def test_a_refused_read_is_unknown_and_names_the_role(tenant: Tenant, kind: str) -> None:
    registry = tenant.registry()
    tenant.assign(ME, ACR_PULL, registry)
    actions = [f"Microsoft.Authorization/{kind}/read"]
    tenant.caller(denied=[{"scope": f"/subscriptions/{SUBSCRIPTION}", "actions": actions}])
    result = look(tenant)
    finding = result.finding("PW102")
    assert (finding["verdict"], finding["cause"]) == ("unknown", "look-not-allowed")
    assert (finding["missing"], finding["look_failed"]) == ("Reader", True)
    assert "--role Reader" in finding["fix"][0]
    assert result.row()["access"]["verdict"] == "unknown"


def test_the_registrys_subscription_refusing_leaves_its_registries_unknown(tenant: Tenant) -> None:
    tenant.add_subscription(OTHER)
    tenant.registry(sub=OTHER)
    tenant.caller(denied=[{"scope": f"/subscriptions/{OTHER}", "actions": ["*"]}])
    assert judged(tenant) == ("unknown", "look-not-allowed")


# How often Azure is asked


def test_groups_are_asked_about_only_where_direct_assignments_do_not_answer(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    for number in range(4):
        name = f"aks-{number}"
        tenant.cluster(name)
        for registry in range(3):
            tenant.pod(f"acr{registry}.azurecr.io/web:1", cluster=name)
    scopes = [tenant.registry(f"acr{registry}") for registry in range(3)]
    for scope in scopes:
        for number in range(3):
            tenant.assign(object_id(f"aks-{number}"), ACR_PULL, scope)
    with running(tenant.root) as simulator:
        result = scan(simulator.environment)
        asked = [r.path + str(getattr(r, "query", "")) for r in simulator.requests if "roleAssignments" in r.path]
    asked = [question for question in asked if "atScope" not in question]  # what the app holds itself
    assert [f["verdict"] for f in result.findings("PW102", "aks-3")] == ["fail"] * 3
    assert len(asked) == 2  # the subscription's list, and one question about the one identity that holds nothing


# The identity itself


def identity(tenant: Tenant, cluster: str, **over: Any) -> str:
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    properties = {"principalId": object_id(cluster), "clientId": guid(f"{cluster} client"), "tenantId": TENANT_ID}
    return tenant.resource(kind, f"{cluster}-agentpool", {"properties": properties | over}, group=f"MC_{cluster}")


def scale_set(tenant: Tenant, cluster: str, *identities: str) -> str:
    carried = {"type": "UserAssigned", "userAssignedIdentities": {i: {} for i in identities}}
    body = {"tags": {"aks-managed-poolName": "system"}, "identity": carried if identities else ...}
    name = "aks-system-12345678-vmss"
    return tenant.resource("Microsoft.Compute/virtualMachineScaleSets", name, body, group=f"MC_{cluster}")


def test_an_identity_that_is_there_and_attached_passes(tenant: Tenant) -> None:
    tenant.registry()
    scale_set(tenant, "aks-1", identity(tenant, "aks-1").upper())
    assert judged(tenant, "PW101") == ("pass", "kubelet-identity")


def test_a_deleted_identity_fails_although_its_role_is_still_assigned(tenant: Tenant) -> None:
    registry = tenant.registry()
    tenant.assign(ME, ACR_PULL, registry)
    scale_set(tenant, "aks-1", f"{tenant.group('MC_aks-1')}/providers/x/y/z")
    result = look(tenant)
    assert result.finding("PW101")["cause"] == "identity-deleted"
    assert result.finding("PW102")["cause"] == "identity-first"
    assert result.row()["access"]["verdict"] == "fail"


def test_an_identity_made_anew_under_its_name_fails(tenant: Tenant) -> None:
    tenant.registry()
    identity(tenant, "aks-1", principalId=guid("another principal"))
    assert judged(tenant, "PW101") == ("fail", "identity-replaced")


def test_a_scale_set_without_the_identity_fails(tenant: Tenant) -> None:
    tenant.registry()
    identity(tenant, "aks-1")
    scale_set(tenant, "aks-1")
    assert judged(tenant, "PW101") == ("fail", "identity-not-attached")


def test_an_identity_brought_from_another_subscription_is_looked_up_there(tenant: Tenant) -> None:
    tenant.add_subscription(OTHER)
    registry = tenant.registry()
    brought = f"{tenant.group('ids', OTHER)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/kubelet"
    tenant.cluster(properties={"identityProfile": {"kubeletidentity": {"resourceId": brought}}})
    tenant.assign(ME, ACR_PULL, registry)
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    tenant.resource(kind, "kubelet", {"properties": {"principalId": ME}}, group="ids", sub=OTHER)
    result = look(tenant)
    assert result.row()["access"]["verdict"] == "pass"
    assert OTHER in result.finding("PW101")["summary"]
    tenant.caller(denied=[{"scope": f"/subscriptions/{OTHER}", "actions": ["Microsoft.ManagedIdentity/*"]}])
    refused = look(tenant)
    assert refused.row()["access"] == refused.row()["access"] | {"verdict": "unknown", "cause": "look-not-allowed"}
    assert OTHER in refused.finding("PW101")["fix"][0], "it may have been deleted: what would show it is named"


# Service-principal clusters

CLIENT = guid("application")
PRINCIPAL = guid("service principal")


@pytest.fixture
def service_principal(tmp_path: Path) -> Tenant:
    """A service-principal cluster that holds AcrPull, its secret good for years."""
    tenant = Tenant(tmp_path / "tenant")
    profile = {"servicePrincipalProfile": {"clientId": CLIENT}, "identityProfile": ...}
    tenant.cluster(identity=..., properties=profile)
    registry = tenant.registry()
    tenant.assign(PRINCIPAL, ACR_PULL, registry)
    tenant.pod("acrone.azurecr.io/team/web:1")
    base = {"appId": CLIENT, "displayName": "aks", "passwordCredentials": []}
    tenant.write("graph", base | {"id": PRINCIPAL, "servicePrincipalType": "Application"}, "principal")
    secrets(tenant, "2199-01-01T00:00:00Z")
    return tenant


def secrets(tenant: Tenant, *ends: str) -> None:
    credentials = [{"endDateTime": end, "displayName": "rbac", "hint": "abc"} for end in ends]
    body = {"id": guid("application object"), "appId": CLIENT, "displayName": "aks"}
    tenant.write("graph", body | {"passwordCredentials": credentials}, "application")


def test_a_service_principal_is_found_through_graph(service_principal: Tenant) -> None:
    result = look(service_principal)
    assert result.finding("PW101")["cause"] == "service-principal"
    assert result.finding("PW102")["cause"] == "role-held"
    assert result.finding("PW106")["cause"] == "secret-valid"
    assert result.row()["access"]["verdict"] == "pass"


def test_an_expired_secret_is_told(service_principal: Tenant) -> None:
    secrets(service_principal, "2020-01-01T00:00:00Z")
    assert judged(service_principal, "PW106") == ("fail", "secret-expired")


def test_graph_refusing_is_unknown_and_names_the_permission(service_principal: Tenant) -> None:
    service_principal.caller(graph="denied")
    result = look(service_principal)
    for code in ("PW101", "PW102", "PW106"):
        finding = result.finding(code)
        assert (finding["verdict"], finding["cause"]) == ("unknown", "look-not-allowed")
        assert "Application.Read.All" in finding["missing"]
    assert result.finding("PW101")["fix"][0].startswith("az rest --method post ")
    assert result.row()["access"]["verdict"] == "unknown"


def test_a_service_principal_that_is_gone_fails(service_principal: Tenant) -> None:
    (service_principal.root / "graph" / "principal.json").unlink()
    assert judged(service_principal, "PW101") == ("fail", "service-principal-absent")


# The other checks of access


def test_a_role_that_does_more_than_pull_is_a_warning_and_fails_no_row(tenant: Tenant) -> None:
    registry = tenant.registry()
    tenant.assign(ME, CONTRIBUTOR, registry)
    result = look(tenant)
    finding = result.finding("PW103")
    assert (finding["verdict"], finding["cause"], finding["severity"]) == ("fail", "may-manage-registry", "warning")
    assert result.row()["access"]["verdict"] == "pass"


def test_old_nodes_fail_at_a_registry_that_takes_no_tokens_for_arm(tenant: Tenant) -> None:
    policy = {"azureADAuthenticationAsArmPolicy": {"status": "disabled"}}
    registry = tenant.registry(properties={"policies": policy})
    tenant.assign(ME, ACR_PULL, registry)
    assert judged(tenant, "PW104") == ("pass", "node-images-current")
    image = {"name": "system", "count": 1, "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202503.10.0"}
    tenant.cluster(properties={"agentPoolProfiles": [image]})
    result = look(tenant)
    assert result.finding("PW104")["cause"] == "arm-tokens-refused"
    assert result.row()["access"]["cause"] == "arm-tokens-refused"


def test_a_managed_identity_does_not_cross_tenants(tenant: Tenant) -> None:
    tenant.add_subscription(OTHER, tenantId=guid("another tenant"))
    registry = tenant.registry(sub=OTHER)
    tenant.assign(ME, ACR_PULL, registry)
    result = look(tenant)
    assert result.finding("PW105")["cause"] == "tenants-differ"
    assert result.row()["access"]["verdict"] == "fail"


def test_a_network_isolated_cluster_uses_its_bootstrap_registry(tmp_path: Path) -> None:
    tenant = Tenant(tmp_path / "tenant")
    registry = tenant.registry(
        properties={
            "privateEndpointConnections": [
                {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}, "id": "/x"}
            ],
        }
    )
    tenant.cluster(
        properties={
            "networkProfile": {"outboundType": "none"},
            "bootstrapProfile": {"artifactSource": "Cache", "containerRegistryId": registry},
        }
    )
    tenant.assign(ME, ACR_PULL, registry)
    result = look(tenant)
    assert result.row()["sources"] == ["bootstrap registry", "role on the registry"]
    assert result.finding("PW501")["cause"] == "cache-rule-missing"
    rule = {
        "id": f"{registry}/cacheRules/aks-managed-mcr",
        "name": "aks-managed-mcr",
        "type": "Microsoft.ContainerRegistry/registries/cacheRules",
        "properties": {"sourceRepository": "mcr.microsoft.com/*", "targetRepository": "aks-managed-repository/*"},
    }
    tenant.write("arm", rule, "rule")
    assert judged(tenant, "PW501") == ("pass", "bootstrap-ready")
