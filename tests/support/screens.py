"""What ``scan`` prints on a terminal, as text."""

from __future__ import annotations

import io

from checks.cli import terminal
from checks.cli.layout import Page
from checks.cli.scan.screen.page import Shown, lines
from checks.findings import ScanReport, Severity
from checks.report.outcome import Outcome

ALL = Shown(frozenset(Outcome), Severity.INFO, canaries=True)


def printed(report: ScanReport, width: int | None = None, shown: Shown | None = None, seconds: float = 5.5) -> str:
    """The page as it is printed where there is no terminal; ``ALL`` shows everything that there is to show."""
    out = io.StringIO()
    page = Page(width, bicep=shown is ALL, all_names=shown is ALL)
    terminal.write(lines(report, seconds, shown or Shown(), page), terminal.console(out))
    return out.getvalue()
