"""``pullwatch prune-history``: what is older than it is kept. The app deletes it by itself, once a day."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta

import msgspec

from checks.cli import stored, terminal
from checks.cli.arguments import Parser
from checks.cli.progress import Progress
from checks.cli.stored import NO_STORAGE
from checks.collect.arm.client import Azure
from checks.history.decide.retention import Keep
from checks.history.table.store import Store
from checks.jobs.retention.prune import prune
from checks.jobs.retention.turn import ROWS, Pruned, keep_of
from checks.settings import Settings
from checks.text import counted

MAX_TURNS = 1000  # that one call takes: 20 million rows


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command ``prune-history``."""
    parser.description = (
        "Shows what the app keeps that is older than PULLWATCH_KEEP_RUNS_DAYS, PULLWATCH_KEEP_CHANGES_DAYS, "
        "PULLWATCH_KEEP_GONE_DAYS and PULLWATCH_KEEP_MAILS_DAYS say, and deletes it where --yes is given. The app does "
        "so by itself once a day, by its own settings: set the same ones here. Old changes of a cluster are folded "
        "into what they came to. Nothing goes that mail which is still to be sent refers to."
    )
    parser.epilog = (
        "Exit codes: 0 done; 2 the storage did not answer, or not all could be handled; 64 wrong usage or settings; "
        "74 the output could not be written."
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--dry-run", action="store_true", help="only show what would go (the default)")
    choice.add_argument("--yes", action="store_true", help="delete it")
    stored.add_output_option(parser)
    parser.set_defaults(command=lambda options: stored.run(options, _prune, "The history is kept"))


async def _prune(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    keep = keep_of(loaded)
    progress = Progress(sys.stderr, quiet=getattr(options, "quiet", False))
    try:
        done = await _turns(store, keep, progress, delete=options.yes)
    finally:
        progress.end()
    if options.output == "json":
        answer = {"deleted": options.yes, "kept_days": _days(keep), **msgspec.to_builtins(done)}
        terminal.write_json(answer, sys.stdout)
    else:
        _show(done, keep, deleted=options.yes)
    return NO_STORAGE if done.failed or done.waits or done.unfinished else 0


async def _turns(store: Store, keep: Keep, progress: Progress, *, delete: bool) -> Pruned:
    """One turn after the other, each as the app takes one, until nothing is left to delete."""
    done = Pruned()
    for number in range(1, MAX_TURNS + 1):
        turn = await prune(store, keep, _now, dry_run=not delete, say=progress)
        done = msgspec.structs.replace(done, unfinished=False, waits="") + turn
        if not turn.unfinished or turn.is_nothing:
            break
        progress(f"{counted(number * ROWS, 'row')} or fewer are deleted")
    return done


def _now() -> datetime:
    return datetime.now(UTC)


def _days(keep: Keep) -> dict[str, int]:
    lengths: dict[str, timedelta] = msgspec.structs.asdict(keep)
    return {name: length.days for name, length in lengths.items()}


def _show(done: Pruned, keep: Keep, *, deleted: bool) -> None:
    days = _days(keep)
    lines = [
        ("runs", days["runs"], counted(len(done.months), "month") + _named(done.months)),
        ("changes", days["changes"], counted(done.changes, "change")),
        ("clusters that are gone", days["gone"], counted(done.clusters, "cluster")),
        ("mails", days["mails"], counted(done.mails, "row")),
        ("records", days["mails"], counted(done.records, "row")),
    ]
    for what, kept, count in lines:
        sys.stdout.write(f"{what}, kept for {kept} days: {count}\n")
    if done.waits:
        terminal.say(done.waits)
    if done.failed:
        terminal.say(f"{done.failed} that could not be handled are left alone; --verbose says why")
    if not deleted:
        terminal.say("nothing was deleted: --yes deletes it")


def _named(months: tuple[str, ...]) -> str:
    return f" ({', '.join(f'{month[:4]}-{month[4:]}' for month in months)})" if months else ""
