"""One scan as commands run it: with the settings of the environment, progress, signals, and errors as a report."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime

import msgspec

from checks import settings
from checks.causes import ReadCause, ScanCause
from checks.cli.exit_codes import ALL_PASS, FAILS, NOTHING_READABLE, UNKNOWN
from checks.cli.progress import Progress
from checks.cli.signals import until_signal
from checks.cli.terminal import say
from checks.collect.arm.client import open_azure
from checks.collect.wire.errors import CollectError
from checks.findings import Pass, ScanReport
from checks.jobs.choosing.scope import ScanScope
from checks.jobs.scan_cluster import scan
from checks.report.fleet.scan_about import ScanAbout
from checks.report.outcome import Outcome, scan_outcome
from checks.settings import Settings


class Scanned(msgspec.Struct, frozen=True):
    """What a scan found, and what it was."""

    report: ScanReport
    about: ScanAbout


def run_scan(scope: ScanScope, *, quiet: bool) -> Scanned:
    """Scans once. Raises SettingError, and Stopped where a signal ends it."""
    loaded = settings.load(os.environ)
    progress = Progress(sys.stderr, quiet=quiet)
    try:
        return asyncio.run(until_signal(look(loaded, scope, progress)))
    finally:
        progress.end()


async def look(loaded: Settings, scope: ScanScope, progress: Progress) -> Scanned:
    """Scans once; where not even a list can be had, that is the report's error."""
    at, began = datetime.now(UTC), time.monotonic()
    try:
        async with open_azure(loaded) as azure:
            report = await scan(azure, scope, progress)
    except CollectError as error:
        report = ScanReport(errors=(error.as_error(),))
    about = ScanAbout(
        at=at,
        seconds=time.monotonic() - began,
        subscriptions=scope.subscriptions,
        clusters=scope.clusters,
        registries=scope.registries,
        canaries=scope.canaries,
    )
    return Scanned(report, about)


def exit_code(report: ScanReport) -> int:
    """0 all pass, 1 something fails, 2 something is unknown, or nothing was found, 3 nothing could be read."""
    if _nothing_readable(report):
        return NOTHING_READABLE
    return {Outcome.PASS: ALL_PASS, Outcome.FAIL: FAILS, Outcome.UNKNOWN: UNKNOWN}[scan_outcome(report)]


def tell_errors(report: ScanReport) -> None:
    """Says on standard error why what was asked for could not be looked at, with what helps."""
    for error in report.errors:
        say(error.summary, *(f"  {step}" for step in error.fix))


# What is a matter of what was asked for, not of what can be read.
_ASKED_WRONGLY = (ScanCause.EXCLUDED, ScanCause.NOT_VISIBLE, ScanCause.BODIES_UNREADABLE, ReadCause.NOT_APPLICABLE)
_NOT_THERE = (ScanCause.NO_SUCH_SUBSCRIPTION, ScanCause.NO_SUCH_CLUSTER, ScanCause.NO_SUCH_REGISTRY)


def _nothing_readable(report: ScanReport) -> bool:
    """Whether nobody is signed in, no subscription can be seen, or none of them could be read."""
    if report.clusters or any(error.cause in _NOT_THERE for error in report.errors):
        return False
    return not any(isinstance(r.verdict, Pass) or r.cause in _ASKED_WRONGLY for r in report.subscriptions)
