"""What a transport is: it takes a finished message and says what became of it.

DeliveryError
  TemporaryDelivery   try again later (connection, 4xx); ``uncertain``: it may have been accepted
  PermanentDelivery   this message will not be taken (5xx)
"""

from __future__ import annotations

from email.message import EmailMessage
from typing import Protocol

import msgspec

from checks.notify.incidents import Mail


class DeliveryError(Exception):
    """Base of the two."""


class TemporaryDelivery(DeliveryError):
    """Nothing is wrong with the message. ``uncertain``: the answer was lost after the message was handed over.

    ``retry_after``: the seconds for which the service asks to be left alone.
    """

    def __init__(self, reason: str, *, uncertain: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.uncertain = uncertain
        self.retry_after = retry_after


class PermanentDelivery(DeliveryError):
    """The message was refused, and would be again."""


class Receipt(msgspec.Struct, frozen=True):
    """Who did not get it: ``refused`` for good and ``later`` for now, each with the reason. All others did."""

    refused: dict[str, str] = {}
    later: dict[str, str] = {}


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What is handed over: the message for mailboxes, and what it says as data, for programs."""

    message: EmailMessage
    mail: Mail


class Transport(Protocol):
    """A way to hand a message over. ``name`` is stable: it is stored with what became of each mail."""

    @property
    def name(self) -> str:
        """The stable name: "smtp", "folder", …"""

    @property
    def addressed(self) -> bool:
        """Whether it goes to the recipients of a route; else to one place, which takes the default route."""

    async def send(self, outgoing: Outgoing, sender: str, recipients: tuple[str, ...]) -> Receipt:
        """Hand it over, bounded in time. DeliveryError where nobody got it."""
