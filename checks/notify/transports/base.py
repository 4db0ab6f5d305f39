"""What a transport is: it takes a finished message and says what became of it.

Nothing that happens to a send ends a mail for good. It was accepted (``Receipt``), perhaps not for everybody: a refusal
is final for one recipient alone. Or nobody got it (``NotDelivered``), and it is tried again.
"""

from __future__ import annotations

from email.message import EmailMessage
from typing import Protocol

import msgspec

from checks.notify.incidents import Mail
from checks.text import one_line

# A send ends within this time, however slow the server is: below what the lease of whoever delivers lasts (75 s).
SEND_SECONDS = 45.0
MAX_REASON = 200


class NotDelivered(Exception):
    """Nobody got it, as far as is known: try again. ``uncertain``: it may have been accepted, and the answer was lost.

    ``retry_after``: the seconds for which the service asks to be left alone.
    """

    def __init__(self, reason: str, *, uncertain: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.uncertain = uncertain
        self.retry_after = retry_after


class Receipt(msgspec.Struct, frozen=True):
    """Who did not get it: ``refused`` for good and ``later`` for now, each with the reason. All others did.

    ``uncertain``: some of ``later`` may have got it all the same. ``answer``: what the server said as it took it.
    """

    refused: dict[str, str] = {}
    later: dict[str, str] = {}
    uncertain: bool = False
    answer: str = ""


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
        """Hand it over within SEND_SECONDS. NotDelivered where nobody got it."""


def reason_of(text: str) -> str:
    """What somebody else said as one bounded line without secrets: a server may repeat what it was told."""
    return " ".join(one_line(text).split())[:MAX_REASON]
