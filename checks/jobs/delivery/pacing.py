"""At most so many mails an hour and channel. What there is no room for becomes one mail with what comes next.

Every mail that a server accepts takes room, also a run's own notice and one that only goes to those who were to be
tried later. What cannot be one mail with others, a notice or what may have gone out already, waits until there is room.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Container, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from checks.history.errors import SchemaError
from checks.history.model import Channel, MailRow, MailStatus
from checks.jobs.delivery.spreading import MERGED_AT_ONCE, finished, following, merge
from checks.jobs.delivery.turn import Turn
from checks.notify.message import message_id_of

LOG = logging.getLogger(__name__)
# No wait is longer; a time further ahead is of a clock that jumped.
LONGEST_WAIT = timedelta(hours=1)


async def due_mails(turn: Turn, channel: Channel, tried: Container[str] = ()) -> list[MailRow]:
    """The mails of a channel that may go out now, less what was tried: no more than its hour has room for.

    Where not all have room, those to the rest of some mail's recipients come first and alone: what they leave is known
    when they were tried, for they may have to wait once more. So whoever sends asks again until there are none.
    """
    now = turn.context.clock()
    mails = (mail for mail in turn.mails.values() if mail.id not in tried)
    ready = sorted((mail for mail in mails if _is_ready(turn, mail, channel, now)), key=_age)
    most = turn.context.settings.mails_per_hour
    room = most - len(await turn.context.store.sent_lately(channel, now))
    if room < 1:
        if ready:
            LOG.warning("%d mails wait: at most %d an hour go out to route %r", len(ready), most, channel.route)
        return []
    alone = [mail for mail in ready if await _goes_alone(turn, mail)]
    grouped = [mail for mail in ready if mail not in alone]
    rests = [mail for mail in grouped if mail.recipients]
    fresh = [mail for mail in grouped if not mail.recipients]
    if len(ready) > room:
        if due := await _fitting(turn, channel, _by_recipients(rests), _room_of_rests(room, rests, [*alone, *fresh])):
            return due
        rests = []
    due = [*rests, *alone[: _room_of_those_alone(room, most, alone, fresh, now)]]
    return [*due, *await _fitting(turn, channel, _by_recipients(fresh), room - len(due))]


def _age(mail: MailRow) -> tuple[datetime, str]:
    return mail.since, mail.id


def _is_ready(turn: Turn, mail: MailRow, channel: Channel, now: datetime) -> bool:
    if mail.channel != channel or any(name in turn.mails for name in mail.after):
        return False
    return mail.next_try is None or not timedelta() < mail.next_try - now <= LONGEST_WAIT


async def _goes_alone(turn: Turn, mail: MailRow) -> bool:
    """Whether it cannot be one mail with others: a run's own notice, what may have gone out, what cannot be read."""
    if mail.status is MailStatus.SENDING:
        return True
    for name in mail.batches:
        try:
            batch = await turn.batch(name)
        except SchemaError:
            return True
        if batch is not None and batch.notice:
            return True
    return False


def _by_recipients(mails: Iterable[MailRow]) -> list[list[MailRow]]:
    """Mails to the same recipients, which may be one mail. Those of the oldest come first."""
    groups: dict[frozenset[str], list[MailRow]] = {}
    for mail in mails:
        groups.setdefault(frozenset(mail.recipients), []).append(mail)
    return list(groups.values())


def _room_of_rests(room: int, rests: Sequence[MailRow], others: Sequence[MailRow]) -> int:
    """How many mails may go to the rest of their recipients: where others wait, one for the same people.

    The last room is theirs where they have waited longer.
    """
    if not others or not rests:
        return room
    return min(room - 1, len(_by_recipients(rests))) or int(min(map(_age, rests)) < min(map(_age, others)))


def _room_of_those_alone(
    room: int, most: int, alone: Sequence[MailRow], fresh: Sequence[MailRow], now: datetime
) -> int:
    """How many of those that go alone may go now.

    The hour's last room is kept for what changes, which all fits into it. Only what has waited for an hour longer takes
    it, so that nothing waits for ever.
    """
    if not alone:
        return 0
    if (fresh[0].since if fresh else now) - alone[0].since >= LONGEST_WAIT:
        return max(1, room - 1) if fresh else room
    return room - 1 if fresh or most > 1 else room


async def _fitting(turn: Turn, channel: Channel, groups: Sequence[list[MailRow]], room: int) -> list[MailRow]:
    """Mails that take no more than the room: what there is too much of becomes one, for each group of recipients."""
    fitting: list[MailRow] = []
    served = groups[: max(0, room)]
    spare = room - len(served)
    for mails in served:
        single = mails if len(mails) <= spare + 1 else mails[:spare]
        together = mails[len(single) :]
        spare -= len(single) if together else len(single) - 1
        fitting += single
        fitting += [await _together(turn, channel, together)] if together else []
    return fitting


async def _together(turn: Turn, channel: Channel, mails: Sequence[MailRow]) -> MailRow:
    """One mail in place of many to the same recipients, to be sent by the last room that is left."""
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
            recipients=taken[0].recipients,
            accepted=all(mail.accepted for mail in taken),
        )
        one = msgspec.structs.replace(merge(start, taken), held_back=sum(mail.held_back + 1 for mail in taken) - 1)
        merged = [finished(mail, MailStatus.MERGED, turn) for mail in taken]
        await turn.save([one, *merged, *following(turn, taken, [one])])
        rest.insert(0, one)
    return rest[0]
