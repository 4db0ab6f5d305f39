"""A cluster whose pods pull with the identities of their service accounts, for tests of the checks about access."""

from __future__ import annotations

from typing import Any

from checks.facts import ClusterFacts, ContainerImage, NotSeen, Seen
from checks.facts.image_pull import IdentityBinding, ImagePullProfile, ServiceAccountPulls
from tests.support.access_facts import GROUP, seen
from tests.support.image_facts import container, facts

DEFAULT_ID = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pullers"
DEFAULT_OBJECT = "bbbbbbbb-0000-4000-8000-000000000001"
TEAM_CLIENT, TEAM_OBJECT = "cccccccc-0000-4000-8000-00000000000c", "cccccccc-0000-4000-8000-000000000001"
BINDINGS = (
    IdentityBinding(resource_id=DEFAULT_ID, client_id="bbbbbbbb-0000-4000-8000-00000000000c", object_id=DEFAULT_OBJECT),
    IdentityBinding(resource_id=f"{DEFAULT_ID}-team", client_id=TEAM_CLIENT, object_id=TEAM_OBJECT),
)


def pulls(
    *, default: str | None = DEFAULT_ID, enabled: bool = True, client_ids: Any = None, bindings: Any = BINDINGS
) -> ServiceAccountPulls:
    """What was read of a cluster with the profile; ``client_ids`` and ``bindings`` are values, or a gap."""
    accounts = client_ids or {}
    return ServiceAccountPulls(
        profile=seen(ImagePullProfile(enabled=enabled, default_identity=default)),
        bindings=bindings if isinstance(bindings, NotSeen) else seen(bindings),
        client_ids=accounts if isinstance(accounts, NotSeen | Seen) else seen(accounts),
    )


def account_facts(*pods: ContainerImage, image_pull: ServiceAccountPulls | None = None, **over: Any) -> ClusterFacts:
    """A cluster with these pods, or one of the namespace's default account."""
    return facts(*(pods or (container(),)), image_pull=image_pull or pulls(), **over)
