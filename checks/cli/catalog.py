"""The commands ``list`` and ``settings``: what there is to know without looking at anything."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from checks import catalog, settings


def add_commands(commands: Any) -> None:
    """Adds both commands to a parser's."""
    listing = commands.add_parser("list", help="the checks, one a line", description=_list.__doc__)
    listing.set_defaults(command=_list)
    table = commands.add_parser("settings", help="all settings, as a table", description=_settings.__doc__)
    table.set_defaults(command=_settings)


def _list(options: argparse.Namespace) -> int:
    """Lists the checks: code, title, and what one is decided by."""
    for check in catalog.checks():
        sys.stdout.write(f"{check.code}  {check.title}: {check.why}\n")
    return 0


def _settings(options: argparse.Namespace) -> int:
    """Prints every setting with its default and what it does, as a Markdown table."""
    sys.stdout.write(f"{settings.table()}\n")
    return 0
