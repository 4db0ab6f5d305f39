"""Sending mails: each is marked as going out, handed over, and marked with what became of it.

Who was notified is kept before a mail is finished: a death in between sends it again, under the same Message-ID, and
keeps the same again.
"""

from __future__ import annotations

import logging
from datetime import timedelta

import msgspec

from checks.history.errors import LeaseLost
from checks.history.model import Channel, MailRow, MailStatus, Refusal
from checks.jobs.delivery.composing import Composed, composed
from checks.jobs.delivery.pacing import LONGEST_WAIT, due_mails
from checks.jobs.delivery.spreading import finished
from checks.jobs.delivery.turn import Turn
from checks.notify.message import compose
from checks.notify.transports.base import NotDelivered, Outgoing, Receipt

LOG = logging.getLogger(__name__)
SENT, LATER, FAILED, NOTHING = "sent", "later", "failed", "nothing"


async def send_all(turn: Turn, ends: dict[str, str]) -> None:
    """Sends what may go out now; ``ends`` says by mail what became of it, and is not asked twice in a turn."""
    for channel in sorted({mail.channel for mail in turn.mails.values()}):
        await _send_channel(turn, channel, ends)


async def _send_channel(turn: Turn, channel: Channel, ends: dict[str, str]) -> None:
    while due := await due_mails(turn, channel, ends):
        for mail in due:
            ends[mail.id] = await _guarded(turn, mail)
    for mail in turn.mails.values():
        if mail.channel == channel:
            ends.setdefault(mail.id, LATER)


async def _guarded(turn: Turn, mail: MailRow) -> str:
    """One mail, with whatever goes wrong kept to it.

    This is one of the places where a broad ``except`` stands: a mail that cannot be read or rendered must not keep the
    others from being sent. It stays open, so it is tried again and can be seen.
    """
    try:
        return await _send(turn, mail)
    except LeaseLost:
        raise
    except Exception as error:
        LOG.exception("mail %s could not be handled; it is kept", mail.id)
        await turn.save([_later(turn, turn.mails.get(mail.id, mail), f"{type(error).__name__}: it could not be made")])
        return LATER


async def _send(turn: Turn, mail: MailRow) -> str:
    what = await composed(turn, mail)
    if what is None:
        return await _drop(turn, mail, "nobody is notified by this route any more: the settings or a tag changed")
    if what.is_empty and mail.status is not MailStatus.SENDING:
        return await _drop(turn, mail, "nothing is left to say")
    if what.is_empty:  # it was accepted, and its end is all that was lost
        await turn.save([finished(mail, MailStatus.SENT, turn)])
        return SENT
    return await _hand_over(turn, mail, what)


async def _drop(turn: Turn, mail: MailRow, reason: str) -> str:
    LOG.info("mail %s is not sent: %s", mail.id, reason)
    await turn.save([finished(mail, MailStatus.EMPTY, turn, reason)])
    return NOTHING


async def _hand_over(turn: Turn, mail: MailRow, what: Composed) -> str:
    sender = turn.context.settings.mail_from[0]
    message = compose(
        what.mail,
        message_id=mail.message_id,
        sender=sender,
        recipients=what.route.recipients,
        now=mail.created,
        repeat=mail.status is MailStatus.SENDING,
        templates=turn.templates,
    )
    # What may have gone out once stays so: it is one mail with no other.
    open_as = mail.status
    mail = msgspec.structs.replace(mail, status=MailStatus.SENDING, attempts=mail.attempts + 1)
    await turn.save([mail])  # and the lease is held on to: a send takes less than it lasts
    transport = turn.transports[mail.channel.transport]
    try:
        receipt = await transport.send(Outgoing(message=message, mail=what.mail), sender, what.recipients)
    except NotDelivered as error:
        LOG.warning("mail %s by %s: %s", mail.id, transport.name, error)
        mail = msgspec.structs.replace(mail, status=MailStatus.SENDING if error.uncertain else open_as)
        await turn.save([_later(turn, mail, str(error), error.retry_after)])
        return LATER
    return await _received(turn, msgspec.structs.replace(mail, status=open_as), what, receipt)


async def _received(turn: Turn, mail: MailRow, what: Composed, receipt: Receipt) -> str:
    """Keeps what a receipt says: those to be tried later keep the mail open; those who refused are recorded."""
    now = turn.context.clock()
    recipients = what.recipients
    told = {**receipt.refused, **receipt.later}
    reason = "; ".join(f"{who}: {why}" for who, why in told.items())[:1000]
    if reason:
        LOG.warning("mail %s by %s: %s", mail.id, mail.channel.transport, reason)
    accepted = not set(recipients) <= set(told)
    mail = msgspec.structs.replace(
        mail,
        refused={**mail.refused, **receipt.refused},
        accepted=mail.accepted or accepted,
    )
    more = [
        turn.context.store.refusal_row(Refusal(recipient=who, transport=mail.channel.transport, reason=why, at=now))
        for who, why in receipt.refused.items()
    ]
    if accepted:
        await turn.set_notified(mail.channel, what.after(set(recipients) - told.keys()))
        lately = await turn.context.store.sent_lately(mail.channel, now)
        more.append(turn.context.store.rate_row(mail.channel, (*lately, now)))
    if receipt.later:
        if receipt.uncertain:
            mail = msgspec.structs.replace(mail, status=MailStatus.SENDING)
        later = _later(turn, mail, reason)
        await turn.save([msgspec.structs.replace(later, recipients=tuple(receipt.later))], more)
        return LATER
    status = MailStatus.SENT if mail.accepted else MailStatus.REFUSED
    await turn.save([finished(mail, status, turn, reason)], more)
    if not mail.accepted:
        LOG.error("mail %s was refused by everybody: %s", mail.id, reason)
    return SENT if mail.accepted else FAILED


def _later(turn: Turn, mail: MailRow, reason: str, asked: float | None = None) -> MailRow:
    """The mail with its next try: later after each, and not before a service asks for it, but always within an hour."""
    wait = max(timedelta(minutes=2 ** min(mail.attempts - 1, 10)), timedelta(seconds=min(asked or 0, 7200)))
    return msgspec.structs.replace(
        mail,
        reason=reason[:1000],
        next_try=turn.context.clock() + min(wait, LONGEST_WAIT),
    )
