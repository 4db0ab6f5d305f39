"""A scan as JUnit XML, which pipelines show as tests: a suite for each cluster, a test for each registry. Pure.

What fails is a failure. What is unknown is an error, so that no gate passes on it, as the exit code 2 does not. What
nobody can judge, or opted out, is skipped. Reporters for GitHub, GitLab, Azure Pipelines and Jenkins count errors as
failed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from xml.etree import ElementTree as ET

import msgspec

from checks.findings import ClusterReport, Finding, Pass, ScanError, ScanReport, SubscriptionResult, word
from checks.report.fleet.scan_about import ScanAbout
from checks.report.formats.flat_lines import Line, labels, lines_of
from checks.report.outcome import ON_PURPOSE
from checks.text import clipped, counted, printable

MAX_MESSAGE = 1_000
MAX_TEXT = 10_000  # of one test
MAX_ALSO = 20  # findings that a test names beside the one that leads
# What XML 1.0 does not allow, though it is printable or kept; half of a pair cannot be encoded at all.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS = {"fail": "failure", "unknown": "error", "skipped": "skipped"}


class _Case(msgspec.Struct, frozen=True, kw_only=True):
    """One test: a verdict's word, and why it is no pass."""

    classname: str
    name: str
    verdict: str
    cause: str = ""
    message: str = ""
    text: str = ""


def junit_report(report: ScanReport, about: ScanAbout, shown: Iterable[ClusterReport] | None = None) -> str:
    """The whole document. ``shown`` are the clusters to list (None: all); errors and subscriptions are always."""
    listed = tuple(report.clusters if shown is None else shown)
    named = labels(listed)
    suites = [("scan", "", _of_scan(report))] if _of_scan(report) else []
    suites += [(named[one.id], one.id, [_of_line(named[one.id], line) for line in lines_of(one)]) for one in listed]
    root = ET.Element("testsuites", {"name": "pullwatch", "time": f"{about.seconds:.3f}"})
    _count(root, [case for _, _, cases in suites for case in cases])
    for name, cluster, cases in suites:
        root.append(_suite(name, cluster, cases, about))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(name: str, cluster: str, cases: list[_Case], about: ScanAbout) -> ET.Element:
    began = about.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = ET.Element("testsuite", {"name": _attribute(name), "timestamp": began})
    _count(suite, cases)
    suite.set("skipped", str(sum(case.verdict == "skipped" for case in cases)))
    if cluster:
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", {"name": "cluster", "value": _attribute(cluster)})
    for case in cases:
        suite.append(_element(case))
    return suite


def _count(element: ET.Element, cases: list[_Case]) -> None:
    counts = Counter(case.verdict for case in cases)
    element.set("tests", str(len(cases)))
    element.set("failures", str(counts["fail"]))
    element.set("errors", str(counts["unknown"]))


def _element(case: _Case) -> ET.Element:
    element = ET.Element("testcase", {"classname": _attribute(case.classname), "name": _attribute(case.name)})
    kind = _ELEMENTS.get(case.verdict)
    if kind is not None:
        why = ET.SubElement(element, kind, {"type": _attribute(case.cause), "message": _attribute(case.message)})
        why.text = clipped(_allowed(case.text), MAX_TEXT)
    return element


def _of_scan(report: ScanReport) -> list[_Case]:
    """What could not be looked at: of the whole scan, and subscriptions."""
    times: Counter[str] = Counter()
    cases = []
    for error in report.errors:
        times[error.cause] += 1
        cases.append(_of_error(error, times[error.cause]))
    unread = [result for result in report.subscriptions if not isinstance(result.verdict, Pass)]
    return cases + [_of_subscription(result) for result in unread]


def _of_error(error: ScanError, number: int) -> _Case:
    return _Case(
        classname="scan",
        name=error.cause if number == 1 else f"{error.cause} {number}",
        verdict="skipped" if error.cause in ON_PURPOSE else "unknown",
        cause=error.cause,
        message=error.summary,
        text=_text(error.summary, error.fix),
    )


def _of_subscription(result: SubscriptionResult) -> _Case:
    return _Case(
        classname="scan",
        name=f"subscription {result.id}",
        verdict=word(result.verdict),
        cause=result.cause,
        message=result.summary,
        text=_text(result.summary, result.fix),
    )


def _of_line(cluster: str, line: Line) -> _Case:
    return _Case(
        classname=cluster,
        name=line.registry or (f"cluster: {line.cause}" if line.cause else "cluster"),
        verdict=line.verdict,
        cause=line.cause,
        message=line.summary,
        text=_text(f"{line.code} {line.cause}: {line.summary}".lstrip(), line.fix, line.also),
    )


def _text(first: str, fix: tuple[str, ...], also: tuple[Finding, ...] = ()) -> str:
    """What a failed test shows: the leading finding with its commands, and what else fails there."""
    parts = [first, *(f"    {step}" for step in fix)]
    for finding in also[:MAX_ALSO]:
        parts += [f"{finding.code} {finding.cause}: {finding.summary}", *(f"    {step}" for step in finding.fix)]
    if len(also) > MAX_ALSO:
        parts.append(f"and {counted(len(also) - MAX_ALSO, 'more finding that fails', 'more findings that fail')}")
    return "\n".join(parts)


def _attribute(text: str) -> str:
    return clipped(_FORBIDDEN.sub("", printable(text)), MAX_MESSAGE)


def _allowed(text: str) -> str:
    return _FORBIDDEN.sub("", printable(text, keep="\n"))
