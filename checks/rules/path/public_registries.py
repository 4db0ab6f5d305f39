"""Registries that serve everybody on the internet, and what network rules see of them.

Sources: learn.microsoft.com/azure/virtual-network/service-tags-overview (MicrosoftContainerRegistry depends on
AzureFrontDoor.FirstParty), learn.microsoft.com/azure/container-registry/container-registry-firewall-access-rules.
"""

from __future__ import annotations

from checks.rules.path.destinations import CLOUD_TAG, MICROSOFT_REGISTRY_TAG, Destination

MICROSOFT = "mcr.microsoft.com"
# Registries that allow every pull without credentials.
ANONYMOUS = frozenset({MICROSOFT, "registry.k8s.io", "public.ecr.aws"})
# A host of another name may be inside a company's network, where what leads to the internet says nothing.
ON_THE_INTERNET = ANONYMOUS | {
    *("docker.io", "ghcr.io", "quay.io", "gcr.io", "nvcr.io", "lscr.io", "docker.elastic.co", "registry.gitlab.com"),
}
_FRONT_DOOR_TAG = "azurefrontdoor"


def destinations(host: str) -> tuple[Destination, ...]:
    """What nodes connect to when they pull from a registry on the internet: the registry, and where it has its own
    service tag the hosts of its layers."""
    if host != MICROSOFT:
        return (Destination(what=host, host=host),)
    layers = "*.data.mcr.microsoft.com"
    return (
        Destination(
            what=host,
            host=host,
            tags=(MICROSOFT_REGISTRY_TAG,),
            maybe_tags=(_FRONT_DOOR_TAG, CLOUD_TAG),
            allow="MicrosoftContainerRegistry",
        ),
        Destination(
            what=f"the layers ({layers})",
            host=layers.removeprefix("*."),
            maybe_tags=(_FRONT_DOOR_TAG, MICROSOFT_REGISTRY_TAG, CLOUD_TAG),
            allow="AzureFrontDoor.FirstParty",
        ),
    )
