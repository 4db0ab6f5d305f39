"""The command ``watch``: looks again and again, and prints only what changed."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.text import Text

from checks import settings
from checks.arm_ids import name_of
from checks.cli import terminal
from checks.cli.arguments import Parser, duration
from checks.cli.exit_codes import ALL_PASS, NOTHING_READABLE
from checks.cli.layout import safe, short_registry
from checks.cli.progress import Progress
from checks.cli.scan.options import add_scope_options, scope_of
from checks.cli.scan.running import exit_code, look
from checks.cli.scan.screen.page import footer
from checks.cli.signals import until_signal
from checks.findings import Pass, ScanReport
from checks.jobs.choosing.scope import ScanScope
from checks.report.fleet.scan_changes import ScanChange, States, failing_now, scan_changes, states_of
from checks.settings import Settings

LEAST_INTERVAL = 10.0
_DEFAULT_TIMEOUT = 30 * 60.0


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description = _watch.__doc__
    parser.epilog = "did my fix work?  pullwatch watch --cluster NAME --registry NAME --until pass"
    add_scope_options(parser)
    parser.add_argument(
        "--canary", action="store_true", help="let nodes try to pull at each look: makes pods, and deletes them again"
    )
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=60.0,
        metavar="30s|5m",
        help=f"from the end of one look to the next (default: 60s, at least {LEAST_INTERVAL:g}s)",
    )
    parser.add_argument("--until", choices=("pass",), help="end with 0 as soon as all that is looked at passes")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="10m|2h", help="end after so long (default: 30m with --until, else never)"
    )
    parser.set_defaults(command=_watch)


def _seconds(text: str) -> float:
    length = duration(text, "smh")
    if length is None:
        raise argparse.ArgumentTypeError("a duration is a number with s, m or h: 30s, 5m, 2h")
    return length.total_seconds()


def _watch(options: argparse.Namespace) -> int:
    """Looks at the same clusters again and again, and prints only what changed. With --until pass it ends with 0 when
    everything passes. Ended by --timeout, it exits like the last scan: 1 something fails, 2 something is unknown, 3
    nothing could be read."""
    if options.interval < LEAST_INTERVAL:
        options.parser.error(f"--interval: at least {LEAST_INTERVAL:g}s: each look reads everything anew")
    loaded = settings.load(os.environ)
    progress = Progress(sys.stderr, quiet=getattr(options, "quiet", False) or not sys.stderr.isatty())
    try:
        return asyncio.run(until_signal(_looks(loaded, scope_of(options), progress, options)))
    finally:
        progress.end()


async def _looks(loaded: Settings, scope: ScanScope, progress: Progress, options: argparse.Namespace) -> int:
    timeout = options.timeout or (_DEFAULT_TIMEOUT if options.until else None)
    ends = None if timeout is None else time.monotonic() + timeout
    before: States | None = None
    complaints: tuple[str, ...] = ()
    while True:
        scanned = await look(loaded, scope, progress)
        progress.end()
        code = exit_code(scanned.report)
        totals = footer(scanned.report, scanned.about.seconds)
        troubles = _troubles(scanned.report)
        # A look that failed as a whole says nothing of the rows: what is known of them stays what it was.
        after = states_of(scanned.report, before) if code != NOTHING_READABLE else before or {}
        new = [said for said in troubles if said not in complaints]
        _print(scanned.about.at, [*new, *_news(before, after, totals)])
        complaints = troubles
        if code == NOTHING_READABLE and before is None:
            return code
        if code == ALL_PASS and options.until == "pass":
            return code
        before = after
        left = None if ends is None else ends - time.monotonic()
        if left is not None and left <= 0:
            terminal.say("the time is over")
            return code
        await asyncio.sleep(options.interval if left is None else min(options.interval, left))


def _troubles(report: ScanReport) -> tuple[str, ...]:
    """What of the scope could not be looked at, and why."""
    unread = [result for result in report.subscriptions if not isinstance(result.verdict, Pass)]
    return (
        *(error.summary for error in report.errors),
        *(f"subscription {result.name or result.id}: {result.summary}" for result in unread),
    )


def _news(before: States | None, after: States, totals: str) -> Iterable[str]:
    """What is to be said of a look: of the first all that does not pass and the totals, then what changed."""
    if before is None:
        yield from (_now(change) for change in failing_now(after))
        yield totals
        return
    changes = scan_changes(before, after)
    yield from (f"{_where(change)}: {change.before} -> {change.after}" for change in changes)
    if changes:
        yield totals


def _now(change: ScanChange) -> str:
    return f"{_where(change)}: {change.after}"


def _where(change: ScanChange) -> str:
    cluster = name_of(change.cluster)
    return f"{cluster} <- {short_registry(change.registry)}" if change.registry else cluster


def _print(at: datetime, sentences: Iterable[str]) -> None:
    out = terminal.console(sys.stdout)
    terminal.write((Text(f"{at.astimezone(UTC):%H:%M:%S}Z {safe(sentence)}") for sentence in sentences), out)
    sys.stdout.flush()
