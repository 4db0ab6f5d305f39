"""Whether a list was read completely: only then does what it lacks not exist.

Azure's lists answer 200 with what the caller may read, without a sign that something is missing. So a list of a
subscription is complete only where the app's own roles, at the subscription or above it, allow reading that type.
Source: learn.microsoft.com/rest/api/authorization/role-assignments/list-for-subscription; practice for the filtering.
"""

from __future__ import annotations

from collections.abc import Sequence

from checks.facts import NotSeen, NotSeenReason, Seen
from checks.facts.visibility import Visibility
from checks.rules import wildcards
from checks.rules.fixes import az_roles

READER = "Reader"
VIRTUAL_NETWORKS = "Microsoft.Network/virtualNetworks"
SECURITY_GROUPS = "Microsoft.Network/networkSecurityGroups"
PRIVATE_ZONES = "Microsoft.Network/privateDnsZones"
NETWORK_MANAGERS = "Microsoft.Network/networkManagers"
VIRTUAL_HUBS = "Microsoft.Network/virtualHubs"
ROLE_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
DENY_ASSIGNMENTS = "Microsoft.Authorization/denyAssignments"
RULESETS = "Microsoft.Network/dnsForwardingRulesets"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
CLUSTERS = "Microsoft.ContainerService/managedClusters"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
MACHINES = "Microsoft.Compute/virtualMachines"
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
        return NotSeen(roles.why, what, roles.role, roles.fix)  # what a 503 hid is not cured by a role
    if allows(visibility, guid, f"{resource_type}/read"):
        return None
    what = f"Pullwatch's identity may read only a part of {resource_type} in subscription {guid}"
    return NotSeen(NotSeenReason.NOT_ALLOWED, what, READER, grant(visibility, guid))


def allows(visibility: Visibility, subscription: str, action: str) -> bool:
    """Whether the app's own roles at a subscription, or above it, certainly allow an action there."""
    roles = visibility.roles_in(subscription)
    held = roles.value if isinstance(roles, Seen) else ()
    return any(wildcards.leaves(role.actions, role.not_actions, action) for role in held)


def hidden_anywhere(visibility: Visibility, resource_type: str) -> NotSeen | None:
    """The first subscription that the app can see and whose list of a type may lack something."""
    firsts = sorted(alike[0] for alike in visibility.alike)
    return next((gap for guid in firsts if (gap := hidden_in(visibility, guid, resource_type))), None)


def hidden_types(visibility: Visibility, resource_types: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Of each subscription whose lists may lack something: the types of these that they may lack. In order.

    Those that were not read at all, as nothing of a cluster refers to them, are not among them.
    """
    types: dict[str, tuple[str, ...]] = {}
    for alike in visibility.alike:
        gaps = {one: hidden_in(visibility, alike[0], one) for one in resource_types}
        hidden = tuple(one for one, gap in gaps.items() if gap and gap.why is not NotSeenReason.NOT_ASKED)
        if hidden:
            types |= dict.fromkeys(alike, hidden)
    return dict(sorted(types.items()))


def unlisted(visibility: Visibility, subscription: str, what: str) -> NotSeen:
    """Something lies in a subscription that the app cannot see at all, or has not read."""
    roles = visibility.roles_in(subscription)
    if isinstance(roles, NotSeen) and roles.why is NotSeenReason.NOT_ASKED:
        return NotSeen(NotSeenReason.NOT_ASKED, f"{what} lies in subscription {subscription}, which was not read.")
    detail = f"{what} lies in subscription {subscription}, which Pullwatch's identity cannot see."
    return NotSeen(NotSeenReason.NOT_ALLOWED, detail, READER, grant(visibility, subscription))


def grant(visibility: Visibility, subscription: str) -> tuple[str, ...]:
    """The command that makes a subscription readable; none where an id names no subscription."""
    if not subscription:
        return ()
    return (az_roles.assign_role(own_identity(visibility), READER, f"/subscriptions/{subscription}"),)


def own_identity(visibility: Visibility) -> str:
    """The app's own object id, for commands; a placeholder only where no token showed it."""
    return visibility.object_id or az_roles.OWN_IDENTITY
