"""``pullwatch history``: what changed for one cluster, the newest first."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from checks.arm_ids import name_of
from checks.changes import Change, Status, Transition
from checks.cli import stored, terminal
from checks.cli.arguments import Parser, duration
from checks.cli.history.clusters import Meant, meant
from checks.cli.history.options import add_limit
from checks.cli.history.times import with_age
from checks.cli.layout import Column, Page, prose, short_registry, table
from checks.cli.names import cluster_name_or_id, registry_pattern
from checks.cli.stored import NO_STORAGE, NOTHING_SUCH
from checks.collect.arm.client import Azure
from checks.history.decide import Checkpoint
from checks.history.errors import SchemaError
from checks.history.model import RowRef, Unreadable
from checks.history.table import keys
from checks.history.table.store import Store
from checks.jobs.choosing.wording import did_you_mean, quoted
from checks.rules.patterns import fits
from checks.rules.registry_names import label_of
from checks.settings import Settings
from checks.text import counted, one_line

_COLUMNS = (
    Column("WHEN (UTC)", 0),
    Column("REGISTRY", 0),
    Column("FACET", 0),
    Column("CHANGE", 0),
    Column("CAUSE", 1),
    Column("SINCE (UTC)", 2),
    Column("RUN", 3),
)


class _Found(msgspec.Struct, frozen=True):
    """The changes that are shown. ``more``: older ones match too. ``registries``: all that were seen on the way.

    ``earlier``: what was folded before all that is kept, where it was asked for.
    """

    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...]
    more: bool
    registries: frozenset[str]
    earlier: Checkpoint | None = None


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command ``history``."""
    parser.description = "Shows what changed for one cluster, the newest first, from the history that the app keeps."
    parser.epilog = stored.EXIT_CODES
    parser.add_argument(
        "--cluster", required=True, type=cluster_name_or_id, metavar="NAME|ID", help="its name or its ARM id"
    )
    parser.add_argument(
        "--registry", type=registry_pattern, metavar="NAME|LOGIN_SERVER", help="only of this one; a pattern of several"
    )
    parser.add_argument("--since", type=_span, metavar="30m|4h|7d", help="only of so long ago and later")
    add_limit(parser, 50, "changes")
    stored.add_output_option(parser)
    parser.set_defaults(command=lambda options: stored.run(options, _history, "The history is kept"))


def _span(text: str) -> timedelta:
    length = duration(text, "mhd")
    if length is None:
        raise argparse.ArgumentTypeError(f"{one_line(text)[:80]!r} is no length of time: 30m, 4h and 7d are")
    return length


