"""Which findings a step's verdict rests on, so that the chain never says another thing than the row.

Kubelet identity, pull secrets and anonymous pull are alternatives, and a check of something that a row does not rest on
can fail beside a row that passes. Such a finding is shown with the reason why it does not count.
"""

from __future__ import annotations

from checks.catalog import check_of
from checks.catalog.check import Check, Decides, Step
from checks.findings import Facet, Fail, Finding, Pass, RegistryRow, Skipped, Unknown
from checks.report.chain.model import WeighedFinding

# Steps whose every check is about one credential of several.
_CREDENTIALS = (Step.IDENTITY, Step.ROLE)


def weighed(finding: Finding, row: RegistryRow) -> WeighedFinding:
    """The finding of a check that has a step, weighed for one row."""
    if isinstance(finding.verdict, Fail):
        return _failing(finding, row)
    if isinstance(finding.verdict, Unknown):
        return _open(finding, row)
    if isinstance(finding.verdict, Pass):
        return _passing(finding, row)
    return WeighedFinding(finding, True)


def facets_about(step: Step, decides: Decides | None, row: RegistryRow) -> tuple[Facet, ...]:
    """The answers of a row that a check's findings bear on."""
    if decides is Decides.PATH or step in (Step.DNS, Step.NETWORK):
        return (row.path,)
    if decides is Decides.ACCESS or step in _CREDENTIALS:
        return (row.access,)
    return (row.pull, row.images)


def _failing(finding: Finding, row: RegistryRow) -> WeighedFinding:
    check = check_of(finding)
    facets = facets_about(_step(check), check.decides, row)
    failing = [facet for facet in facets if isinstance(facet.verdict, Fail)]
    if not finding.failed:
        return WeighedFinding(finding, False, f"only warns: {finding.summary}")
    if not _concerns(finding, check, row):
        return WeighedFinding(finding, False, f"fails, but not for this registry: {finding.summary}")
    if failing:
        return WeighedFinding(finding, True)
    return WeighedFinding(finding, False, f"fails, but {_why_not(check, facets[0])} {finding.summary}")


def _why_not(check: Check, facet: Facet) -> str:
    """Why a finding that fails breaks nothing."""
    one_of_several = check.decides is not None or _step(check) is Step.ROLE
    if one_of_several and isinstance(facet.verdict, Pass):
        return f"is not needed: {facet.summary} What fails:"
    if one_of_several and isinstance(facet.verdict, Unknown):
        return f"may not be needed: {facet.summary} What fails:"
    return "no answer about this registry rests on it:"


def _open(finding: Finding, row: RegistryRow) -> WeighedFinding:
    check = check_of(finding)
    step = _step(check)
    if not check.settles:
        return WeighedFinding(finding, False, f"is not known, which says nothing of the nodes: {finding.summary}")
    if step is Step.REGISTRY and not _concerns(finding, check, row):
        return WeighedFinding(finding, False, f"is not known, but not of this registry: {finding.summary}")
    (facet, *_) = facets_about(step, check.decides, row)
    if check.decides is not None or step is Step.ROLE:
        if isinstance(facet.verdict, Pass):
            return WeighedFinding(finding, False, f"is not known, but not needed: {facet.summary}")
        if isinstance(facet.verdict, Skipped):
            return WeighedFinding(finding, False, f"is not known, and not judged here: {facet.summary}")
    return WeighedFinding(finding, True)


def _passing(finding: Finding, row: RegistryRow) -> WeighedFinding:
    """A Pass counts as one of this registry: that the cluster's names are well-formed shows no registry to be there."""
    check = check_of(finding)
    if _step(check) is Step.REGISTRY and not _concerns(finding, check, row):
        return WeighedFinding(finding, False, f"holds, which says nothing of this registry: {finding.summary}")
    return WeighedFinding(finding, True)


def _concerns(finding: Finding, check: Check, row: RegistryRow) -> bool:
    """Whether a finding is about the row's registry. One about the whole cluster is where it is about who pulls, or
    decides a facet; a pod whose image names no registry says nothing of this one."""
    if finding.subject.registry is not None:
        return finding.subject.registry == row.registry
    return check.decides is not None or _step(check) is Step.IDENTITY


def _step(check: Check) -> Step:
    if check.step is None:
        raise ValueError(f"{check.code} is no step of the chain")
    return check.step
