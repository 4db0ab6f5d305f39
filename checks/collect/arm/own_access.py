"""Who the app itself is, and which roles it holds on a subscription: what decides whether a list shows everything.

Two kinds of reads, each once per run: the app's assignments at and above a subscription (one call per subscription),
and the definitions of roles that are not among the best-known built-in ones (one call per role).
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from azure.core.exceptions import AzureError

from checks.collect.arm import bodies, reads
from checks.collect.arm.client import Azure
from checks.collect.wire.errors import CollectError
from checks.collect.wire.single_flight import SingleFlight
from checks.facts import NotSeen, Permission, RoleAssignment, RoleDefinition, Seen
from checks.facts.visibility import NOT_READ
from checks.rules.access import rbac

DEFINITION_API = reads.AUTHORIZATION_API
_READ_ALL = (Permission(actions=("*/read",)),)
# Roles whose definitions need not be asked for: those that allow every read, and those that infra/ gives the app, as
# far as they allow actions that lists depend on. Source: "Azure built-in roles".
_KNOWN: dict[str, tuple[Permission, ...]] = {
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": _READ_ALL,  # Reader
    "b24988ac-6180-42a0-ab88-20f7382dd24c": _READ_ALL,  # Contributor
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": _READ_ALL,  # Owner
    "4abbcc35-e782-43d8-92c5-2d3f1bd2253f": (  # Azure Kubernetes Service Cluster User Role
        Permission(
            actions=(
                "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
                "Microsoft.ContainerService/managedClusters/read",
            )
        ),
    ),
    # Azure Kubernetes Service RBAC Reader, AcrPull, Container Registry Repository Reader: pods and images
    "7f6c6a51-bcf8-42ba-9220-52d62157d7db": (Permission(actions=("Microsoft.Authorization/*/read",)),),
    rbac.ACR_PULL: (Permission(actions=("Microsoft.ContainerRegistry/registries/pull/read",)),),
    rbac.REPOSITORY_READER: (),
}


class Identity(msgspec.Struct, frozen=True):
    """The app's own object id and tenant (lower case), as its token shows them; None where it does not."""

    object_id: str | None = None
    tenant_id: str | None = None


UNKNOWN = Identity()


async def identity(azure: Azure) -> Identity:
    """Who the app is, by the claims ``oid`` and ``tid`` of its token for Azure Resource Manager.

    The token is only read here: it is Azure that verifies it. Without one there is no answer, and no error either: the
    calls that follow say what is wrong with the credential.
    """
    try:
        token = await azure.token(azure.settings.cloud.arm_scope)
    except AzureError:
        return UNKNOWN
    claims = _claims(token)
    return Identity(_lower(claims.get("oid")), _lower(claims.get("tid")))


def _claims(token: str) -> dict[str, Any]:
    try:
        part = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, msgspec.DecodeError):  # ValueError: base64 or UTF-8
        return {}
    return claims if isinstance(claims, dict) else {}


def _lower(claim: object) -> str | None:
    return claim.lower() if isinstance(claim, str) and claim else None


async def roles(
    azure: Azure, subscription: str, object_id: str | None, definitions: SingleFlight[Seen[RoleDefinition]]
) -> Seen[tuple[Permission, ...]] | NotSeen:
    """The permissions of the roles that the app holds on a whole subscription, through groups too.

    A role under a condition counts for nothing: conditions are about data actions and assignments, and what they leave
    of a read is not judged here. A role whose definition cannot be read grants nothing that is known.
    """
    if object_id is None:
        return NOT_READ
    listing = await reads.seen(reads.own_assignments(azure, subscription, object_id))
    if isinstance(listing, NotSeen):
        return listing
    scope = f"/subscriptions/{subscription}"
    held = {a.role_definition_id for a in listing.value if rbac.reaches(a.scope, scope) and not a.condition}
    permissions: tuple[Permission, ...] = ()
    for role in sorted(held):
        permissions += await _permissions(azure, role, definitions)
    return Seen(permissions, listing.evidence, listing.partial)


def reads_everything(
    assignments: Seen[tuple[RoleAssignment, ...]] | NotSeen, subscription: str, object_id: str | None
) -> Seen[tuple[Permission, ...]] | None:
    """That the app may read all of a subscription, where a list of its role assignments shows that; else None.

    What else it may do there, or through groups, is not in it: that takes ``roles``.
    """
    if object_id is None or isinstance(assignments, NotSeen):
        return None
    scope = f"/subscriptions/{subscription}"
    own = (a for a in assignments.value if a.principal_id.lower() == object_id and not a.condition)
    readers = (a for a in own if _KNOWN.get(rbac.role_guid(a.role_definition_id)) == _READ_ALL)
    if any(rbac.reaches(one.scope, scope) for one in readers):
        return Seen(_READ_ALL, assignments.evidence)
    return None


async def _permissions(
    azure: Azure, role: str, definitions: SingleFlight[Seen[RoleDefinition]]
) -> tuple[Permission, ...]:
    guid = rbac.role_guid(role)
    if guid in _KNOWN:
        return _KNOWN[guid]

    async def reading() -> Seen[RoleDefinition]:
        body = await reads.get(azure, role, DEFINITION_API, "a role of Pullwatch's own identity")
        definition = bodies.role_definition(body) or RoleDefinition(guid, guid)
        return Seen(definition, reads.evidence("role definition", role, DEFINITION_API))

    try:
        return (await definitions.get(guid, reading)).value.permissions
    except CollectError:  # unknown rights: lists count as incomplete
        return ()
