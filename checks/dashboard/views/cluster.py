"""One cluster: the path to each registry and where it breaks, findings, pull times, what changed, coverage. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from markupsafe import Markup

from checks.arm_ids import name_of, resource_group_of, subscription_of
from checks.dashboard import addresses
from checks.dashboard.views.marks import Mark, Strip, cause_words, strip
from checks.dashboard.views.moments import Moment, maybe
from checks.dashboard.views.sparks import Spark, sparks
from checks.dashboard.views.standing import standing_of
from checks.dashboard.views.timeline import ChangeLine, Changes, timeline
from checks.facts.pulls import PullTimeBaseline
from checks.findings import ClusterReport, Coverage, Fail, Finding, Pass, RegistryRow, describe_evidence, shown, word
from checks.fleet.clusters import failing_since, strip_of
from checks.fleet.incidents import Incident
from checks.fleet.model import Fleet
from checks.history.overview import ClusterEntry
from checks.notify.roots import RootKind
from checks.report.chain.build import answer_of, chain_of_row
from checks.report.fleet.broken import Broken, broken_of
from checks.report.html import bounded
from checks.report.html.broken_view import BrokenRow, Fix, broken_row, fix_of
from checks.report.path_picture import svg

MAX_PATHS = 12  # registries with a picture; the others are in the table
MAX_FINDINGS = 80
MAX_COVERAGE = 60
MAX_INCIDENTS = 12
_RANK = {"fail": 0, "unknown": 1, "pass": 2, "skipped": 3}


class PathPart(msgspec.Struct, frozen=True, kw_only=True):
    """A registry: its answers, the picture of its path, and, where it is broken, what is known of that.

    ``evidence``: what the links rest on at which it breaks or is not known. ``unfolded``: there is something to see.
    """

    registry: str
    address: str
    answers: tuple[tuple[str, Mark], ...]
    sentence: str
    picture: Markup
    broken: BrokenRow | None
    fix: Fix
    disagreements: tuple[str, ...]
    waiting: int
    sources: str
    strip: Strip
    unfolded: bool


class FindingLine(msgspec.Struct, frozen=True, kw_only=True):
    """A finding. ``about`` is what of the cluster it is about, besides the registry."""

    mark: Mark
    code: str
    cause: str
    registry: str
    about: str
    summary: str
    evidence: tuple[str, ...]
    fix: Fix


class CoverageLine(msgspec.Struct, frozen=True):
    """What was to be read: whether it was, why not, and what would help."""

    what: str
    mark: Mark
    why: str
    fix: Fix


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. ``trouble``: why there is no report of it, or none that can be read; "" where there is one.

    ``looked``: when a run could look at it last, ``run``; None and "" where none could yet. ``in_vain``: the later run
    that could not, "" for none; ``missed``: it did not find the cluster. ``incidents`` that it is part of: what of,
    and the address.
    """

    name: str
    id: str
    standing: Mark
    subscription: str
    subscription_id: str
    resource_group: str
    region: str
    looked: Moment | None
    run: str
    run_address: str
    in_vain: str
    in_vain_address: str
    missed: bool
    unreadable_since: Moment | None
    failing_since: Moment | None
    incidents: tuple[tuple[str, str], ...]
    gone_since: Moment | None
    problem: str
    trouble: str
    paths: tuple[PathPart, ...]
    more_paths: int
    alone: tuple[BrokenRow, ...]
    findings: tuple[FindingLine, ...]
    more_findings: int
    passing: int
    sparks: tuple[Spark, ...]
    more_sparks: int
    changes: tuple[ChangeLine, ...]
    more_changes: bool
    unreadable_changes: int
    folded_changes: Moment | None
    gaps: tuple[CoverageLine, ...]
    read: tuple[CoverageLine, ...]
    more_coverage: int
    capped: int


def cluster_view(
    entry: ClusterEntry,
    fleet: Fleet,
    report: ClusterReport | None,
    baselines: Mapping[str, PullTimeBaseline],
    changes: Changes,
    *,
    incidents: Iterable[Incident] = (),
    trouble: str = "",
) -> ClusterView:
    """The page of a cluster. ``report`` is its latest; ``incidents`` are those of the fleet."""
    guid = subscription_of(entry.cluster)
    standing = standing_of(entry)
    lines, more_sparks = sparks(baselines)
    broken = {one.registry: one for one in reversed(broken_of(report))} if report else {}
    paths, more_paths = _paths(entry, fleet, report, broken) if report else ((), 0)
    looked_by = bounded.name(entry.looked.run) if entry.looked else ""
    in_vain = "" if entry.gone_since or looked_by == entry.run else bounded.name(entry.run)
    findings, more_findings = _findings(report)
    gaps, read, more_coverage = _coverage(report)
    return ClusterView(
        name=bounded.name(name_of(entry.cluster)),
        id=bounded.sentence(entry.cluster),
        standing=Mark(standing.value, standing.kind),
        subscription=bounded.name(fleet.names.get(guid, "") or guid),
        subscription_id=bounded.name(guid),
        resource_group=bounded.name(resource_group_of(entry.cluster)),
        region=bounded.name(entry.region),
        looked=maybe(entry.looked.at, fleet.now) if entry.looked else None,
        run=looked_by,
        run_address=addresses.run(looked_by),
        in_vain=in_vain,
        in_vain_address=addresses.run(in_vain),
        missed=entry.missed_since is not None,
        unreadable_since=maybe(entry.unreadable_since, fleet.now),
        failing_since=maybe(failing_since(entry), fleet.now),
        incidents=_incidents(entry, incidents),
        gone_since=maybe(entry.gone_since, fleet.now),
        problem=bounded.sentence(report.problem.summary) if report and report.problem else "",
        trouble=trouble,
        paths=paths,
        more_paths=more_paths,
        alone=_alone(report, broken),
        findings=findings,
        more_findings=more_findings,
        passing=sum(isinstance(one.verdict, Pass) for one in report.findings) if report else 0,
        sparks=lines,
        more_sparks=more_sparks,
        changes=timeline(changes.items, fleet.now),
        more_changes=changes.more,
        unreadable_changes=changes.unreadable,
        folded_changes=maybe(changes.folded, fleet.now),
        gaps=gaps,
        read=read,
        more_coverage=more_coverage,
        capped=entry.capped,
    )


