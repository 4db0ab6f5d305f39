"""The causes of whether a registry can use its customer-managed key."""

from __future__ import annotations

from checks.causes import Cause


class KeyCause(Cause):
    """Causes of PW108."""

    USABLE = "key-usable", "Nothing that Azure shows of the registry's customer-managed key keeps it from its use."
    NO_OWN_KEY = "no-own-key", "The registry is encrypted with keys of Microsoft, which nobody has to look after."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."
    NOT_UNDERSTOOD = "key-not-understood", "The registry's body does not tell which key it is encrypted with."
    MANAGED_HSM = (
        "key-in-managed-hsm",
        "The key lies in a managed HSM, whose keys Azure Resource Manager does not show.",
    )
    IDENTITY_NOT_SHOWN = (
        "key-identity-not-shown",
        "The registry's body does not tell which identity it uses its key with.",
    )
    IDENTITY_UNASSIGNED = (
        "key-identity-unassigned",
        "The identity that the registry uses its key with is not assigned to it any more.",
    )
    IDENTITY_DELETED = "key-identity-deleted", "The identity that the registry uses its key with was deleted."
    IDENTITY_REPLACED = (
        "key-identity-replaced",
        "The identity that the registry uses its key with was deleted and made anew, as another one.",
    )
    VAULT_NOT_SEEN = (
        "key-vault-not-seen",
        "The key vault is in no subscription that Pullwatch's identity can see.",
    )
    VAULT_DELETED = "key-vault-deleted", "The key vault of the registry's key was deleted, and can be recovered."
    VAULT_CLOSED = "key-vault-closed", "The firewall of the key vault lets no registry in."
    VAULT_RULES = (
        "key-vault-rules",
        "The firewall of the key vault has rules, of which it is not known whether they let the registry in.",
    )
    VAULT_TRUST = (
        "key-vault-trust",
        "The key vault lets only trusted services of Azure in, and it is not certain that a registry whose key is used "
        "with a user-assigned identity is one.",
    )
    KEY_DELETED = "key-deleted", "The key that the registry is encrypted with is not in its key vault any more."
    VERSION_MISSING = "key-version-missing", "The key has no such version as the registry is encrypted with."
    KEY_DISABLED = "key-disabled", "The key that the registry is encrypted with is disabled."
    STATE_NOT_SHOWN = "key-state-not-shown", "Azure Resource Manager does not show whether the key is enabled."
    KEY_EXPIRED = "key-expired", "The key has expired: what is stored can still be read, not encrypted anew."
    NOT_YET_VALID = "key-not-yet-valid", "The key is not valid yet: what is stored can be read, not encrypted anew."
    PERMISSION_MISSING = "key-permission-missing", "The registry's identity may not unwrap with the key."
    PERMISSION_NOT_KNOWN = (
        "key-permission-not-known",
        "It is not known whether the registry's identity may unwrap with the key.",
    )
    WRAPPING_MISSING = (
        "key-wrapping-missing",
        "The registry's identity may unwrap with the key, not wrap: it can be read, not encrypted anew.",
    )
