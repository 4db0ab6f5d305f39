"""What must hold of every chain beside the row that it is about."""

from __future__ import annotations

from checks import catalog
from checks.catalog.check import Step
from checks.facts import ClusterFacts
from checks.findings import ClusterReport, Fail, Finding, Pass, RegistryRow, Skipped, Unknown
from checks.report.chain.build import chain_of_row
from checks.report.chain.model import Chain
from tests.support.access_facts import REGISTRY_ID, SUBSCRIPTION, TENANT, facts, registry, seen, use

SETTLES = {check.code: check.settles for check in catalog.checks()}
ELSEWHERE = "22222222-2222-4222-8222-222222222222"


def across_tenants() -> ClusterFacts:
    """A cluster whose registry is of another tenant, which its identity gets no token of."""
    theirs = registry(id=REGISTRY_ID.replace(SUBSCRIPTION, ELSEWHERE))
    tenants = {SUBSCRIPTION: TENANT, ELSEWHERE: "99999999-0000-4000-8000-000000000009"}
    return facts(uses=(use(seen(theirs)),), tenants=tenants)


def _is_about(finding: Finding, row: RegistryRow) -> bool:
    """Whether a finding is about the row's registry, or about who pulls, which is of every registry."""
    of_who_pulls = finding.subject.registry is None and catalog.check_of(finding).decides is not None
    return finding.subject.registry == row.registry or of_who_pulls


def agreeing_chain(report: ClusterReport, row: RegistryRow) -> Chain:
    """The chain of a row, which agrees with it and loses no finding. Raises AssertionError where it does not."""
    chain = chain_of_row(report, row)
    failing = [name for name, facet in row.facets() if isinstance(facet.verdict, Fail)]
    broken = [link.step for link in chain.broken]
    assert tuple(link.step for link in chain.links) == tuple(Step)
    if isinstance(row.pull.verdict, Fail):
        assert broken, f"pull fails for {row.pull.cause}, and no step does"
    if not failing:
        assert not broken, f"no answer of the row fails, and {broken} do"
    if isinstance(row.access.verdict, Pass):
        assert Step.IDENTITY not in broken and Step.ROLE not in broken
    if isinstance(row.path.verdict, Pass):
        assert Step.DNS not in broken and Step.NETWORK not in broken
    if isinstance(row.access.verdict, Fail):
        assert {Step.IDENTITY, Step.ROLE, Step.REGISTRY} & set(broken)
    if isinstance(row.path.verdict, Fail):
        assert {Step.DNS, Step.NETWORK} & set(broken)
    unknown = {link.step: link.codes for link in chain.links if isinstance(link.verdict, Unknown)}
    if isinstance(row.access.verdict, Pass):
        assert Step.ROLE not in unknown and set(unknown.get(Step.IDENTITY, ())) <= {"PW106"}
    if isinstance(row.path.verdict, Pass):
        assert Step.DNS not in unknown and Step.NETWORK not in unknown
    if report.problem is None:
        assert all(SETTLES[code] for codes in unknown.values() for code in codes), "what is open concerns the nodes"
    for link in chain.links:
        assert link.sentence
        assert isinstance(link.verdict, Pass | Fail | Unknown | Skipped)
        for weighed in link.findings:
            unsettled = isinstance(weighed.finding.verdict, Fail | Unknown)
            assert weighed.counts or weighed.note, "what does not count says why"
            of_others = link.step is Step.REGISTRY and isinstance(weighed.finding.verdict, Pass)
            assert unsettled or of_others or not weighed.note
        if link.step is Step.REGISTRY and isinstance(link.verdict, Pass):
            assert any(one.counts and _is_about(one.finding, row) for one in link.findings)
        if link.fails:
            assert link.codes
            counted = [one.finding for one in link.findings if one.counts and isinstance(one.finding.verdict, Fail)]
            assert all(finding.failed for finding in counted), "what only warns breaks nothing"
            assert counted or link.step is Step.NODES
    return chain
