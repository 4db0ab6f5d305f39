"""Whether the kubelet identity may pull from one registry, decided from the reads that were made.

Direct role assignments come first; those through groups are evaluated only if the direct ones do not grant the pull,
and the deny assignments that reach the identity through groups only if one that names groups could block the pull.
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
from checks.rules import images, visibility
from checks.rules.access import rbac


def is_service_principal(cluster: Cluster) -> bool:
    """Whether nodes sign in as a service principal. Managed-identity clusters show "msi" as its id, or an old id."""
    return cluster.kubelet is None and not cluster.has_identity and bool(cluster.service_principal_client_id)


def identity_noun(cluster: Cluster) -> str:
    """What nodes sign in as, in a sentence: "kubelet identity" or "service principal"."""
    return "service principal" if is_service_principal(cluster) else "kubelet identity"


class AuthorizationReads(msgspec.Struct, frozen=True, kw_only=True):
    """What was read about one registry's subscription; None: not read (yet).

    ``hidden`` says why the role assignments that were listed may not be all, ``hidden_denies`` the same of the deny
    assignments; ``delegated``: the subscription is another tenant's, seen through Azure Lighthouse.
    """

    authorization: Authorization
    groups: Seen[tuple[RoleAssignment, ...]] | NotSeen | None = None
    denies: Seen[frozenset[str]] | NotSeen | None = None
    hidden: NotSeen | None = None
    hidden_denies: NotSeen | None = None
    delegated: bool = False


def repositories_of(containers: Iterable[ContainerImage]) -> tuple[str, ...]:
    """The repositories of images; an invalid reference names none, because nodes reject it themselves."""
    parsed = (images.parse(text) for text in {container.image for container in containers})
    return tuple(sorted({reference.repository for reference in parsed if reference is not None}))


def reads_key(subscription: str, principal_id: str = "") -> str:
    """The key of what was asked of one identity in a subscription: the subscription alone for the kubelet identity."""
    return f"{subscription}|{principal_id.lower()}" if principal_id else subscription


def authorization_reads(facts: ClusterFacts, registry: Registry, account: str = "") -> AuthorizationReads | None:
    """What was read about a registry's subscription, or None if that subscription was not read.

    ``account``: the object id of a service account's identity that pulls instead of the kubelet identity.
    """
    key = subscription_of(registry.id)
    asked = reads_key(key, account)
    authorization = facts.authorization.get(key)
    if authorization is None:
        return None
    return AuthorizationReads(
        authorization=authorization,
        groups=facts.through_groups.get(asked),
        denies=facts.denies_through_groups.get(asked),
        hidden=visibility.hidden_in(facts.visibility, key, visibility.ROLE_ASSIGNMENTS),
        hidden_denies=visibility.hidden_in(facts.visibility, key, visibility.DENY_ASSIGNMENTS),
        delegated=key in facts.visibility.delegated,
    )


def decide(
    principal_id: str, registry: Registry, reads: AuthorizationReads, repositories: tuple[str, ...]
) -> rbac.Decision | NotSeen:
    """Whether the identity may pull, or the failed read that leaves it undetermined."""
    decision = _roles(principal_id, registry, reads, repositories)
    if isinstance(decision, NotSeen):
        return decision
    if isinstance(decision, rbac.NotGranted | rbac.Partial):
        return _unless_hidden(decision, reads)
    denies = reads.authorization.denies
    if isinstance(decision, rbac.Granted):
        if isinstance(denies, NotSeen):
            return denies
        if denies.partial:
            return rbac.Undetermined(f"deny assignments: {denies.partial}", "deny-undetermined")
        if reads.hidden_denies is not None:
            return reads.hidden_denies
    if needs_denies(decision) and isinstance(reads.denies, NotSeen):
        return reads.denies
    return decision


def _unless_hidden(decision: rbac.NotGranted | rbac.Partial, reads: AuthorizationReads) -> rbac.Decision | NotSeen:
    """A role that is missing from the list is missing only where the list shows every assignment.

    Across Azure Lighthouse it shows none of the customer's tenant, whatever the caller may read. Source: "List Azure
    role assignments using the REST API", note.
    """
    if reads.delegated:
        return rbac.Undetermined(
            "the subscription is seen through Azure Lighthouse, which does not show its own tenant's role assignments",
            "assignments-delegated",
        )
    return reads.hidden or decision


def needs_groups(decision: rbac.Decision | NotSeen) -> bool:
    """Whether role assignments through groups could change the decision."""
    if isinstance(decision, rbac.Undetermined):
        return decision.cause in ("condition", "role-definition-unreadable", "assignments-unreadable")
    return isinstance(decision, rbac.NotGranted | rbac.Partial)


def needs_denies(decision: rbac.Decision | NotSeen) -> bool:
    """Whether a deny assignment for a group may block what a role grants, and Azure was not asked about it."""
    return isinstance(decision, rbac.Undetermined) and decision.cause == rbac.DENY_THROUGH_GROUP


def _roles(
    principal_id: str, registry: Registry, reads: AuthorizationReads, repositories: tuple[str, ...]
) -> rbac.Decision | NotSeen:
    assignments, definitions = reads.authorization.assignments, reads.authorization.definitions
    if isinstance(assignments, NotSeen):
        return assignments
    if isinstance(definitions, NotSeen):
        return definitions
    denies = () if isinstance(reads.authorization.denies, NotSeen) else reads.authorization.denies.value

    def decide_for(held: Seen[tuple[RoleAssignment, ...]], *, via_groups: bool) -> rbac.Decision:
        decision = rbac.decide(
            principal_id,
            registry.id,
            registry.role_assignment_mode,
            held.value,
            definitions.value,
            denies,
            via_groups=via_groups,
            repositories=repositories,
            reaching_denies=reads.denies.value if isinstance(reads.denies, Seen) else None,
        )
        if held.partial and isinstance(decision, rbac.NotGranted | rbac.Partial):
            return rbac.Undetermined(f"role assignments: {held.partial}", "assignments-unreadable")
        return decision

    own = msgspec.structs.replace(assignments, value=reads.authorization.direct(principal_id))
    direct = decide_for(own, via_groups=False)
    if not needs_groups(direct) or reads.groups is None:
        return direct
    return reads.groups if isinstance(reads.groups, NotSeen) else decide_for(reads.groups, via_groups=True)
