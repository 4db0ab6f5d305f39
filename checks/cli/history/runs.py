"""``pullwatch runs``: the latest runs, or one of them whole."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from checks.cli import stored, terminal
from checks.cli.arguments import Parser
from checks.cli.history.options import add_limit
from checks.cli.history.run_page import Whole, run_page
from checks.cli.history.times import length, moment, with_age
from checks.cli.layout import Column, Page, table
from checks.cli.stored import NO_STORAGE, NOTHING_SUCH
from checks.collect.arm.client import Azure
from checks.history.errors import LimitError
from checks.history.model import Run, RunStatus
from checks.history.table import keys
from checks.history.table.latest_runs import RunList
from checks.history.table.store import Store
from checks.jobs.choosing.wording import quoted
from checks.settings import Settings
from checks.text import counted, one_line, redacted

_COLUMNS = (
    Column("ID", 0),
    Column("ASKED BY", 4),
    Column("CREATED (UTC)", 1),
    Column("CLOSED (UTC)", 5),
    Column("TOOK", 3),
    Column("CLUSTERS", 1),
    Column("PASSING", 2),
    Column("FAILING", 1),
    Column("UNKNOWN", 2),
    Column("ERRORS", 2),
    Column("", 0),
)


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command ``runs``."""
    parser.description = "Lists the latest runs of the app, the newest first; with an id, shows one whole."
    parser.epilog = stored.EXIT_CODES
    parser.add_argument("id", nargs="?", type=_run_id, metavar="ID", help="as `pullwatch runs` lists it")
    add_limit(parser, 20, "runs")
    stored.add_output_option(parser)
    parser.set_defaults(command=lambda options: stored.run(options, _runs, "Runs are kept"))


def _run_id(text: str) -> str:
    try:
        keys.run_table(text)
    except LimitError:
        raise argparse.ArgumentTypeError(
            f"{redacted(text)[:80]!r} is no id of a run: `pullwatch runs` lists them"
        ) from None
    return text


async def _runs(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    now = datetime.now(UTC)
    if options.id:
        return await _one(options, store, now)
    listed = await store.list_runs(options.limit)
    for broken in listed.unreadable:
        terminal.say(f"run {broken.ref.partition} cannot be read: {one_line(broken.why)}")
    if options.output == "json":
        terminal.write_json(_answer(listed, now), sys.stdout)
    elif listed.items:
        page = Page(terminal.width_of(sys.stdout))
        terminal.write(
            table(_COLUMNS, [_row(run, now) for run in listed.items], page, ""), terminal.console(sys.stdout)
        )
    elif not listed.unreadable:
        terminal.say("no run is kept yet")
    return NO_STORAGE if listed.unreadable else 0


async def _one(options: argparse.Namespace, store: Store, now: datetime) -> int:
    kept = await store.load_run(options.id)
    if kept is None:
        terminal.say(f"there is no run {quoted(options.id)}: `pullwatch runs` lists them")
        return NOTHING_SUCH
    whole = Whole(kept.run, await store.list_shards(options.id), await store.list_markers(options.id))
    if options.output == "json":
        terminal.write_json({**_summary(whole.run, now), **whole.answer()}, sys.stdout)
    else:
        terminal.write(run_page(whole, now, Page(terminal.width_of(sys.stdout))), terminal.console(sys.stdout))
    return 0


def _row(run: Run, now: datetime) -> tuple[str, ...]:
    totals = run.totals
    closed = run.status is RunStatus.CLOSED
    counts = (totals.clusters, totals.passing, totals.failing, totals.unknown, totals.errors)
    return (
        run.id,
        run.requested_by,
        with_age(run.created, now),
        moment(run.closed),
        length(run.closed - run.created) if run.closed else "",
        *(str(count) if closed else "" for count in counts),
        _notes(run, now),
    )


def _notes(run: Run, now: datetime) -> str:
    missing = counted(run.missing_count, "shard") + " missing" if run.missing_count else ""
    opened = "" if run.status is RunStatus.CLOSED else "overdue" if run.deadline <= now else "open"
    return ", ".join(note for note in (opened, "degraded" if run.degraded else "", missing) if note)


def _summary(run: Run, now: datetime) -> dict[str, Any]:
    return {
        "id": run.id,
        "sequence": run.sequence,
        "requested_by": run.requested_by,
        "status": run.status.value,
        "created": run.created,
        "age_seconds": int((now - run.created).total_seconds()),
        "deadline": run.deadline,
        "closed": run.closed,
        "took_seconds": (run.closed - run.created).total_seconds() if run.closed else None,
        "totals": msgspec.to_builtins(run.totals),
        "degraded": run.degraded,
        "missing_shards": run.missing_count,
        "missing": run.missing,
        "baseline": run.baseline,
        "inventory_complete": run.inventory_complete,
    }


def _answer(listed: RunList, now: datetime) -> dict[str, Any]:
    return {
        "now": now,
        "runs": [_summary(run, now) for run in listed.items],
        "more": listed.more,
        "unreadable": [{"run": broken.ref.partition, "why": one_line(broken.why)} for broken in listed.unreadable],
    }
