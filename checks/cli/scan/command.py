"""The command ``scan``: looks once, and shows what came of it."""

from __future__ import annotations

import argparse

from checks.cli.arguments import Parser
from checks.cli.exit_codes import NOT_WRITTEN
from checks.cli.scan.options import add_scope_options, scope_of
from checks.cli.scan.output import add_output_options, put_out, refused, report_calls
from checks.cli.scan.running import exit_code, run_scan


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description = _scan.__doc__
    add_scope_options(parser)
    parser.add_argument(
        "--canary", action="store_true", help="let nodes try to pull (PW305): makes pods, and deletes them again"
    )
    add_output_options(parser)
    parser.set_defaults(command=_scan)


def _scan(options: argparse.Namespace) -> int:
    """Checks clusters once, read-only (except for --canary), with the identity of `az login` or a managed identity, and
    shows what is broken, per registry and cause, with the command that repairs it. Exit codes: 0 all pass, 1 something
    fails, 2 something is unknown and nothing fails, or nothing was found, 3 not signed in or nothing could be read, 64
    wrong usage, 74 the output could not be written. Warnings, and checks that only advise, change none of them."""
    if why := refused(options):
        options.parser.error(why)
    quiet = getattr(options, "quiet", False)
    scanned = run_scan(scope_of(options), quiet=quiet)
    if not quiet:
        report_calls(scanned.report)
    return exit_code(scanned.report) if put_out(scanned, options) else NOT_WRITTEN
