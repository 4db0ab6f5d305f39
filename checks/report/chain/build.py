"""A cluster's report and a login server in, the chain out. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from checks.catalog import check_of
from checks.catalog.check import Step
from checks.catalog.pw301_pull_failures import PodsCause
from checks.findings import Basis, ClusterReport, Facet, Fail, Finding, Pass, RegistryRow, Skipped, Unknown
from checks.report.chain.model import Chain, ChainLink, WeighedFinding
from checks.report.chain.weighing import facets_about, weighed
from checks.report.fixes import fixes_of
from checks.report.registry_row import OTHER_REPAIR_FIRST

NOTHING_CHECKED = "Nothing was checked here."
NO_PROOF = "That no pod waits does not prove a pull."


def chain_of(report: ClusterReport, login_server: str) -> Chain:
    """The chain to one registry of a report. Raises LookupError where the report has no row of it."""
    row = next((row for row in report.registries if row.registry == login_server), None)
    if row is None:
        raise LookupError(f"the report of {report.name} has no row of {login_server}")
    return chain_of_row(report, row)


def chain_of_row(report: ClusterReport, row: RegistryRow) -> Chain:
    """The chain of one of a report's rows."""
    answer = answer_of(row)
    return Chain(
        cluster=report.id,
        registry=row.registry,
        headline=_headline(report.name, row),
        answer=answer,
        links=_not_checked(report) if report.problem is not None else _links(report.findings, row),
        basis=tuple(basis.value for basis in row.basis),
        fix=all_commands(row),
        disagreements=row.disagreements,
        only_asked_for=row.only_asked_for,
    )


def answer_of(row: RegistryRow) -> Facet:
    """The facet that answers for a row: the pull, unless that does not fail and something else does."""
    failing = (facet for facet in (row.pull, row.access, row.path, row.images) if isinstance(facet.verdict, Fail))
    return next(failing, row.pull)


def all_commands(row: RegistryRow) -> tuple[str, ...]:
    """The commands of all of a row's answers, each once, those of the pull first."""
    return tuple(dict.fromkeys(step for facet in (row.pull, row.access, row.path, row.images) for step in facet.fix))


def _headline(cluster: str, row: RegistryRow) -> str:
    if isinstance(row.pull.verdict, Fail):
        return f"{cluster} cannot pull from {row.registry}"
    if isinstance(row.access.verdict, Fail) or isinstance(row.path.verdict, Fail):
        return f"{cluster} is at risk of not pulling from {row.registry}"
    if isinstance(row.images.verdict, Fail):
        return f"{cluster} cannot pull all of its images from {row.registry}"
    if isinstance(row.pull.verdict, Unknown):
        return f"It is not known whether {cluster} can pull from {row.registry}"
    if isinstance(row.pull.verdict, Skipped):
        return f"Whether {cluster} can pull from {row.registry} is not judged"
    return f"{cluster} can pull from {row.registry}"


def _not_checked(report: ClusterReport) -> tuple[ChainLink, ...]:
    """The links of a cluster that could not be checked: the first says why."""
    assert report.problem is not None
    verdict, cause = Unknown(report.problem.missing), report.problem.cause
    sentences = {Step.IDENTITY: report.problem.summary}
    return tuple(
        ChainLink(step=step, verdict=verdict, sentence=sentences.get(step, "Not checked."), cause=cause)
        for step in Step
    )


def _links(findings: Iterable[Finding], row: RegistryRow) -> tuple[ChainLink, ...]:
    by_step: dict[Step, list[WeighedFinding]] = {step: [] for step in Step}
    for finding in findings:
        step = check_of(finding).step
        if step is not None and finding.subject.registry in (None, row.registry):
            by_step[step].append(weighed(finding, row))
    links: list[ChainLink] = []
    for step, own in by_step.items():
        link = _nodes(own, row, links) if step is Step.NODES else _link(step, own, row)
        links.append(_not_reached(link, links))
    return tuple(links)


