"""What became of whom in one send to several recipients."""

from __future__ import annotations

from collections.abc import Iterable

from checks.notify.transports.addresses import NO_ADDRESS, is_address
from checks.notify.transports.base import NotDelivered, Receipt, reason_of


class Progress:
    """One send of a transport: recipients are left until they are accepted, refused or postponed."""

    def __init__(self, transport: str, sender: str, recipients: Iterable[str]) -> None:
        """NotDelivered for a sender whom no server would take; a recipient who is none is refused."""
        if not is_address(sender):
            raise NotDelivered(f"{transport}: PULLWATCH_MAIL_FROM, {reason_of(sender)!r}: {NO_ADDRESS}")
        self._transport = transport
        self._refused: dict[str, str] = {}
        self._later: dict[str, str] = {}
        self._accepted = False
        self._uncertain = False
        self._answer = ""
        self.left = list(dict.fromkeys(recipients))
        for who in list(self.left):
            if not is_address(who):
                self.refuse(who, NO_ADDRESS)

    def accept(self, recipients: Iterable[str], answer: str = "") -> None:
        """They got it. ``answer``: what the server said."""
        self._accepted = True
        self._answer = reason_of(answer)
        self._drop(recipients)

    def refuse(self, recipient: str, reason: str) -> None:
        """This one will not get it."""
        self._refused[recipient] = f"{self._transport}: {reason}"
        self._drop([recipient])

    def postpone(self, recipient: str, reason: str) -> None:
        """This one did not get it now."""
        self._later[recipient] = f"{self._transport}: {reason}"
        self._drop([recipient])

    def stop(self, reason: str, *, uncertain: bool = False, retry_after: float | None = None) -> None:
        """The send ended before its time: whoever is left is tried again. NotDelivered where nobody got it."""
        if not self._accepted:
            raise NotDelivered(f"{self._transport}: {reason}", uncertain=uncertain, retry_after=retry_after) from None
        for who in list(self.left):
            self.postpone(who, reason)
        self._uncertain = uncertain

    @property
    def receipt(self) -> Receipt:
        """Who did not get it."""
        return Receipt(refused=self._refused, later=self._later, uncertain=self._uncertain, answer=self._answer)

    def _drop(self, recipients: Iterable[str]) -> None:
        gone = set(recipients)
        self.left = [who for who in self.left if who not in gone]
