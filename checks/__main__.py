"""The command line: ``python -m checks``.

Exit codes of ``scan``: 0 all pass, 1 something fails, 2 something is unknown and nothing fails (or nothing was found
to look at), 64 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import msgspec

from checks import catalog, settings
from checks.cli import silences, terminal
from checks.cli.classify import classify_lines
from checks.collect.arm.client import open_azure
from checks.collect.wire.errors import CollectError
from checks.findings import Pass, ScanReport
from checks.jobs.scan_cluster import ScanScope, scan
from checks.logs import redact_logs, redact_uncaught
from checks.report.as_json import scan_answer
from checks.report.outcome import failing, unsettled
from checks.rules.registry_names import is_host_or_name
from checks.settings import Settings
from checks.text import redacted

USAGE = 64
SIGNALLED = 128  # and the signal's number, as shells have it
T = TypeVar("T")


class _Stopped(Exception):
    """A signal ended the command, which had the time to tidy up."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class _Parser(argparse.ArgumentParser):
    """argparse, with the exit code of sysexits.h for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {redacted(message)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    redact_logs()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if options.verbose else logging.ERROR)
    for noisy in ("azure", "msal", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if not options.verbose else logging.WARNING)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except settings.SettingError as error:
        print(f"pullwatch: {error}", file=sys.stderr)
        return USAGE
    except _Stopped as stopped:
        print(f"pullwatch: stopped by {stopped}", file=sys.stderr)
        return SIGNALLED + stopped.number
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m checks",
        description="Can this AKS cluster pull its images; if not, why, and which command fixes it?",
    )
    parser.add_argument("--verbose", action="store_true", help="log to standard error")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _scan_options(commands.add_parser("scan", help="check clusters now, read-only", description=_scan.__doc__))
    silences.add_commands(commands)
    reader = commands.add_parser("classify", help="name the cause of pull errors", description=_classify.__doc__)
    reader.set_defaults(command=_classify)
    listing = commands.add_parser("list", help="the checks, one a line", description=_list.__doc__)
    listing.set_defaults(command=_list)
    table = commands.add_parser("settings", help="all settings, as a table", description=_settings.__doc__)
    table.set_defaults(command=_settings)
    return parser


def _registry(text: str) -> str:
    if not is_host_or_name(text):
        raise argparse.ArgumentTypeError(f"{redacted(text)[:80]!r} is no registry's name or login server")
    return text.lower()


def _scan_options(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    parser.set_defaults(command=_scan)


def _scan(options: argparse.Namespace) -> int:
    """Checks clusters once, read-only (except for --canary), with the identity of `az login` or a managed identity, and
    shows per cluster and registry whether nodes may pull and have a network path. Exit codes: 0 all pass, 1
    something fails, 2 something is unknown and nothing fails, or nothing was found, 64 wrong usage. Checks that
    only advise do not count towards 2."""
    loaded = settings.load(os.environ)
    asked = (tuple(options.subscription), tuple(options.cluster), tuple(options.registry))
    scope = ScanScope(*asked, canaries=options.canary)
    try:
        report = asyncio.run(_until_signal(_scanned(loaded, scope, _progress(options.quiet))))
    except CollectError as error:
        print(f"pullwatch: nothing could be checked: {error}", file=sys.stderr)
        for fix in error.as_gap().fix:
            print(f"  {fix}", file=sys.stderr)
        if options.json:
            _print_json(ScanReport())
        return 2
    if options.json:
        _print_json(report)
    else:
        terminal.show(report, terminal.console(sys.stdout))
    _report_calls(report, options.quiet)
    return exit_code(report, scope)


async def _until_signal(work: Coroutine[Any, Any, T]) -> T:
    """Awaits work; SIGTERM, SIGINT and SIGHUP (the terminal is gone) cancel it.

    Canary pods are deleted on the way, however often a signal comes.
    """
    loop, task, received = asyncio.get_running_loop(), asyncio.ensure_future(work), list[int]()

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        with suppress(NotImplementedError):  # Windows: asyncio.run turns Ctrl+C into a cancellation itself
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise _Stopped(received[0]) from None
        raise


async def _scanned(loaded: Settings, scope: ScanScope, progress: Callable[[str], None]) -> ScanReport:
    async with open_azure(loaded) as azure:
        return await scan(azure, scope, progress)


def _progress(quiet: bool) -> Callable[[str], None]:
    return (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))


def _print_json(report: ScanReport) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(scan_answer(report)), indent=2) + b"\n")
    sys.stdout.buffer.flush()


def _report_calls(report: ScanReport, quiet: bool) -> None:
    if not quiet:
        total = sum(report.arm_calls.values())
        most = max((count for guid, count in report.arm_calls.items() if guid), default=0)
        print(f"{total} calls to Azure Resource Manager, at most {most} in one subscription", file=sys.stderr)


def exit_code(report: ScanReport, scope: ScanScope) -> int:
    """0 all pass, 1 something fails, 2 something is unknown and nothing fails, or nothing was found to check."""
    if not report.clusters:
        named = f" named {redacted(', '.join(scope.clusters))}" if scope.clusters else ""
        using = f" that uses {', '.join(scope.registries)}" if scope.registries and not scope.clusters else ""
        print(f"pullwatch: no cluster{named}{using} was found to check", file=sys.stderr)
    if any(failing(cluster) for cluster in report.clusters):
        return 1
    looked = all(isinstance(result.verdict, Pass) for result in report.subscriptions)
    settled = not any(unsettled(cluster) for cluster in report.clusters)
    return 0 if report.clusters and looked and settled else 2


def _classify(options: argparse.Namespace) -> int:
    """Reads JSON Lines {"message","reason","image"} and writes {"cause","rule","evidence"} lines in the same order; or
    reads what kubectl get events -o json, get pods -o json or describe pod print. It needs no access to Azure."""
    outcome = classify_lines(sys.stdin.buffer, _write_line)
    if outcome.bad:
        print(f"pullwatch: {outcome.bad} of {outcome.read} lines could not be read", file=sys.stderr)
    return 0 if not outcome.bad else 2


def _write_line(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _list(options: argparse.Namespace) -> int:
    """Lists the checks: code, title, and what one is decided by."""
    for check in catalog.checks():
        print(f"{check.code}  {check.title}: {check.why}")
    return 0


def _settings(options: argparse.Namespace) -> int:
    """Prints every setting with its default and what it does, as a Markdown table."""
    print(settings.table())
    return 0


if __name__ == "__main__":
    redact_uncaught()
    sys.exit(main())
