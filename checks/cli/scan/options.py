"""The options that say what is looked at; ``scan``, ``watch`` and ``explain`` take them."""

from __future__ import annotations

import argparse

from checks.cli.names import registry_pattern, some_name
from checks.jobs.choosing.scope import ScanScope


def add_scope_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be named: subscriptions, clusters, registries."""
    group = parser.add_argument_group("what is looked at", "each may be given more than once; nothing: everything")
    group.add_argument(
        "--subscription",
        action="append",
        type=some_name,
        default=[],
        metavar="ID|NAME",
        help="only this subscription",
    )
    group.add_argument(
        "--cluster",
        action="append",
        type=some_name,
        default=[],
        metavar="NAME|ID",
        help="only this cluster, or those like 'aks-prod-*'",
    )
    group.add_argument(
        "--registry",
        action="append",
        type=registry_pattern,
        default=[],
        metavar="NAME|LOGIN_SERVER",
        help="only this registry, or those like 'acr*': of the clusters that use it, or with --cluster of those",
    )


def scope_of(options: argparse.Namespace) -> ScanScope:
    """What the options name. Ends with wrong usage where that is too much."""
    scope = ScanScope(
        tuple(options.subscription),
        tuple(options.cluster),
        tuple(options.registry),
        canaries=getattr(options, "canary", False),
    )
    if excess := scope.excess():
        options.parser.error(excess)
    return scope
