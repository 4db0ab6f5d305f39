"""``pullwatch rebuild-overview``: what lists and pages show, made anew from states and history."""

from __future__ import annotations

import argparse
import sys

import msgspec

from checks.cli import stored, terminal
from checks.cli.arguments import Parser
from checks.cli.history.subscriptions import add_subscriptions, chosen
from checks.cli.layout import Column, Page, table
from checks.cli.progress import Progress
from checks.cli.stored import NO_STORAGE, NOTHING_SUCH
from checks.collect.arm.client import Azure
from checks.history.errors import HistoryError
from checks.history.table.overviews import as_kept
from checks.history.table.store import Store
from checks.settings import Settings
from checks.text import counted, listed, one_line

_COLUMNS = (Column("SUBSCRIPTION", 0), Column("CLUSTERS", 0), Column("OVERVIEW", 0))


class _Rebuilt(msgspec.Struct, frozen=True):
    """What became of one overview. ``result``: "made", "changed" or "unchanged"."""

    subscription: str
    clusters: int
    result: str


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command ``rebuild-overview``."""
    parser.description = (
        "Makes what lists and pages show of each subscription anew, from the states and the history of its clusters. "
        "The app keeps it up to date by itself; `pullwatch verify-history` says whether it is."
    )
    parser.epilog = stored.EXIT_CODES
    add_subscriptions(parser)
    stored.add_output_option(parser)
    parser.set_defaults(command=lambda options: stored.run(options, _rebuild, "Overviews are kept"))


async def _rebuild(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    subscriptions = await chosen(options, store)
    if subscriptions is None:
        return NOTHING_SUCH
    done: list[_Rebuilt] = []
    failed = False
    progress = Progress(sys.stderr, quiet=getattr(options, "quiet", False))
    for number, subscription in enumerate(subscriptions, 1):
        progress(f"subscription {number} of {len(subscriptions)}: {subscription}")
        try:
            done.append(await _one(store, subscription))
        except HistoryError as error:  # of one subscription: it stops no other
            progress.end()
            terminal.say(f"the overview of subscription {subscription} is not made: {one_line(str(error))}")
            failed = True
    progress.end()
    _show(options, done)
    return NO_STORAGE if failed else 0


async def _one(store: Store, subscription: str) -> _Rebuilt:
    """Raises HistoryError where a state cannot be read: its cluster would be left out of what is shown."""
    broken = (await store.list_states(subscription)).unreadable
    if broken:
        raise HistoryError(
            f"{counted(len(broken), 'state')} cannot be read: {listed([one.ref.row for one in broken], 3)}"
        )
    before = await store.load_overview(subscription)
    made = as_kept(await store.rebuild_overview(subscription))
    result = "made" if not before.etag else "unchanged" if made == before.overview else "changed"
    return _Rebuilt(subscription, len(made.clusters), result)


def _show(options: argparse.Namespace, done: list[_Rebuilt]) -> None:
    if options.output == "json":
        terminal.write_json({"overviews": msgspec.to_builtins(done)}, sys.stdout)
        return
    if done:
        rows = [(one.subscription, str(one.clusters), one.result) for one in done]
        page = Page(terminal.width_of(sys.stdout))
        terminal.write(table(_COLUMNS, rows, page, ""), terminal.console(sys.stdout))
    new = sum(one.result != "unchanged" for one in done)
    count = sum(one.clusters for one in done)
    verdict = f"{counted(new, 'overview')} made or changed" if new else "nothing changed"
    sys.stdout.write(f"{counted(count, 'cluster')} in {counted(len(done), 'subscription')}: {verdict}\n")
