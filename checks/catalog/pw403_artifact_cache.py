"""PW403: artifact cache rules that the cluster's images come by, and the health of their credentials."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from checks.arm_ids import name_of
from checks.catalog.check import Check
from checks.catalog.registry_view import RegistryView
from checks.causes import Cause
from checks.facts import NotSeen, NotSeenReason, Registry, Seen, same_id
from checks.facts.registry_details import CacheRule, Credential, CredentialSet
from checks.findings import Evidence, Finding, Severity, Subject
from checks.rules.access import identity_access
from checks.rules.azure import artifact_cache
from checks.rules.fixes import az_acr, az_roles
from checks.text import listed


class CacheCause(Cause):
    """Causes of PW403."""

    CACHE_HEALTHY = "cache-healthy", "The artifact cache rules that images come by are healthy."
    CACHE_NOT_USED = "cache-not-used", "No image comes by an artifact cache rule."
    CREDENTIAL_SET_ABSENT = (
        "credential-set-absent",
        "An artifact cache rule names a credential set that does not exist.",
    )
    CREDENTIALS_UNHEALTHY = "credentials-unhealthy", "The credentials of an artifact cache rule are unhealthy."
    CREDENTIAL_SETS_UNREADABLE = "credential-sets-unreadable", "Some credential sets could not be understood."
    HEALTH_NOT_SHOWN = "health-not-told", "The health of the credentials is not shown."
    CACHE_NOT_READ = "cache-not-read", "The artifact cache rules were not read."
    IMAGES_NOT_READ = "images-not-read", "The pods were not read, so images in use are not known."
    NO_CACHE_RULE = "no-cache-rule", "The registry has no artifact cache rule."
    REGISTRY_NOT_SEEN = "registry-not-seen", "The registry could not be read."


CHECK = Check(
    code="PW403",
    title="Artifact cache",
    severity=Severity.WARNING,
    why=(
        "A cache rule whose credentials broke goes on serving what it has cached; an image that is new fails, and "
        "looks as if it did not exist."
    ),
    how=(
        "The cache rules whose target repositories hold images that the cluster uses are taken, an exact target "
        "before a wildcard. The credential set that a rule names has to exist and each of its credentials to be "
        "Healthy, as the registry last found it. A rule without credentials asks its source anonymously."
    ),
    permissions=("Reader on the registry", "Azure Kubernetes Service RBAC Reader on the cluster"),
    fix="Let the credential set's identity read its secrets, or renew the secrets in the key vault.",
    article=("artifact cache",),
    links=("https://learn.microsoft.com/azure/container-registry/artifact-cache-overview",),
    advisory=True,
    causes=(CacheCause,),
)

MAX_NAMED = 5
_VAULTS = (".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net")


class _Case(msgspec.Struct, frozen=True):
    """One registry with the rules in use, each with the repositories that come by it."""

    subject: Subject
    registry: Registry
    used: tuple[tuple[CacheRule, tuple[str, ...]], ...]
    evidence: tuple[Evidence, ...]


def judge_registry(view: RegistryView) -> tuple[Finding, ...]:
    """One finding per Azure registry that the cluster uses."""
    return (_judge(view),)


def _judge(view: RegistryView) -> Finding:
    facts, use, subject = view.facts, view.use, view.subject
    performance = facts.performance.get(use.login_server)
    if isinstance(use.registry, NotSeen) or performance is None:
        return CHECK.skipped(
            subject, CacheCause.REGISTRY_NOT_SEEN, f"the registry {use.login_server} could not be read"
        )
    registry, rules = use.registry.value, performance.cache_rules
    if isinstance(rules, NotSeen):
        if rules.why is NotSeenReason.NOT_APPLICABLE:
            return CHECK.skipped(subject, CacheCause.CACHE_NOT_READ, rules.detail)
        return CHECK.not_seen(subject, rules, f"The cache rules of {registry.name}")
    if not rules.value and not rules.partial:
        return CHECK.skipped(subject, CacheCause.NO_CACHE_RULE, f"{registry.name} has no cache rule")
    if isinstance(facts.workloads, NotSeen):
        return _unused(subject, registry, facts.workloads)
    used = _used(rules.value, identity_access.repositories_of(use.images))
    if not used:
        because = f"no image of the cluster comes by one of the {len(rules.value)} cache rules of {registry.name}"
        return CHECK.skipped(subject, CacheCause.CACHE_NOT_USED, because)
    description = "; ".join(f"{r.name}: {r.source} to {r.target}" for r, _ in used[:MAX_NAMED])
    at = rules.evidence
    evidence = Evidence(f"cache rules in use: {description}", at.source, at.read_at, at.api_version)
    return _judged(_Case(subject, registry, used, (evidence,)), performance.credential_sets)


def _unused(subject: Subject, registry: Registry, gap: NotSeen) -> Finding:
    """The pods were not read, so it is not known which rules matter."""
    if gap.why in (NotSeenReason.NOT_APPLICABLE, NotSeenReason.OFF):
        return CHECK.skipped(subject, CacheCause.IMAGES_NOT_READ, f"the cluster's images were not read: {gap.detail}")
    return CHECK.not_seen(subject, gap, f"The images that may come by the cache of {registry.name}")


def _used(rules: tuple[CacheRule, ...], repositories: tuple[str, ...]) -> tuple[tuple[CacheRule, tuple[str, ...]], ...]:
    by_rule: dict[str, tuple[CacheRule, list[str]]] = {}
    for repository in repositories:
        rule = artifact_cache.rule_for(rules, repository)
        if rule is not None:
            by_rule.setdefault(rule.name, (rule, []))[1].append(repository)
    return tuple((rule, tuple(names)) for rule, names in by_rule.values())


def _judged(case: _Case, sets: Seen[tuple[CredentialSet, ...]] | NotSeen) -> Finding:
    named = [(rule, rule.credential_set_id) for rule, _ in case.used if rule.credential_set_id]
    if named and isinstance(sets, NotSeen):
        return CHECK.not_seen(case.subject, sets, f"The credential sets of {case.registry.name}")
    listed = () if isinstance(sets, NotSeen) else sets.value
    silent = ""
    for rule, wanted in named:
        credential_set = next((one for one in listed if same_id(one.id, wanted)), None)
        if credential_set is None:
            return _absent(case, rule, wanted, sets)
        poor = next((one for one in credential_set.credentials if (one.health or "").lower() == "unhealthy"), None)
        if poor is not None:
            return _unhealthy(case, rule, credential_set, poor)
        if not credential_set.credentials or any(
            (one.health or "").lower() != "healthy" for one in credential_set.credentials
        ):
            silent = silent or credential_set.name
    if silent:
        summary = (
            f"{case.registry.name} does not show the health of the credential set {silent}, which a rule in use names."
        )
        return CHECK.unknown(
            case.subject, CacheCause.HEALTH_NOT_SHOWN, summary, case.evidence, missing="credentialHealth"
        )
    return CHECK.passes(case.subject, CacheCause.CACHE_HEALTHY, _describe(case), case.evidence)


def _absent(case: _Case, rule: CacheRule, wanted: str, sets: Seen[tuple[CredentialSet, ...]] | NotSeen) -> Finding:
    name = name_of(wanted)
    if isinstance(sets, Seen) and sets.partial:
        summary = f"The credential set {name} may be among those that could not be read: {sets.partial}."
        return CHECK.unknown(case.subject, CacheCause.CREDENTIAL_SETS_UNREADABLE, summary, case.evidence, missing=name)
    summary = (
        f"The cache rule {rule.name} names the credential set {name}, which does not exist: new images do not come."
    )
    fix = (az_acr.show_cache_rule(case.registry, rule.name),)
    return CHECK.fails(case.subject, CacheCause.CREDENTIAL_SET_ABSENT, summary, case.evidence, fix=fix)


def _unhealthy(case: _Case, rule: CacheRule, credential_set: CredentialSet, poor: Credential) -> Finding:
    why = ": ".join(part for part in (poor.error_code, (poor.error or "")[:600]) if part) or "no reason given"
    repositories = listed(next(names for one, names in case.used if one.name == rule.name), MAX_NAMED)
    summary = (
        f"The credentials of {credential_set.name}, by which {repositories} of {case.registry.name} are cached, are "
        f"unhealthy ({why}): cached images are served, new ones are not pulled."
    )
    vault = vault_of(poor.secret)
    may_not_read = (poor.error_code or "").lower() == "forbidden"
    let = (
        (az_roles.grant_vault_secrets(vault, credential_set.principal_id),)
        if vault and credential_set.principal_id
        else ()
    )
    fix = (*(let if may_not_read else ()), az_acr.show_credential_set(case.registry, credential_set.name))
    return CHECK.fails(case.subject, CacheCause.CREDENTIALS_UNHEALTHY, summary, case.evidence, fix=fix)


def vault_of(secret: str | None) -> str | None:
    """The key vault's name in a secret's identifier (``https://NAME.vault.azure.net/secrets/…``), or None."""
    try:
        host = urlsplit(secret or "").hostname or ""
    except ValueError:
        return None
    return host.partition(".")[0] if host.endswith(_VAULTS) else None


def _describe(case: _Case) -> str:
    names = [name for _, repositories in case.used for name in repositories]
    anonymous = [rule.name for rule, _ in case.used if not rule.credential_set_id]
    description = f" Without credentials: {listed(anonymous, MAX_NAMED)}." if anonymous else ""
    return (
        f"Cached in {case.registry.name} and in use: {listed(names, MAX_NAMED)}; "
        f"no credentials of the rules are unhealthy.{description}"
    )
