"""Which clusters pull with the identities of service accounts, and which identities those may use.

The profile is shown by preview api-versions alone, so a subscription's clusters are listed once more, whichever of
them asks first; a cloud that does not offer the version answers 400. Identity bindings are asked for only where the
profile is enabled. Source: Microsoft.ContainerService 2026-08-02-preview and 2026-08-01 (managed clusters,
identityBindings).
"""

from __future__ import annotations

from typing import Any

from checks.collect.arm import bodies, reads
from checks.collect.arm.bodies import GUID
from checks.collect.arm.client import Azure
from checks.collect.arm.inventory import Inventory
from checks.collect.wire.errors import CollectError, NotFound, Temporary
from checks.facts import Cluster, NotSeen, NotSeenReason, Seen, subscription_of
from checks.facts.image_pull import IdentityBinding, ImagePullProfile

PREVIEW_API = "2026-08-02-preview"
BINDINGS_API = "2026-08-01"
_CLUSTERS = "providers/Microsoft.ContainerService/managedClusters"


async def profile(azure: Azure, inventory: Inventory, cluster: Cluster) -> Seen[ImagePullProfile] | NotSeen:
    """A cluster's profile; NotSeen with NOT_APPLICABLE where the cloud does not offer the api-version."""
    subscription = subscription_of(cluster.id)

    async def reading() -> Seen[dict[str, ImagePullProfile]] | NotSeen:
        try:
            return await _profiles(azure, subscription)
        except CollectError as error:
            if isinstance(error, NotFound) or (isinstance(error, Temporary) and error.rejected):
                why = f"Azure Resource Manager does not offer the api-version {PREVIEW_API} of managed clusters here"
                return NotSeen(NotSeenReason.NOT_APPLICABLE, why)
            return error.as_gap()

    listed = await inventory.image_pull_profiles.get(subscription, reading)
    if isinstance(listed, NotSeen):
        return listed
    found = listed.value.get(cluster.id.rstrip("/").lower())
    if found is None:
        why = f"the list of managed clusters at api-version {PREVIEW_API} shows no readable profile of this cluster"
        return NotSeen(NotSeenReason.ERROR, why)
    return Seen(found, listed.evidence)


async def bindings(azure: Azure, cluster: Cluster) -> Seen[tuple[IdentityBinding, ...]] | NotSeen:
    """The identity bindings of a cluster."""

    async def reading() -> Seen[tuple[IdentityBinding, ...]]:
        path = f"{cluster.id}/identityBindings"
        listing = await reads.raw_list(azure, path, BINDINGS_API, "identity bindings", cluster.id)
        found = tuple(binding for body in listing.items if (binding := _binding(body)) is not None)
        return Seen(found, listing.evidence, reads.unreadable(listing.items, found))

    return await reads.seen(reading())


async def _profiles(azure: Azure, subscription: str) -> Seen[dict[str, ImagePullProfile]]:
    scope = f"/subscriptions/{subscription}"
    listing = await reads.raw_list(azure, f"{scope}/{_CLUSTERS}", PREVIEW_API, "managed clusters", scope)
    found = {}
    for body in listing.items:
        resource_id, one = bodies.text(body, "id"), _profile(body)
        if resource_id and one is not None:
            found[resource_id.rstrip("/").lower()] = one
    return Seen(found, listing.evidence)


def _profile(body: Any) -> ImagePullProfile | None:
    """None for one that cannot be read: half of it would make pods look as if they pulled with no identity."""
    shown = bodies.get(body, "properties", "securityProfile", "serviceAccountImagePullProfile")
    if shown is None:
        return ImagePullProfile()
    enabled, identity = bodies.get(shown, "enabled"), bodies.get(shown, "defaultManagedIdentityId")
    if not isinstance(shown, dict) or not isinstance(enabled, bool | None) or not isinstance(identity, str | None):
        return None
    return ImagePullProfile(enabled=bool(enabled), default_identity=bodies.text(shown, "defaultManagedIdentityId"))


def _binding(body: Any) -> IdentityBinding | None:
    identity = bodies.get(body, "properties", "managedIdentity")
    if not isinstance(identity, dict):
        return None
    object_id = bodies.text(identity, "objectId")  # it becomes part of a filter
    return IdentityBinding(
        resource_id=bodies.text(identity, "resourceId"),
        client_id=bodies.text(identity, "clientId"),
        object_id=object_id if object_id and GUID.fullmatch(object_id) else None,
    )
