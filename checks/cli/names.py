"""Names as options take them."""

from __future__ import annotations

import argparse

from checks.rules.registry_names import is_host_name_or_pattern
from checks.text import redacted


def some_name(text: str) -> str:
    """What is named, as it is given. Raises ArgumentTypeError for a text without a name in it.

    A script's variable that is not set must not come to mean everything, or nothing that there is.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("it names nothing; leave the option out for all there are")
    return text


def registry_pattern(text: str) -> str:
    """A registry as it is named on the command line, in lower case. Raises ArgumentTypeError."""
    some_name(text)
    if not is_host_name_or_pattern(text):
        raise argparse.ArgumentTypeError(
            f"{redacted(text)[:80]!r} is no registry's name or login server, and no pattern of one"
        )
    return text.lower()
