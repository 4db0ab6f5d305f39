"""What is known of a token bucket of Azure Resource Manager, from what its answers say.

Azure counts requests per subscription (or tenant), operation and identity: a bucket of 250 reads gets 25 a second, one
of 200 writes or deletes 10 (learn.microsoft.com, "Understand how Azure Resource Manager throttles requests"). Actions
(POST) are writes. Headers say how many are left. They come under several names and may be missing, and others may ask
with the same identity: so headers correct what is known, and a refusal slows down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

Operation = Literal["reads", "writes", "deletes"]
_COUNT = re.compile(r"\s*([0-9]{1,9})")
FLOOR = 0.5  # requests a second, however often there were too many
TINY = 1e-6  # of a request: what rounding may lose, which no wait would make up for
SLOWER, FASTER = 0.5, 1.05  # with a refusal; with each second without one


class Limit(msgspec.Struct, frozen=True):
    """A bucket as it is documented: how much it holds, and gets a second."""

    capacity: float
    per_second: float


LIMITS: Mapping[Operation, Limit] = {
    "reads": Limit(250, 25),
    "writes": Limit(200, 10),
    "deletes": Limit(200, 10),
}


class Left(msgspec.Struct, frozen=True):
    """What an answer says is left: of the identity's own bucket, and of the one all identities share. None: nothing."""

    own: int | None = None
    shared: int | None = None


def operation_of(method: str) -> Operation:
    """What Azure Resource Manager counts a request as."""
    if method.upper() in ("GET", "HEAD"):
        return "reads"
    return "deletes" if method.upper() == "DELETE" else "writes"


def left(headers: Mapping[str, str], operation: Operation, *, in_subscription: bool) -> Left:
    """What the headers of an answer say is left."""
    scope = "subscription" if in_subscription else "tenant"
    return Left(
        _count(headers.get(f"x-ms-ratelimit-remaining-{scope}-{operation}", "")),
        _count(headers.get(f"x-ms-ratelimit-remaining-{scope}-global-{operation}", "")),
    )


def _count(text: str) -> int | None:
    match = _COUNT.match(text)
    return int(match[1]) if match else None


class Budget:
    """One bucket as seen from here. Times (``now``) are seconds of one clock; nothing here waits.

    Nothing is known at first, and nothing held back. ``level`` is what is taken to be left for requests not sent yet:
    those on their way are counted off, though some may be in what was told. That errs on the safe side and loses
    nothing, for a bucket that is not full goes on filling.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._rate = limit.per_second
        self._level: float | None = None
        self._at = 0.0
        self._on_their_way = 0
        self.opens = 0.0  # until then nothing may be sent

    def wait(self, now: float) -> float:
        """The seconds until a request may be sent, by what is known now; 0 where it may be."""
        self._refill(now)
        closed = max(0.0, self.opens - now)
        if self._level is None or self._level >= 1 - TINY:
            return closed
        return max(closed, (1 - self._level) / self._rate)

    def send(self, now: float) -> None:
        """A request is sent."""
        self._refill(now)
        self._on_their_way += 1
        if self._level is not None:
            self._level -= 1

    def answered(self, now: float, told: Left) -> None:
        """A request has its answer, or will have none."""
        self._refill(now)
        self._on_their_way -= 1
        if told.own is not None:
            self._level = told.own - self._on_their_way
        if told.shared is not None and (self._level is None or told.shared < self._level):
            shared = told.shared - self._on_their_way
            self._level = shared if shared < self._limit.capacity else self._level

    def refused(self, now: float, asked: float) -> None:
        """A request was refused (429) that is answered already: nothing may be sent for ``asked`` seconds.

        Refusals of requests that were on their way meanwhile say nothing new.
        """
        self._refill(now)
        if now >= self.opens:
            self._rate = max(FLOOR, self._rate * SLOWER)
        self.opens = max(self.opens, now + asked)
        # Azure says that there will be one by then; whatever comes together meanwhile may be sent as well.
        self._level = max(0.0, 1 - self._rate * asked)

    def _refill(self, now: float) -> None:
        elapsed, self._at = max(0.0, now - self._at), now
        if self._level is not None and self._level < self._limit.capacity:
            self._level = min(self._limit.capacity, self._level + elapsed * self._rate)
        if now >= self.opens:
            self._rate = min(self._limit.per_second, self._rate * FASTER ** min(elapsed, 600.0))
