"""How many requests Azure Resource Manager takes: TENANT/buckets.json, token buckets as Azure has had since 2024.

    {"subscription": {"reads": {"capacity": 250, "per_second": 25}, "writes": {...}, "deletes": {...}},
     "tenant": {"reads": {...}, ...}}

Every subscription has its own; requests outside of subscriptions have the tenant's. A GET takes a token of the reads,
a DELETE of the deletes, all others, actions too, of the writes. An empty bucket answers 429; what is refused costs
nothing. What the file does not name has no limit. A changed file fills all buckets. Here one identity asks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.jsonfiles import JsonFile, Report
from simulator.responses import arm_refusal

READS, WRITES, DELETES = "reads", "writes", "deletes"
OPERATIONS = {"GET": READS, "HEAD": READS, "DELETE": DELETES}
Limits = dict[str, dict[str, dict[str, float]]]
_DOCUMENTED: dict[str, dict[str, float]] = {
    READS: {"capacity": 250, "per_second": 25},
    WRITES: {"capacity": 200, "per_second": 10},
    DELETES: {"capacity": 200, "per_second": 10},
}
# learn.microsoft.com, "Understand how Azure Resource Manager throttles requests"
DOCUMENTED: Limits = {"subscription": _DOCUMENTED, "tenant": _DOCUMENTED}


@dataclass(slots=True)
class Bucket:
    """Holds at most `capacity` tokens and gets `per_second`; full at first. `at` is when `tokens` was so."""

    capacity: float
    per_second: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Takes a token; whether there was one."""
        self.tokens = self.level(now)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def level(self, now: float) -> float:
        return min(self.capacity, self.tokens + (now - self.at) * self.per_second)

    def retry_after(self, now: float) -> int:
        """Whole seconds until there is a token, at least one."""
        return max(1, math.ceil((1 - self.level(now)) / self.per_second))


class Buckets:
    """The buckets of a tenant. `clock` gives seconds."""

    def __init__(self, path: Path, report: Report, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = JsonFile(path, {}, report)
        self._report = report
        self._clock = clock
        self._generation = -1
        self._limits: dict[tuple[str, str], tuple[float, float]] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def take(self, method: str, subscription: str | None) -> None:
        """Counts a request. Raises the refusal (429) where its bucket is empty."""
        bucket = self._bucket(method, subscription)
        now = self._clock()
        if bucket is None or bucket.take(now):
            return
        seconds = bucket.retry_after(now)
        code = "SubscriptionRequestsThrottled" if subscription else "TenantRequestsThrottled"
        message = (
            f"Number of requests for {f'subscription {subscription!r}' if subscription else 'the tenant'} exceeded the "
            f"limit for {operation_of(method)}. Please try again after '{seconds}' seconds."
        )
        raise arm_refusal(429, code, message, {"Retry-After": str(seconds)})

    def headers(self, method: str, subscription: str | None) -> dict[str, str]:
        """What every answer says of the bucket of its request."""
        bucket = self._bucket(method, subscription)
        if bucket is None:
            return {}
        name = f"x-ms-ratelimit-remaining-{'subscription' if subscription else 'tenant'}-{operation_of(method)}"
        return {name: str(int(bucket.level(self._clock())))}

    def _bucket(self, method: str, subscription: str | None) -> Bucket | None:
        document = self._file.value()
        if self._file.generation != self._generation:
            self._generation = self._file.generation
            self._limits, self._buckets = self._read(document), {}
        limit = self._limits.get(("subscription" if subscription else "tenant", operation_of(method)))
        if limit is None:
            return None
        key = ((subscription or "").lower(), operation_of(method))
        if key not in self._buckets:
            capacity, per_second = limit
            self._buckets[key] = Bucket(capacity, per_second, capacity, self._clock())
        return self._buckets[key]

    def _read(self, document: Any) -> dict[tuple[str, str], tuple[float, float]]:
        limits = {}
        for scope, operations in _entries(document):
            for operation, limit in _entries(operations):
                capacity, per_second = (dict(_entries(limit)).get(name) for name in ("capacity", "per_second"))
                if (
                    isinstance(capacity, int | float)
                    and isinstance(per_second, int | float)
                    and capacity >= 1
                    and per_second > 0
                ):
                    limits[(scope, operation)] = (float(capacity), float(per_second))
                else:
                    self._report(f"buckets.json: left out, it is no bucket: {scope} {operation} {limit!r}")
        return limits


def operation_of(method: str) -> str:
    """What a request takes a token of: "reads", "writes" or "deletes"."""
    return OPERATIONS.get(method.upper(), WRITES)


def _entries(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []
