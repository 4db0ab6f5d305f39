"""Whether the identity of a registry may use its key: by the vault's access policies, or by roles.

Reading takes ``get`` and ``unwrapKey``, encrypting anew ``wrapKey`` too. A policy or a role may be a group's: one that
would do it for somebody else leaves it open, unless Azure said who is a member. Deny assignments are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.facts import NotSeen, RoleAssignment, RoleDefinition, Seen, subscription_of
from checks.facts.encryption import KeyVault
from checks.findings import Severity
from checks.rules import results, visibility
from checks.rules.access import rbac
from checks.rules.customer_key import identities
from checks.rules.customer_key.causes import KeyCause
from checks.rules.customer_key.identity import ENCRYPTION_USER
from checks.rules.customer_key.subject import OwnKey
from checks.rules.fixes import az_keyvault, az_roles
from checks.rules.results import Result

READ, WRAP, UNWRAP = (f"Microsoft.KeyVault/vaults/keys/{name}" for name in ("read", "wrap/action", "unwrap/action"))
# What an action is called in access policies, and to people.
POLICY = {READ: "get", UNWRAP: "unwrapkey", WRAP: "wrapkey"}
WORDS = {READ: "get", UNWRAP: "unwrapKey", WRAP: "wrapKey"}
_ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"  # built in, with all three


class _Allowed(msgspec.Struct, frozen=True):
    """The actions that are certainly allowed, and those that may be."""

    surely: frozenset[str]
    perhaps: frozenset[str] = frozenset()


def judge(own: OwnKey) -> Result | None:
    """What is missing, or not known; None where the identity may do everything."""
    vault = own.vault
    if vault is None:
        return None
    principal = identities.principal(own.registry, own.reads.identity)
    if principal is None:
        return _not_known(own, "the object id of the registry's identity is not shown")
    if vault.rbac:
        return _by_roles(own, vault, principal)
    if vault.policies is None:
        return _not_known(own, f"the access policies of the vault {vault.name} could not be understood")
    return _settled(own, vault, principal, _by_policies(vault, principal))


def _by_policies(vault: KeyVault, principal: str) -> _Allowed:
    """What access policies allow; those of others may be of a group that the identity is a member of."""
    surely: set[str] = set()
    perhaps: set[str] = set()
    for policy in vault.policies or ():
        given = {action for action, word in POLICY.items() if word in policy.keys or "all" in policy.keys}
        (surely if policy.object_id == principal.lower() and not policy.compound else perhaps).update(given)
    return _Allowed(frozenset(surely), frozenset(perhaps))


def _by_roles(own: OwnKey, vault: KeyVault, principal: str) -> Result | None:
    assignments, what = own.reads.assignments, f"The roles of {own.registry.name}'s identity on the vault {vault.name}"
    if assignments is None:
        return _not_known(own, "its roles were not asked for")
    if isinstance(assignments, NotSeen):
        return results.not_seen(assignments, what)
    definitions = own.reads.definitions
    known = definitions.value if isinstance(definitions, Seen) else {}
    reaching = [one for one in assignments.value if rbac.reaches(one.scope, f"{vault.id}/keys/{own.name.name}")]
    allowed = _by_assignments(reaching, known)
    if not allowed.surely.issuperset(POLICY):
        subscription = subscription_of(vault.id)
        hidden = visibility.hidden_in(own.visibility, subscription, visibility.ROLE_ASSIGNMENTS)
        if hidden is not None:
            return results.not_seen(hidden, what)
        if assignments.partial or subscription in own.visibility.delegated:
            return _not_known(own, "not all role assignments of the vault's subscription are shown")
    return _settled(own, vault, principal, allowed)


def _by_assignments(reaching: Iterable[RoleAssignment], known: dict[str, RoleDefinition]) -> _Allowed:
    surely: set[str] = set()
    perhaps: set[str] = set()
    for assignment in reaching:
        guid = rbac.role_guid(assignment.role_definition_id)
        role = known.get(guid)
        if role is None:
            (surely if guid == _ENCRYPTION_USER and assignment.condition is None else perhaps).update(POLICY)
            continue
        for action in POLICY:
            for offer in rbac.offers_of(assignment, role, action, data=True):
                (perhaps if offer.conditions else surely).add(action)
    return _Allowed(frozenset(surely), frozenset(perhaps))


def _settled(own: OwnKey, vault: KeyVault, principal: str, allowed: _Allowed) -> Result | None:
    missing = [action for action in POLICY if action not in allowed.surely]
    if not missing:
        return None
    if any(action in allowed.perhaps for action in missing):
        why = (
            "a role with a condition, or one whose definition was not read, may allow it"
            if vault.rbac
            else "an access policy of another object id, which may be a group's, or of an application would allow it"
        )
        return _not_known(own, why)
    words = " and ".join(WORDS[action] for action in missing)
    who = "its system-assigned identity" if identities.is_system(own.encryption) else "its identity"
    by = "role" if vault.rbac else "access policy"
    lacking = f"{own.registry.name} uses {own.words} with {who}, to which no {by} of the vault allows {words}"
    fix = grant(vault, principal)
    if missing == [WRAP]:
        summary = f"{lacking}: it can read what is stored, and cannot encrypt anew."
        return results.fails(KeyCause.WRAPPING_MISSING, summary, fix, severity=Severity.WARNING, evidence=own.evidence)
    return results.fails(
        KeyCause.PERMISSION_MISSING, f"{lacking}: it cannot read its content.", fix, evidence=own.evidence
    )


def grant(vault: KeyVault, principal: str) -> str:
    """What lets the identity use the key. A policy is written whole: what it allows so far stays."""
    if vault.rbac:
        return az_roles.assign_role(principal, ENCRYPTION_USER, vault.id)
    policies = [one for one in vault.policies or () if one.object_id == principal.lower() and not one.compound]
    own = [word for policy in policies for word in policy.keys]
    kept = [word for word in own if word not in POLICY.values()]
    return az_keyvault.set_key_permissions(vault.id, principal, dict.fromkeys((*az_keyvault.REGISTRY_NEEDS, *kept)))


def _not_known(own: OwnKey, why: str) -> Result:
    summary = f"Whether {own.registry.name} may unwrap with {own.words} is not known: {why}."
    missing = "what allows the registry's identity to use its key"
    return results.unknown(KeyCause.PERMISSION_NOT_KNOWN, summary, missing, evidence=own.evidence)
