"""At most so many mails an hour and channel. What there is no room for becomes one mail with what comes next."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from checks.history.model import Channel, MailRow, MailStatus
from checks.jobs.delivery.spreading import finished, merge
from checks.jobs.delivery.turn import Turn
from checks.notify.message import message_id_of

LOG = logging.getLogger(__name__)
MERGED_AT_ONCE = 45
# No wait is longer; a time further ahead is of a clock that jumped.
LONGEST_WAIT = timedelta(hours=1)


async def due_mails(turn: Turn, channel: Channel) -> list[MailRow]:
    """The mails of a channel that may go out now, the oldest first: no more than its hour has room for."""
    now = turn.context.clock()
    ready = sorted((mail for mail in turn.mails.values() if _is_ready(turn, mail, channel, now)), key=_age)
    most = turn.context.settings.mails_per_hour
    room = max(0, most - len(await turn.context.store.sent_lately(channel, now)))
    notices = [mail for mail in ready if await _is_notice(turn, mail)]  # few, and each is about a whole run
    others = [mail for mail in ready if mail not in notices]
    # What may have gone out, or went out to some of its recipients, cannot be one mail with others.
    repeats = [mail for mail in others if mail.status is MailStatus.SENDING or mail.recipients]
    fresh = [mail for mail in others if mail not in repeats]
    left = max(0, room - len(repeats))
    if len(fresh) <= left:
        return [*notices, *repeats, *fresh]
    if not left:
        LOG.warning("%d mails wait: at most %d an hour go out to route %r", len(fresh), most, channel.route)
        return [*notices, *repeats]
    return [*notices, *repeats, *fresh[: left - 1], await _together(turn, channel, fresh[left - 1 :])]


def _age(mail: MailRow) -> tuple[datetime, str]:
    return mail.since, mail.id


def _is_ready(turn: Turn, mail: MailRow, channel: Channel, now: datetime) -> bool:
    if mail.channel != channel or any(name in turn.mails for name in mail.after):
        return False
    return mail.next_try is None or not timedelta() < mail.next_try - now <= LONGEST_WAIT


async def _is_notice(turn: Turn, mail: MailRow) -> bool:
    for name in mail.batches:
        batch = await turn.batch(name)
        if batch is not None and batch.notice:
            return True
    return False


async def _together(turn: Turn, channel: Channel, mails: Sequence[MailRow]) -> MailRow:
    """One mail in place of many, to be sent by the last room that is left."""
    rest = list(mails)
    while len(rest) > 1:
        taken, rest = rest[:MERGED_AT_ONCE], rest[MERGED_AT_ONCE:]
        named = hashlib.sha256("|".join(mail.id for mail in taken).encode()).hexdigest()[:16]
        name = f"{taken[-1].id.partition('-')[0]}-all-{named}"
        start = MailRow(
            id=name,
            channel=channel,
            message_id=message_id_of(name, turn.context.settings.mail_from[0]),
            batches=(),
            since=taken[0].since,
            created=turn.context.clock(),
        )
        one = msgspec.structs.replace(merge(start, taken), held_back=sum(mail.held_back + 1 for mail in taken) - 1)
        await turn.save([one, *(finished(mail, MailStatus.MERGED, turn) for mail in taken)])
        rest.insert(0, one)
    return rest[0]
