"""Canary pulls: what each node pool proved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from checks.catalog import pw305_canary_pull
from checks.cli.layout import HEADING, Column, Page, short_registry, table
from checks.findings import ClusterReport, Finding, Skipped, shown, word
from checks.report.cause_sentences import sentence_of

CODE = pw305_canary_pull.CHECK.code
_COLUMNS = (
    Column("CLUSTER", 0),
    Column("POOL", 0),
    Column("REGISTRY", 1),
    Column("CANARY", 0),
    Column("CAUSE", 2),
    Column("WHAT IT PROVED", 3),
)


def sections(reports: Iterable[ClusterReport], page: Page) -> Iterator[Text]:
    """A line per pool and registry that a canary asked, and per cluster where none could."""
    rows = [
        _cells(report.name, finding)
        for report in reports
        for finding in report.findings
        if finding.code == CODE and not isinstance(finding.verdict, Skipped)
    ]
    if not rows:
        return
    yield Text("Canary pulls", HEADING)
    yield from table(_COLUMNS, rows, page)
    yield Text()


def _cells(name: str, finding: Finding) -> tuple[str, ...]:
    said = sentence_of(finding.code, finding.cause) or finding.summary
    registry = short_registry(finding.subject.registry) if finding.subject.registry else ""
    return name, finding.subject.pool or "", registry, shown(word(finding.verdict)), finding.cause, said
