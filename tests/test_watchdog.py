"""When something is late, and what the log says of it."""

from datetime import UTC, datetime, timedelta

import pytest

from checks import watchdog
from checks.watchdog import RunCounts, ShardCounts, Unsent

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("interval", "ago", "recent"),
    [
        (timedelta(minutes=5), timedelta(minutes=59), True),
        (timedelta(minutes=5), timedelta(minutes=61), False),
        (HALF_AN_HOUR, timedelta(minutes=60), True),
        (HALF_AN_HOUR, timedelta(minutes=61), False),
        (timedelta(days=1), timedelta(hours=48), True),
        (timedelta(days=1), timedelta(hours=49), False),
        (timedelta(days=7), timedelta(days=13), True),
        (HALF_AN_HOUR, timedelta(minutes=-1), True),
    ],
)
def test_a_run_is_missed_after_two_intervals_and_never_within_the_hour(
    interval: timedelta, ago: timedelta, recent: bool
) -> None:
    assert watchdog.is_recent(NOW - ago, interval, NOW) is recent


def test_no_run_at_all_is_not_recent() -> None:
    assert not watchdog.is_recent(None, HALF_AN_HOUR, NOW)


@pytest.mark.parametrize(("minutes", "stuck"), [(None, False), (0, False), (60, False), (61, True)])
def test_mail_is_stuck_when_the_oldest_waits_longer_than_an_hour(minutes: int | None, stuck: bool) -> None:
    oldest = None if minutes is None else NOW - timedelta(minutes=minutes)
    assert Unsent(seen=NOW, oldest_mail=oldest).is_stuck(NOW) is stuck


def test_mail_from_a_clock_ahead_has_no_negative_age() -> None:
    assert Unsent(seen=NOW, oldest_pointer=NOW + timedelta(hours=3)).age(NOW) == timedelta()


def test_a_line_starts_with_its_text_and_goes_on_with_fields() -> None:
    since = NOW - timedelta(minutes=90)
    unsent = Unsent(seen=NOW, oldest_mail=since, waiting=3, unreadable=2, refused={"a@b.example": "smtp: 550 gone"})
    run = "202611-000000000001"
    counts = RunCounts(
        clusters=6,
        passing=1,
        failing=2,
        unknown=3,
        errors=0,
        not_seen=1,
        gone=4,
        changes=2,
        subscriptions_not_read=1,
        missing_shards=0,
        doubtful=0,
        seconds=93,
    )
    shard = ShardCounts(
        clusters=6,
        seconds=40,
        arm_calls=81,
        arm_throttled=2,
        arm_asked_seconds=17,
        pulls=9,
        pull_seconds=1.5,
        pull_seconds_most=1e6,
    )
    assert [
        watchdog.run_completed(run, counts),
        watchdog.run_completed(run, counts, part=True).partition(" clusters")[0],
        watchdog.shard_scanned(run, "s-0", shard),
        watchdog.run_recent(run, NOW - timedelta(minutes=4, seconds=59), NOW),
        watchdog.mail_stuck(unsent, NOW),
        watchdog.mail_refused(unsent),
        watchdog.mail_set_aside(unsent),
        watchdog.poison_recorded("pullwatch-scan", "given up after the last try"),
        watchdog.not_configured("PULLWATCH_SCHEDULE takes …"),
    ] == [
        f"run completed run={run} clusters=6 passing=1 failing=2 unknown=3 errors=0 not_seen=1 gone=4 changes=2"
        " subscriptions_not_read=1 missing_shards=0 doubtful=0 seconds=93",
        f"run of a part completed run={run}",
        f"shard scanned run={run} shard=s-0 clusters=6 seconds=40 arm_calls=81 arm_throttled=2 arm_asked_seconds=17"
        " pulls=9 pull_seconds=1.500 pull_seconds_most=1000000.000",
        f"latest run is recent run={run} age_minutes=4",
        "mail stuck oldest_minutes=90 waiting=3",
        "mail refused recipients=1 one=a@b.example reason=smtp: 550 gone",
        "mail set aside items=2",
        "poison recorded queue=pullwatch-scan reason=given up after the last try",
        "not configured problem=PULLWATCH_SCHEDULE takes …",
    ]


def test_no_text_begins_with_another_so_that_each_line_is_one_rule_s() -> None:
    texts = (
        watchdog.RUN_COMPLETED,
        watchdog.PART_COMPLETED,
        watchdog.SHARD_SCANNED,
        watchdog.RUN_RECENT,
        watchdog.MAIL_STUCK,
        watchdog.MAIL_REFUSED,
        watchdog.MAIL_SET_ASIDE,
        watchdog.POISON_RECORDED,
        watchdog.NOT_CONFIGURED,
    )
    assert not [(a, b) for a in texts for b in texts if a != b and b.startswith(a)]
