"""``pullwatch verify-history``: whether history, states and overviews agree. Nothing is written."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.cli import stored, terminal
from checks.cli.arguments import Parser
from checks.cli.exit_codes import FAILS
from checks.cli.history.checking import Checked, check_subscription
from checks.cli.history.subscriptions import add_subscriptions, chosen
from checks.cli.layout import Column, Page, short_registry, table
from checks.cli.names import cluster_name_or_id
from checks.cli.progress import Progress
from checks.cli.stored import NO_STORAGE, NOTHING_SUCH
from checks.collect.arm.client import Azure
from checks.history.errors import HistoryError
from checks.history.model import RowRef, Unreadable
from checks.history.table import keys
from checks.history.table.store import Store
from checks.jobs.choosing.wording import did_you_mean, quoted
from checks.settings import Settings
from checks.text import counted, one_line

_COLUMNS = (
    Column("CLUSTER", 0),
    Column("BETWEEN", 1),
    Column("REGISTRY", 0),
    Column("FACET", 0),
    Column("DIFFERENCE", 0),
)


def add_options(parser: Parser) -> None:
    """Makes a parser that of the command ``verify-history``."""
    parser.description = (
        "Replays the history of each cluster and compares what it comes to with the state that is held, and what lists "
        "show with what would be made anew. Nothing is written."
    )
    parser.epilog = (
        "Exit codes: 0 all agrees; 1 something differs, or there is nothing such; 2 the storage did not answer, or "
        "holds what cannot be read, and nothing differs; 64 wrong usage or settings; 74 the output could not "
        "be written."
    )
    parser.add_argument("--cluster", type=cluster_name_or_id, metavar="NAME|ID", help="its name or its ARM id")
    add_subscriptions(parser)
    stored.add_output_option(parser)
    parser.set_defaults(command=lambda options: stored.run(options, _verify, "The history is kept"))


async def _verify(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    subscriptions = await chosen(options, store)
    if subscriptions is None:
        return NOTHING_SUCH
    cluster = options.cluster or ""
    if cluster.startswith("/"):
        subscriptions = tuple(one for one in subscriptions if one == subscription_of(cluster))
    checked = await _all(options, store, subscriptions, cluster)
    for broken in checked.unreadable:
        terminal.say(f"{broken.ref.row} in {broken.ref.partition} cannot be read: {one_line(broken.why)}")
    if cluster and checked == Checked():
        await _say_there_is_none(store, subscriptions, cluster)
        return NOTHING_SUCH
    if options.output == "json":
        terminal.write_json(_answer(checked, len(subscriptions)), sys.stdout)
    else:
        _show(checked, len(subscriptions))
    if checked.differences:
        await _say_of_open_runs(store)
        return FAILS
    return NO_STORAGE if checked.unreadable else 0


async def _all(options: argparse.Namespace, store: Store, subscriptions: tuple[str, ...], cluster: str) -> Checked:
    checked = Checked()
    progress = Progress(sys.stderr, quiet=getattr(options, "quiet", False))
    try:
        for number, subscription in enumerate(subscriptions, 1):
            progress(f"subscription {number} of {len(subscriptions)}: {subscription}")
            try:
                checked += await check_subscription(store, subscription, cluster, progress)
            except HistoryError as error:  # of the subscription as a whole: it stops no other
                ref = RowRef(keys.OVERVIEW, keys.overview(subscription))
                checked += Checked(unreadable=(Unreadable(ref, str(error)),))
    finally:
        progress.end()
    return checked


async def _say_there_is_none(store: Store, subscriptions: tuple[str, ...], cluster: str) -> None:
    names = [name_of(state.cluster) for one in subscriptions for state in (await store.list_states(one)).items]
    hint = "" if cluster.startswith("/") else did_you_mean(cluster, names)
    terminal.say(f"nothing is kept of a cluster {quoted(cluster)}.{hint}")


async def _say_of_open_runs(store: Store) -> None:
    """While a run is under way an overview may be behind: its end catches up."""
    if opened := await store.open_runs():
        terminal.say(f"{counted(len(opened), 'run')} not closed: overviews may be behind until then, and catch up")


def _show(checked: Checked, subscriptions: int) -> None:
    out = terminal.console(sys.stdout)
    if checked.differences:
        rows = [
            (name_of(one.cluster), one.between, short_registry(one.registry), one.facet, one.summary)
            for one in checked.differences
        ]
        terminal.write(table(_COLUMNS, rows, Page(terminal.width_of(sys.stdout)), ""), out)
    sys.stdout.write(
        f"{counted(checked.clusters, 'cluster')} in {counted(subscriptions, 'subscription')}, "
        f"{counted(checked.changes, 'change')}{_folded(checked)}: {_verdict(checked)}\n"
    )


def _folded(checked: Checked) -> str:
    return f" and {checked.folded} that were folded" if checked.folded else ""


def _verdict(checked: Checked) -> str:
    found = [
        counted(len(checked.differences), "difference") if checked.differences else "",
        f"{counted(len(checked.unreadable), 'row')} cannot be read" if checked.unreadable else "",
    ]
    return ", ".join(word for word in found if word) or "all agrees"


def _answer(checked: Checked, subscriptions: int) -> dict[str, Any]:
    return {
        "agrees": not checked.differences and not checked.unreadable,
        "subscriptions": subscriptions,
        "clusters": checked.clusters,
        "changes": checked.changes,
        "folded": checked.folded,
        "differences": msgspec.to_builtins(checked.differences),
        "unreadable": [
            {"partition": broken.ref.partition, "row": broken.ref.row, "why": one_line(broken.why)}
            for broken in checked.unreadable
        ],
    }
