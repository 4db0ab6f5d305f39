"""Options that several of these commands take."""

from __future__ import annotations

import argparse

from checks.text import redacted

MAX_LIMIT = 10_000


def add_limit(parser: argparse.ArgumentParser, usual: int, what: str) -> None:
    """``--limit N``."""
    parser.add_argument(
        "--limit", type=_limit, default=usual, metavar="N", help=f"at most so many {what} (default: {usual})"
    )


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_LIMIT):
        raise argparse.ArgumentTypeError(f"{redacted(text)[:80]!r} is no number from 1 to {MAX_LIMIT}")
    return int(text)
