"""What a scan is written as, and where: a page for a terminal, or a format for programs; on the screen or in a file."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from checks.cli import terminal
from checks.cli.layout import Page
from checks.cli.scan.choosing import chosen
from checks.cli.scan.running import Scanned, tell_errors
from checks.cli.scan.screen.page import Shown, footer, lines
from checks.cli.streams import put
from checks.findings import ClusterReport, ScanReport, Severity
from checks.report.formats.as_csv import csv_report
from checks.report.formats.as_json import scan_answer
from checks.report.formats.as_junit import junit_report
from checks.report.formats.json_text import json_text
from checks.report.html.render import html_report
from checks.report.outcome import Outcome
from checks.text import counted, redacted

FORMATS = ("table", "json", "csv", "junit", "html")
_BY_SUFFIX = {".json": "json", ".csv": "csv", ".xml": "junit", ".html": "html", ".htm": "html", ".txt": "table"}


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Adds what is shown, as what, and where."""
    shown = parser.add_argument_group("what is shown", "totals and the exit code are those of all that was looked at")
    shown.add_argument(
        "--only",
        action="append",
        choices=[outcome.value for outcome in Outcome],
        default=[],
        help="only clusters that come to this; may be given more than once (default: fail and unknown)",
    )
    shown.add_argument(
        "--severity",
        choices=[severity.value for severity in Severity],
        help="findings of this severity and worse (default: error on the screen, all of them in other formats)",
    )
    shown.add_argument("--warnings", action="store_true", help="the same as --severity warning")
    shown.add_argument("--bicep", action="store_true", help="Bicep beside the commands, where there is any")
    where = parser.add_argument_group("as what, and where")
    where.add_argument(
        "-o", "--output", choices=FORMATS, help="default: table, or what the name of --output-file ends in"
    )
    where.add_argument("--json", action="store_true", help="the same as -o json")
    where.add_argument("--output-file", type=Path, metavar="FILE", help="write there; the screen gets the totals")


def format_of(options: argparse.Namespace) -> str:
    """What to write: as asked for, else by the file's name, else a table."""
    if options.json:
        return "json"
    named = _BY_SUFFIX.get(options.output_file.suffix.lower()) if options.output_file else None
    return str(options.output or named or "table")


def shown_of(options: argparse.Namespace) -> Shown:
    """What to print."""
    least = Severity(options.severity) if options.severity else Severity.ERROR
    if options.warnings and least is Severity.ERROR:
        least = Severity.WARNING
    return Shown(frozenset(map(Outcome, options.only)), least, getattr(options, "canary", False))


def refused(options: argparse.Namespace) -> str:
    """Why what is asked for cannot be written, to be told before a scan of minutes; "" where it can be."""
    if options.json and options.output not in (None, "json"):
        return f"--json is -o json, and -o {options.output} is given, too: give one of them"
    path: Path | None = options.output_file
    if path is None:
        return ""
    if path.suffix and path.suffix.lower() not in _BY_SUFFIX and not (options.json or options.output):
        shown, known = redacted(path.suffix), ", ".join(_BY_SUFFIX)
        return f"--output-file: {shown} stands for no format: let the name end in one of {known}, or give -o"
    why = _unwritable(path)
    return f"--output-file: {why}" if why else ""


def _unwritable(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder"
    if not path.absolute().parent.is_dir():
        return f"there is no folder {path.absolute().parent}"
    where = path if path.exists() else path.absolute().parent
    return "" if os.access(where, os.W_OK) else f"{where} may not be written to"


def report_calls(report: ScanReport) -> None:
    """Says how many calls it took: Azure throttles by subscription."""
    total = sum(report.arm_calls.values())
    most = max((count for guid, count in report.arm_calls.items() if guid), default=0)
    sys.stderr.write(f"{counted(total, 'call')} to Azure Resource Manager, at most {most} in one subscription\n")


def put_out(scanned: Scanned, options: argparse.Namespace) -> bool:
    """Writes a scan as asked: to the file, with the totals on the screen, or all of it to standard output.

    Where the file cannot be written after all, a scan of minutes is not lost: standard output gets it. Returns whether
    it is where it was wanted.
    """
    if format_of(options) != "table" or options.output_file:
        tell_errors(scanned.report)
    path: Path | None = options.output_file
    if path is None:
        _to_screen(scanned, options)
        return True
    text = _chosen_text(scanned, options)
    try:
        _replace(path, text)
    except OSError as error:
        why = error.strerror or type(error).__name__
        terminal.say(f"{path} cannot be written: {why}; standard output gets the result")
        put(_raw(text))
        return False
    sys.stdout.write(f"{footer(scanned.report, scanned.about.seconds)}\nwrote {path}\n")
    return True


def _to_screen(scanned: Scanned, options: argparse.Namespace) -> None:
    if format_of(options) != "table":
        put(_raw(_chosen_text(scanned, options)))
        return
    shown = shown_of(options)
    page = Page(terminal.width_of(sys.stdout), options.bicep, Outcome.UNKNOWN in shown.outcomes)
    terminal.write(lines(scanned.report, scanned.about.seconds, shown, page), terminal.console(sys.stdout))


def _chosen_text(scanned: Scanned, options: argparse.Namespace) -> str:
    """What is wanted of a scan, in the format that is wanted."""
    wanted, shown = format_of(options), shown_of(options)
    if wanted == "table":
        page = Page(None, options.bicep, all_names=True)
        return "".join(f"{line.plain}\n" for line in lines(scanned.report, scanned.about.seconds, shown, page))
    least = shown.least if options.severity or options.warnings else None
    return as_text(scanned, wanted, chosen(scanned.report, shown, least))


def as_text(scanned: Scanned, wanted: str, clusters: tuple[ClusterReport, ...] | None = None) -> str:
    """A scan in a format for programs, or for a browser. ``clusters`` are those that are listed; None: all."""
    report, about = scanned.report, scanned.about
    if wanted == "json":
        return json_text(scan_answer(report, about, clusters))
    render = {"csv": csv_report, "junit": junit_report, "html": html_report}[wanted]
    return render(report, about, clusters)


def _raw(text: str) -> bytes:
    """UTF-8 whatever the terminal's encoding is: it is what the formats are."""
    return text.encode("utf-8", "replace")


def _replace(path: Path, text: str) -> None:
    """Writes a file as a whole: whoever reads it meanwhile sees the old one or the new one.

    What is no plain file (a device, a pipe, a link) is written to, never replaced by one.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("w", encoding="utf-8", newline="") as special:
            special.write(text)
        return
    beside = path.absolute().with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:  # never through what somebody else put there
            file.write(text)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
