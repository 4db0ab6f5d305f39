"""Running a scan for a command: with the settings of the environment, progress on standard error, and signals."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

from checks import settings
from checks.cli.arguments import PROGRAM
from checks.cli.exit_codes import ALL_PASS, FAILS, NOTHING_READABLE, UNKNOWN
from checks.cli.signals import until_signal
from checks.collect.arm.client import open_azure
from checks.collect.wire.errors import CollectError
from checks.findings import Pass, ScanReport
from checks.jobs.scan_cluster import ScanScope, scan
from checks.report.outcome import failing, unsettled
from checks.settings import Settings


def run_scan(scope: ScanScope, *, quiet: bool) -> ScanReport:
    """Looks once, read-only unless the scope has canaries. Raises SettingError, CollectError and Stopped (a signal)."""
    return asyncio.run(until_signal(_scanned(settings.load(os.environ), scope, progress(quiet))))


async def _scanned(loaded: Settings, scope: ScanScope, show: Callable[[str], None]) -> ScanReport:
    async with open_azure(loaded) as azure:
        return await scan(azure, scope, show)


def progress(quiet: bool) -> Callable[[str], None]:
    """What shows a line of progress on standard error, or nothing."""

    def show(line: str) -> None:
        if not quiet:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    return show


def tell_errors(report: ScanReport) -> None:
    """Says on standard error what a scan could not look at, and what helps."""
    for error in report.errors:
        _tell(error.summary, error.fix)


def tell_nothing_checked(error: CollectError) -> None:
    """Says on standard error why nothing could be checked, and what helps."""
    _tell(f"nothing could be checked: {error}", error.as_gap().fix)


def _tell(what: str, fix: tuple[str, ...]) -> None:
    sys.stderr.write(f"{PROGRAM}: {what}\n")
    sys.stderr.writelines(f"  {step}\n" for step in fix)


def exit_code_of(report: ScanReport) -> int:
    """What a scan means to the shell: 0, 1 or 2; 3 where it could look at nothing."""
    if report.errors and not report.clusters:
        return NOTHING_READABLE
    if any(failing(cluster) for cluster in report.clusters):
        return FAILS
    looked = all(isinstance(result.verdict, Pass) for result in report.subscriptions)
    settled = not any(unsettled(cluster) for cluster in report.clusters)
    return ALL_PASS if report.clusters and looked and settled else UNKNOWN
