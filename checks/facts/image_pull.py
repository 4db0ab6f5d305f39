"""Pulls by the identities of service accounts (``serviceAccountImagePullProfile``), where a cluster has them on."""

from __future__ import annotations

import msgspec

from checks.facts.observation import NotSeen, NotSeenReason, Seen

# On a ServiceAccount: the client id of the managed identity that its pods pull with.
CLIENT_ID_ANNOTATION = "kubernetes.azure.com/acr-client-id"


class ImagePullProfile(msgspec.Struct, frozen=True, kw_only=True):
    """``properties.securityProfile.serviceAccountImagePullProfile``, which only preview api-versions show.

    ``default_identity`` is the resource id of the identity for service accounts without an annotation.
    """

    enabled: bool = False
    default_identity: str | None = None


class IdentityBinding(msgspec.Struct, frozen=True, kw_only=True):
    """One of a cluster's identity bindings (api 2026-08-01): a managed identity that its pods may sign in as."""

    resource_id: str | None = None
    client_id: str | None = None
    object_id: str | None = None


class ServiceAccountPulls(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a cluster's pulls by service accounts.

    ``profile`` NotSeen with NOT_APPLICABLE: the cloud does not offer the api-version that shows it. ``bindings`` and
    ``client_ids`` (annotations by "namespace/name") are None where they were not asked for.
    """

    profile: Seen[ImagePullProfile] | NotSeen
    bindings: Seen[tuple[IdentityBinding, ...]] | NotSeen | None = None
    client_ids: Seen[dict[str, str]] | NotSeen | None = None

    @property
    def enabled(self) -> bool:
        """Whether the profile was seen to be enabled."""
        return isinstance(self.profile, Seen) and self.profile.value.enabled

    @property
    def possible(self) -> bool:
        """Whether it is enabled, or could not be read where it may be."""
        if isinstance(self.profile, NotSeen):
            return self.profile.why is not NotSeenReason.NOT_APPLICABLE
        return self.enabled
