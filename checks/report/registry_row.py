"""The row per cluster and registry, folded from findings by pure functions.

Fail beats Unknown beats Pass; Skipped counts for nothing, and nothing but Skipped is Unknown. A finding that only warns
fails no row. Kubelet identity, pull secrets and anonymous pull are alternatives: one that holds is enough. ``pull`` is
in pull_verdict.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.catalog import (
    deciding,
    pw101_kubelet_identity,
    pw102_pull_permission,
    pw105_cross_tenant,
    pw301_pull_failures,
    pw302_images_exist,
    pw303_pull_secrets,
    pw304_images_without_credentials,
)
from checks.catalog.check import Decides
from checks.causes import RowCause
from checks.findings import Facet, Fail, Finding, Pass, RegistryRow, Severity, Skipped, Unknown
from checks.report.contradictions import own_images
from checks.report.pull_verdict import NodeReports, proofs_about, pull_facet
from checks.rules import images
from checks.rules.pull.errors import CREDENTIALS, PullErrorCause, affected_scope
from checks.rules.pull.observed_pulls import PullProof

ROLE = pw102_pull_permission.CHECK.code
SECRETS = pw303_pull_secrets.CHECK.code
PER_IMAGE = pw304_images_without_credentials.CHECK.code
IMAGES = pw302_images_exist.CHECK.code
FAILURES = pw301_pull_failures.CHECK.code
WITH_ROLE = "role-and-others"
# What has to be repaired before anything else that fails: an identity before its tenant, the tenant before a role.
REPAIRED_FIRST = (pw101_kubelet_identity.CHECK.code, pw105_cross_tenant.CHECK.code)


# A role that was not judged because something else has to be repaired first: it is needed all the same.
OTHER_REPAIR_FIRST = (
    pw102_pull_permission.RoleCause.IDENTITY_FIRST,
    pw102_pull_permission.RoleCause.TENANT_FIRST,
)


def registry_row(
    login_server: str,
    sources: tuple[str, ...],
    findings: Iterable[Finding],
    proof: PullProof | None,
    explained: tuple[str, ...] = (),
) -> RegistryRow:
    """The row of one registry out of its cluster's findings; those without a registry concern every one.

    ``explained`` are the sentences that name where nodes and Azure differ (see contradictions.py).
    """
    own_findings = [f for f in findings if f.subject.registry in (None, login_server)]
    access = access_facet(own_findings)
    on_path = [f for f in own_findings if f.code in deciding(Decides.PATH)]
    path = combined_facet(on_path, "the network path to the registry was not checked")
    own = own_images(own_findings) if isinstance(access.verdict, Pass) else frozenset()
    reports = _node_reports([f for f in own_findings if f.code == FAILURES and f.subject.registry == login_server], own)
    pull, disagreements = pull_facet(access, path, on_path, reports, proofs_about(own_findings, login_server, proof))
    return RegistryRow(
        registry=login_server,
        access=access,
        path=path,
        pull=pull,
        sources=sources,
        image_troubles=len(reports.image) + _absent_images(own_findings, login_server, reports),
        disagreements=(*disagreements, *explained),
        fix=_fixes(own_findings, pull),
    )


def _absent_images(findings: list[Finding], login_server: str, reports: NodeReports) -> int:
    """Images that the registry itself says are in trouble and that no waiting pod has told of yet."""
    reported = {_canonical(f.subject.image) for f in reports.image}
    absent = (f for f in findings if f.code == IMAGES and isinstance(f.verdict, Fail))
    return sum(
        f.subject.registry == login_server and f.subject.image not in reported for f in absent if f.subject.image
    )


def _canonical(image: str | None) -> str | None:
    parsed = images.parse(image or "")
    return images.canonical(parsed) if parsed else image


def combined_facet(findings: list[Finding], nothing: str) -> Facet:
    """Fail beats Unknown beats Pass among findings that all have to hold; ``nothing`` is said where none counts."""
    failed = [f for f in findings if isinstance(f.verdict, Fail) and f.severity is Severity.ERROR]
    unknown = [f for f in findings if isinstance(f.verdict, Unknown)]
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
    is no Azure registry: the kubelet identity says nothing about it.
    """
    own_findings = [f for f in findings if f.code == ROLE]
    identity = combined_facet([f for f in findings if f.code in deciding(Decides.ACCESS)], "no credential was checked")
    others = [f for f in findings if f.code == PER_IMAGE and f.subject.registry is not None]
    alternative = _with_secrets(
        combined_facet(others, "no other credential was checked"),
        [f for f in findings if f.code == SECRETS and f.subject.registry is not None],
    )
    if isinstance(identity.verdict, Fail) and isinstance(alternative.verdict, Fail):
        return identity
    if isinstance(alternative.verdict, Fail):
        return alternative
    if isinstance(identity.verdict, Pass) and any(isinstance(f.verdict, Pass) for f in own_findings):
        return identity
    if alternative.cause == WITH_ROLE and not _identity_stands(findings):
        return identity
    role_needed = any(not isinstance(f.verdict, Skipped) or f.cause in OTHER_REPAIR_FIRST for f in own_findings)
    if not own_findings or isinstance(alternative.verdict, Pass) or (others and not role_needed):
        return alternative
    return identity


def _identity_stands(findings: list[Finding]) -> bool:
    """Whether nothing but the role itself is in doubt about the kubelet identity."""
    rest = [f for f in findings if f.code in deciding(Decides.ACCESS) - {ROLE}]
    failed = any(isinstance(f.verdict, Fail) and f.severity is Severity.ERROR for f in rest)
    return not failed and not any(isinstance(f.verdict, Unknown) for f in rest)


def _with_secrets(facet: Facet, secrets: list[Finding]) -> Facet:
    """The facet, with the findings about single secrets that agree named as deciding too."""
    if any(type(f.verdict) is type(facet.verdict) for f in secrets) and not isinstance(facet.verdict, Unknown):
        return msgspec.structs.replace(facet, decided_by=(SECRETS, *facet.decided_by))
    return facet


def _node_reports(findings: list[Finding], own: frozenset[str]) -> NodeReports:
    """``own`` are images that the registry says are in trouble themselves: it may refuse them like a missing role."""
    failed = [f for f in findings if isinstance(f.verdict, Fail)]

    def scope(finding: Finding) -> str:
        cause = PullErrorCause(finding.cause)
        return "image" if cause in CREDENTIALS and _canonical(finding.subject.image) in own else affected_scope(cause)

    def of(wanted: str) -> tuple[Finding, ...]:
        return tuple(f for f in failed if scope(f) == wanted)

    return NodeReports(of("registry"), of("image"), of("unsettled"))


def _codes(findings: list[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.code for f in findings))


def _fixes(findings: list[Finding], pull: Facet) -> tuple[str, ...]:
    if not isinstance(pull.verdict, Fail):
        return ()
    deciding = [f for f in findings if f.code in pull.decided_by and isinstance(f.verdict, Fail)]
    return tuple(dict.fromkeys(command for f in deciding for command in f.fix))[:10]