async def _history(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    cluster = await meant(store, options.cluster)
    if not cluster.id:
        return NO_STORAGE if cluster.blind else NOTHING_SUCH
    now = datetime.now(UTC)
    found = await _find(options, store, cluster.id, now)
    for broken in found.unreadable:
        terminal.say(f"{broken.ref.row} cannot be read: {one_line(broken.why)}")
    code = NO_STORAGE if found.unreadable else await _said_of_nothing(options, store, cluster, found)
    if options.output == "json":
        terminal.write_json(_answer(cluster.id, found, now), sys.stdout)
    elif found.changes:
        _show(cluster.id, found, now)
    if found.earlier is not None and options.output != "json":
        terminal.say(
            f"earlier changes were folded on {found.earlier.folded:%Y-%m-%d}: "
            f"{counted(found.earlier.changes, 'change')} until {found.earlier.until:%Y-%m-%d %H:%M} UTC"
        )
    return code


async def _find(options: argparse.Namespace, store: Store, cluster: str, now: datetime) -> _Found:
    """The newest changes that match. Sequences say which is newer, and times may go back: all rows are looked at."""
    changes: list[Change] = []
    unreadable: list[Unreadable] = []
    registries: set[str] = set()
    more = False
    async for one in store.walk_changes(cluster):
        if isinstance(one, Unreadable):
            unreadable.append(one)
            continue
        registries |= {moved.registry for moved in one.transitions}
        kept = _of_registry(one, options.registry)
        if not kept.transitions or (options.since and one.at < _start(now, options.since)):
            continue
        if len(changes) == options.limit:
            more = True
            break
        changes.append(kept)
    checkpoint = None
    if not more:
        try:
            checkpoint = await store.find_checkpoint(cluster)
        except SchemaError as error:
            unreadable.append(Unreadable(RowRef(keys.subscription_key(cluster), keys.checkpoint(cluster)), str(error)))
    if checkpoint is not None:
        registries |= {one.registry for one in checkpoint.subjects}
        asked = options.since is None or checkpoint.until >= _start(now, options.since)
        checkpoint = checkpoint if asked else None
    return _Found(tuple(changes), tuple(unreadable), more, frozenset(registries), checkpoint)


def _start(now: datetime, since: timedelta) -> datetime:
    """So long ago; the beginning of time where that is longer ago than there are dates."""
    earliest = datetime.min.replace(tzinfo=UTC)
    return now - since if since < now - earliest else earliest


def _of_registry(change: Change, pattern: str | None) -> Change:
    if not pattern:
        return change
    return msgspec.structs.replace(
        change,
        transitions=tuple(moved for moved in change.transitions if _is_of(moved.registry, pattern)),
        rows=tuple(row for row in change.rows if _is_of(row.registry, pattern)),
    )


def _is_of(registry: str, pattern: str) -> bool:
    return fits(pattern, registry, label_of(registry) or registry)


async def _said_of_nothing(options: argparse.Namespace, store: Store, cluster: Meant, found: _Found) -> int:
    """Says why nothing is shown, where nothing is: the exit code."""
    if found.changes:
        return 0
    if not found.registries and cluster.entry is None and await store.load_state(cluster.id) is None:
        terminal.say(f"nothing is kept of a cluster {quoted(cluster.id)}")
        return NO_STORAGE if cluster.blind else NOTHING_SUCH
    known = found.registries | {row.registry for row in (cluster.entry.rows if cluster.entry else ())}
    if options.registry and not any(_is_of(registry, options.registry) for registry in known):
        names = [name for registry in sorted(known) for name in dict.fromkeys((label_of(registry), registry)) if name]
        hint = did_you_mean(options.registry, names)
        terminal.say(f"{name_of(cluster.id)} has no registry {quoted(options.registry)}.{hint}")
        return NOTHING_SUCH
    terminal.say(f"nothing changed for {name_of(cluster.id)}{' in that time' if options.since else ''}")
    return 0


def _show(cluster: str, found: _Found, now: datetime) -> None:
    page = Page(terminal.width_of(sys.stdout))
    rows = [
        (
            with_age(change.at, now),
            short_registry(moved.registry),
            moved.facet,
            f"{_word(moved.before, 'new')} → {_word(moved.after, 'not kept')}",
            _cause(moved),
            with_age(moved.since, now),
            change.run,
        )
        for change in found.changes
        for moved in change.transitions
    ]
    out = terminal.console(sys.stdout)
    terminal.write([*prose(cluster, page, ""), *table(_COLUMNS, rows, page, "")], out)
    if found.more:
        terminal.say(f"older changes are kept, too: --limit {2 * len(found.changes)} shows more")


def _earlier(checkpoint: Checkpoint | None) -> dict[str, Any] | None:
    if checkpoint is None:
        return None
    return {"changes": checkpoint.changes, "until": checkpoint.until, "folded": checkpoint.folded}


def _word(status: Status | None, instead: str) -> str:
    return status.value if status else instead


def _cause(moved: Transition) -> str:
    if moved.before_cause and moved.cause and moved.before_cause != moved.cause:
        return f"{moved.before_cause} → {moved.cause}"
    return moved.cause or moved.before_cause or moved.gap


def _answer(cluster: str, found: _Found, now: datetime) -> dict[str, Any]:
    return {
        "cluster": cluster,
        "now": now,
        "changes": [
            {**msgspec.to_builtins(change), "age_seconds": int((now - change.at).total_seconds())}
            for change in found.changes
        ],
        "more": found.more,
        "earlier": _earlier(found.earlier),
        "unreadable": [{"row": broken.ref.row, "why": one_line(broken.why)} for broken in found.unreadable],
    }
