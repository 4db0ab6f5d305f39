"""The nodes' identity and one registry: what the reads that were made say, joined as they depend on each other.

The direct assignments answer first; those through groups are looked at where the direct ones do not grant, and which
deny assignments reach the identity through groups only where one that names groups would matter.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.facts import (
    Authorization,
    Cluster,
    ClusterFacts,
    ContainerImage,
    NotSeen,
    Registry,
    RoleAssignment,
    Seen,
    subscription_of,
)
from checks.rules import images
from checks.rules.access import rbac


def is_service_principal(cluster: Cluster) -> bool:
    """Whether nodes sign in as a service principal. Managed-identity clusters show "msi" for one, or an old id."""
    return cluster.kubelet is None and not cluster.has_identity and bool(cluster.service_principal_client_id)


class AuthorizationReads(msgspec.Struct, frozen=True, kw_only=True):
    """The reads about one registry's subscription; None: not asked (yet)."""

    authorization: Authorization
    groups: Seen[tuple[RoleAssignment, ...]] | NotSeen | None = None
    denies: Seen[frozenset[str]] | NotSeen | None = None


def repositories_of(found: Iterable[ContainerImage]) -> tuple[str, ...]:
    """The repositories that images come from; an invalid reference names none, for nodes refuse it themselves."""
    parsed = (images.parse(text) for text in {image.image for image in found})
    return tuple(sorted({reference.repository for reference in parsed if reference is not None}))


def authorization_reads(facts: ClusterFacts, registry: Registry) -> AuthorizationReads | None:
    """What was read for a registry, or None where its subscription was not looked at."""
    key = subscription_of(registry.id)
    authorization = facts.authorization.get(key)
    if authorization is None:
        return None
    return AuthorizationReads(
        authorization=authorization,
        groups=facts.through_groups.get(key),
        denies=facts.denies_through_groups.get(key),
    )


def decide(
    principal_id: str, registry: Registry, asked: AuthorizationReads, repositories: tuple[str, ...]
) -> rbac.Decision | NotSeen:
    """Whether the identity may pull, or the read whose failure leaves it open."""
    decision = _roles(principal_id, registry, asked, repositories)
    if isinstance(decision, NotSeen):
        return decision
    denies = asked.authorization.denies
    if isinstance(decision, rbac.Granted):
        if isinstance(denies, NotSeen):
            return denies
        if denies.partial:
            return rbac.Undetermined(f"deny assignments: {denies.partial}", "deny-undetermined")
    if wants_denies(decision) and isinstance(asked.denies, NotSeen):
        return asked.denies
    return decision


def wants_groups(decision: rbac.Decision | NotSeen) -> bool:
    """Whether assignments through groups could change the answer."""
    if isinstance(decision, rbac.Undetermined):
        return decision.cause in ("condition", "role-definition-unreadable", "assignments-unreadable")
    return isinstance(decision, rbac.NotGranted | rbac.Partial)


def wants_denies(decision: rbac.Decision | NotSeen) -> bool:
    """Whether a deny assignment for a group would forbid what a role grants, and Azure was not asked about it."""
    return isinstance(decision, rbac.Undetermined) and decision.cause == rbac.DENY_THROUGH_GROUP


def _roles(
    principal_id: str, registry: Registry, asked: AuthorizationReads, repositories: tuple[str, ...]
) -> rbac.Decision | NotSeen:
    assignments, definitions = asked.authorization.assignments, asked.authorization.definitions
    if isinstance(assignments, NotSeen):
        return assignments
    if isinstance(definitions, NotSeen):
        return definitions
    denies = () if isinstance(asked.authorization.denies, NotSeen) else asked.authorization.denies.value

    def over(held: Seen[tuple[RoleAssignment, ...]], *, via_groups: bool) -> rbac.Decision:
        decision = rbac.decide(
            principal_id,
            registry.id,
            registry.role_assignment_mode,
            held.value,
            definitions.value,
            denies,
            via_groups=via_groups,
            repositories=repositories,
            reaching_denies=asked.denies.value if isinstance(asked.denies, Seen) else None,
        )
        if held.partial and isinstance(decision, rbac.NotGranted | rbac.Partial):
            return rbac.Undetermined(f"role assignments: {held.partial}", "assignments-unreadable")
        return decision

    direct = over(assignments, via_groups=False)
    if not wants_groups(direct) or asked.groups is None:
        return direct
    return asked.groups if isinstance(asked.groups, NotSeen) else over(asked.groups, via_groups=True)
