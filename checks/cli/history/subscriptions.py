"""Which of the subscriptions that the app keeps something of."""

from __future__ import annotations

import argparse

from checks.cli import terminal
from checks.cli.names import subscription_id
from checks.history.table.store import Store


def add_subscriptions(parser: argparse.ArgumentParser) -> None:
    """``--subscription ID``, which may be given more than once."""
    parser.add_argument(
        "--subscription",
        dest="subscriptions",
        action="append",
        type=subscription_id,
        metavar="ID",
        help="only this one; may be given more than once",
    )


async def chosen(options: argparse.Namespace, store: Store) -> tuple[str, ...] | None:
    """Those that are named, or else all; None, said on standard error, where nothing is kept of one."""
    known = await store.known_subscriptions()
    if not options.subscriptions:
        return known
    unknown = [one for one in options.subscriptions if one not in known]
    for one in unknown:
        terminal.say(f"nothing is kept of subscription {one}")
    return None if unknown else tuple(dict.fromkeys(options.subscriptions))
