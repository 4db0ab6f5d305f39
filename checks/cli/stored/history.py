"""``history``: what changed at a cluster, the newest first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from checks.arm_ids import name_of
from checks.changes import Change, Transition
from checks.cli import terminal
from checks.cli.arguments import Parser, duration
from checks.cli.layout import Column, Page, short_registry, table
from checks.cli.names import registry_pattern, some_name
from checks.cli.storage import NOTHING_SUCH, run, say
from checks.cli.stored.naming import cluster_called
from checks.collect.arm.client import Azure
from checks.fleet.load import load_fleet
from checks.history.table.store import Store
from checks.report.formats.json_text import json_text
from checks.rules.patterns import fits
from checks.rules.registry_names import label_of
from checks.settings import Settings
from checks.text import counted

MOST = 1000
_COLUMNS = (
    Column("WHEN (UTC)", 0),
    Column("REGISTRY", 0),
    Column("ANSWER", 1),
    Column("BEFORE", 2),
    Column("AFTER", 0),
    Column("CAUSE", 0),
    Column("SINCE (UTC)", 3),
    Column("NOTIFIED", 5),
    Column("RUN", 4),
)


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command."""
    parser.description = _history.__doc__
    parser.add_argument("--cluster", required=True, type=some_name, metavar="NAME|ID", help="its name or its ARM id")
    parser.add_argument("--registry", type=registry_pattern, metavar="NAME|LOGIN_SERVER", help="only of this one")
    parser.add_argument("--since", type=_ago, metavar="12h|7d", help="only what changed in so long")
    parser.add_argument(
        "--limit", type=_limit, default=50, metavar="N", help="runs that changed anything (default: 50)"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
    parser.set_defaults(command=lambda options: run(options, _history, "Histories"))


async def _history(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Shows what changed at a cluster, the newest first: which answer about which registry, from what to what, for
    which cause and since when. Exit codes: 0 done, 1 there is no such cluster, 2 the storage did not answer or holds
    what cannot be read."""
    now = datetime.now(UTC)
    entry = cluster_called(await load_fleet(store, now), options.cluster)
    if entry is None:
        return NOTHING_SUCH
    changes = await store.list_changes(entry.cluster, options.limit)
    kept = [change for change in changes if options.since is None or now - change.at <= options.since]
    moves = [(change, moved) for change in kept for moved in change.transitions if _is_meant(moved, options.registry)]
    if options.output == "json":
        sys.stdout.write(json_text({"cluster": entry.cluster, "changes": [_answer(*move) for move in moves]}))
        return 0
    _show(moves)
    whole = " (there may be older ones: --limit)" if len(changes) == options.limit else ""
    said = f"{counted(len(moves), 'change')} of {name_of(entry.cluster)}{whole}"
    say(f"nothing changed at {name_of(entry.cluster)} that is asked for{whole}" if not moves else said)
    return 0


def _is_meant(moved: Transition, registry: str | None) -> bool:
    return registry is None or fits(registry, moved.registry, label_of(moved.registry))


def _show(moves: Sequence[tuple[Change, Transition]]) -> None:
    rows = [
        (
            f"{change.at:%Y-%m-%d %H:%M}",
            short_registry(moved.registry),
            moved.facet,
            moved.before.value if moved.before else "",
            moved.after.value if moved.after else "no longer kept",
            moved.cause,
            f"{moved.since:%Y-%m-%d %H:%M}",
            "yes" if moved.alert else "",
            change.run,
        )
        for change, moved in moves
    ]
    if rows:
        page = Page(terminal.width_of(sys.stdout))
        terminal.write(table(_COLUMNS, rows, page, ""), terminal.console(sys.stdout))


def _answer(change: Change, moved: Transition) -> dict[str, object]:
    return {
        "at": change.at,
        "run": change.run,
        "registry": moved.registry,
        "facet": moved.facet,
        "before": moved.before,
        "after": moved.after,
        "reason": moved.reason,
        "cause": moved.cause,
        "since": moved.since,
        "summary": moved.summary,
        "fix": moved.fix,
        "codes": moved.codes,
        "alert": moved.alert,
    }


def _ago(text: str) -> timedelta:
    length = duration(text, "mhd")
    if length is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no length of time such as 90m, 12h or 7d")
    return length


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number from 1 to {MOST}")
    return int(text)
