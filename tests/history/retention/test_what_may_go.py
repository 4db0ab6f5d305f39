"""What may go, a sentence a rule: runs, changes, clusters, mails and batches by age and by what refers to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from checks.changes import Change, Reason, Status, Transition
from checks.history.decide.replay import folded_into, replay
from checks.history.decide.retention import (
    ENDS_SHOWN,
    MOST_AT_ONCE,
    Dated,
    Needed,
    fold_before,
    has_left,
    may_forget_batch,
    may_forget_mail,
    old_months,
    through_when,
)
from checks.history.model import Channel, MailRow, MailStatus, StateSummary
from tests.support.long_lives import days
from tests.support.reports import CLUSTER

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
KEEP = days()
NOTHING = Needed()


def ago(number: float) -> datetime:
    return NOW - timedelta(days=number)


def state(**more: object) -> StateSummary:
    return StateSummary(cluster=CLUSTER, sequence=9, run="202611-000000000009", updated=NOW, **more)  # type: ignore[arg-type]


# ---- changes -----------------------------------------------------------------------------------------------------


def through(*ages: float | None, folded: int = 0, needed: int | None = None, before: float = 400) -> int:
    """Through which change it folds; the changes are numbered from 1, each so many days old, None unreadable."""
    changes = [Dated(number, None if age is None else ago(age)) for number, age in enumerate(ages, 1)]
    return through_when(reversed(changes), ago(before), NOW, folded=folded, needed=needed)


def test_changes_fold_from_the_oldest_up_to_the_first_that_is_young() -> None:
    assert through(500, 450, 401, 400, 399, 1) == 3
    assert through(500, 1, 450) == 1
    assert through(1) == 0
    assert through() == 0


def test_what_is_to_be_notified_is_not_folded_nor_what_came_after_it() -> None:
    assert through(500, 499, 498, needed=2) == 1
    assert through(500, 499, 498, needed=1) == 0


def test_what_cannot_be_read_is_not_folded_nor_what_came_after_it() -> None:
    assert through(500, None, 498) == 1


def test_what_is_folded_already_counts_no_more() -> None:
    assert through(500, 450, 399, folded=2) == 2
    assert through(None, 450, 449, folded=1) == 3


def test_a_time_that_lies_ahead_is_void_and_goes_with_the_next_change() -> None:
    assert through(500, -3650, 450, 1) == 3
    assert through(500, -3650, 1) == 1


def test_so_many_are_folded_at_once_and_no_more() -> None:
    assert through(*[500] * (MOST_AT_ONCE + 7)) == MOST_AT_ONCE
    assert through(*[500] * (MOST_AT_ONCE + 7), folded=MOST_AT_ONCE) == MOST_AT_ONCE + 7


def test_changes_of_the_weeks_before_the_last_look_stay_however_long_ago_it_was() -> None:
    assert fold_before(state(), KEEP, NOW) == ago(400)
    unseen = msgspec.structs.replace(state(), updated=ago(900))
    assert fold_before(unseen, KEEP, NOW) == ago(900) - ENDS_SHOWN


def moved(sequence: int, after: Status | None, cause: str = "", facet: str = "pull") -> Change:
    at = NOW + timedelta(hours=sequence)
    step = Transition(
        registry="r", facet=facet, before=None, after=after, reason=Reason.REGRESSED, since=at, cause=cause
    )
    return Change(cluster=CLUSTER, run=f"r-{sequence}", sequence=sequence, at=at, transitions=(step,))


def test_what_was_folded_and_what_came_after_it_come_to_the_whole() -> None:
    steps = (Status.PASSING, Status.FAILING, None, Status.FAILING, Status.PASSING, Status.UNKNOWN_YET)
    changes = [moved(number, after, "dns") for number, after in enumerate(steps, 1)]
    changes.append(moved(7, Status.FAILING, "tls", "access"))
    whole = replay(changes)
    for first in range(1, 7):
        checkpoint = folded_into(None, changes[:first], NOW)
        assert replay(changes[first:], checkpoint) == whole
        for there in range(first):
            left = [changes[there], *changes[first:]]
            assert replay(left, checkpoint) == whole, "a change that is covered and still there counts no more"
        for second in range(first + 1, 8):
            further = folded_into(checkpoint, changes[first:second], NOW)
            assert replay(changes[second:], further) == whole
            assert (further.through, further.changes, further.until) == (second, second, changes[second - 1].at)


# ---- clusters and runs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "left"), [(None, False), (ago(89.9), False), (ago(90), True), (ago(900), True), (ago(-5), False)]
)
def test_a_cluster_leaves_so_long_after_it_was_found_gone(gone: datetime | None, left: bool) -> None:
    assert has_left(state(gone_since=gone), KEEP, NOW) == left


def test_a_cluster_that_is_only_not_seen_does_not_leave() -> None:
    assert not has_left(msgspec.structs.replace(state(), updated=ago(5000)), KEEP, NOW)


def test_a_month_goes_when_its_last_run_is_old() -> None:
    months = ["202611", "202510", "202509", "202412", "202401", "209912"]
    assert old_months(months, (), KEEP, NOW) == ("202401", "202412", "202509")
    assert old_months(months, (), KEEP, datetime(2026, 11, 5, tzinfo=UTC)) == ("202401", "202412", "202509")
    assert old_months(months, (), KEEP, datetime(2026, 11, 4, tzinfo=UTC)) == ("202401", "202412")


def test_a_month_that_is_pointed_to_stays() -> None:
    assert old_months(["202401", "202402"], {"202401"}, KEEP, NOW) == ("202402",)


def test_what_is_no_month_stays() -> None:
    assert old_months(["202413", "202400", "000001"], (), KEEP, NOW) == ()


# ---- mails -------------------------------------------------------------------------------------------------------


def mail(sequence: int = 5, status: MailStatus = MailStatus.SENT, age: float = 100) -> MailRow:
    return MailRow(
        id=f"{sequence:019d}-abc",
        channel=Channel("", "smtp"),
        message_id="<m>",
        batches=("b-1", "b-2"),
        since=ago(age),
        created=ago(age),
        status=status,
    )


@pytest.mark.parametrize("status", MailStatus)
def test_a_mail_goes_when_it_is_finished_and_old(status: MailStatus) -> None:
    finished = status not in (MailStatus.WAITING, MailStatus.SENDING)
    assert may_forget_mail(mail(status=status), NOTHING, KEEP, NOW) == finished
    assert not may_forget_mail(mail(status=status, age=89.9), NOTHING, KEEP, NOW)


def test_a_mail_stays_while_another_is_to_be_sent_of_the_same_batch() -> None:
    assert not may_forget_mail(mail(), Needed(batches=frozenset({"b-2"})), KEEP, NOW)
    assert may_forget_mail(mail(), Needed(batches=frozenset({"b-3"})), KEEP, NOW)


@pytest.mark.parametrize(("first_open", "goes"), [(None, True), (6, True), (5, False), (4, False)])
def test_a_mail_stays_while_its_run_may_write_the_same_notice_once_more(first_open: int | None, goes: bool) -> None:
    needed = Needed(first_open=first_open)
    assert may_forget_mail(mail(5), needed, KEEP, NOW) == goes
    assert may_forget_batch(mail(5).id, ago(100), needed, KEEP, NOW) == goes


def test_a_batch_goes_when_all_its_mails_are_finished_and_it_is_old() -> None:
    name = mail().id
    assert may_forget_batch(name, ago(90), NOTHING, KEEP, NOW)
    assert not may_forget_batch(name, ago(89), NOTHING, KEEP, NOW)
    assert not may_forget_batch(name, None, NOTHING, KEEP, NOW)
    assert not may_forget_batch(name, ago(90), Needed(batches=frozenset({name})), KEEP, NOW)
    assert not may_forget_batch("of another shape", ago(90), NOTHING, KEEP, NOW)
