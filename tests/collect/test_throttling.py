"""Retry-After in both of its forms, and waiting as long as it says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.collect.wire import throttling
from checks.collect.wire.errors import CollectError, Temporary
from checks.collect.wire.throttling import wait_out
from checks.retry_after import asked_seconds

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 120 ", 120.0),
        ("Fri, 27 Nov 2026 12:00:30 GMT", 30.0),
        ("Friday, 27-Nov-26 12:00:30 GMT", 30.0),
        ("Fri, 27 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", 1.5),
        ("1234567", 1_234_567.0),
        ("1.", None),
        ("1234567890", None),
        ("Fri, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert asked_seconds(header, NOW) == seconds


@given(st.text(max_size=100))
def test_no_header_makes_its_reader_raise(header: str) -> None:
    seconds = asked_seconds(header, NOW)
    assert seconds is None or seconds >= 0


class Service:
    """Throttles the first ``times`` attempts."""

    def __init__(self, times: int, asked: float | None) -> None:
        self.attempts = 0
        self._times = times
        self._asked = asked

    async def __call__(self) -> str:
        self.attempts += 1
        if self.attempts <= self._times:
            raise Temporary("throttled", self._asked)
        return "answer"


def wait(service: Service, seconds: float) -> str:
    async def within() -> str:
        return await wait_out(service, asyncio.get_running_loop().time() + seconds)

    return asyncio.run(within())


def test_throttling_is_waited_out_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "FIRST_PAUSE", 0.01)
    service = Service(3, 0.0)
    assert (wait(service, 5), service.attempts) == ("answer", 4)


@pytest.mark.parametrize(("asked", "attempts"), [(60.0, 1), (None, 1)])
def test_what_would_end_too_late_or_is_no_throttling_is_raised_at_once(asked: float | None, attempts: int) -> None:
    service = Service(9, asked)
    with pytest.raises(CollectError):
        wait(service, 5)
    assert service.attempts == attempts


def test_waiting_ends_before_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "FIRST_PAUSE", 0.1)
    service = Service(1000, 0.0)
    with pytest.raises(Temporary, match="throttled"):
        wait(service, 0.5)
    assert service.attempts == 3  # 0.1 + 0.2, and 0.4 more would be too late
