"""What pulls fail by on virtual nodes, and what helps there: Azure Container Instances pulls, not a node.

Its words settle less than kubelet's: "InaccessibleImage" (HTTP 400) is a missing credential or a missing image, and
"RegistryErrorResponse" (HTTP 409) a registry behind a firewall or a private endpoint, or one in trouble. Sources:
"Virtual nodes in AKS", "Troubleshoot common issues in Azure Container Instances", Azure/acr#524.
"""

from __future__ import annotations

from checks.facts import ContainerImage, Registry
from checks.rules import images, registry_names
from checks.rules.azure import virtual_nodes
from checks.rules.fixes import az_acr, kubectl, shell
from checks.rules.path.registry_firewall import PublicAccess, public_access
from checks.rules.pull.errors import CREDENTIALS, Classified, PullErrorCause

WHO_PULLS = "On a virtual node Azure Container Instances pulls, with the pod's pull secrets alone."
_MAX_EVIDENCE = 200


def classify(container: ContainerImage, text: str) -> Classified:
    """The cause in a provider's text, as far as it shows; what the registry's own settings add, ``settled`` does."""
    cause, rule = PullErrorCause.REGISTRY_ERROR, "virtual-node-registry-error"
    if virtual_nodes.is_refused(text):
        rule, cause = "virtual-node-inaccessible", PullErrorCause.UNKNOWN
        if registry_names.is_azure(images.host_of(container.image) or ""):
            cause = PullErrorCause.UNAUTHORIZED if container.pull_secrets else PullErrorCause.CREDENTIALS_MISSING
    return Classified(cause, rule, text[:_MAX_EVIDENCE])


def settled(classified: Classified, registry: Registry | None) -> Classified:
    """The cause with what Azure Resource Manager shows of the registry."""
    if registry is None:
        return classified
    if classified.cause is PullErrorCause.REGISTRY_ERROR and public_access(registry) is not PublicAccess.ALL:
        return Classified(PullErrorCause.FIREWALL_DENIED, "virtual-node-firewall", classified.evidence)
    if classified.cause in CREDENTIALS and registry.anonymous_pull:  # then it is the image that is missing, or not
        return Classified(PullErrorCause.UNKNOWN, classified.rule, classified.evidence)
    return classified


def remedy(cause: PullErrorCause, container: ContainerImage, host: str, registry: Registry | None) -> tuple[str, ...]:
    """The steps for a cause, of which none is a role: virtual nodes have no use for one."""
    look = kubectl.describe_pod(container.namespace, container.pod)
    if cause in CREDENTIALS:
        return (
            shell.note("A virtual node pulls with the pod's pull secrets only: give the pod one that holds."),
            *kubectl.create_pull_secret(container.namespace, "<new name>", host, replace=False),
        )
    if cause is PullErrorCause.FIREWALL_DENIED:
        return (
            shell.note(
                f"Azure Container Instances does not get past the firewall or private endpoint of {host}: either run "
                "the pod on a node pool (without the virtual node's nodeSelector and toleration), or use a registry "
                "that is open to it."
            ),
            look,
        )
    return (az_acr.check_health(registry), look) if registry is not None else (look,)
