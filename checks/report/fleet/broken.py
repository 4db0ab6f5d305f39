"""What is broken: one entry per cluster and registry, and together those that have the same thing at fault. Pure.

The command line, the HTML report and JUnit show these. Every cluster that fails (``outcome_of``) has an entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum

import msgspec

from checks.findings import ClusterReport, Facet, Fail, Finding, RegistryRow


class Harm(IntEnum):
    """How bad it is, the worst first."""

    CANNOT_PULL = 0
    AT_RISK = 1  # something that pulls need fails, and no pull is known to fail
    IMAGES = 2  # the registry can be pulled from, single images cannot

    @property
    def words(self) -> str:
        """ "cannot pull", "at risk", "image errors"."""
        return ("cannot pull", "at risk", "image errors")[self]


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster that cannot pull from one registry.

    ``cluster`` is its ARM id; ``registry`` the login server, "" where no single one is concerned (then there is no
    ``row``). ``code`` is the check that leads, ``lead_fix`` what that one proposes, and ``fix`` all that is needed;
    ``also`` are the other findings that fail there.
    """

    cluster: str
    registry: str
    harm: Harm
    code: str
    cause: str
    summary: str
    fix: tuple[str, ...] = ()
    lead_fix: tuple[str, ...] = ()
    row: RegistryRow | None = None
    also: tuple[Finding, ...] = ()


class BrokenGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What has the same registry, check and cause; ``using`` counts the clusters whose rows have the registry."""

    registry: str
    harm: Harm
    code: str
    cause: str
    members: tuple[Broken, ...]
    using: int


def broken_groups(
    reports: Iterable[ClusterReport], fleet: Iterable[ClusterReport] | None = None
) -> tuple[BrokenGroup, ...]:
    """All that is broken, the worst group first, of equally bad ones the one with most clusters.

    ``fleet`` are the clusters among which those that use a registry are counted (None: the same); one that is judged
    on it only because it was asked for does not use it.
    """
    listed = tuple(reports)
    rows = (row for report in (listed if fleet is None else fleet) for row in report.registries)
    using = Counter(row.registry for row in rows if not row.only_asked_for)
    groups: dict[tuple[Harm, str, str, str], list[Broken]] = {}
    for broken in (entry for report in listed for entry in broken_of(report)):
        groups.setdefault((broken.harm, broken.registry, broken.code, broken.cause), []).append(broken)
    made = (
        BrokenGroup(
            registry=registry,
            harm=harm,
            code=code,
            cause=cause,
            members=tuple(sorted(members, key=lambda entry: entry.cluster.lower())),
            using=using[registry],
        )
        for (harm, registry, code, cause), members in groups.items()
    )
    return tuple(sorted(made, key=lambda group: (group.harm, -len(group.members), group.registry, group.cause)))


def broken_of(report: ClusterReport) -> tuple[Broken, ...]:
    """What is broken of one cluster: its failing rows, then what fails and is in none of them."""
    failed = [finding for finding in report.findings if finding.failed]
    rows = tuple(
        _broken_row(report, row, harm, facet, failed)
        for row in report.registries
        for harm, facet in (_worst(row),)
        if facet is not None
    )
    told = {id(finding) for entry in rows for finding in _concerning(failed, entry.registry)}
    return (*rows, *_alone(report, [finding for finding in failed if id(finding) not in told]))


def harm_of(report: ClusterReport) -> Harm | None:
    """The worst that is broken of a cluster; None where nothing is."""
    return min((entry.harm for entry in broken_of(report)), default=None)


def _worst(row: RegistryRow) -> tuple[Harm, Facet | None]:
    """The facet that says what is wrong with a row, and how bad that is."""
    if isinstance(row.pull.verdict, Fail):
        return Harm.CANNOT_PULL, row.pull
    for facet in (row.access, row.path):
        if isinstance(facet.verdict, Fail):
            return Harm.AT_RISK, facet
    return Harm.IMAGES, row.images if isinstance(row.images.verdict, Fail) else None


def _broken_row(report: ClusterReport, row: RegistryRow, harm: Harm, facet: Facet, failed: list[Finding]) -> Broken:
    own = _concerning(failed, row.registry)
    deciding = [finding for finding in own if finding.code in facet.decided_by]
    lead = next((finding for finding in deciding if finding.cause == facet.cause), None)
    code = lead.code if lead else next(iter(facet.decided_by), "")
    return Broken(
        cluster=report.id,
        registry=row.registry,
        harm=harm,
        code=code,
        cause=facet.cause,
        summary=facet.summary or (lead.summary if lead else ""),
        fix=facet.fix,
        lead_fix=lead.fix if lead else (),
        row=row,
        also=tuple(finding for finding in own if (finding.code, finding.cause) != (code, facet.cause)),
    )


def _concerning(failed: list[Finding], registry: str) -> list[Finding]:
    """Those about a registry, or about the whole cluster."""
    return [finding for finding in failed if finding.subject.registry in (None, registry)]


def _alone(report: ClusterReport, findings: list[Finding]) -> list[Broken]:
    """What fails without a row that does, each check and cause once per registry."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.subject.registry or "", finding.code, finding.cause), []).append(finding)
    return [
        Broken(
            cluster=report.id,
            registry=registry,
            harm=Harm.IMAGES if first.subject.image else Harm.AT_RISK,
            code=code,
            cause=cause,
            summary=first.summary,
            fix=tuple(dict.fromkeys(step for finding in members for step in finding.fix)),
            lead_fix=first.fix,
            row=next((row for row in report.registries if row.registry == registry), None),
        )
        for (registry, code, cause), members in groups.items()
        for first in (members[0],)
    ]
