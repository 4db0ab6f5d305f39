"""A scan as CSV, one line for each cluster and registry, for spreadsheets and scripts. Pure.

UTF-8, a header, lines that end with LF, quotes where they are needed. A cell that a spreadsheet would take for a
formula begins with an apostrophe. What could not be looked at has lines too, without a cluster.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from checks.arm_ids import resource_group_of, subscription_of
from checks.findings import ClusterReport, Pass, ScanError, ScanReport, SubscriptionResult, word
from checks.report.fleet.scan_about import ScanAbout
from checks.report.formats.flat_lines import Line, lines_of
from checks.report.outcome import ON_PURPOSE
from checks.text import clipped, printable

COLUMNS = (
    "subscription",
    "subscription_name",
    "resource_group",
    "cluster",
    "registry",
    "verdict",
    "access",
    "path",
    "pull",
    "images",
    "basis",
    "code",
    "cause",
    "summary",
    "first_command",
    "names",
)
MAX_CELL = 2_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_report(report: ScanReport, about: ScanAbout, shown: Iterable[ClusterReport] | None = None) -> str:
    """The whole CSV. ``shown`` are the clusters to list (None: all); errors and subscriptions are listed in any case.

    ``about`` says nothing that a line has a column for; all formats are called alike.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    names = {result.id: result.name for result in report.subscriptions}
    cells: list[dict[str, str]] = [_of_error(error) for error in report.errors]
    cells += [_of_subscription(result) for result in report.subscriptions if not isinstance(result.verdict, Pass)]
    for cluster in report.clusters if shown is None else shown:
        cells += _of_cluster(cluster, names.get(subscription_of(cluster.id), ""))
    writer.writerows({name: safe_cell(text) for name, text in line.items()} for line in cells)
    return out.getvalue()


def safe_cell(text: str) -> str:
    """A text as a cell: one line, bounded, and no formula."""
    shown = clipped(printable(text), MAX_CELL)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else shown


def _of_error(error: ScanError) -> dict[str, str]:
    verdict = "skipped" if error.cause in ON_PURPOSE else "unknown"
    return {"verdict": verdict, "cause": error.cause, "summary": error.summary, "first_command": _first(error.fix)}


def _of_subscription(result: SubscriptionResult) -> dict[str, str]:
    return {
        "subscription": result.id,
        "subscription_name": result.name,
        "verdict": word(result.verdict),
        "cause": result.cause,
        "summary": result.summary,
        "first_command": _first(result.fix),
    }


def _of_cluster(report: ClusterReport, subscription_name: str) -> Iterator[dict[str, str]]:
    about_cluster = {
        "subscription": subscription_of(report.id),
        "subscription_name": subscription_name,
        "resource_group": resource_group_of(report.id),
        "cluster": report.name,
    }
    return (about_cluster | _of_line(line) for line in lines_of(report))


def _of_line(line: Line) -> dict[str, str]:
    cells = {
        "registry": line.registry,
        "verdict": line.verdict,
        "code": line.code,
        "cause": line.cause,
        "summary": line.summary,
        "first_command": _first(line.fix),
    }
    if line.row is not None:
        cells |= {name: word(facet.verdict) for name, facet in line.row.facets()}
        cells |= {"basis": " ".join(line.row.basis), "names": " ".join(line.row.names)}
    return cells


def _first(fix: tuple[str, ...]) -> str:
    return fix[0] if fix else ""
