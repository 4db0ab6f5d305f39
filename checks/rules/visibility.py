"""Whether a list was read completely: only then does what it lacks not exist.

Azure's lists answer 200 with what the caller may read, without a sign that something is missing. So a list of a
subscription is complete only where the app's own roles, at the subscription or above it, allow reading that type.
Source: learn.microsoft.com/rest/api/authorization/role-assignments/list-for-subscription; practice for the filtering.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.facts import NotSeen, NotSeenReason
from checks.facts.visibility import Visibility
from checks.rules import wildcards
from checks.rules.fixes import az_roles

READER = "Reader"
VIRTUAL_NETWORKS = "Microsoft.Network/virtualNetworks"
SECURITY_GROUPS = "Microsoft.Network/networkSecurityGroups"
PRIVATE_ZONES = "Microsoft.Network/privateDnsZones"
NETWORK_MANAGERS = "Microsoft.Network/networkManagers"
ROLE_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DENY_ASSIGNMENTS = "Microsoft.Authorization/denyAssignments"
RULESETS = "Microsoft.Network/dnsForwardingRulesets"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"


def hidden_in(visibility: Visibility, subscription: str, resource_type: str) -> NotSeen | None:
    """Why the list of a type in a subscription may lack something, or None where it is complete."""
    guid = subscription.lower()
    roles = visibility.roles_in(guid)
    if roles is None:
        return unlisted(visibility, guid, resource_type)
    if isinstance(roles, NotSeen):
        what = (
            f"whether subscription {guid} shows all of {resource_type} depends on Pullwatch's own roles: {roles.detail}"
        )
        return NotSeen(roles.why, what, READER, grant(visibility, guid))
    action = f"{resource_type}/read"
    if any(wildcards.leaves(held.actions, held.not_actions, action) for held in roles.value):
        return None
    what = f"Pullwatch's identity may read only a part of {resource_type} in subscription {guid}"
    return NotSeen(NotSeenReason.NOT_ALLOWED, what, READER, grant(visibility, guid))


def hidden_anywhere(visibility: Visibility, resource_type: str) -> NotSeen | None:
    """The first subscription that the app can see and whose list of a type may lack something."""
    gaps = (hidden_in(visibility, guid, resource_type) for guid in sorted(visibility.own_roles))
    return next((gap for gap in gaps if gap is not None), None)


def unlisted(visibility: Visibility, subscription: str, what: str) -> NotSeen:
    """Something lies in a subscription that the app cannot see at all."""
    detail = f"{what} lies in subscription {subscription}, which Pullwatch's identity cannot see."
    return NotSeen(NotSeenReason.NOT_ALLOWED, detail, READER, grant(visibility, subscription))


def grant(visibility: Visibility, subscription: str) -> tuple[str, ...]:
    """The command that makes a subscription readable."""
    return (az_roles.assign_role(own_identity(visibility), READER, f"/subscriptions/{subscription}"),)


def own_identity(visibility: Visibility) -> str:
    """The app's own object id, for commands; a placeholder only where no token showed it."""
    return visibility.object_id or az_roles.OWN_IDENTITY


def first_gap(gaps: Iterable[NotSeen | None]) -> NotSeen | None:
    """The first of several gaps, or None where nothing is hidden."""
    return next((gap for gap in gaps if gap is not None), None)
