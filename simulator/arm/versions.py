"""Which properties a body shows depends on the api-version asked with; the folder always holds the full truth.

registries `properties.roleAssignmentMode`: since 2025-03-01-preview in previews, since 2025-11-01 in stable ones.
registries `properties.networkRuleSet.virtualNetworkRules`: 2017-10-01, 2019-05-01, the previews from 2019-12-01 to
2021-08-01, 2021-12-01-preview and 2026-09-01-preview; nowhere between or after.
managedClusters `properties.securityProfile.serviceAccountImagePullProfile`: previews from 2026-08-02-preview on.
denyAssignments `properties.denyAssignmentEffect`: 2024-07-01-preview.
roleAssignments `properties.principalType`: not at 2015-07-01.

What has a call of its own may stand inside its parent's file, and is no part of the parent's body at any version: see
OWN_CALL (azure-mgmt-network 33.1.0 and azure-mgmt-dnsresolver 1.1.0 know no such properties).
"""

from __future__ import annotations

from typing import Any

from simulator.arm.resources import Resource
from simulator.responses import encode

REGISTRY = "microsoft.containerregistry/registries"
CLUSTER = "microsoft.containerservice/managedclusters"
OWN_CALL = {
    CLUSTER: ("identityBindings",),
    "microsoft.network/privateendpoints": ("privateDnsZoneGroups",),
    "microsoft.network/virtualhubs": ("hubVirtualNetworkConnections", "hubRouteTables", "routingIntent"),
    "microsoft.network/dnsforwardingrulesets": ("forwardingRules", "virtualNetworkLinks"),
    "microsoft.network/dnsresolvers": ("inboundEndpoints", "outboundEndpoints"),
    "microsoft.network/networkmanagers": ("connectivityConfigurations", "networkGroups"),
}


_IMAGE_PULL_PROFILE = "securityProfile.serviceAccountImagePullProfile"


def shows_role_assignment_mode(version: str) -> bool:
    return version[:10] >= ("2025-03-01" if version.endswith("preview") else "2025-11-01")


def shows_virtual_network_rules(version: str) -> bool:
    if version in {"2017-10-01", "2019-05-01", "2021-12-01-preview", "2026-09-01-preview"}:
        return True
    return version.endswith("preview") and "2019-12-01" <= version[:10] <= "2021-08-01"


def shows_image_pull_profile(version: str) -> bool:
    return version.endswith("preview") and version[:10] >= "2026-08-02"


def hidden(kind: str, version: str) -> tuple[str, ...]:
    """Dotted places below `properties` that a type (lower case) does not show at an api-version."""
    version = version.lower()
    if kind == REGISTRY:
        mode = () if shows_role_assignment_mode(version) else ("roleAssignmentMode",)
        rules = () if shows_virtual_network_rules(version) else ("networkRuleSet.virtualNetworkRules",)
        return mode + rules
    if kind == CLUSTER:
        return OWN_CALL[kind] + (() if shows_image_pull_profile(version) else (_IMAGE_PULL_PROFILE,))
    if kind == "microsoft.authorization/denyassignments" and version != "2024-07-01-preview":
        return ("denyAssignmentEffect",)
    if kind == "microsoft.authorization/roleassignments" and version == "2015-07-01":
        return ("principalType",)
    return OWN_CALL.get(kind, ())


def _without(value: Any, path: list[str]) -> Any:
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: item for name, item in value.items() if name != path[0]}
    return {**value, path[0]: _without(value[path[0]], path[1:])}


def body_at(kind: str, body: dict[str, Any], version: str) -> dict[str, Any]:
    shown = body
    for path in hidden(kind, version):
        shown = _without(shown, ["properties", *path.split(".")])
    return shown


def encoded_at(resource: Resource, version: str) -> bytes:
    """A resource's body as it is sent; encoded once for each set of hidden properties."""
    what = ",".join(hidden(resource.kind, version))
    if what not in resource.encoded:
        resource.encoded[what] = encode(body_at(resource.kind, resource.body, version))
    return resource.encoded[what]
