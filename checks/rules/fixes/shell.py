"""The commands that fix things, quoted for a POSIX shell: every value that Azure or a pod gave is one safe word."""

from __future__ import annotations

import json
import shlex

from checks.facts import Cluster, RoleAssignment, resource_group_of, subscription_of


def command(*words: str) -> str:
    """One shell command out of words, each quoted where it needs to be."""
    return shlex.join(words)


def assign_role(object_id: str, role: str, scope: str, condition: str | None = None) -> str:
    """``az role assignment create`` by object id, which needs no Graph look-up and takes no client id by mistake."""
    return command(
        *("az", "role", "assignment", "create", "--assignee-object-id", object_id),
        *("--assignee-principal-type", "ServicePrincipal", "--role", role, "--scope", scope),
        *(("--condition", condition, "--condition-version", "2.0") if condition else ()),
    )


def change_condition(assignment: RoleAssignment, condition: str) -> str:
    """``az rest`` that gives a role assignment another condition: Azure allows no second one of the same role."""
    url = f"{assignment.id}?api-version=2022-04-01"
    wanted = {
        "roleDefinitionId": assignment.role_definition_id,
        "principalId": assignment.principal_id,
        "principalType": assignment.principal_type or "ServicePrincipal",
        "condition": condition,
        "conditionVersion": "2.0",
    }
    body = json.dumps({"properties": wanted})
    return command("az", "rest", "--method", "put", "--url", url, "--body", body)


def grant_graph(graph: str) -> str:
    """``az rest`` that lets Pullwatch's identity read applications in Microsoft Graph (Application.Read.All)."""
    who = "<object id of Pullwatch's identity>"
    wanted = {
        "principalId": who,
        "resourceId": "<az ad sp show --id 00000003-0000-0000-c000-000000000000 --query id>",
        "appRoleId": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    }
    url = f"{graph}/v1.0/servicePrincipals/{who}/appRoleAssignments"
    return command("az", "rest", "--method", "post", "--url", url, "--body", json.dumps(wanted))


def unassign(assignment_id: str) -> str:
    """``az role assignment delete`` of one assignment by its id."""
    return command("az", "role", "assignment", "delete", "--ids", assignment_id)


def leave_group(group_id: str, object_id: str) -> str:
    """``az ad group member remove``."""
    return command("az", "ad", "group", "member", "remove", "--group", group_id, "--member-id", object_id)


def attach_acr(cluster: Cluster, registry_id: str) -> str:
    """``az aks update --attach-acr``: assigns AcrPull to the kubelet identity. Of no use on an ABAC registry."""
    return command(*_aks("update", cluster), "--attach-acr", registry_id)


def show_cluster(cluster: Cluster) -> str:
    """``az aks show`` for the identity that nodes pull with."""
    return command(*_aks("show", cluster), "--query", "identityProfile.kubeletidentity")


def assign_kubelet_identity(cluster: Cluster, identity: str) -> str:
    """``az aks update --assign-kubelet-identity``; nodes take it when their pool is upgraded."""
    return command(
        *_aks("update", cluster), "--enable-managed-identity", "--assign-kubelet-identity", identity, "--yes"
    )


def create_identity(identity: str) -> str:
    """``az identity create`` under the name and in the resource group that a resource id says."""
    where = ("--subscription", subscription_of(identity), "--resource-group", resource_group_of(identity))
    return command("az", "identity", "create", *where, "--name", identity.rstrip("/").rsplit("/", 1)[-1])


def upgrade_node_image(cluster: Cluster, pool: str) -> str:
    """``az aks nodepool upgrade --node-image-only``: new nodes, with the latest image and the cluster's identity."""
    return command(
        *("az", "aks", "nodepool", "upgrade", "--subscription", subscription_of(cluster.id)),
        *("--resource-group", resource_group_of(cluster.id), "--cluster-name", cluster.name),
        *("--name", pool, "--node-image-only"),
    )


def reset_credentials(cluster: Cluster, client_id: str) -> str:
    """``az aks update-credentials``: gives the nodes a new secret of the same service principal."""
    return command(
        *_aks("update-credentials", cluster),
        *("--reset-service-principal", "--service-principal", client_id, "--client-secret", "<the new secret>"),
    )


def use_service_principal(cluster: Cluster) -> str:
    """``az aks update-credentials`` with a multi-tenant service principal, which can pull across tenants."""
    return command(
        *_aks("update-credentials", cluster),
        *("--reset-service-principal", "--service-principal", "<client id of a multi-tenant application>"),
        *("--client-secret", "<its secret>"),
    )


def list_endpoints(registry_id: str) -> str:
    """``az network private-endpoint-connection list`` of a registry, to see which wait or are refused."""
    return command("az", "network", "private-endpoint-connection", "list", "--id", registry_id, "--output", "table")


def accept_arm_tokens(registry: str, subscription: str) -> str:
    """``az acr config authentication-as-arm update``: the registry takes tokens for Azure Resource Manager again."""
    return command(
        *("az", "acr", "config", "authentication-as-arm", "update", "--subscription", subscription),
        *("--registry", registry, "--status", "enabled"),
    )


def update_registry(registry: str, subscription: str, *options: str) -> str:
    """``az acr update`` with options."""
    return command("az", "acr", "update", "--subscription", subscription, "--name", registry, *options)


