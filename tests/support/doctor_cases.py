"""A tenant in which Pullwatch lacks nothing, and what is taken away from it, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from simulator.entra.app_permissions import DEFAULT_PRINCIPAL
from tests.support.hub_world import HUB, Hub
from tests.support.scan_access import everything, grant, scan_roles
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, guid, object_id

IMAGE = "acrone.azurecr.io/team/web:1"
SCOPE = f"/subscriptions/{SUBSCRIPTION}"
OTHER = guid("a second subscription of the doctor")
SWITCHES = ("kubernetesReads", "imageReads")


def whole(folder: Path) -> Tenant:
    """Two subscriptions; a cluster that pulls from one registry. Roles are enforced, and none is granted yet."""
    tenant = Tenant(folder)
    tenant.add_subscription(OTHER)
    tenant.cluster()
    registry = tenant.registry()
    tenant.assign(object_id("aks-1"), ACR_PULL, registry)
    tenant.pod(IMAGE)
    tenant.pulled(IMAGE)
    tenant.caller(enforced=True)
    return tenant


def granted(folder: Path, *left_out: str, scopes: tuple[str, ...] = (SCOPE, f"/subscriptions/{OTHER}")) -> Tenant:
    """The tenant with every role that infra/ grants, but for those of these names."""
    tenant = whole(folder)
    grant(tenant, (), scopes)
    for switch in SWITCHES:
        for role in scan_roles()[switch]:
            if role["name"] not in left_out:
                for scope in scopes:
                    tenant.assign(DEFAULT_PRINCIPAL, role["id"], scope)
    return tenant


def without_an_action(folder: Path) -> Tenant:
    """A custom role from before Pullwatch read something: it lacks two actions."""
    tenant = granted(folder)
    file = next((tenant.root / "authorization").glob("definition-*.json"))
    text = file.read_text(encoding="utf-8")
    for action in ("Microsoft.Network/privateDnsZones/read", "Microsoft.Network/routeTables/read"):
        text = text.replace(f'"{action}"', '"Microsoft.Network/nothing/read"')
    file.write_text(text, encoding="utf-8")
    return tenant


def without_a_subscription(folder: Path) -> Tenant:
    return granted(folder, scopes=(SCOPE,))


def without_images(folder: Path) -> Tenant:
    return granted(folder, "AcrPull", "Container Registry Repository Reader")


def unreachable_api(folder: Path) -> Tenant:
    tenant = granted(folder)
    tenant.cluster("aks-far", properties={"apiServerAccessProfile": {"enablePrivateCluster": True}})
    tenant.assign(
        object_id("aks-far"), ACR_PULL, f"{tenant.group()}/providers/Microsoft.ContainerRegistry/registries/acrone"
    )
    return tenant


def closed_registry(folder: Path) -> Tenant:
    tenant = granted(folder)
    tenant.registry("acrone", properties={"networkRuleSet": {"defaultAction": "Deny", "ipRules": []}})
    return tenant


def local_accounts(folder: Path) -> Tenant:
    tenant = granted(folder)
    tenant.cluster(properties={"aadProfile": ...})
    return tenant


def without_rulesets(folder: Path) -> Tenant:
    tenant = Hub().world.into(Tenant(folder))
    tenant.pod("acrone.azurecr.io/team/web:1")
    hidden = {"scope": f"/subscriptions/{HUB}", "actions": ["Microsoft.Network/dnsForwardingRulesets/*"]}
    tenant.caller(denied=[hidden])
    return tenant


def without_managers(folder: Path) -> Tenant:
    tenant = everything(folder)
    grant(tenant)
    tenant.caller(enforced=True)
    return tenant


def without_secrets(folder: Path) -> Tenant:
    tenant = granted(folder)
    tenant.pod(IMAGE, name="brings-a-secret", spec={"imagePullSecrets": [{"name": "regcred"}]})
    return tenant


def without_graph(folder: Path) -> Tenant:
    tenant = granted(folder)
    tenant.cluster(
        properties={"servicePrincipalProfile": {"clientId": guid("sp")}, "identityProfile": ...}, identity=...
    )
    tenant.caller(enforced=True, graph="denied")
    return tenant


@dataclass(frozen=True)
class Case:
    """What is taken away, and what the doctor has to name: kind, what, a part of what it needs.

    ``grants``: how many role assignments its script has; with them nothing of it is missing any more.
    """

    make: Callable[[Path], Tenant]
    kind: str
    what: str
    needs: str
    grants: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: bool = True


CASES = {
    "actions": Case(without_an_action, "permission", "actions", "Reader", 2),
    "a subscription": Case(
        without_a_subscription, "permission", "subscription", "Reader", 1,
        {"PULLWATCH_SUBSCRIPTIONS": f"{SUBSCRIPTION},{OTHER}"},
    ),
    "cluster user": Case(
        lambda folder: granted(folder, "Azure Kubernetes Service Cluster User Role"),
        "permission", "pods", "Azure Kubernetes Service Cluster User Role", 1,
    ),
    "pods": Case(
        lambda folder: granted(folder, "Azure Kubernetes Service RBAC Reader"),
        "permission", "pods", "Azure Kubernetes Service RBAC Reader", 1,
    ),
    "images": Case(without_images, "permission", "images", "AcrPull", 1),
    "api server": Case(unreachable_api, "network", "pods", "a network path to the cluster's API server"),
    "registry": Case(closed_registry, "network", "images", ""),
    "local accounts": Case(local_accounts, "setting", "pods", "PULLWATCH_ALLOW_LOCAL_ACCOUNTS"),
    "rulesets": Case(without_rulesets, "permission", "actions", "Reader", alone=False),
    "network managers": Case(without_managers, "permission", "PW206", "SecurityAdminRules/action", alone=False),
    "run command": Case(
        unreachable_api, "permission", "pods", "runcommand/action",
        environment={"PULLWATCH_ALLOW_RUN_COMMAND": "true"},
    ),
    "secrets": Case(
        without_secrets, "permission", "pull secrets", "secrets/read",
        environment={"PULLWATCH_READ_PULL_SECRETS": "true"},
    ),
    "graph": Case(without_graph, "permission", "kubelet identity", "Application.Read.All", alone=False),
}  # fmt: skip
