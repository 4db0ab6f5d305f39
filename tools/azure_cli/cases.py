# ruff: noqa: E501 - sentences of a document stand on lines of their own
"""Where the Azure CLI's list of role assignments and Pullwatch's answer agree and differ, case by case.

A case is a tenant, what `az role assignment list` answers to each of QUESTIONS there, what Pullwatch says, who is right
and why. tools/peers.py asks both for real; docs/azure-cli-differences.md has the same cases as a table, written from
here, and a test compares the two. Nothing here needs the Azure CLI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.tenant_builder import ACR_PULL, REPOSITORY_READER, SUBSCRIPTION, TENANT_ID, Tenant, guid, object_id

CUSTOMER = "c0570e3a-0000-4000-8000-000000000000"
OTHER = "22222222-2222-4222-8222-222222222222"
OBJECT_ID, CLIENT_ID = object_id("aks-1"), guid("aks-1 client")
LOGIN_SERVER = "acrone.azurecr.io"
READER_ROLE = "Container Registry Repository Reader"
CONTENT = "Microsoft.ContainerRegistry/registries/repositories/content/read"
METADATA = "Microsoft.ContainerRegistry/registries/repositories/metadata/read"
ABAC: Mapping[str, Any] = {"properties": {"roleAssignmentMode": "AbacRepositoryPermissions"}}

# What people type, by the name that the table gives it. {registry} is the registry's id.
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "by client id": ("--assignee", CLIENT_ID, "--all"),
    "by object id": ("--assignee", OBJECT_ID, "--all"),
    "everywhere, with groups": ("--assignee", OBJECT_ID, "--all", "--include-groups"),
    "at the registry": ("--assignee", OBJECT_ID, "--scope", "{registry}"),
    "at and above it": ("--assignee", OBJECT_ID, "--scope", "{registry}", "--include-inherited"),
    "at and above it, with groups": (
        *("--assignee", OBJECT_ID, "--scope", "{registry}"),
        *("--include-inherited", "--include-groups"),
    ),
}
BOTH, PULLWATCH, OPEN = "both", "Pullwatch", "both: it is open"
WHERE_FOUND = "Pullwatch, and az where it finds the role"
RBAC = "https://learn.microsoft.com/azure/role-based-access-control"
ACR = "https://learn.microsoft.com/azure/container-registry"
CLI = "https://learn.microsoft.com/cli/azure/role/assignment"
TITLE = "# Where the Azure CLI and Pullwatch differ"


@dataclass(frozen=True)
class Case:
    """One tenant and both answers. ``build`` returns the registry's id.

    ``finds``: role names by question; one that is not there is answered with ``otherwise``. ``verdict`` and ``cause``
    are those of PW102, ``summary_part`` is a part of its summary. ``access`` is the row's answer where it is another.
    """

    name: str
    build: Callable[[Tenant], str]
    finds: Mapping[str, tuple[str, ...]]
    verdict: str
    cause: str
    summary_part: str
    right: str
    why: str
    links: tuple[str, ...]
    otherwise: tuple[str, ...] = ()
    access: str = ""

    def answer_to(self, question: str) -> tuple[str, ...]:
        """The roles that az has to find."""
        return self.finds.get(question, self.otherwise)

    @property
    def az(self) -> str:
        """What az says, in words: questions with the same answer together."""
        by_answer: dict[tuple[str, ...], list[str]] = {}
        for question in QUESTIONS:
            by_answer.setdefault(self.answer_to(question), []).append(question)
        if len(by_answer) == 1:
            return f"{_roles(next(iter(by_answer)))}, however it is asked"
        return "; ".join(f"{_roles(answer)} ({' / '.join(asked)})" for answer, asked in by_answer.items())

    @property
    def pullwatch(self) -> str:
        """What Pullwatch says, in words."""
        return f"{self.verdict}: {self.cause}"


def _roles(names: tuple[str, ...]) -> str:
    return " and ".join(names) if names else "nothing"


def start(root: Path) -> Tenant:
    """Two subscriptions, a cluster in the first, pods that use two repositories of acrone; no registry, no role."""
    tenant = Tenant(root)
    tenant.add_subscription(OTHER)
    tenant.cluster()
    for repository in ("team/web", "team/api"):
        tenant.pod(f"{LOGIN_SERVER}/{repository}:1")
    return tenant


def define(tenant: Tenant, name: str, **permission: list[str]) -> str:
    """A custom role of the first subscription with one element; returns its guid."""
    key, scope = guid(f"role {name}"), f"/subscriptions/{SUBSCRIPTION}"
    empty: dict[str, list[str]] = {"actions": [], "notActions": [], "dataActions": [], "notDataActions": []}
    properties = {
        "roleName": name,
        "type": "CustomRole",
        "assignableScopes": [scope],
        "permissions": [empty | permission],
    }
    kind = "Microsoft.Authorization/roleDefinitions"
    body = {"id": f"{scope}/providers/{kind}/{key}", "name": key, "type": kind, "properties": properties}
    tenant.write("authorization", body, f"role-{key}")
    return key


def narrowed(repository: str) -> str:
    """The documented condition that holds for one repository."""
    others = f"!(ActionMatches{{'{CONTENT}'}}) AND !(ActionMatches{{'{METADATA}'}})"
    name = "@Request[Microsoft.ContainerRegistry/registries/repositories:name]"
    return f"(({others}) OR ({name} StringEqualsIgnoreCase '{repository}'))"


def conditioned(condition: str) -> dict[str, Any]:
    """What makes an assignment a conditioned one."""
    return {"condition": condition, "conditionVersion": "2.0"}


def direct(tenant: Tenant) -> str:
    registry = tenant.registry()
    tenant.assign(OBJECT_ID, ACR_PULL, registry)
    return registry


def graph_refuses(tenant: Tenant) -> str:
    tenant.caller(graph="denied")
    return direct(tenant)


def identity_deleted(tenant: Tenant) -> str:
    """Another identity of the node resource group is listed, so that this one is known to be gone."""
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    tenant.resource(kind, "omsagent-aks-1", {"properties": {"principalId": guid("omsagent")}}, group="MC_aks-1")
    return direct(tenant)


def delegated(tenant: Tenant) -> str:
    """The cluster's subscription is a customer's, managed through Azure Lighthouse."""
    tenant.add_subscription(SUBSCRIPTION, tenantId=CUSTOMER, managedByTenants=[{"tenantId": TENANT_ID}])
    tenant.cluster(identity={"tenantId": CUSTOMER})
    return direct(tenant)


def other_subscription(tenant: Tenant) -> str:
    registry = tenant.registry(sub=OTHER)
    role = f"/subscriptions/{OTHER}/providers/Microsoft.Authorization/roleDefinitions/{ACR_PULL}"
    tenant.assign(OBJECT_ID, ACR_PULL, registry, properties={"roleDefinitionId": role})
    return registry


def nested_group(tenant: Tenant) -> str:
    registry, outer, inner = tenant.registry(), guid("outer group"), guid("inner group")
    tenant.groups({outer: [inner], inner: [OBJECT_ID]})
    tenant.assign(outer, ACR_PULL, registry, properties={"principalType": "Group"})
    return registry


def management_group(tenant: Tenant) -> str:
    corp: dict[str, object] = {"parent": None, "subscriptions": []}
    landing = {"parent": "corp", "subscriptions": [SUBSCRIPTION]}
    tenant.write("authorization", {"corp": corp, "landing": landing}, "managementGroups")
    tenant.assign(OBJECT_ID, ACR_PULL, "/providers/Microsoft.Management/managementGroups/corp")
    return tenant.registry()


def root_scope(tenant: Tenant) -> str:
    tenant.assign(OBJECT_ID, ACR_PULL, "/")
    return tenant.registry()


def wildcard_role(tenant: Tenant) -> str:
    registry = tenant.registry()
    tenant.assign(
        OBJECT_ID, define(tenant, "Platform readers", actions=["Microsoft.ContainerRegistry/*/read"]), registry
    )
    return registry


def taken_away(tenant: Tenant) -> str:
    registry = tenant.registry()
    key = define(tenant, "Operators", actions=["*"], notActions=["Microsoft.ContainerRegistry/registries/pull/*"])
    tenant.assign(OBJECT_ID, key, registry)
    return registry


def abac_with_acr_pull(tenant: Tenant) -> str:
    registry = tenant.registry(**ABAC)
    tenant.assign(OBJECT_ID, ACR_PULL, registry)
    return registry


def denied(tenant: Tenant) -> str:
    scope, kind = tenant.group(), "Microsoft.Authorization/denyAssignments"
    properties = {
        "denyAssignmentName": "managed by the platform",
        "scope": scope,
        "permissions": [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}],
        "principals": [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}],
        "excludePrincipals": [{"id": guid("the platform"), "type": "ServicePrincipal"}],
        "doNotApplyToChildScopes": False,
        "isSystemProtected": True,
    }
    name = guid("deny")
    body = {"id": f"{scope}/providers/{kind}/{name}", "name": name, "type": kind, "properties": properties}
    tenant.write("authorization", body, "deny")
    return direct(tenant)


def condition_leaves_out(tenant: Tenant) -> str:
    registry = tenant.registry(**ABAC)
    tenant.assign(OBJECT_ID, REPOSITORY_READER, registry, properties=conditioned(narrowed("team/web")))
    return registry


def condition_above_leaves_out(tenant: Tenant) -> str:
    registry = tenant.registry(**ABAC)
    tenant.assign(OBJECT_ID, REPOSITORY_READER, tenant.group(), properties=conditioned(narrowed("team/web")))
    return registry


def condition_of_another_service(tenant: Tenant) -> str:
    registry = tenant.registry()
    text = "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:name] StringEquals 'blueprints'"
    tenant.assign(OBJECT_ID, ACR_PULL, registry, properties=conditioned(text))
    return registry


def nothing(tenant: Tenant) -> str:
    return tenant.registry(sub=OTHER)


def nothing_in_abac_mode(tenant: Tenant) -> str:
    return tenant.registry(**ABAC)


CASES: tuple[Case, ...] = (
    Case(
        name="AcrPull on the registry",
        build=direct,
        finds={},
        otherwise=("AcrPull",),
        verdict="pass",
        cause="role-held",
        summary_part="AcrPull at /subscriptions/",
        right=BOTH,
        why="An assignment at the registry, for the identity itself, is what every way of asking finds.",
        links=("https://learn.microsoft.com/azure/aks/cluster-container-registry-integration",),
    ),
    Case(
        name="Microsoft Graph refuses the caller",
        build=graph_refuses,
        finds={"by client id": ()},
        otherwise=("AcrPull",),
        verdict="pass",
        cause="role-held",
        summary_part="AcrPull at /subscriptions/",
        right=WHERE_FOUND,
        why=(
            "Assignments name object ids. az turns a client id into one through Graph; where that is refused it warns "
            "and takes the client id for an object id, which no assignment names. Pullwatch takes the object id from "
            "the cluster's identityProfile and asks Graph nothing."
        ),
        links=(CLI, f"{RBAC}/role-assignments-list-cli"),
    ),
    Case(
        name="The registry is in another subscription",
        build=other_subscription,
        finds={
            "at the registry": ("AcrPull",),
            "at and above it": ("AcrPull",),
            "at and above it, with groups": ("AcrPull",),
        },
        verdict="pass",
        cause="role-held",
        summary_part=f"AcrPull at /subscriptions/{OTHER}",
        right=WHERE_FOUND,
        why=(
            "`--all` means all of the current subscription, not all subscriptions. Pullwatch reads the assignments of "
            "the subscription that the registry is in."
        ),
        links=(CLI,),
    ),
    Case(
        name="The role comes through a nested group",
        build=nested_group,
        finds={"everywhere, with groups": ("AcrPull",), "at and above it, with groups": ("AcrPull",)},
        verdict="pass",
        cause="role-through-group",
        summary_part="a day late",
        right=WHERE_FOUND,
        why=(
            "A group's role is its members' role, transitively. az asks for it only with `--include-groups`; Pullwatch "
            "asks (`assignedTo()`) wherever the direct assignments do not grant the pull, and says that tokens may "
            "show a new membership up to a day late."
        ),
        links=(f"{RBAC}/role-assignments-list-rest", f"{RBAC}/troubleshooting"),
    ),
    Case(
        name="The role is held at a management group",
        build=management_group,
        finds={"at the registry": ()},
        otherwise=("AcrPull",),
        verdict="pass",
        cause="role-held",
        summary_part="AcrPull at /providers/Microsoft.Management/managementGroups/corp",
        right=WHERE_FOUND,
        why=(
            "Roles are inherited from every scope above. With `--scope` az shows what is exactly there, unless "
            "`--include-inherited` is given (CLIs from before azure-cli #30841 of February 2025 left management groups out even then)."
        ),
        links=(f"{RBAC}/scope-overview", "https://github.com/Azure/azure-cli/pull/30841"),
    ),
    Case(
        name="The role is held at the root scope /",
        build=root_scope,
        finds={"at the registry": ()},
        otherwise=("AcrPull",),
        verdict="pass",
        cause="role-held",
        summary_part="AcrPull at /.",
        right=WHERE_FOUND,
        why="As with a management group: the root is above every registry.",
        links=(f"{RBAC}/scope-overview", f"{RBAC}/elevate-access-global-admin"),
    ),
    Case(
        name="A custom role pulls by a wildcard",
        build=wildcard_role,
        finds={},
        otherwise=("Platform readers",),
        verdict="pass",
        cause="role-held",
        summary_part="Platform readers at",
        right=PULLWATCH,
        why=(
            "az lists a name and leaves the reader to know what it allows; who looks for AcrPull finds nothing. "
            "`Microsoft.ContainerRegistry/*/read` covers `registries/pull/read`, which is all that a pull needs."
        ),
        links=(f"{RBAC}/role-definitions", f"{ACR}/container-registry-rbac-built-in-roles-overview"),
    ),
    Case(
        name="notActions of a custom role take the pull away",
        build=taken_away,
        finds={},
        otherwise=("Operators",),
        verdict="fail",
        cause="role-missing",
        summary_part="It holds Operators.",
        right=PULLWATCH,
        why=(
            "az lists the role, which allows `*`; its notActions subtract `registries/pull/*`, and no other role "
            "gives it back."
        ),
        links=(f"{RBAC}/role-definitions",),
    ),
    Case(
        name="AcrPull on a registry in ABAC mode",
        build=abac_with_acr_pull,
        finds={},
        otherwise=("AcrPull",),
        verdict="fail",
        cause="role-not-honoured",
        summary_part="AcrPull grants nothing there",
        right=PULLWATCH,
        why=(
            'With the mode "RBAC Registry + ABAC Repository Permissions" a registry does not honour AcrPull, AcrPush '
            "and AcrDelete; the repository roles pull. az lists assignments and knows no registry's mode."
        ),
        links=(f"{ACR}/container-registry-rbac-abac-repository-permissions",),
    ),
    Case(
        name="A deny assignment forbids what the role allows",
        build=denied,
        finds={},
        otherwise=("AcrPull",),
        verdict="fail",
        cause="denied",
        summary_part="managed by the platform",
        right=PULLWATCH,
        why=(
            "Deny assignments outrank roles and are in no list of role assignments: they have a list of their own "
            "(`az role deny-assignment list` in newer CLIs), which nobody asks who does not know of them."
        ),
        links=(f"{RBAC}/deny-assignments",),
    ),
    Case(
        name="A condition leaves a repository out",
        build=condition_leaves_out,
        finds={},
        otherwise=(READER_ROLE,),
        verdict="fail",
        cause="repositories-left-out",
        summary_part="leave out team/api of acrone",
        right=PULLWATCH,
        why=(
            "az lists the role with its condition as text (and not at all in a table). The condition holds for "
            "team/web only, and the cluster's pods use team/api too."
        ),
        links=(f"{ACR}/container-registry-rbac-abac-repository-permissions", f"{RBAC}/conditions-overview"),
    ),
    Case(
        name="The cluster's identity was deleted",
        build=identity_deleted,
        finds={},
        otherwise=("AcrPull",),
        verdict="skipped",
        cause="identity-first",
        summary_part="was deleted",
        access="fail",
        right=PULLWATCH,
        why=(
            "An assignment outlives its principal, and az lists it. Pullwatch reads whether the identity is still there "
            "(PW101), and says so first: a role for the old object id grants nothing."
        ),
        links=(f"{RBAC}/troubleshooting",),
    ),
    Case(
        name="The subscription is managed through Azure Lighthouse",
        build=delegated,
        finds={},
        verdict="unknown",
        cause="assignments-delegated",
        summary_part="Lighthouse",
        right=OPEN,
        why=(
            "Azure answers with an empty list: assignments of a customer's principals are not shown to the managing "
            "tenant. What is not shown may be there, so Pullwatch says unknown, and proposes no role."
        ),
        links=(f"{RBAC}/role-assignments-list-rest",),
    ),
    Case(
        name="A condition that nobody can evaluate from here",
        build=condition_of_another_service,
        finds={},
        otherwise=("AcrPull",),
        verdict="unknown",
        cause="condition",
        summary_part="Microsoft.Storage/storageAccounts/blobServices/containers:name",
        right=OPEN,
        why=(
            "AcrPull is held, as az says, under a condition on attributes that a registry in legacy mode does not "
            "have. No documentation says what becomes of it, so Pullwatch says unknown and tells the text."
        ),
        links=(f"{RBAC}/conditions-overview",),
    ),
)


def table() -> str:
    """The cases as a Markdown table."""
    rows = [("case", "`az role assignment list`", "Pullwatch (PW102)", "right", "why")]
    rows.append(("---",) * 5)
    for case in CASES:
        links = " ".join(f"[{number}]({link})" for number, link in enumerate(case.links, 1))
        rows.append((case.name, case.az, case.pullwatch, case.right, f"{case.why} {links}"))
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows)


def document() -> str:
    """docs/azure-cli-differences.md."""
    asked = ["| in the table | `az role assignment list` with |", "| --- | --- |"]
    for name, words in QUESTIONS.items():
        description = " ".join(words).replace(CLIENT_ID, "CLIENT_ID").replace(OBJECT_ID, "OBJECT_ID")
        asked.append(f"| {name} | `{description.replace('{registry}', 'REGISTRY_ID')}` |")
    return (
        "\n\n".join(
            (
                "<!-- Generated by `python tools/peers.py --docs` from tools/azure_cli/cases.py. Change it there. -->",
                TITLE,
                "Asked whether a cluster may pull, many people run `az role assignment list` and look for AcrPull. That is "
                "a list of assignments, not an answer: below is where the two part. `make peers` makes a tenant for every "
                "row, asks the real Azure CLI and Pullwatch there and holds both to what this table says.",
                "CLIENT_ID and OBJECT_ID are those of the cluster's kubelet identity, and the current subscription is the "
                "cluster's. az is asked in six ways:",
                "\n".join(asked),
                table(),
                "Two things both leave open: a role that was assigned a moment ago takes up to 10 minutes to work "
                f"([troubleshooting]({RBAC}/troubleshooting)), and an eligible assignment of Privileged Identity "
                "Management is in neither's list until somebody activates it, which a managed identity cannot.",
                "`make peers` also runs the commands that Pullwatch's findings give as a fix, through a shell and the real "
                "Azure CLI, and scans again: what failed has to pass.",
            )
        )
        + "\n"
    )
