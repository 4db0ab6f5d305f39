"""A report as flat lines, one for each cluster and registry: what CSV and JUnit show. Pure.

Together a cluster's lines say what the cluster comes to: one of them fails where it fails, one is unknown where
something is open. What is in no row, and clusters without rows, have lines without a registry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from checks.arm_ids import resource_group_of
from checks.catalog import check_of
from checks.causes import RowCause
from checks.findings import ClusterReport, Facet, Finding, RegistryRow, Skipped, Unknown, word
from checks.report.coverage import REGISTRIES_CUT
from checks.report.fleet.broken import Broken, broken_of
from checks.report.outcome import nothing_judged, unsettled

MAX_LINES = 300  # of one cluster


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line. ``verdict`` is "pass", "fail", "unknown" or "skipped"; the texts say why it is no pass.

    ``registry`` is "" where no single one is concerned, and ``row`` None where the line is about no row.
    """

    registry: str
    verdict: str
    code: str = ""
    cause: str = ""
    summary: str = ""
    fix: tuple[str, ...] = ()
    row: RegistryRow | None = None
    also: tuple[Finding, ...] = ()


def lines_of(report: ClusterReport) -> tuple[Line, ...]:
    """The lines of one cluster, at least one."""
    broken: dict[str, Broken] = {}
    for entry in sorted(broken_of(report), key=lambda one: one.harm):
        broken.setdefault(entry.registry, entry)
    rows = [_of_row(row, broken.pop(row.registry, None)) for row in report.registries]
    lines = [*rows, *(_of_broken(entry) for entry in broken.values())]
    if unsettled(report) and not any(line.verdict == "unknown" for line in lines):
        lines.append(_open(report))
    if not lines:
        lines.append(Line(registry="", verdict="pass", summary="No registry is known that the cluster uses."))
    return _cut(lines)


def labels(reports: Iterable[ClusterReport]) -> dict[str, str]:
    """Names for clusters by their ids: the cluster's own, with more where several have it."""
    listed = tuple(reports)
    times = Counter(report.name.lower() for report in listed)
    named = {
        report.id: report.name if times[report.name.lower()] == 1 else f"{report.name} ({resource_group_of(report.id)})"
        for report in listed
    }
    again = Counter(label.lower() for label in named.values())
    return {cluster: label if again[label.lower()] == 1 else cluster for cluster, label in named.items()}


def _of_row(row: RegistryRow, broken: Broken | None) -> Line:
    if broken is not None:
        return _of_broken(broken, row)
    if isinstance(row.pull.verdict, Unknown | Skipped):
        facet = _telling(row)
        return Line(
            registry=row.registry,
            verdict=word(row.pull.verdict),
            code=next(iter(facet.decided_by), ""),
            cause=facet.cause,
            summary=facet.summary or _reason(facet),
            fix=facet.fix,
            row=row,
        )
    return Line(registry=row.registry, verdict="pass", row=row)


def _telling(row: RegistryRow) -> Facet:
    """The facet that says why the answer is not known: one that it rests on says more than the answer itself."""
    same = [facet for facet in (row.access, row.path) if type(facet.verdict) is type(row.pull.verdict)]
    return next((facet for facet in (row.pull, *same) if facet.summary), row.pull)


def _reason(facet: Facet) -> str:
    if isinstance(facet.verdict, Unknown):
        return f"Not known. What would settle it: {facet.verdict.missing}."
    return f"Not judged: {facet.verdict.because}." if isinstance(facet.verdict, Skipped) else ""


def _of_broken(broken: Broken, row: RegistryRow | None = None) -> Line:
    return Line(
        registry=broken.registry,
        verdict="fail",
        code=broken.code,
        cause=broken.cause,
        summary=broken.summary,
        fix=broken.fix,
        row=row,
        also=broken.also,
    )


def _open(report: ClusterReport) -> Line:
    """Why it is open whether a cluster can pull, where no row says so."""
    if report.problem is not None:
        return Line(registry="", verdict="unknown", cause=report.problem.cause, summary=report.problem.summary)
    if nothing_judged(report):
        summary = "No registry is known that the cluster uses, and its pods were not read."
        return Line(registry="", verdict="unknown", cause=RowCause.NOT_JUDGED, summary=summary)
    for finding in report.findings:
        if isinstance(finding.verdict, Unknown) and check_of(finding).settles:
            registry = finding.subject.registry or ""
            lone = "" if any(row.registry == registry for row in report.registries) else registry
            return Line(
                registry=lone,
                verdict="unknown",
                code=finding.code,
                cause=finding.cause,
                summary=finding.summary,
                fix=finding.fix,
            )
    cut = next((line.why for line in report.coverage if line.what == REGISTRIES_CUT), "")
    return Line(registry="", verdict="unknown", cause=RowCause.MORE_REGISTRIES, summary=f"Not judged: {cut}.")


def _cut(lines: Sequence[Line]) -> tuple[Line, ...]:
    """At most MAX_LINES; the last one then stands for the rest, by the worst of it."""
    if len(lines) <= MAX_LINES:
        return tuple(lines)
    order = ("fail", "unknown", "skipped", "pass")
    ranked = sorted(lines, key=lambda line: order.index(line.verdict))
    kept, rest = ranked[: MAX_LINES - 1], ranked[MAX_LINES - 1 :]
    more = Line(
        registry="",
        verdict=rest[0].verdict,
        cause=RowCause.MORE_REGISTRIES,
        summary=f"{len(rest)} more registries are not listed.",
    )
    return (*kept, more)
