"""Whether the key vault of a registry's key is there, and lets the registry in.

A registry comes to a vault as a trusted service of Azure, or through an open firewall; no private endpoint leads there.
Trusted services come in where public access is disabled too. Whether a registry is one with a user-assigned identity is
not settled: "Encrypt registry using a customer-managed key" said that it "can only bypass the firewall when using its
system-managed identity", and the articles that took its place have neither this sentence nor its contrary.
Sources: "Enable a customer-managed key", "Rotate and revoke a customer-managed key" (Azure Container Registry),
"Configure Azure Key Vault networking settings", Microsoft.KeyVault 2023-07-01 (publicNetworkAccess).
"""

from __future__ import annotations

from checks.arm_ids import subscription_of
from checks.facts import NotSeen, NotSeenReason
from checks.facts.encryption import KeyVault
from checks.rules import results
from checks.rules.customer_key import identities, system_identity
from checks.rules.customer_key.causes import KeyCause
from checks.rules.customer_key.subject import OwnKey
from checks.rules.fixes import az_acr, az_keyvault
from checks.rules.results import Result


def judge(own: OwnKey) -> Result | None:
    """What is wrong or not known of the vault itself; None where nothing is."""
    read = own.reads.vault
    if read is None:
        return results.not_seen(NotSeen(NotSeenReason.NOT_ASKED, "it was not asked for"), f"The vault {own.name.vault}")
    if not isinstance(read, NotSeen):
        return None
    if own.reads.deleted is not None:
        return _deleted(own)
    if read.why is not NotSeenReason.NOT_FOUND:
        return results.not_seen(read, f"The key vault {own.name.vault}")
    summary = f"Whether {own.registry.name} can use {own.words} was not looked at: {read.detail}."
    missing = f"Reader on the subscription of the key vault {own.name.vault}"
    return results.unknown(KeyCause.VAULT_NOT_SEEN, summary, missing, evidence=own.evidence)


def _deleted(own: OwnKey) -> Result:
    deleted = own.reads.deleted
    assert deleted is not None
    summary = f"The key vault {own.name.vault} was deleted: {own.registry.name} cannot use its key."
    subscription = subscription_of(deleted.id or "") or subscription_of(own.registry.id)
    fix = (
        az_keyvault.recover_vault(own.name.vault, subscription, deleted.location),
        "# Role assignments at the vault are lost with it, and have to be made again.",
    )
    return results.fails(KeyCause.VAULT_DELETED, summary, *fix, evidence=own.evidence)


def judge_firewall(own: OwnKey) -> Result | None:
    """Whether its firewall stops the registry; None where it lets it in."""
    vault = own.vault
    if vault is None or _is_open(vault):
        return None
    if _lets_trusted_services_in(vault):
        return None if identities.is_system(own.encryption) else _only_by_trust(own, vault)
    if _is_closed(vault):
        summary = (
            f"The key vault {vault.name} lets neither everybody nor trusted services of Azure in, and a registry comes "
            f"in no other way: {own.registry.name} cannot use its key."
        )
        return results.fails(KeyCause.VAULT_CLOSED, summary, *_let_in(own, vault), evidence=own.evidence)
    summary = (
        f"Whether the firewall of the key vault {vault.name} lets {own.registry.name} in is not known: it does not let "
        "trusted services of Azure in, but has other rules."
    )
    return results.unknown(
        KeyCause.VAULT_RULES, summary, "trusted services in the vault's firewall", evidence=own.evidence
    )


def _only_by_trust(own: OwnKey, vault: KeyVault) -> Result:
    """What is closed to all but trusted services, for a registry that may be none."""
    summary = (
        f"Whether the firewall of the key vault {vault.name} lets {own.registry.name} in is not known: it is let in as "
        "a trusted service of Azure, and Microsoft has said that this takes its system-assigned identity; it uses "
        f"{own.words} with a user-assigned one."
    )
    missing = "the key used with the registry's system-assigned identity"
    fix = (az_acr.show_encryption(own.registry), system_identity.WANTED, system_identity.CHANGE)
    return results.unknown(KeyCause.VAULT_TRUST, summary, missing, evidence=own.evidence, fix=fix)


def _let_in(own: OwnKey, vault: KeyVault) -> tuple[str, ...]:
    """What lets a registry into a closed vault. Trusted services alone may not do for a user-assigned identity."""
    trusted = az_keyvault.let_trusted_services_in(vault.id)
    if identities.is_system(own.encryption):
        return (trusted,)
    return (*system_identity.prepare(own, vault), trusted, system_identity.CHANGE)


def _is_open(vault: KeyVault) -> bool:
    return (_word(vault.public_network_access, "Enabled"), _word(vault.default_action, "Allow")) == ("enabled", "allow")


def _lets_trusted_services_in(vault: KeyVault) -> bool:
    return _word(vault.bypass, "AzureServices") == "azureservices"


def _is_closed(vault: KeyVault) -> bool:
    """Whether nobody but trusted services gets in, and they do not; False too where rules decide, or unknown words."""
    public, action = _word(vault.public_network_access, "Enabled"), _word(vault.default_action, "Allow")
    if _word(vault.bypass, "AzureServices") != "none":
        return False
    return public == "disabled" or ((public, action) == ("enabled", "deny") and not vault.admitted)


def _word(shown: str | None, absent: str) -> str:
    return (shown or absent).lower()
