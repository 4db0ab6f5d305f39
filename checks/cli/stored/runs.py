"""``runs``: the latest runs, or one of them whole."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from checks.cli import terminal
from checks.cli.arguments import Parser
from checks.cli.layout import Column, Page, command, prose, table
from checks.cli.storage import NOTHING_SUCH, run, say
from checks.collect.arm.client import Azure
from checks.findings import Pass
from checks.history.model import Marker, Run, RunStatus
from checks.history.table.store import Store
from checks.report.formats.as_json import subscription_answer
from checks.report.formats.json_text import json_text
from checks.settings import Settings
from checks.text import counted

MOST = 200
MAX_FAILED = 50  # clusters at which Pullwatch failed that are listed
_RUN_ID = re.compile(r"[0-9]{6}-[0-9]{12}")
_COLUMNS = (
    Column("RUN", 0),
    Column("ASKED BY", 3),
    Column("CREATED (UTC)", 1),
    Column("TOOK", 2),
    Column("CLUSTERS", 0),
    Column("PASS", 0),
    Column("FAIL", 0),
    Column("UNKNOWN", 0),
    Column("ERRORS", 1),
    Column("STATE", 1),
)


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description = _runs.__doc__
    parser.add_argument("id", nargs="?", type=_run_id, metavar="RUN", help="this one whole: what could not be read")
    parser.add_argument("--limit", type=_limit, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
    parser.set_defaults(command=lambda options: run(options, _runs, "Runs"))


async def _runs(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Lists the latest runs, the newest first; with the id of one, what it could not look at. Exit codes: 0 done, 1
    there is no such run, 2 the storage did not answer or holds what cannot be read."""
    if options.id is not None:
        return await _one(options, store)
    found = await store.list_runs(options.limit)
    if options.output == "json":
        sys.stdout.write(json_text({"runs": [_answer(one) for one in found]}))
        return 0
    _show(found)
    if not found:
        say("no run was planned yet")
    return 0


async def _one(options: argparse.Namespace, store: Store) -> int:
    stored = await store.load_run(options.id)
    if stored is None:
        say(f"there is no run {options.id}")
        return NOTHING_SUCH
    markers = await store.list_markers(options.id)
    if options.output == "json":
        sys.stdout.write(json_text(_answer(stored.run) | _what_failed(stored.run, markers)))
        return 0
    _show([stored.run])
    page, out = Page(terminal.width_of(sys.stdout)), terminal.console(sys.stdout)
    for sentence in _sentences(stored.run, markers):
        terminal.write(prose(sentence, page, ""), out)
    for result in stored.run.subscriptions:
        if not isinstance(result.verdict, Pass):
            terminal.write(prose(f"subscription {result.name or result.id}: {result.summary}", page, ""), out)
            terminal.write((line for step in result.fix for line in command(step)), out)
    return 0


def _sentences(run: Run, markers: Sequence[Marker]) -> Iterator[str]:
    if run.missing_count:
        yield f"{counted(run.missing_count, 'shard')} did not end: {', '.join(run.missing)}"
    if run.degraded:
        yield "It lost so much that its changes are in doubt."
    failed = [one for marker in markers for one in marker.failed]
    for one in failed[:MAX_FAILED]:
        yield f"Pullwatch itself failed at {one.cluster}: {one.reason}"
    if len(failed) > MAX_FAILED:
        yield f"and at {len(failed) - MAX_FAILED} more: -o json has them"


def _show(runs: Sequence[Run]) -> None:
    if runs:
        page = Page(terminal.width_of(sys.stdout))
        terminal.write(table(_COLUMNS, [_cells(one) for one in runs], page, ""), terminal.console(sys.stdout))


def _cells(run: Run) -> tuple[str, ...]:
    totals = run.totals
    closed = run.status is RunStatus.CLOSED
    numbers = (totals.clusters, totals.passing, totals.failing, totals.unknown, totals.errors)
    took = f"{(run.closed - run.created).total_seconds():.0f} s" if run.closed else ""
    state = ("degraded" if run.degraded else "closed") if closed else "open"
    shown = tuple(str(number) for number in numbers) if closed else ("", "", "", "", "")
    return (run.id, run.requested_by, f"{run.created:%Y-%m-%d %H:%M:%S}", took, *shown, state)


def _answer(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "requested_by": run.requested_by,
        "created": run.created,
        "closed": run.closed,
        "status": run.status,
        "degraded": run.degraded,
        "shards": len(run.expected),
        "missing_shards": run.missing_count,
        "totals": msgspec.to_builtins(run.totals),
    }


def _what_failed(run: Run, markers: Sequence[Marker]) -> dict[str, Any]:
    return {
        "missing": run.missing,
        "failed": [msgspec.to_builtins(one) for marker in markers for one in marker.failed],
        "subscriptions": [subscription_answer(result) for result in run.subscriptions],
    }


def _run_id(text: str) -> str:
    if not _RUN_ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no run's id, such as 202611-000000000012")
    return text


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number from 1 to {MOST}")
    return int(text)
