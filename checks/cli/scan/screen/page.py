"""The whole page: headline, what is broken, what is unknown, what was asked for besides, and the count last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
from rich.text import Text

from checks.arm_ids import name_of
from checks.cli.layout import HEADING, Page, command, prose, short_registry, unbroken
from checks.cli.scan.screen import broken_section, canary_section, passing_section, unknown_section, warning_section
from checks.findings import ClusterReport, ScanReport, Severity
from checks.report.fleet.broken import BrokenGroup, broken_groups
from checks.report.fleet.totals import FleetTotals, fleet_totals
from checks.report.outcome import Outcome, outcome_of, scan_outcome
from checks.text import counted

_NONE = {
    Outcome.FAIL: "No cluster fails.",
    Outcome.UNKNOWN: "No cluster is unknown.",
    Outcome.PASS: "No cluster passes.",
}


class Shown(msgspec.Struct, frozen=True):
    """What of a scan is printed. ``outcomes`` empty: what fails and what is unknown.

    ``least``: findings of this severity and worse. ``canaries``: what canary pulls proved.
    """

    outcomes: frozenset[Outcome] = frozenset()
    least: Severity = Severity.ERROR
    canaries: bool = False

    def wants(self, outcome: Outcome) -> bool:
        """Whether clusters that come to this are printed."""
        return outcome in self.outcomes if self.outcomes else outcome is not Outcome.PASS


def lines(report: ScanReport, seconds: float, shown: Shown, page: Page) -> Iterator[Text]:
    """The page, line by line. ``seconds``: how long the scan took."""
    totals = fleet_totals(report.clusters)
    yield from _errors(report, page)
    yield from unknown_section.subscriptions(report.subscriptions, page)
    if scan_outcome(report) is Outcome.PASS and not shown.outcomes:
        yield from passing_section.healthy(report.clusters)
    else:
        yield from _found(report, totals, shown, page)
    if shown.canaries:
        yield from canary_section.sections(report.clusters, page)
    if shown.least is not Severity.ERROR:
        yield from warning_section.sections(report.clusters, page, shown.least)
    yield from unbroken(_counts(footer(report, seconds)), page, HEADING)


def footer(report: ScanReport, seconds: float) -> str:
    """ "100 clusters: 85 can pull, 11 cannot, 4 with image errors, 0 unknown, 41 warnings; 219 calls; 5.5 s"."""
    totals, calls = fleet_totals(report.clusters), sum(report.arm_calls.values())
    between = f", {totals.at_risk} at risk" if totals.at_risk else ""
    between += f", {totals.image_errors} with image errors" if totals.image_errors else ""
    counts = (
        f"{totals.can_pull} can pull, {totals.cannot_pull} cannot{between}, {totals.unknown} unknown, "
        f"{counted(totals.warnings, 'warning')}"
    )
    return f"{counted(totals.clusters, 'cluster')}: {counts}; {counted(calls, 'call')}; {seconds:.1f} s"


def _counts(sentence: str) -> list[str]:
    """A sentence of counts, each with its words and the comma or semicolon after it."""
    return re.split(r"(?<=[,;]) ", sentence)


def _errors(report: ScanReport, page: Page) -> Iterator[Text]:
    for error in report.errors:
        yield from prose(error.summary, page, "", "bold yellow")
        for step in error.fix:
            yield from command(step)
    if report.errors:
        yield Text()


def _found(report: ScanReport, totals: FleetTotals, shown: Shown, page: Page) -> Iterator[Text]:
    groups = broken_groups(report.clusters) if shown.wants(Outcome.FAIL) else ()
    names = {result.id: result.name for result in report.subscriptions if result.name}
    if groups:
        yield from unbroken(_counts(_headline(totals)), page, "bold red")
        yield Text()
        yield from broken_section.overview(groups, page)
        yield from broken_section.sections(groups, names, page)
    if shown.wants(Outcome.UNKNOWN):
        yield from unknown_section.sections(report.clusters, page)
    if shown.wants(Outcome.PASS):
        yield from passing_section.sections(_passing(report.clusters), page)
    if groups:
        yield from _what_next(groups, page)
    yield from _none_of(report.clusters, shown.outcomes)


def _none_of(reports: Sequence[ClusterReport], wanted: frozenset[Outcome]) -> Iterator[Text]:
    """That no cluster comes to what was asked for: an empty page might be one that was cut."""
    there = {outcome_of(report) for report in reports}
    for outcome, said in _NONE.items() if reports else ():
        if outcome in wanted and outcome not in there:
            yield Text(said)


def _passing(reports: Sequence[ClusterReport]) -> list[ClusterReport]:
    return [report for report in reports if outcome_of(report) is Outcome.PASS]


def _headline(totals: FleetTotals) -> str:
    """The answer in one sentence."""
    kinds = (
        (totals.cannot_pull, "cannot pull", "cannot pull"),
        (totals.at_risk, "is at risk", "are at risk"),
        (totals.image_errors, "has images that cannot be pulled", "have images that cannot be pulled"),
        (totals.unknown, "is unknown", "are unknown"),
    )
    said = [(count, one if count == 1 else many) for count, one, many in kinds if count]
    first, *rest = said
    words = [f"{first[0]} of {counted(totals.clusters, 'cluster')} {first[1]}", *(f"{n} {what}" for n, what in rest)]
    return ", ".join(words)


def _what_next(groups: Sequence[BrokenGroup], page: Page) -> Iterator[Text]:
    """How to read the rest of the worst one."""
    worst = next((group for group in groups if group.registry), None)
    if worst is None:
        return
    asked = f"--cluster {name_of(worst.members[0].cluster)} --registry {short_registry(worst.registry)}"
    yield from prose("Each step of a chain, the evidence and all commands:", page, "")
    yield from command(f"pullwatch explain {asked}")
    yield Text()
