"""What the page lists beside what is broken: clusters, and unknowns, warnings and gaps in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.catalog import check_of
from checks.findings import ClusterReport, Fail, Finding, Pass, RegistryRow, Severity, Unknown, shown, word
from checks.report.chain.build import answer_of
from checks.report.fleet.broken import harm_of
from checks.report.html import bounded
from checks.report.html.broken_view import Fix, fix_of
from checks.report.outcome import Outcome, outcome_of
from checks.text import counted

_ORDER = {"cannot pull": 0, "at risk": 1, "image errors": 2, "unknown": 3, "can pull": 4}


class RowLine(msgspec.Struct, frozen=True):
    """A registry of a cluster that does not pass: its answer and cause."""

    registry: str
    answer: str
    kind: str
    cause: str


class ClusterLine(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster in the table. ``kind`` is the verdict's word for its colour, ``passing`` are registries by name."""

    name: str
    subscription: str
    answer: str
    kind: str
    rows: tuple[RowLine, ...]
    more: int
    passing: str
    anchor: str


class Grouped(msgspec.Struct, frozen=True, kw_only=True):
    """What several clusters have in common: ``heading`` (check and cause), how many, and the first one's sentence."""

    heading: str
    reach: str
    names: str
    sentence: str
    note: str = ""
    fix: Fix = Fix()


def cluster_lines(
    reports: Iterable[ClusterReport], subscriptions: Mapping[str, str], anchors: Mapping[str, str]
) -> tuple[ClusterLine, ...]:
    """Every cluster, the worst first. ``anchors`` lead from a cluster's id to its picture."""
    lines = [_cluster(report, subscriptions, anchors.get(report.id, "")) for report in reports]
    return tuple(sorted(lines, key=lambda line: (_ORDER[line.answer], line.name.lower())))


def _cluster(report: ClusterReport, subscriptions: Mapping[str, str], anchor: str) -> ClusterLine:
    outcome, guid = outcome_of(report), subscription_of(report.id)
    if outcome is Outcome.FAIL:
        harm = harm_of(report)
        answer = harm.words if harm is not None else "at risk"
    else:
        answer = "can pull" if outcome is Outcome.PASS else "unknown"
    open_rows = [row for row in report.registries if not isinstance(answer_of(row).verdict, Pass)]
    rows, more = bounded.first([_row(row) for row in open_rows], bounded.MAX_ROWS)
    passing = [row.registry for row in report.registries if isinstance(answer_of(row).verdict, Pass)]
    return ClusterLine(
        name=bounded.name(report.name),
        subscription=bounded.name(subscriptions.get(guid, "") or guid),
        answer=answer,
        kind=outcome.value,
        rows=rows,
        more=more,
        passing=bounded.named(passing, bounded.MAX_ROWS),
        anchor=anchor,
    )


def _row(row: RegistryRow) -> RowLine:
    answer = answer_of(row)
    kind = word(answer.verdict)
    return RowLine(bounded.name(row.registry), shown(kind), kind, bounded.name(answer.cause))


def unknowns(reports: Iterable[ClusterReport]) -> tuple[Grouped, ...]:
    """What is not known, by check and cause: first what leaves open whether nodes can pull, then the most frequent."""
    listed = tuple(reports)
    found = _grouped(listed, lambda finding: isinstance(finding.verdict, Unknown))
    ordered = sorted(found.values(), key=lambda members: (not check_of(members[0][1]).settles, -_clusters(members)))
    problems: dict[str, list[ClusterReport]] = {}
    for report in listed:
        if report.problem is not None:
            problems.setdefault(report.problem.cause, []).append(report)
    return (*(_problem(members) for members in problems.values()), *(_unknown(members) for members in ordered))


def warnings(reports: Iterable[ClusterReport]) -> tuple[Grouped, ...]:
    """What fails and is no error, by check and cause, the most frequent first."""

    def warns(finding: Finding) -> bool:
        return isinstance(finding.verdict, Fail) and finding.severity is not Severity.ERROR

    found = _grouped(tuple(reports), warns)
    return tuple(_group(members) for members in sorted(found.values(), key=lambda members: -_clusters(members)))


def gaps(reports: Iterable[ClusterReport]) -> tuple[Grouped, ...]:
    """What was not read, by what it is and why, the most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    fixes: dict[tuple[str, str], tuple[str, ...]] = {}
    for report in reports:
        for line in report.coverage:
            if not line.looked:
                found.setdefault((line.what, line.why), []).append(report.id)
                fixes.setdefault((line.what, line.why), line.fix)
    return tuple(
        Grouped(
            heading=bounded.name(what),
            reach=counted(len(ids), "cluster"),
            names=bounded.named(map(name_of, ids), bounded.MAX_FEW),
            sentence=bounded.sentence(why),
            fix=fix_of(fixes[what, why]),
        )
        for (what, why), ids in sorted(found.items(), key=lambda item: -len(item[1]))
    )


Members = list[tuple[ClusterReport, Finding]]


def _grouped(reports: tuple[ClusterReport, ...], wanted: Callable[[Finding], bool]) -> dict[tuple[str, str], Members]:
    found: dict[tuple[str, str], Members] = {}
    for report in reports:
        for finding in report.findings:
            if wanted(finding):
                found.setdefault((finding.code, finding.cause), []).append((report, finding))
    return found


def _clusters(members: Members) -> int:
    return len({report.id for report, _ in members})


def _group(members: Members, note: str = "") -> Grouped:
    _, first = members[0]
    names = dict.fromkeys(report.name for report, _ in members)
    return Grouped(
        heading=f"{bounded.name(first.code)} {bounded.name(first.cause)}",
        reach=counted(_clusters(members), "cluster"),
        names=bounded.named(names, bounded.MAX_FEW),
        sentence=bounded.sentence(first.summary),
        note=note,
        fix=fix_of(first.fix),
    )


def _unknown(members: Members) -> Grouped:
    settles = check_of(members[0][1]).settles
    return _group(members, "" if settles else "It says nothing of whether nodes can pull.")


def _problem(members: list[ClusterReport]) -> Grouped:
    problem = members[0].problem
    assert problem is not None
    return Grouped(
        heading=f"not checked: {bounded.name(problem.cause)}",
        reach=counted(len(members), "cluster"),
        names=bounded.named((report.name for report in members), bounded.MAX_FEW),
        sentence=bounded.sentence(f"{problem.summary} Missing: {problem.missing}"),
    )
