"""What helps against a failed pull, by its cause: one or two steps, which look or add and never take away.

A line that begins with "#" is for a person to read; "either … or" separates alternatives. Sources: "Troubleshoot Azure
Container Registry" pages on login, network and performance, "Pull an image from a private registry" (Kubernetes).
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

import msgspec

from checks.facts import Cluster, ContainerImage, Registry
from checks.rules import images, registry_names
from checks.rules.azure.node_pools import pool_of
from checks.rules.fixes import az_acr, az_aks, az_network, az_roles, kubectl, shell
from checks.rules.path.registry_firewall import PublicAccess, public_access
from checks.rules.pull import mirrors
from checks.rules.pull.errors import CREDENTIALS, PullErrorCause, denied_address

Commands = tuple[str, ...]


# Stands for the cluster in commands where only a text is known.
UNNAMED_CLUSTER = Cluster(
    id="/subscriptions/<subscription>/resourceGroups/<resource group>/providers/Microsoft.ContainerService"
    "/managedClusters/<cluster>",
    name="<cluster>",
)


class PullContext(msgspec.Struct, frozen=True):
    """Where a pull failed: the container that waits, its image's host, and the registry where ARM has it.

    ``cluster`` is UNNAMED_CLUSTER where Azure was not looked at, because only a text is known.
    """

    cluster: Cluster
    container: ContainerImage
    host: str
    registry: Registry | None
    text: str


def remedy(cause: PullErrorCause, context: PullContext) -> Commands:
    """The steps for a cause; a look at the pod where nothing says more."""
    mirror = mirrors.mirror_in(context.text, context.host)
    if mirror and (cause in CREDENTIALS or not registry_names.is_azure(mirror)):
        return _mirror(context, mirror)
    steps = _STEPS.get(cause)
    return steps(context) if steps is not None else _describe(context)


def open_firewall(registry: Registry, text: str) -> Commands:
    """The rule for the address the registry saw, if the error names it (containerd's HEAD gets none). A private
    address, or a registry that is closed, takes no such rule."""
    address = denied_address(text)
    closed = public_access(registry) is PublicAccess.NOBODY
    if closed or (address and not ip_address(address).is_global):
        return (az_network.list_endpoint_connections(registry.id),)
    if address is None:
        return (az_acr.list_network_rules(registry), az_network.list_endpoint_connections(registry.id))
    return (az_acr.allow_address(registry, address),)


def _describe(context: PullContext) -> Commands:
    return (kubectl.describe_pod(context.container.namespace, context.container.pod),)


def _of_others(context: PullContext) -> str:
    """What to think of an Azure registry that was not read; "" where it was, or is no Azure registry. Ends in "; ".

    It may be another organization's, so nothing is proposed that only its owner can do: a role, a network rule, a SKU.
    """
    if context.registry is not None or not registry_names.is_azure(context.host):
        return ""
    if context.cluster is UNNAMED_CLUSTER:
        return f"Only this text was looked at. If {context.host} is yours, ask Azure with pullwatch scan; "
    return f"Pullwatch could not read {context.host} in Azure. If it is yours, give Pullwatch Reader there; "


def _unauthorized(context: PullContext) -> Commands:
    if context.registry is not None:
        return (az_aks.check_acr(context.cluster, context.registry.login_server),)
    others = _of_others(context)
    if others:
        note = shell.note(f"{others}else ask its owner for a token (az acr token create).")
        return (*_ask_a_node(context), note, *_pull_secret(context))
    return _pull_secret(context)


def _ask_a_node(context: PullContext) -> Commands:
    """A first look at an Azure registry, for whoever has only a text."""
    return (az_aks.check_acr(context.cluster, context.host),) if context.cluster is UNNAMED_CLUSTER else ()


def _pull_secret(context: PullContext) -> Commands:
    namespace = context.container.namespace
    named = next((name.partition("/")[2] or name for name in context.container.pull_secrets), "")
    renewed = f"Either renew the pull secret {named} that the pod names, or give its service account one:"
    return (
        *_connected_registry(context),
        shell.note(renewed if named else "Give the pod, or its service account, a pull secret:"),
        *kubectl.create_pull_secret(namespace, "<new name>", context.host, replace=False),
    )


def _connected_registry(context: PullContext) -> Commands:
    """What differs at a connected registry, which images name by an address in the network."""
    if not mirrors.is_in_network(context.host):
        return ()
    return (shell.note("If it is a connected registry: it takes its client tokens, never the nodes' identity."),)


def _firewall(context: PullContext) -> Commands:
    if context.registry is not None:
        return open_firewall(context.registry, context.text)
    others, address = _of_others(context), denied_address(context.text)
    if others:
        seen_as = f", which it sees as {address}," if address else ""
        ask = f"else ask its owner to let the nodes{seen_as} through its firewall, or to approve a private endpoint."
        return (shell.note(others + ask),)
    return _connection(context)


def _dns(context: PullContext) -> Commands:
    return (
        shell.look_up_host(context.host),
        "# On a node the answer may differ: PW204 says which zone its network uses.",
    )


def _connection(context: PullContext) -> Commands:
    opened = shell.note(f"Open TCP 443 from the nodes to {context.host} and to the hosts that its layers come from.")
    if context.registry is not None:
        return (opened, az_aks.check_acr(context.cluster, context.registry.login_server))
    return (opened,)


def _tls(context: PullContext) -> Commands:
    return (
        shell.note(f"Either renew the certificate of {context.host}, or let nodes trust the device that inspects TLS:"),
        az_aks.trust_certificates(context.cluster),
    )


def _proxy(context: PullContext) -> Commands:
    return (
        shell.note(f"Either allow {context.host} at the proxy, or name it in noProxy (nodes are reimaged):"),
        az_aks.change_proxy(context.cluster),
    )


def _not_found(context: PullContext) -> Commands:
    parsed = images.parse(context.container.image)
    if context.registry is not None and parsed is not None:
        shown = az_acr.show_image(context.registry, parsed.repository, parsed.tag or parsed.digest or "latest")
        return (shown, "# If it is not there: push it, or correct the image's name or tag.")
    return (shell.note(f"Push {context.container.image}, or correct its name or tag."),)


def _manifest(context: PullContext) -> Commands:
    parsed = images.parse(context.container.image)
    wanted = "# Build the image for the nodes' platform, or select nodes by kubernetes.io/os and kubernetes.io/arch."
    if context.registry is not None and parsed is not None:
        return (az_acr.list_manifests(context.registry, parsed.repository), wanted)
    return (wanted,)


def _rate(context: PullContext) -> Commands:
    if context.registry is not None:
        return (az_acr.show_usage(context.registry),)
    if others := _of_others(context):
        ask = "else ask its owner for a higher SKU, or pull through a cache rule of an own registry:"
        return (shell.note(others + ask), az_acr.cache_upstream(context.container.image))
    return (
        shell.note(f"Either pull through a cache rule of an own registry; {context.host} may need credentials:"),
        az_acr.cache_upstream(context.container.image),
        "# or sign in with a pull secret, which has a limit of its own:",
        *kubectl.create_pull_secret(context.container.namespace, "<new name>", context.host, replace=False),
    )


def _registry(context: PullContext) -> Commands:
    if context.registry is not None:
        return (az_acr.check_health(context.registry),)
    if others := _of_others(context):
        return (shell.note(f"{others}else ask its owner. kubelet tries again by itself."),)
    return (shell.note(f"{context.host} has an error of its own: see its status page. kubelet tries again by itself."),)


def _interrupted(context: PullContext) -> Commands:
    retried = (
        "# kubelet tries again by itself. Where one node alone fails, replace it; else a proxy or firewall cuts layers."
    )
    return (retried, *_describe(context))


def _disk(context: PullContext) -> Commands:
    node = context.container.node
    return (kubectl.describe_node(node),) if node else _describe(context)


def _mirror(context: PullContext, mirror: str) -> Commands:
    """What failed is asked before the registry: nothing about the registry has to be repaired."""
    if registry_names.is_azure(mirror):
        return (
            shell.note(
                f"Nodes send {mirror} what they have for {context.host}: either give the pod a pull secret for "
                f"{context.host} that holds a token of {mirror}, or let {mirror} be pulled from anonymously:"
            ),
            *kubectl.create_pull_secret(context.container.namespace, "<new name>", context.host, replace=False),
        )
    settings = f"/etc/containerd/certs.d/{context.host}/hosts.toml on the nodes"
    if not mirrors.is_on_node(mirror):
        peer = " (a peer's, such as Spegel's, or a registry in the network)" if mirrors.is_in_network(mirror) else ""
        return (
            shell.note(f"Either repair the mirror {mirror}{peer}, or take it out of {settings}."),
            *_describe(context),
        )
    if mirrors.is_artifact_streaming(mirror):
        pool = pool_of(context.container.node, context.cluster.pools)
        return (
            shell.note(f"{mirror} is artifact streaming, on the node: either replace the node, or turn it off:"),
            az_aks.disable_artifact_streaming(context.cluster, pool.name if pool else "<node pool>"),
            *_disk(context),
        )
    return (
        shell.note(
            f"{mirror} is on the node: either replace the node, or repair what listens there (Spegel, Dragonfly), or "
            f"take it out of {settings}."
        ),
        *_disk(context),
    )


def _reference(context: PullContext) -> Commands:
    return (
        shell.note(f"Correct the image reference {context.container.image}: lower case, no scheme, one tag or digest."),
    )


def _policy(context: PullContext) -> Commands:
    return (az_roles.list_policy_assignments(context.cluster), *_describe(context))


_STEPS: dict[PullErrorCause, Callable[[PullContext], Commands]] = {
    PullErrorCause.UNAUTHORIZED: _unauthorized,
    PullErrorCause.CREDENTIALS_EXPIRED: _pull_secret,
    PullErrorCause.CREDENTIALS_MISSING: _pull_secret,
    PullErrorCause.FIREWALL_DENIED: _firewall,
    PullErrorCause.DNS: _dns,
    PullErrorCause.CONNECT_TIMEOUT: _connection,
    PullErrorCause.CONNECT_REFUSED: _connection,
    PullErrorCause.TLS: _tls,
    PullErrorCause.PROXY: _proxy,
    PullErrorCause.IMAGE_NOT_FOUND: _not_found,
    PullErrorCause.INVALID_REFERENCE: _reference,
    PullErrorCause.PLATFORM_MISMATCH: _manifest,
    PullErrorCause.UNSUPPORTED_MANIFEST: _manifest,
    PullErrorCause.RATE_LIMITED: _rate,
    PullErrorCause.REGISTRY_ERROR: _registry,
    PullErrorCause.CORRUPT_OR_INTERRUPTED: _interrupted,
    PullErrorCause.NODE_DISK: _disk,
    PullErrorCause.POLICY: _policy,
}
