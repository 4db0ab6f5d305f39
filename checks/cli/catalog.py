"""The commands ``list`` and ``settings``: what there is to know without looking at anything."""

from __future__ import annotations

import argparse
import sys

from checks import catalog, settings
from checks.cli.arguments import Parser


def add_list_options(parser: Parser) -> None:
    """Makes a parser that of the command ``list``."""
    parser.description = _list.__doc__
    parser.set_defaults(command=_list)


def add_settings_options(parser: Parser) -> None:
    """Makes a parser that of the command ``settings``."""
    parser.description = _settings.__doc__
    parser.set_defaults(command=_settings)


def _list(options: argparse.Namespace) -> int:
    """Lists the checks: code, title, and what one is decided by."""
    for check in catalog.checks():
        sys.stdout.write(f"{check.code}  {check.title}: {check.why}\n")
    return 0


def _settings(options: argparse.Namespace) -> int:
    """Prints every setting with its default and what it does, as a Markdown table."""
    sys.stdout.write(f"{settings.table()}\n")
    return 0
