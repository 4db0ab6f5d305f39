"""The command ``doctor``: looks at what can be seen, and writes what is missing and the script that grants it."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from checks import settings
from checks.cli import terminal
from checks.cli.arguments import Parser
from checks.cli.doctor.mail import send_trial
from checks.cli.doctor.page import page_of
from checks.cli.exit_codes import ALL_PASS, FAILS, NOT_WRITTEN, NOTHING_READABLE
from checks.cli.layout import Page
from checks.cli.progress import Progress
from checks.cli.scan.options import add_scope_options, scope_of
from checks.cli.signals import until_signal
from checks.collect.arm import own_access
from checks.collect.arm.client import open_azure
from checks.collect.wire.errors import CollectError
from checks.doctor.diagnosis import diagnose
from checks.doctor.grants import grants_in, script
from checks.doctor.model import Diagnosis
from checks.doctor.switches import switched_off
from checks.findings import ScanReport
from checks.jobs.choosing.scope import ScanScope
from checks.jobs.scan_cluster import scan
from checks.settings import Settings
from checks.text import counted


class DoctorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What ``-o json`` writes."""

    diagnosis: Diagnosis
    script: str


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description = _doctor.__doc__
    parser.epilog = (
        "Exit codes: 0 nothing is missing, or the mail was accepted; 1 something is missing, or the mail was not "
        "accepted; 3 not signed in, or nothing could be read; 64 wrong usage or settings; 74 the output could not be "
        "written."
    )
    add_scope_options(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
    parser.add_argument("--script", metavar="FILE", help="write the script that grants what is missing; - for stdout")
    mail = parser.add_argument_group("mail")
    mail.add_argument(
        "--mail", action="store_true", help="send a test mail with the settings of this shell, and look at nothing"
    )
    mail.add_argument(
        "--to",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="with --mail: instead of PULLWATCH_MAIL_TO",
    )
    parser.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    """Says who Pullwatch is here, what it may read, reach and do in each subscription and cluster, what is lost without
    what is missing, and which commands grant it. It looks as a scan does, with the identity of `az login` or a managed
    identity: to see what the app sees, run it as the app's identity, or ask GET /api/doctor. It changes nothing: with
    --script it writes a script that does, for you to read and run."""
    if options.to and not options.mail:
        options.parser.error("--to goes with --mail")
    if options.script == "":
        options.parser.error("--script takes a file's name")
    if options.mail and (options.script or options.cluster or options.subscription or options.registry):
        options.parser.error("--mail looks at nothing: leave out --script and what is looked at")
    loaded = settings.load(os.environ)
    if options.mail:
        return FAILS if asyncio.run(send_trial(loaded, tuple(options.to), datetime.now(UTC))) else ALL_PASS
    scope = scope_of(options)
    progress = Progress(sys.stderr, quiet=getattr(options, "quiet", False))
    try:
        looked = asyncio.run(until_signal(_look(loaded, scope, progress)))
    finally:
        progress.end()
    diagnosis = diagnose(
        looked.report.subscriptions,
        looked.report.clusters,
        identity=looked.identity,
        off=switched_off(loaded),
        errors=looked.report.errors,
    )
    return _written(options, loaded, diagnosis)


class _Looked(msgspec.Struct, frozen=True):
    identity: str
    report: ScanReport


async def _look(loaded: Settings, scope: ScanScope, progress: Progress) -> _Looked:
    who = ""
    try:
        async with open_azure(loaded) as azure:
            who = (await own_access.identity(azure)).object_id or ""
            return _Looked(who, await scan(azure, scope, progress))
    except CollectError as error:
        return _Looked(who, ScanReport(errors=(error.as_error(),)))


def _written(options: argparse.Namespace, loaded: Settings, diagnosis: Diagnosis) -> int:
    grants = grants_in(diagnosis.steps(), loaded.canary_namespace)
    made = f"of {counted(diagnosis.looked, 'cluster')}, at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    text = script(grants, made)
    if options.script == "-":
        sys.stdout.write(text)
    elif options.output == "json":
        terminal.write_json(DoctorAnswer(diagnosis=diagnosis, script=text), sys.stdout)
    else:
        page = Page(terminal.width_of(sys.stdout))
        terminal.write(page_of(diagnosis, grants, page), terminal.console(sys.stdout))
    if options.script not in (None, "-") and not _kept(Path(options.script), text):
        return NOT_WRITTEN
    if not diagnosis.looked:
        return NOTHING_READABLE
    return ALL_PASS if diagnosis.is_clean else FAILS


def _kept(path: Path, text: str) -> bool:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        terminal.say(f"{path} cannot be written: {error.strerror}")
        return False
    terminal.say(f"{path} is written: read it, then run it with sh {shlex.quote(str(path))}")
    return True