def _link(step: Step, own: list[WeighedFinding], row: RegistryRow) -> ChainLink:
    """One step: Fail beats Unknown beats Pass among what counts; nothing of these is Skipped."""
    for kind in (Fail, Unknown, Pass):
        leading = [one.finding for one in own if one.counts and isinstance(one.finding.verdict, kind)]
        if leading:
            return _decided(step, own, leading, row)
    return _skipped(step, own, row)


def _decided(step: Step, own: list[WeighedFinding], leading: list[Finding], row: RegistryRow) -> ChainLink:
    lead = _lead(leading, row)
    return ChainLink(
        step=step,
        verdict=lead.verdict,
        sentence=lead.summary,
        cause=lead.cause,
        codes=tuple(dict.fromkeys((lead.code, *(finding.code for finding in leading)))),
        findings=tuple(own),
        fix=fixes_of((lead, *leading)),
    )


def _lead(findings: list[Finding], row: RegistryRow) -> Finding:
    """What says it: what gave the row its cause, else the first."""

    def decided(finding: Finding) -> bool:
        check = check_of(finding)
        facets = facets_about(check.step or Step.NODES, check.decides, row)
        return any(finding.code in facet.decided_by and finding.cause == facet.cause for facet in facets)

    return next(filter(decided, findings), findings[0])


def _skipped(step: Step, own: list[WeighedFinding], row: RegistryRow) -> ChainLink:
    """Nothing counts: why it does not matter, or why what fails does not."""
    noted = next((one for one in own if one.note), None)
    passed_over = [one.finding for one in own if isinstance(one.finding.verdict, Skipped)]
    if passed_over and noted is None:
        lead = min(passed_over, key=lambda finding: finding.subject.registry is None)
        sentence, cause, code = f"{lead.summary.rstrip('.')}.", lead.cause, lead.code
    elif noted is not None:
        sentence, cause, code = f"{noted.finding.code} {noted.note}", noted.finding.cause, noted.finding.code
    else:
        (facet, *_) = facets_about(step, None, row)
        sentence, cause, code = (
            facet.summary if isinstance(facet.verdict, Skipped) else NOTHING_CHECKED,
            facet.cause,
            "",
        )
    codes = (code,) if code else ()
    return ChainLink(
        step=step, verdict=Skipped(sentence), sentence=sentence, cause=cause, codes=codes, findings=tuple(own)
    )


def _nodes(own: list[WeighedFinding], row: RegistryRow, before: list[ChainLink]) -> ChainLink:
    """What nodes say. A row that fails breaks somewhere: here, where no earlier step does."""
    link = _link(Step.NODES, own, row)
    if link.fails:
        return link
    if isinstance(row.pull.verdict, Fail) and not any(earlier.fails for earlier in before):
        return _by_row(link, row)
    if isinstance(row.pull.verdict, Pass):
        return _by_row(link, row) if {Basis.NODES, Basis.REGISTRY} & set(row.basis) else link
    if link.cause == PodsCause.NO_POD_WAITS:
        sentence = f"{link.sentence} {NO_PROOF}"
        return msgspec.structs.replace(link, verdict=Skipped(sentence), sentence=sentence)
    return link


def _by_row(link: ChainLink, row: RegistryRow) -> ChainLink:
    """The step with the row's own answer about the pull."""
    pull = row.pull
    return msgspec.structs.replace(
        link, verdict=pull.verdict, sentence=pull.summary, cause=pull.cause, codes=pull.decided_by, fix=pull.fix
    )


def _not_reached(link: ChainLink, before: list[ChainLink]) -> ChainLink:
    """The step marked as not reached where its check says that an earlier one, which fails, is repaired first."""
    waits = link.skipped and link.cause in OTHER_REPAIR_FIRST and any(earlier.fails for earlier in before)
    return msgspec.structs.replace(link, reached=False) if waits else link
