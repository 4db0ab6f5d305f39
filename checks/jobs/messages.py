"""What the queues between the jobs carry: their names, and messages as small JSON objects of ids.

No client of a queue is here (``checks.jobs.queues``): a host that starts reads only this.
"""

from __future__ import annotations

import uuid
from typing import TypeVar

import msgspec

from checks.text import redacted

PLAN = "pullwatch-plan"
SCAN = "pullwatch-scan"
CLOSE = "pullwatch-close"
DELIVER = "pullwatch-deliver"
POISON = "-poison"
VERSION = 1
MAX_BYTES = 49_152  # of payload: 64 KiB once it is base64

T = TypeVar("T", bound="Message")


class MessageError(ValueError):
    """A message that cannot be handled; the text says why. It will never get better: it belongs with the poison."""


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all messages carry: the version of their form."""

    v: int = VERSION


class PlanMessage(Message, frozen=True, kw_only=True):
    """Plan a run. ``request`` makes it repeatable: the same request is the same run. Empty lists: everything.

    ``subscriptions`` are ids, with or without dashes: 1,300 of them fit a message only without.
    """

    request: str
    requested_by: str
    subscriptions: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The subscriptions as Azure writes their ids. Raises MessageError where one is no id."""
        try:
            return tuple(str(uuid.UUID(guid)) for guid in self.subscriptions)
        except ValueError:
            raise MessageError("no PlanMessage: a subscription is no id") from None


class ScanMessage(Message, frozen=True, kw_only=True):
    """Scan one shard of a run."""

    run: str
    shard: str


class CloseMessage(Message, frozen=True, kw_only=True):
    """Close a run."""

    run: str


class DeliverMessage(Message, frozen=True, kw_only=True):
    """Deliver what is pending. ``why`` is for the log."""

    why: str


def read(kind: type[T], body: bytes | str) -> T:
    """A message out of its body. Raises MessageError with what is wrong; the text is bounded."""
    try:
        message = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"no {kind.__name__}: {redacted(str(error))[:300]}") from None
    if message.v != VERSION:
        raise MessageError(f"{kind.__name__} of version {message.v}; this program knows version {VERSION}")
    return message
