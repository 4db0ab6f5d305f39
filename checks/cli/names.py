"""Names as options take them."""

from __future__ import annotations

import argparse
import re

from checks.arm_ids import subscription_of
from checks.rules.registry_names import is_host_name_or_pattern
from checks.silences import MAX_MATCHER, harmless
from checks.text import redacted

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


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


def subscription_id(text: str) -> str:
    """A subscription by its id, in lower case. Raises ArgumentTypeError."""
    if not _GUID.fullmatch(text.lower()):
        raise argparse.ArgumentTypeError(f"{harmless(text, 80)!r} is no subscription id")
    return text.lower()


def cluster_name_or_id(text: str) -> str:
    """One cluster by its name or its ARM id. Raises ArgumentTypeError."""
    is_id = text.startswith("/")
    of_a_cluster = bool(subscription_of(text)) and "/managedclusters/" in text.lower()
    if not text.strip() or len(text) > MAX_MATCHER or (of_a_cluster != is_id) or ("/" in text and not is_id):
        raise argparse.ArgumentTypeError(f"{harmless(text, 80)!r} is neither the name nor the ARM id of a cluster")
    return text.rstrip("/")
