"""The row per cluster and registry, folded from findings by pure functions.

Fail beats Unknown beats Pass; Skipped counts for nothing, and nothing but Skipped is Unknown. A finding that only warns
fails no row. Kubelet identity, pull secrets and anonymous pull are alternatives: one that holds is enough. ``pull`` is
in pull_verdict.py, ``images`` in images_facet.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.catalog import (
    basis_of,
    deciding,
    leaves_open,
    pw101_kubelet_identity,
    pw102_pull_permission,
    pw105_cross_tenant,
    pw108_customer_managed_key,
    pw301_pull_failures,
    pw303_pull_secrets,
    pw304_images_without_credentials,
    pw308_pulls_logged,
)
from checks.catalog.check import Decides
from checks.causes import RowCause
from checks.facts import RegistryUse
from checks.findings import ASKED_FOR, Facet, Fail, Finding, Pass, RegistryRow, Skipped, Unknown
from checks.report.contradictions import own_images
from checks.report.fixes import fixes_of
from checks.report.images_facet import (
    WRONG_NAMES,
    canonical_image,
    images_facet,
    logged_reasons,
    names_at_fault,
    scope_of,
    troubles_of,
)
from checks.report.pull_verdict import NodeReports, proofs_about, pull_facet
from checks.rules.azure import virtual_nodes
from checks.rules.pull import mirrors
from checks.rules.pull.errors import CREDENTIALS, PullErrorCause, affected_scope
from checks.rules.pull.observed_pulls import PullProof

ROLE = pw102_pull_permission.CHECK.code
SECRETS = pw303_pull_secrets.CHECK.code
KEY = pw108_customer_managed_key.CHECK.code
PER_IMAGE = pw304_images_without_credentials.CHECK.code
FAILURES = pw301_pull_failures.CHECK.code
LOG = pw308_pulls_logged.CHECK.code
WITH_ROLE = "role-and-others"
# What has to be repaired before anything else that fails: an identity before its tenant, the tenant before a role, and
# the key of a registry, without which no role helps.
REPAIRED_FIRST = (pw101_kubelet_identity.CHECK.code, pw105_cross_tenant.CHECK.code, KEY)


# A role that was not judged because something else has to be repaired first: it is needed all the same.
OTHER_REPAIR_FIRST = (
    pw102_pull_permission.RoleCause.IDENTITY_FIRST,
    pw102_pull_permission.RoleCause.TENANT_FIRST,
)


def registry_row(
    use: RegistryUse,
    findings: Iterable[Finding],
    proof: PullProof | None,
    explained: tuple[str, ...] = (),
    waiting: int = 0,
) -> RegistryRow:
    """The row of one registry out of its cluster's findings; those without a registry concern every one.

    ``explained`` are the sentences that name where nodes and Azure differ (see contradictions.py), ``waiting`` is how
    many pods wait for an image of it.
    """
    login_server = use.login_server
    own_findings = [f for f in findings if f.subject.registry in (None, login_server)]
    access = access_facet(own_findings)
    on_path = [f for f in own_findings if f.code in deciding(Decides.PATH)]
    path = combined_facet(on_path, "the network path to the registry was not checked")
    if not use.acr and ASKED_FOR not in use.sources:
        access, path = _not_judged(access), _not_judged(path)
    reports = _node_reports(own_findings, login_server, access)
    pull, disagreements = pull_facet(access, path, on_path, reports, proofs_about(own_findings, login_server, proof))
    # The pulls that fail for the registry's sake: what helps one image helps no other.
    concerned = [*(f for f in own_findings if f.code not in (FAILURES, LOG)), *reports.registry]
    troubles = troubles_of((f for f in own_findings if f.subject.registry == login_server), reports.image)
    return RegistryRow(
        registry=login_server,
        access=_with_fix(access, own_findings),
        path=_with_fix(path, own_findings),
        pull=_with_fix(pull, concerned),
        images=images_facet(own_findings, troubles, use),
        basis=() if isinstance(pull.verdict, Skipped) else basis_of(pull.decided_by),
        names=use.names,
        sources=use.sources,
        image_troubles=troubles.count,
        disagreements=(*disagreements, *explained),
        waiting=waiting,
    )


def _not_judged(facet: Facet) -> Facet:
    """A facet of a host that is no Azure registry: where nothing settles it, nobody can, and nothing is missing."""
    if not isinstance(facet.verdict, Unknown) or facet.verdict.look_failed:
        return facet
    because = "Pullwatch judges Azure registries; of this host it shows what nodes report"
    return Facet(Skipped(because), RowCause.NOT_JUDGED, (), f"{because}.")


def combined_facet(findings: list[Finding], nothing: str) -> Facet:
    """Fail beats Unknown beats Pass among findings that all have to hold; ``nothing`` is said where none counts.

    An Unknown that leaves nothing open does not count.
    """
    failed = [f for f in findings if f.failed]
    unknown = [f for f in findings if leaves_open(f)]
    passed = [f for f in findings if isinstance(f.verdict, Pass)]
    deciding = failed or unknown or passed
    if not deciding:
        skipped = next((f for f in findings if isinstance(f.verdict, Skipped)), None)
        return Facet(
            Unknown(nothing, look_failed=False), skipped.cause if skipped else RowCause.NOT_JUDGED, (), nothing
        )
    first = (f for code in REPAIRED_FIRST for f in failed if f.code == code)
    about_registry = (f for f in deciding if f.subject.registry is not None)
    specific = (*first, *about_registry, deciding[0])[0]
    return Facet(specific.verdict, specific.cause, _codes(deciding), specific.summary)


def access_facet(findings: list[Finding]) -> Facet:
    """May it pull: the kubelet identity, or else a pull secret or anonymous pull.

    The check per image looked at every one with all three, so its Fail stands whatever the identity holds on the
    registry (a secret that cannot be parsed, an image that conditions leave out). A host without a finding about roles
    is no Azure registry: the kubelet identity says nothing about it. A registry that cannot use its own key refuses
    them all.
    """
    own_findings = [f for f in findings if f.code == ROLE]
    identity = combined_facet([f for f in findings if f.code in deciding(Decides.ACCESS)], "no credential was checked")
    others = [f for f in findings if f.code == PER_IMAGE and f.subject.registry is not None]
    alternative = _with_secrets(
        combined_facet(others, "no other credential was checked"),
        [f for f in findings if f.code == SECRETS and f.subject.registry is not None],
    )
    keyless = any(f.failed for f in findings if f.code == KEY)
    if keyless or (isinstance(identity.verdict, Fail) and isinstance(alternative.verdict, Fail)):
        return identity
    if isinstance(alternative.verdict, Fail):
        return alternative
    if alternative.cause in pw304_images_without_credentials.ON_VIRTUAL_NODES:
        return identity if isinstance(identity.verdict, Fail) else alternative
    if isinstance(identity.verdict, Pass) and any(isinstance(f.verdict, Pass) for f in own_findings):
        return identity
    if alternative.cause == WITH_ROLE and not _identity_stands(findings):
        return identity
    possible = any(isinstance(f.verdict, Unknown) for f in others)
    if isinstance(identity.verdict, Fail) and isinstance(alternative.verdict, Unknown) and possible:
        return alternative
    role_needed = any(not isinstance(f.verdict, Skipped) or f.cause in OTHER_REPAIR_FIRST for f in own_findings)
    if not own_findings or isinstance(alternative.verdict, Pass) or (others and not role_needed):
        return alternative
    return identity


def _identity_stands(findings: list[Finding]) -> bool:
    """Whether nothing but the role itself is in doubt about the kubelet identity."""
    rest = [f for f in findings if f.code in deciding(Decides.ACCESS) - {ROLE}]
    failed = any(f.failed for f in rest)
    return not failed and not any(map(leaves_open, rest))


def _with_secrets(facet: Facet, secrets: list[Finding]) -> Facet:
    """The facet, with the findings about single secrets that agree named as deciding too."""
    if any(type(f.verdict) is type(facet.verdict) for f in secrets) and not isinstance(facet.verdict, Unknown):
        return msgspec.structs.replace(facet, decided_by=(SECRETS, *facet.decided_by))
    return facet


def _node_reports(findings: list[Finding], login_server: str, access: Facet) -> NodeReports:
    """The failing pulls of one registry by whose fault they are.

    Where the nodes may pull, the registry may refuse an image in trouble like a missing role, and a host that serves no
    image refuses everybody: such a failure is the image's own.
    """
    own = own_images(findings) if isinstance(access.verdict, Pass) else frozenset()
    names, reasons = names_at_fault(findings), logged_reasons(findings)
    about = [f for f in findings if f.subject.registry == login_server and isinstance(f.verdict, Fail)]
    failed = [*(f for f in about if f.code == FAILURES), *_logged(about)]
    failed.sort(key=lambda f: f.subject.pool == virtual_nodes.POOL)  # what nodes report leads

    def scope(finding: Finding) -> str:
        cause, image = PullErrorCause(finding.cause), canonical_image(finding.subject.image)
        if finding.subject.pool == virtual_nodes.POOL:
            return affected_scope(cause)
        if cause in CREDENTIALS and image in own:
            return "image"
        if mirrors.is_on_node(finding.mirror):
            return "node"
        if finding.code == FAILURES and image in reasons:
            return "image"
        named = names.get(image)
        return "image" if named is not None and named.cause in WRONG_NAMES else affected_scope(cause)

    def of(wanted: str) -> tuple[Finding, ...]:
        return tuple(f for f in failed if scope(f) == wanted)

    at_registry = of("registry")
    named = names.get(canonical_image(at_registry[0].subject.image)) if at_registry else None
    refused = tuple(f for f in about if f.code == LOG and f.cause in CREDENTIALS)
    return NodeReports(at_registry, of("image"), of("unsettled"), named, refused)


def _logged(about: list[Finding]) -> list[Finding]:
    """What the registry logged as failing, and no pod reports: what both tell of, pods tell better.

    A pod that does not tell why it waits tells nothing of what the registry refused.
    """
    reported = (f for f in about if f.code == FAILURES and scope_of(f) != "unsettled")
    told = {canonical_image(f.subject.image) for f in reported}
    told |= logged_reasons(about).keys()
    logged = [f for f in about if f.code == LOG and f.failed]
    return [f for f in logged if f.subject.image is None or canonical_image(f.subject.image) not in told]


def _codes(findings: list[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.code for f in findings))


def _with_fix(facet: Facet, findings: list[Finding]) -> Facet:
    return msgspec.structs.replace(facet, fix=_fixes(findings, facet))


def _fixes(findings: list[Finding], facet: Facet) -> tuple[str, ...]:
    if not isinstance(facet.verdict, Fail):
        return ()
    deciding = [f for f in findings if f.code in facet.decided_by and isinstance(f.verdict, Fail)]
    return fixes_of(deciding)
