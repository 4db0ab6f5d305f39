"""``verify-history`` and ``rebuild-overview``: whether what is kept agrees, and what lists show made anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from checks.cli.arguments import Parser
from checks.cli.names import some_name
from checks.cli.storage import NO_STORAGE, run, say
from checks.collect.arm.client import Azure
from checks.history.decide import fold, statuses
from checks.history.errors import SchemaError
from checks.history.overview import Overview
from checks.history.table.store import Store
from checks.report.formats.json_text import json_text
from checks.settings import Settings
from checks.text import counted, one_line

DIFFERS = 1
EVERY = 100  # clusters between two lines of progress
MOST_CHANGES = 100_000


def add_verify_options(parser: Parser) -> None:
    """Makes a parser that of ``verify-history``."""
    parser.description = _verify.__doc__
    _subscription_option(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
    parser.set_defaults(command=lambda options: run(options, _verify, "Histories"))


def add_rebuild_options(parser: Parser) -> None:
    """Makes a parser that of ``rebuild-overview``."""
    parser.description = _rebuild.__doc__
    _subscription_option(parser)
    parser.set_defaults(command=lambda options: run(options, _rebuild, "Overviews"))


def _subscription_option(parser: Parser) -> None:
    parser.add_argument(
        "--subscription", action="append", default=[], type=some_name, metavar="ID", help="only this one; repeatable"
    )


async def _verify(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Verifies that the history of every cluster comes to what its state holds, and that what lists show is what would
    be made of both. Nothing is written. Exit codes: 0 all agree, 1 something differs, 2 the storage did not answer or
    holds what cannot be read."""
    differences: list[str] = []
    unreadable: list[str] = []
    clusters = 0
    for subscription in await _subscriptions(options, store):
        listing = await store.list_states(subscription)
        unreadable += [f"{broken.ref.row}: {one_line(broken.why)}" for broken in listing.unreadable]
        for summary in listing.items:
            clusters += 1
            if clusters % EVERY == 0 and not getattr(options, "quiet", False):
                say(f"{counted(clusters, 'cluster')} verified …")
            try:
                differences += await _differences(store, summary.cluster)
            except SchemaError as error:
                unreadable.append(f"{summary.cluster}: {one_line(str(error))}")
        differences += await _of_the_overview(store, subscription)
    _tell(options, clusters, differences, unreadable)
    return DIFFERS if differences else NO_STORAGE if unreadable else 0


async def _differences(store: Store, cluster: str) -> list[str]:
    stored = await store.load_state(cluster)
    if stored is None:
        return []
    held = statuses(stored.state)
    replayed = fold(await store.list_changes(cluster, MOST_CHANGES))
    return [
        f"{cluster}: {registry} {facet} is held as {_said(held.get(key))}, and its history comes to "
        f"{_said(replayed.get(key))}"
        for key in sorted(held.keys() | replayed.keys())
        if held.get(key) != replayed.get(key)
        for registry, facet in (key,)
    ]


def _said(held: object) -> str:
    status, cause, since = (getattr(held, name, None) for name in ("status", "cause", "since"))
    return "nothing" if held is None else f"{status}{f' ({cause})' if cause else ''} since {since}"


async def _of_the_overview(store: Store, subscription: str) -> list[str]:
    shown = (await store.load_overview(subscription)).overview
    anew = await store.make_overview(subscription)
    by_id = [{entry.cluster.lower(): entry for entry in one.clusters} for one in (shown, anew)]
    names = sorted(name for name in by_id[0].keys() | by_id[1].keys() if by_id[0].get(name) != by_id[1].get(name))
    return [f"{name}: what lists show is not what is held; rebuild-overview makes it anew" for name in names]


def _tell(options: argparse.Namespace, clusters: int, differences: list[str], unreadable: list[str]) -> None:
    if options.output == "json":
        sys.stdout.write(json_text({"clusters": clusters, "differences": differences, "unreadable": unreadable}))
        return
    _lines(differences)
    _lines(f"cannot be read: {one}" for one in unreadable)
    verdict = f"{counted(len(differences), 'difference')}" if differences else "history and states agree"
    say(f"{counted(clusters, 'cluster')}: {verdict}")


def _lines(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        sys.stdout.write(f"{one_line(sentence)}\n")


async def _rebuild(options: argparse.Namespace, loaded: Settings, azure: Azure, store: Store) -> int:
    """Makes what lists and pages show anew, from states and history. Runs do so by themselves: it is needed where
    verify-history finds a difference. Exit codes: 0 done, 2 the storage did not answer or holds what cannot be read."""
    for subscription in await _subscriptions(options, store):
        before: Overview = (await store.load_overview(subscription)).overview
        anew = await store.rebuild_overview(subscription)
        changed = "as it was" if anew == before else "changed"
        sys.stdout.write(f"{subscription}: {counted(len(anew.clusters), 'cluster')}, {changed}\n")
    return 0


async def _subscriptions(options: argparse.Namespace, store: Store) -> tuple[str, ...]:
    return tuple(name.lower() for name in options.subscription) or await store.known_subscriptions()
