"""Entries of the journal as ``journalctl -o json`` prints them: each is a line of a log, with its host and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from checks.cli.classify.sighting import Sighting
from checks.cli.classify.texts.log_lines import sightings_of_line

_OF_THE_JOURNAL = frozenset({
    "__CURSOR", "__REALTIME_TIMESTAMP", "_HOSTNAME", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_TRANSPORT", "PRIORITY",
})  # fmt: skip


def is_entry(found: object) -> bool:
    """Whether something decoded is an entry of the journal."""
    return (
        isinstance(found, dict)
        and "MESSAGE" in found
        and "message" not in found
        and not _OF_THE_JOURNAL.isdisjoint(found)
    )


def sightings_of_entry(entry: dict[str, Any]) -> Iterator[Sighting]:
    """What an entry tells; nothing where it has no message, as one that was too long to be printed."""
    message = _text(entry["MESSAGE"])
    host, micros = entry.get("_HOSTNAME"), str(entry.get("__REALTIME_TIMESTAMP", ""))[:20]
    when = int(micros) / 1e6 if micros.isascii() and micros.isdigit() else 0.0
    for seen in sightings_of_line(message) if message.strip() else ():
        yield replace(seen, log=True, node=host if isinstance(host, str) else "", when=when)


def _text(message: object) -> str:
    """A message that is no plain text (a colour is enough) is printed as a list of its bytes."""
    if isinstance(message, list):
        whole = all(type(one) is int and 0 <= one < 256 for one in message)
        return bytes(message).decode("utf-8", "replace") if whole else ""
    return message if isinstance(message, str) else ""
