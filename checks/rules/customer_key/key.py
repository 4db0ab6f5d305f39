"""Whether a registry's key is there, in the version that it uses, and may be used.

An expired key, or one that is not valid yet, still unwraps, which is what reading takes; it does not wrap. A disabled
one does neither. Source: "About keys" (Azure Key Vault), date-time controlled operations.
"""

from __future__ import annotations

from datetime import UTC, datetime

from checks.facts import NotSeen
from checks.facts.encryption import VaultKey
from checks.findings import Severity
from checks.rules import results
from checks.rules.customer_key.causes import KeyCause
from checks.rules.customer_key.subject import OwnKey
from checks.rules.fixes import az_acr, az_keyvault
from checks.rules.results import Result


def judge(own: OwnKey) -> Result | None:
    """What is wrong or not known of the key itself; None where nothing is."""
    read, vault = own.reads.key, own.vault
    if read is None or vault is None:
        return None
    if isinstance(read, NotSeen):
        return results.not_seen(read, f"{own.words[:1].upper()}{own.words[1:]}")
    if read.value.key is None:
        return _version_missing(own, vault.id) if read.value.others else _deleted(own, vault.id)
    return _judge_attributes(own, vault.id, read.value.key)


def _deleted(own: OwnKey, vault_id: str) -> Result:
    summary = f"{own.registry.name} is encrypted with {own.words}, which is there no more."
    fix = (
        az_keyvault.recover_key(vault_id, own.name.name),
        "# A key that was purged cannot be recovered, and what it encrypted cannot be read.",
    )
    return results.fails(KeyCause.KEY_DELETED, summary, *fix, evidence=own.evidence)


def _version_missing(own: OwnKey, vault_id: str) -> Result:
    summary = (
        f"{own.registry.name} is encrypted with a version of {own.words} that the key does not have: another key of "
        "that name took its place."
    )
    fix = (
        az_keyvault.list_key_versions(vault_id, own.name.name),
        az_acr.show_encryption(own.registry),
        "# What a key that was purged encrypted cannot be read. Restore its backup, or open a support request.",
    )
    return results.fails(KeyCause.VERSION_MISSING, summary, *fix, evidence=own.evidence)


def _judge_attributes(own: OwnKey, vault_id: str, key: VaultKey) -> Result | None:
    name, version = own.name.name, own.name.version
    if key.enabled is False:
        summary = f"{own.registry.name} is encrypted with {own.words}, which is disabled: it cannot read its content."
        fix = az_keyvault.enable_key(vault_id, name, version)
        return results.fails(KeyCause.KEY_DISABLED, summary, fix, evidence=own.evidence)
    if key.enabled is None or own.now is None:
        summary = f"Whether {own.words} is enabled, and until when it is valid, is not shown."
        return results.unknown(KeyCause.STATE_NOT_SHOWN, summary, "the key's attributes", evidence=own.evidence)
    seconds, words = own.now.timestamp(), f"{own.words[:1].upper()}{own.words[1:]}"
    if key.expires is not None and key.expires <= seconds:
        summary = (
            f"{words} expired on {_day(key.expires)}: {own.registry.name} can still read what is "
            "stored, and cannot encrypt anew."
        )
        fix = az_keyvault.extend_key(vault_id, name, version)
        return results.fails(KeyCause.KEY_EXPIRED, summary, fix, severity=Severity.WARNING, evidence=own.evidence)
    if key.not_before is not None and key.not_before > seconds:
        summary = (
            f"{words} is not valid before {_day(key.not_before)}: {own.registry.name} can read what is stored, and "
            "cannot encrypt anew."
        )
        fix = az_keyvault.start_key(vault_id, name, version, f"{own.now:%Y-%m-%dT%H:%M:%SZ}")
        return results.fails(KeyCause.NOT_YET_VALID, summary, fix, severity=Severity.WARNING, evidence=own.evidence)
    return None


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
