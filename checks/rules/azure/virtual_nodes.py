"""Virtual nodes: pods that Azure Container Instances runs, not a kubelet of the cluster.

The add-on (``aciConnectorLinux``) pulls with the pod's imagePullSecrets only; Microsoft Entra identities are not
supported. It reports a failure as the pod's own reason, "ProviderFailed", without any container status. Virtual nodes
on Azure Container Instances (the Helm chart, "v2") pull with an identity of their own.

Sources: "Virtual nodes in AKS"; virtual-kubelet/azure-aci (pkg/provider/aci.go, podsTracker.go);
microsoft/virtualnodesOnAzureContainerInstances (README, Docs/NodeCustomizations.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from checks.facts import ContainerImage
from checks.rules import images

ACI, V2 = "aci", "v2"
PROVIDER_FAILED = "ProviderFailed"
POOL = "virtual-nodes"  # in place of a node pool's name, which has no hyphen
_NODE_NAME = "virtual-node-aci-"
_NO_ACCESS, _REGISTRY_FAILED = "InaccessibleImage", "RegistryErrorResponse"
_GOES_ON = "_.-/@:"


def virtual_kind(node: str | None, selector: Mapping[str, str] | None) -> str | None:
    """``ACI`` or ``V2`` for a pod on a virtual node, by its node's name or the selector that leads there."""
    if selector:
        if selector.get("virtualization") == "virtualnode2":
            return V2
        if selector.get("type") == "virtual-kubelet":
            return ACI
    return ACI if node and node.startswith(_NODE_NAME) else None


def kind_of(container: ContainerImage) -> str | None:
    """``ACI`` or ``V2`` for a container on a virtual node, else None."""
    return container.virtual or virtual_kind(container.node, None)


def is_refused(text: str) -> bool:
    """Whether Azure Container Instances says that it may not read the image, or that there is none."""
    return _NO_ACCESS in text


def failed_images(text: str, pulled: Iterable[str]) -> frozenset[str]:
    """Those of a pod's images that the provider's text says it could not pull; none where it is about other things."""
    if _NO_ACCESS not in text and _REGISTRY_FAILED not in text:
        return frozenset()
    named = frozenset(pulled)
    by_image = frozenset(image for image in named if _names(text, image))
    by_host = frozenset(image for image in named if (host := images.host_of(image)) and _names(text, host))
    return by_image or by_host or (named if len(named) == 1 else frozenset())


def _names(text: str, word: str) -> bool:
    """Whether a text names just this: "web:1" is no part of "web:10", nor "acr.azurecr.io" of another host."""
    before, after = rf"(?<![\w{re.escape(_GOES_ON)}])", r"(?![\w/@-]|[.:]\w)"
    return bool(word) and re.search(before + re.escape(word) + after, text) is not None