def _incidents(entry: ClusterEntry, incidents: Iterable[Incident]) -> tuple[tuple[str, str], ...]:
    own = [one for one in incidents if any(failure.cluster == entry.cluster for failure in one.failing)]
    return tuple((_called(one), addresses.incident(one.id)) for one in own[:MAX_INCIDENTS])


def _called(incident: Incident) -> str:
    cause = bounded.name(cause_words(incident.root.cause))
    return cause if incident.root.kind is RootKind.CLUSTER else f"{cause} at {bounded.name(incident.name)}"


def _paths(
    entry: ClusterEntry, fleet: Fleet, report: ClusterReport, broken: Mapping[str, Broken]
) -> tuple[tuple[PathPart, ...], int]:
    """The registries of a report, what fails first, then what is not known."""
    rows = sorted(report.registries, key=lambda row: (row.registry not in broken, _RANK[word(answer_of(row).verdict)]))
    listed, more = bounded.first(rows, MAX_PATHS)
    return tuple(_path(f"p{number}", row, entry, fleet, report, broken) for number, row in enumerate(listed)), more


def _path(
    anchor: str,
    row: RegistryRow,
    entry: ClusterEntry,
    fleet: Fleet,
    report: ClusterReport,
    broken: Mapping[str, Broken],
) -> PathPart:
    answer = answer_of(row)
    found = broken.get(row.registry)
    held = [one for one in entry.rows if one.registry == row.registry]
    chain = chain_of_row(report, row)
    return PathPart(
        registry=bounded.name(row.registry),
        address=addresses.registry(row.registry),
        answers=tuple((name, _verdict(word(facet.verdict))) for name, facet in row.facets()),
        sentence=bounded.sentence(answer.summary or chain.headline),
        picture=Markup(svg.picture(chain, key=anchor, styled=False)),
        broken=broken_row(anchor, found, report, fleet.names, unfold=True) if found is not None else None,
        fix=fix_of(answer.fix) if found is None else Fix(),
        disagreements=tuple(bounded.sentence(text) for text in row.disagreements[:3]),
        waiting=row.waiting,
        sources=bounded.named(row.sources, bounded.MAX_FEW),
        strip=strip(strip_of(entry, held, fleet.now)),
        unfolded=found is not None or not isinstance(answer.verdict, Pass),
    )


def _alone(report: ClusterReport | None, broken: Mapping[str, Broken]) -> tuple[BrokenRow, ...]:
    """What is broken and in no row of a registry."""
    if report is None:
        return ()
    rows = {row.registry for row in report.registries}
    alone = [one for name, one in broken.items() if name not in rows]
    return tuple(broken_row(f"a{number}", one, report, {}, unfold=True) for number, one in enumerate(alone))


def _findings(report: ClusterReport | None) -> tuple[tuple[FindingLine, ...], int]:
    """Findings that say something: what fails, what only warns, what is not known. What passes is counted elsewhere."""
    telling = [one for one in report.findings if word(one.verdict) in ("fail", "unknown")] if report else []
    telling.sort(key=lambda one: (not one.failed, _RANK[word(one.verdict)], one.code, one.subject.registry or ""))
    listed, more = bounded.first(telling, MAX_FINDINGS)
    return tuple(map(_finding, listed)), more


def _finding(finding: Finding) -> FindingLine:
    subject = finding.subject
    about = [part for part in (subject.pool, subject.workload, subject.image, subject.secret) if part]
    warns = isinstance(finding.verdict, Fail) and not finding.failed
    evidence, _ = bounded.first(finding.evidence, bounded.MAX_EVIDENCE)
    return FindingLine(
        mark=Mark("warning", "unknown") if warns else _verdict(word(finding.verdict)),
        code=bounded.name(finding.code),
        cause=bounded.name(cause_words(finding.cause)),
        registry=bounded.name(subject.registry or ""),
        about=bounded.named(about, 4),
        summary=bounded.sentence(finding.summary),
        evidence=tuple(bounded.sentence(describe_evidence(one)) for one in evidence),
        fix=fix_of(finding.fix),
    )


def _coverage(report: ClusterReport | None) -> tuple[tuple[CoverageLine, ...], tuple[CoverageLine, ...], int]:
    """What was not read, what was, and how many lines are left out."""
    lines = report.coverage if report else ()
    gaps, more_gaps = bounded.first([_line(one) for one in lines if not one.looked], MAX_COVERAGE)
    read, more_read = bounded.first([_line(one) for one in lines if one.looked], MAX_COVERAGE)
    return gaps, read, more_gaps + more_read


def _line(line: Coverage) -> CoverageLine:
    mark = Mark("read", "pass") if line.looked else Mark("not read", "unknown")
    return CoverageLine(bounded.name(line.what), mark, bounded.sentence(line.why), fix_of(line.fix))


def _verdict(verdict: str) -> Mark:
    return Mark(shown(verdict), verdict)
