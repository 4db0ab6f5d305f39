"""``az aks`` commands that fix a cluster and its node pools."""

from __future__ import annotations

from checks.facts import Cluster
from checks.rules.fixes.az_roles import assign_role
from checks.rules.fixes.shell import command, resource_options


def attach_acr(cluster: Cluster, registry_id: str) -> str:
    """``az aks update --attach-acr``: assigns AcrPull to the kubelet identity. It has no effect on an ABAC registry."""
    return command(*_cluster_command("update", cluster), "--attach-acr", registry_id)


def grant_pull(cluster: Cluster, object_id: str, registry_id: str) -> tuple[str, ...]:
    """Two ways to assign AcrPull, of which one is enough."""
    alternative = "# or, with the same effect:"
    return (assign_role(object_id, "AcrPull", registry_id), alternative, attach_acr(cluster, registry_id))


def show_kubelet_identity(cluster: Cluster) -> str:
    """``az aks show``: the kubelet identity."""
    return command(*_cluster_command("show", cluster), "--query", "identityProfile.kubeletidentity")


def show_entra_profile(cluster: Cluster) -> str:
    """``az aks show``: how the cluster is set up for Microsoft Entra ID."""
    return command(*_cluster_command("show", cluster), "--query", "aadProfile")


def assign_kubelet_identity(cluster: Cluster, identity: str) -> str:
    """``az aks update --assign-kubelet-identity``, which upgrades every node pool.

    Never with ``--enable-managed-identity``: alone, it takes the control plane its user-assigned identity.
    """
    return command(*_cluster_command("update", cluster), "--assign-kubelet-identity", identity, "--yes")


def read_kubelet_object_id(cluster: Cluster, variable: str) -> str:
    """Puts the object id of the kubelet identity into a shell variable."""
    query = ("--query", "identityProfile.kubeletidentity.objectId", "--output", "tsv")
    return f"{variable}=$({command(*_cluster_command('show', cluster), *query)})"


def upgrade_node_image(cluster: Cluster, pool: str) -> str:
    """``az aks nodepool upgrade --node-image-only``: new nodes, with the cluster's current kubelet identity."""
    return command(
        *("az", "aks", "nodepool", "upgrade", *resource_options(cluster.id), "--cluster-name", cluster.name),
        *("--name", pool, "--node-image-only"),
    )


def reset_service_principal_secret(cluster: Cluster, client_id: str) -> str:
    """``az aks update-credentials``: a new secret for the same service principal."""
    return command(
        *_cluster_command("update-credentials", cluster),
        *("--reset-service-principal", "--service-principal", client_id, "--client-secret", "<the new secret>"),
    )


def replace_service_principal(cluster: Cluster) -> str:
    """``az aks update-credentials``: another service principal, which every node takes over."""
    return command(
        *_cluster_command("update-credentials", cluster),
        *("--reset-service-principal", "--service-principal", "<application id>", "--client-secret", "<its secret>"),
    )


def check_acr(cluster: Cluster, host: str) -> str:
    """``az aks check-acr``: asks a node whether it can reach the registry and sign in."""
    return command(*_cluster_command("check-acr", cluster), "--acr", host)


def trust_certificates(cluster: Cluster) -> str:
    """``az aks update --custom-ca-trust-certificates``: at most 10 certificates; nodes are replaced."""
    return command(*_cluster_command("update", cluster), "--custom-ca-trust-certificates", "<file with certificates>")


def change_proxy(cluster: Cluster) -> str:
    """``az aks update --http-proxy-config``."""
    return command(*_cluster_command("update", cluster), "--http-proxy-config", "<file with noProxy>")


def reconcile_cluster(cluster: Cluster) -> str:
    """``az aks update`` without a change, which reconciles the cluster and its kubelet identity."""
    return command(*_cluster_command("update", cluster))


def enable_managed_identity(cluster: Cluster) -> str:
    """``az aks update --enable-managed-identity``: migrates from a service principal to managed identities."""
    return command(*_cluster_command("update", cluster), "--enable-managed-identity")


def enable_run_command(cluster: Cluster) -> str:
    """``az aks update --enable-run-command``."""
    return command(*_cluster_command("update", cluster), "--enable-run-command")


def add_larger_pool(cluster: Cluster) -> str:
    """``az aks nodepool add`` with a faster VM size; the size of an existing node pool cannot be changed."""
    return command(
        *("az", "aks", "nodepool", "add", *resource_options(cluster.id), "--cluster-name", cluster.name),
        *("--name", "<new pool>", "--node-vm-size", "Standard_D8ds_v5", "--node-osdisk-type", "Ephemeral"),
    )


def disable_artifact_streaming(cluster: Cluster, pool: str) -> str:
    """``az aks nodepool update --disable-artifact-streaming``: nodes pull from registries again, not from a mirror."""
    return command(
        *("az", "aks", "nodepool", "update", *resource_options(cluster.id), "--cluster-name", cluster.name),
        *("--name", pool, "--disable-artifact-streaming"),
    )


def _cluster_command(verb: str, cluster: Cluster) -> tuple[str, ...]:
    return ("az", "aks", verb, *resource_options(cluster.id), "--name", cluster.name)