def cache_all_of_mcr(registry: str, subscription: str) -> str:
    """``az acr cache create`` of the rule that the nodes of a network-isolated cluster bootstrap from."""
    return command(
        *("az", "acr", "cache", "create", "--subscription", subscription, "--registry", registry),
        *("--name", "aks-managed-mcr", "--source-repo", "mcr.microsoft.com/*"),
        *("--target-repo", "aks-managed-repository/*"),
    )


def update_cluster(cluster: Cluster) -> str:
    """``az aks update`` without a change: it reconciles the cluster, kubelet identity included."""
    return command(*_aks("update", cluster))


def enable_managed_identity(cluster: Cluster) -> str:
    """``az aks update --enable-managed-identity``: moves a service-principal cluster to managed identities."""
    return command(*_aks("update", cluster), "--enable-managed-identity")


def _aks(verb: str, cluster: Cluster) -> tuple[str, ...]:
    return (
        *("az", "aks", verb, "--subscription", subscription_of(cluster.id)),
        *("--resource-group", resource_group_of(cluster.id), "--name", cluster.name),
    )


def list_denies(scope: str) -> str:
    """``az rest`` for the deny assignments that reach a scope (the CLI's own command is newer than most CLIs)."""
    url = f"{scope}/providers/Microsoft.Authorization/denyAssignments?api-version=2024-07-01-preview&$filter=atScope()"
    return command("az", "rest", "--method", "get", "--url", url)


def let_read_secrets(cluster: Cluster, namespace: str) -> tuple[str, ...]:
    """The commands that let Pullwatch's identity get the secrets of one namespace, and nothing more."""
    who, name = "<object id of Pullwatch's identity>", "Pullwatch pull secret reader"
    if cluster.azure_rbac:
        role = {
            "Name": name,
            "Description": "Reads the pull secrets that pods name.",
            "AssignableScopes": [f"/subscriptions/{subscription_of(cluster.id)}"],
            "Actions": [],
            "DataActions": ["Microsoft.ContainerService/managedClusters/secrets/read"],
        }
        return (
            command("az", "role", "definition", "create", "--role-definition", json.dumps(role)),
            assign_role(who, name, f"{cluster.id}/namespaces/{namespace}"),
        )
    role_name, where = "pullwatch-pull-secrets", ("--namespace", namespace)
    return (
        command("kubectl", "create", "role", role_name, *where, "--verb", "get", "--resource", "secrets"),
        command("kubectl", "create", "rolebinding", role_name, *where, "--role", role_name, "--user", who),
    )


def enable_run_command(cluster: Cluster) -> str:
    """``az aks update --enable-run-command``."""
    return command(*_aks("update", cluster), "--enable-run-command")


def let_run_commands(cluster: Cluster) -> tuple[str, ...]:
    """The commands that let Pullwatch's identity use Run Command on one cluster: no built-in role has just that."""
    name = "Pullwatch Run Command"
    role = {
        "Name": name,
        "Description": "Runs commands in AKS clusters and reads their results.",
        "AssignableScopes": [f"/subscriptions/{subscription_of(cluster.id)}"],
        "Actions": [
            "Microsoft.ContainerService/managedClusters/runcommand/action",
            "Microsoft.ContainerService/managedClusters/commandResults/read",
        ],
    }
    return (
        command("az", "role", "definition", "create", "--role-definition", json.dumps(role)),
        assign_role("<object id of Pullwatch's identity>", name, cluster.id),
    )


def list_policies(cluster: Cluster) -> str:
    """``az policy assignment list`` of those that apply where a cluster is."""
    where = ("--subscription", subscription_of(cluster.id), "--resource-group", resource_group_of(cluster.id))
    return command("az", "policy", "assignment", "list", *where, "--filter", "atScope()")


def pull_secret(namespace: str, name: str, host: str, *, replace: bool) -> tuple[str, ...]:
    """``kubectl create secret docker-registry`` for a host, after the one that is there is gone."""
    where = ("--namespace", namespace)
    server = "https://index.docker.io/v1/" if host == "docker.io" else host
    create = command(
        *("kubectl", "create", "secret", "docker-registry", name, *where),
        *("--docker-server", server, "--docker-username", "<user name>", "--docker-password", "<password>"),
    )
    return (command("kubectl", "delete", "secret", name, *where), create) if replace else (create,)


def add_larger_pool(cluster: Cluster) -> str:
    """``az aks nodepool add`` of a size that unpacks images fast; a pool's own size cannot be changed."""
    return command(
        *("az", "aks", "nodepool", "add", "--subscription", subscription_of(cluster.id)),
        *("--resource-group", resource_group_of(cluster.id), "--cluster-name", cluster.name),
        *("--name", "<new pool>", "--node-vm-size", "Standard_D8ds_v5", "--node-osdisk-type", "Ephemeral"),
    )


def set_image(workload: str, container: str, image: str) -> str | None:
    """``kubectl set image`` for a workload "namespace/Kind/name", or None where its kind does not take it."""
    namespace, _, rest = workload.partition("/")
    kind, _, name = rest.partition("/")
    if kind.lower() not in ("deployment", "statefulset", "daemonset", "cronjob", "replicaset") or not name:
        return None
    where = ("--namespace", namespace)
    return command("kubectl", "set", "image", f"{kind.lower()}/{name}", f"{container}={image}", *where)


def describe_pod(namespace: str, pod: str) -> str:
    """``kubectl describe pod``: the whole text and its events."""
    return command("kubectl", "describe", "pod", "--namespace", namespace, pod)
