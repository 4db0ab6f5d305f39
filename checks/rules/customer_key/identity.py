"""Whether the identity that a registry uses its key with is there, and still the registry's."""

from __future__ import annotations

from checks.facts import NotSeen
from checks.facts.encryption import AssignedIdentity
from checks.rules import results
from checks.rules.customer_key import identities
from checks.rules.customer_key.causes import KeyCause
from checks.rules.customer_key.subject import OwnKey
from checks.rules.fixes import az_acr, az_keyvault, az_roles, shell
from checks.rules.results import Result
from checks.text import clipped, one_line

ENCRYPTION_USER = "Key Vault Crypto Service Encryption User"
MAX_CLIENT = 60
_KEPT = "and without it the registry cannot use its key"
VARIABLE = "PRINCIPAL"  # of a shell: the object id of an identity that commands make
_PRINCIPAL = ("--query", "principalId", "--output", "tsv")


def judge(own: OwnKey) -> Result | None:
    """What is wrong or not known of the identity; None where nothing is."""
    registry, encryption = own.registry, own.encryption
    if registry.identity is None or encryption.identity is None:
        return _not_shown(own, "its identities are not shown as they should be")
    if identities.is_system(encryption):
        return _of_system(own)
    named = identities.named(registry)
    if named is None:
        return _unassigned(own)
    return _of_user(own, named)


def _of_system(own: OwnKey) -> Result | None:
    assert own.registry.identity is not None
    if own.registry.identity.system_principal:
        return None
    if not own.encryption.identity:  # a body without a word about it proves nothing
        return _not_shown(own, "no identity is named, and the registry has no system-assigned one")
    summary = f"{own.registry.name} uses {own.words} with its system-assigned identity, which it has no more, {_KEPT}."
    fix = (
        "# Azure cannot bring a system-assigned identity back. Open a support request, as Microsoft's article on "
        "customer-managed keys says.",
        az_acr.show_encryption(own.registry),
    )
    return results.fails(KeyCause.IDENTITY_UNASSIGNED, summary, *fix, evidence=own.evidence)


def _unassigned(own: OwnKey) -> Result:
    assert own.registry.identity is not None
    nameless = [one for one in own.registry.identity.assigned if one.client_id is None]
    if nameless:
        return _not_shown(own, f"{len(nameless)} of its identities are shown without their ids")
    client = clipped(one_line(own.encryption.identity or ""), MAX_CLIENT)
    summary = (
        f"{own.registry.name} uses {own.words} with the identity of the client id {client}, which is not assigned to "
        f"it any more, {_KEPT}."
    )
    fix = (
        shell.note(f"The resource id of the identity whose client id is {client}: az identity list"),
        az_acr.assign_identity(own.registry, "<resource id of the identity>"),
    )
    return results.fails(KeyCause.IDENTITY_UNASSIGNED, summary, *fix, evidence=own.evidence)


def _of_user(own: OwnKey, named: AssignedIdentity) -> Result | None:
    read = own.reads.identity
    if read is None:
        return None
    if isinstance(read, NotSeen):
        return results.not_seen(read, f"The identity that {own.registry.name} uses its key with")
    if read.value is None:
        summary = f"{own.registry.name} uses {own.words} with an identity that was deleted, {_KEPT}: {named.id}."
        return results.fails(KeyCause.IDENTITY_DELETED, summary, *_another(own, named.id), evidence=own.evidence)
    wanted = (own.encryption.identity or "").lower()
    ids = {(one or "").lower() for one in (read.value.client_id, read.value.principal_id)}
    if read.value.client_id is None or wanted in ids:
        return None
    summary = (
        f"{own.registry.name} uses {own.words} with an identity that was deleted and made anew since, as another one, "
        f"{_KEPT}: {named.id}."
    )
    fix = _another(own, named.id, made=True)
    return results.fails(KeyCause.IDENTITY_REPLACED, summary, *fix, evidence=own.evidence)


def _another(own: OwnKey, identity: str, *, made: bool = False) -> tuple[str, ...]:
    """An identity of the same name, which may use the key, for the registry. A deleted one is lost for good."""
    key = own.encryption.key or ""
    created = () if made else (az_roles.create_identity(identity),)
    return (
        "# A deleted identity cannot be restored; another one of its name is given its place.",
        *created,
        f"{VARIABLE}=$({shell.command('az', 'identity', 'show', '--ids', identity, *_PRINCIPAL)})",
        *granted(own),
        az_acr.assign_identity(own.registry, identity),
        az_acr.use_key(own.registry, key, identity),
        "# If Azure refuses this because the registry cannot use its key now, open a support request.",
    )


def granted(own: OwnKey) -> tuple[str, ...]:
    """What lets the new identity use the key, where the vault was seen."""
    if own.vault is None:
        return (shell.note(f"In the vault {own.name.vault}, let it get the key, wrap and unwrap with it."),)
    if own.vault.rbac:
        return (az_roles.assign_role_to(VARIABLE, ENCRYPTION_USER, own.vault.id),)
    return (az_keyvault.set_key_permissions_of(VARIABLE, own.vault.id),)


def _not_shown(own: OwnKey, why: str) -> Result:
    summary = f"With which identity {own.registry.name} uses its key is not known: {why}."
    missing = "the identity of the registry's encryption"
    return results.unknown(KeyCause.IDENTITY_NOT_SHOWN, summary, missing, evidence=own.evidence)
