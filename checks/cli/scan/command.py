"""The command ``scan``: looks once, and shows what came of it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from checks import settings
from checks.cli import terminal
from checks.cli.exit_codes import ALL_PASS, FAILS, NOTHING_READABLE, UNKNOWN
from checks.cli.signals import until_signal
from checks.collect.arm.client import open_azure
from checks.collect.wire.errors import CollectError
from checks.findings import ScanReport
from checks.jobs.choosing.scope import ScanScope
from checks.jobs.scan_cluster import scan
from checks.report.as_json import scan_answer
from checks.report.outcome import Outcome, scan_outcome
from checks.report.scan_about import ScanAbout
from checks.rules.registry_names import is_host_name_or_pattern
from checks.settings import Settings
from checks.text import redacted


def add_command(commands: Any) -> None:
    """Adds the command to a parser's."""
    parser = commands.add_parser("scan", help="check clusters now, read-only", description=_scan.__doc__)
    parser.add_argument("--subscription", action="append", default=[], metavar="ID", help="only this subscription")
    parser.add_argument("--cluster", action="append", default=[], metavar="NAME|ID", help="only this cluster")
    parser.add_argument(
        "--registry",
        action="append",
        type=_registry,
        default=[],
        metavar="NAME|LOGIN_SERVER",
        help="only this registry; with --cluster whether it is used or not",
    )
    parser.add_argument(
        "--canary", action="store_true", help="let nodes try to pull (PW305): makes pods, and deletes them again"
    )
    parser.add_argument("--json", action="store_true", help="JSON on standard output instead of a table")
    parser.set_defaults(command=_scan)


def _registry(text: str) -> str:
    if not is_host_name_or_pattern(text):
        raise argparse.ArgumentTypeError(
            f"{redacted(text)[:80]!r} is no registry's name or login server, and no pattern of one"
        )
    return text.lower()


def _scan(options: argparse.Namespace) -> int:
    """Checks clusters once, read-only (except for --canary), with the identity of `az login` or a managed identity, and
    shows per cluster and registry whether nodes may pull and have a network path. Exit codes: 0 all pass, 1
    something fails, 2 something is unknown and nothing fails, or nothing was found, 3 nobody is signed in or nothing
    could be read, 64 wrong usage. Checks that only advise do not count towards 2."""
    loaded = settings.load(os.environ)
    asked = (tuple(options.subscription), tuple(options.cluster), tuple(options.registry))
    scope = ScanScope(*asked, canaries=options.canary)
    quiet = getattr(options, "quiet", False)
    began = datetime.now(UTC)
    try:
        report = asyncio.run(until_signal(_scanned(loaded, scope, _progress(quiet))))
    except CollectError as error:
        sys.stderr.write(f"pullwatch: nothing could be checked: {error}\n")
        for fix in error.as_gap().fix:
            sys.stderr.write(f"  {fix}\n")
        if options.json:
            _print_json(ScanReport(errors=(error.as_error(),)), _about(began, scope))
        return NOTHING_READABLE
    if options.json:
        _print_json(report, _about(began, scope))
    else:
        terminal.show(report, terminal.console(sys.stdout))
    _report_calls(report, quiet)
    return exit_code(report, scope)


async def _scanned(loaded: Settings, scope: ScanScope, progress: Callable[[str], None]) -> ScanReport:
    async with open_azure(loaded) as azure:
        return await scan(azure, scope, progress)


def _progress(quiet: bool) -> Callable[[str], None]:
    def show(line: str) -> None:
        if not quiet:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    return show


def _about(began: datetime, scope: ScanScope) -> ScanAbout:
    return ScanAbout(
        at=began,
        seconds=(datetime.now(UTC) - began).total_seconds(),
        subscriptions=scope.subscriptions,
        clusters=scope.clusters,
        registries=scope.registries,
        canaries=scope.canaries,
    )


def _print_json(report: ScanReport, about: ScanAbout) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(scan_answer(report, about)), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def _report_calls(report: ScanReport, quiet: bool) -> None:
    if not quiet:
        total = sum(report.arm_calls.values())
        most = max((count for guid, count in report.arm_calls.items() if guid), default=0)
        sys.stderr.write(f"{total} calls to Azure Resource Manager, at most {most} in one subscription\n")


def exit_code(report: ScanReport, scope: ScanScope) -> int:
    """0 all pass, 1 something fails, 2 something is unknown and nothing fails, or nothing was found to check."""
    if not report.clusters:
        named = f" named {redacted(', '.join(scope.clusters))}" if scope.clusters else ""
        using = f" that uses {', '.join(scope.registries)}" if scope.registries and not scope.clusters else ""
        sys.stderr.write(f"pullwatch: no cluster{named}{using} was found to check\n")
    return {Outcome.PASS: ALL_PASS, Outcome.FAIL: FAILS, Outcome.UNKNOWN: UNKNOWN}[scan_outcome(report)]
