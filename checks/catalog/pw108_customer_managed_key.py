"""PW108: whether a registry can use the customer-managed key that it is encrypted with."""

from __future__ import annotations

from datetime import UTC, datetime

from checks.catalog.check import Check, Decides, Step
from checks.catalog.registry_view import RegistryView
from checks.facts import NotSeen, Registry, Seen
from checks.facts.encryption import EncryptionReads
from checks.findings import Fail, Finding, Severity
from checks.rules import results
from checks.rules.customer_key import identifiers, identity, key, permission, vault
from checks.rules.customer_key.causes import KeyCause
from checks.rules.customer_key.subject import OwnKey
from checks.rules.results import Result
from checks.text import printable

CHECK = Check(
    code="PW108",
    title="Customer-managed key",
    severity=Severity.ERROR,
    why=(
        "A registry that cannot use the key it is encrypted with refuses every pull, whoever asks: with 403, as a "
        "firewall does, within about an hour."
    ),
    how=(
        "Of a registry that is encrypted with a key of one's own: the identity that it uses the key with is there and "
        "assigned to it; the key vault is there and its firewall lets the registry in; the key is there in the version "
        "that is used, and enabled; an access policy or a role lets the identity get the key and unwrap with it. An "
        "expired key, or one that is not valid yet, is a warning, since Azure Key Vault still unwraps with it; so is a "
        "missing permission to wrap. A vault in no subscription that can be seen, a key in a managed HSM, permissions "
        "that may come through a group, a vault that lets only trusted services of Azure in while the key is used with "
        "a user-assigned identity (Microsoft has said that only the system-assigned one comes through, and does not "
        "say so any more): Unknown, which leaves the row as it is, because a registry works unless something is seen "
        "that breaks it. Deny assignments are not looked at. Encrypted with keys of Microsoft: Skipped."
    ),
    permissions=(
        "Reader on the registry, on the identity that it uses the key with, and on the key vault (the attributes of "
        "its keys, never the keys)",
    ),
    fix="Let the registry use its key again: enable or recover it, let its identity in, or the registry itself.",
    article=("access",),
    links=("https://learn.microsoft.com/azure/container-registry/tutorial-troubleshoot-customer-managed-keys",),
    decides=Decides.ACCESS,
    only_fails=True,
    step=Step.REGISTRY,
    causes=(KeyCause,),
)


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that could be read; more where several things only warn."""
    return tuple(CHECK.finding(view.subject, result) for result in _results(view))


def _results(view: RegistryView) -> tuple[Result, ...]:
    if isinstance(view.registry, NotSeen):
        return (results.skipped(KeyCause.REGISTRY_NOT_SEEN, "the registry could not be read"),)
    registry = view.registry.value
    if registry.encryption is None:
        return (results.skipped(KeyCause.NO_OWN_KEY, f"{registry.name} is not encrypted with a key of its owner"),)
    name = identifiers.in_use(registry.encryption)
    if name is None:
        shown = printable(registry.encryption.key or "nothing")[:200]
        summary = f"Which key {registry.name} is encrypted with is not known: its body shows {shown}."
        return (results.unknown(KeyCause.NOT_UNDERSTOOD, summary, "the key's identifier", evidence=view.evidence),)
    reads = view.facts.encryption.get(view.use.login_server, EncryptionReads())
    own = OwnKey(
        registry=registry,
        encryption=registry.encryption,
        name=name,
        reads=reads,
        visibility=view.facts.visibility,
        now=_now(registry, reads),
    )
    return _folded(own)


def _folded(own: OwnKey) -> tuple[Result, ...]:
    """What is to be repaired first, where anything fails; else what warns and what is not known, or that it is fine."""
    rules = (identity.judge, vault.judge, key.judge, vault.judge_firewall, permission.judge)
    found = [result for rule in ((identity.judge,) if own.name.hsm else rules) if (result := rule(own)) is not None]
    failed = next((result for result in found if result.failed), None)
    if failed is not None:
        return (failed,)
    warnings = [result for result in found if isinstance(result.verdict, Fail)]
    unknown = [result for result in found if not isinstance(result.verdict, Fail)]
    if own.name.hsm:
        unknown.append(_in_hsm(own))
    if warnings or unknown:
        return (*warnings, *unknown[:1])
    summary = f"{own.registry.name} is encrypted with {own.words}; nothing that Azure shows keeps it from its use."
    return (results.passes(KeyCause.USABLE, summary, own.evidence),)


def _in_hsm(own: OwnKey) -> Result:
    summary = (
        f"{own.registry.name} is encrypted with the key {own.name.name} of the managed HSM {own.name.vault}, whose "
        "keys Azure Resource Manager does not show."
    )
    return results.unknown(KeyCause.MANAGED_HSM, summary, "a look into the managed HSM", evidence=own.evidence)


def _now(registry: Registry, reads: EncryptionReads) -> datetime | None:
    """When the key was read, or else the registry."""
    evidence = reads.key.evidence if isinstance(reads.key, Seen) else registry.evidence
    try:
        moment = datetime.fromisoformat((evidence.read_at if evidence else None) or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
