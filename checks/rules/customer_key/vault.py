"""Whether the key vault of a registry's key is there, and lets the registry in.

A registry comes to a vault as a trusted service of Azure, or through an open firewall; no private endpoint leads there.
Sources: "Enable a customer-managed key" (Azure Container Registry), "Configure Azure Key Vault networking settings".
"""

from __future__ import annotations

from checks.arm_ids import subscription_of
from checks.facts import NotSeen, NotSeenReason
from checks.facts.encryption import KeyVault
from checks.rules import results
from checks.rules.customer_key.causes import KeyCause
from checks.rules.customer_key.subject import OwnKey
from checks.rules.fixes import az_keyvault
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
    closed = False if vault is None else _is_closed(vault)
    if vault is None or closed is False:
        return None
    if closed:
        summary = (
            f"The key vault {vault.name} lets neither everybody nor trusted services of Azure in, and a registry comes "
            f"in no other way: {own.registry.name} cannot use its key."
        )
        fix = az_keyvault.let_trusted_services_in(vault.id)
        return results.fails(KeyCause.VAULT_CLOSED, summary, fix, evidence=own.evidence)
    summary = (
        f"Whether the firewall of the key vault {vault.name} lets {own.registry.name} in is not known: it does not let "
        "trusted services of Azure in, but has other rules."
    )
    return results.unknown(
        KeyCause.VAULT_RULES, summary, "trusted services in the vault's firewall", evidence=own.evidence
    )


def _is_closed(vault: KeyVault) -> bool | None:
    """Whether no registry gets in; None where rules decide, or words that are not known."""
    public, action = (vault.public_network_access or "Enabled").lower(), (vault.default_action or "Allow").lower()
    bypass = (vault.bypass or "AzureServices").lower()
    if bypass == "azureservices" or (public, action) == ("enabled", "allow"):
        return False
    if bypass != "none":
        return None
    if public == "disabled":
        return True
    return True if (public, action) == ("enabled", "deny") and not vault.admitted else None
