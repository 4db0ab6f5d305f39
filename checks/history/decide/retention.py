"""What may go of what is kept: old runs, old changes, clusters that are gone, mails that were sent. Pure.

Whatever mail that is still to be sent refers to stays, however old it is, and so does what keeps a mail from being sent
twice. What is only not seen is not gone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from checks.history.model import MailRow, StateSummary

ENDS_SHOWN = timedelta(days=30)  # before a cluster's last look: what lists show of it is made of these changes
MOST_AT_ONCE = 500  # changes of one cluster that are folded in one step

ClusterName = tuple[str, str]  # a cluster's subscription, and its name in the keys of its rows
_MAIL_ID = re.compile(r"([0-9]{19})-.+")


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is kept. ``gone``: clusters after they were found gone; ``mails``: and what belongs to them."""

    runs: timedelta
    changes: timedelta
    gone: timedelta
    mails: timedelta


class Needed(msgspec.Struct, frozen=True, kw_only=True):
    """What mail that is still to be sent refers to, and what keeps one from being sent anew.

    ``changes``: the oldest change (sequence) of each cluster that is to be notified; ``batches``: those of which a mail
    is to be sent. Mails of runs from ``first_open`` on keep a notice from being sent twice: such a run, or what ends a
    silence, may write it once more. ``certain``: all of it could be read.
    """

    changes: Mapping[ClusterName, int] = msgspec.field(default_factory=dict)
    batches: frozenset[str] = frozenset()
    first_open: int | None = None
    certain: bool = True


class Dated(msgspec.Struct, frozen=True, order=True):
    """A change by its place and its time; None where its row cannot be read."""

    sequence: int
    at: datetime | None


def through_when(
    changes: Iterable[Dated], before: datetime, now: datetime, *, folded: int = 0, needed: int | None = None
) -> int:
    """Through which sequence the changes of a cluster may be folded; ``folded`` where it is none more.

    They go from the oldest on, without a gap, at most ``MOST_AT_ONCE`` at once. A time ahead of now, of a clock that
    had jumped, is void: such a change goes with the next.
    """
    through = folded
    for count, change in enumerate(sorted(one for one in changes if one.sequence > folded)):
        if change.at is None or count == MOST_AT_ONCE or (needed is not None and change.sequence >= needed):
            break
        if change.at <= now:
            if change.at >= before:
                break
            through = change.sequence
    return through


def fold_before(state: StateSummary, keep: Keep, now: datetime) -> datetime:
    """Changes of a cluster that are older may be folded.

    Those of the last weeks before its last look stay, even where that was years ago.
    """
    return min(now - keep.changes, state.updated - ENDS_SHOWN)


def has_left(state: StateSummary, keep: Keep, now: datetime) -> bool:
    """Whether a cluster was found gone so long ago that nothing is to be known of it any more."""
    return state.gone_since is not None and is_old(state.gone_since, keep.gone, now)


def is_old(at: datetime | None, kept: timedelta, now: datetime) -> bool:
    """Whether something of that time was kept long enough; not where there is no time."""
    return at is not None and now - at >= kept


def old_months(months: Iterable[str], needed: Collection[str], keep: Keep, now: datetime) -> tuple[str, ...]:
    """The months ("YYYYMM") all of whose runs are old enough, the oldest first; without those that are ``needed``."""
    old = []
    for month in sorted(months):
        end = _end_of(month)
        if end is not None and month not in needed and is_old(end, keep.runs, now):
            old.append(month)
    return tuple(old)


def may_forget_mail(mail: MailRow, needed: Needed, keep: Keep, now: datetime) -> bool:
    """Whether a mail is finished, old, and no reason is left for which it could be sent anew."""
    if mail.status.is_open or not needed.batches.isdisjoint(mail.batches):
        return False
    return is_over(mail.id, needed) and is_old(mail.created, keep.mails, now)


def may_forget_batch(batch_id: str, since: datetime | None, needed: Needed, keep: Keep, now: datetime) -> bool:
    """Whether all mails of a batch are finished, and it is old."""
    return batch_id not in needed.batches and is_over(batch_id, needed) and is_old(since, keep.mails, now)


def is_over(name: str, needed: Needed) -> bool:
    """Whether the run that a mail or batch is of can write nothing any more: it is closed, and all before it."""
    sequence = _MAIL_ID.fullmatch(name)
    return sequence is not None and (needed.first_open is None or int(sequence[1]) < needed.first_open)


def _end_of(month: str) -> datetime | None:
    """When a month ended; None for what is no month."""
    year, number = int(month[:4]), int(month[4:])
    if not (1 <= number <= 12 and 1970 <= year < 9999):
        return None
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
