"""Whether the share of a registry's pulls that fail has risen, against the registry's own week. Pure.

Three things have to hold, so that neither few pulls nor a habit is an alarm:

- enough was pulled: MIN_PULLS in the last hours, MIN_EARLIER before them;
- it is more than chance: the lower end of the confidence interval (Wilson's score, one-sided Z) of the share in the
  last hours lies above the upper end of that of the week;
- it is more than usual: the share is MARGIN above that of the week, and MARGIN above what the week saw in stretches of
  the same length more than once. Failed pulls come in bursts (a pod in back-off, a job each night with a wrong tag),
  which the interval alone would take for news each time. One outage in the week does not hide the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache

import msgspec

from checks.facts.registry_details import PullCounts, PullHour

WINDOW_HOURS = 3  # a divisor of a day: the stretches of the week are those of the same hours of each day
MIN_PULLS = 20
MIN_EARLIER = 100
MARGIN = 0.10
Z = 3.29  # one-sided, 1 in 2,000


class Pulls(msgspec.Struct, frozen=True):
    """How many pulls there were, and how many of them failed."""

    pulls: int
    failed: int

    @property
    def share(self) -> float:
        """Of those that failed, 0 to 1; 0 where nothing was pulled."""
        return self.failed / self.pulls if self.pulls else 0.0


class Comparison(msgspec.Struct, frozen=True):
    """The last hours (``hours``, together ``window``) and the week before them. ``usual`` is the share of failed pulls
    that would be no news."""

    hours: tuple[PullHour, ...]
    window: Pulls
    earlier: Pulls
    usual: float

    @property
    def rose(self) -> bool:
        """Whether clearly more pulls fail than before."""
        enough = self.window.pulls >= MIN_PULLS and self.earlier.pulls >= MIN_EARLIER
        return enough and self.window.share >= self.usual + MARGIN and is_no_chance(self.window, self.earlier)


@lru_cache(maxsize=256)  # every cluster that uses a registry asks for the same
def compare(counts: PullCounts) -> Comparison:
    """The last WINDOW_HOURS before ``until`` against the hours before them."""
    window = timedelta(hours=WINDOW_HOURS)
    stretches: dict[int, list[PullHour]] = {}
    for hour in counts.hours:
        # The hour that begins just at the boundary belongs to the later stretch.
        back = max(0, math.ceil((counts.until - hour.start) / window) - 1)
        stretches.setdefault(back, []).append(hour)
    recent = tuple(stretches.pop(0, ()))
    earlier = _sum(hour for hours in stretches.values() for hour in hours)
    shares = sorted((one.share for one in map(_sum, stretches.values()) if one.pulls >= MIN_PULLS), reverse=True)
    return Comparison(recent, _sum(recent), earlier, max(earlier.share, *shares[1:2], 0.0))


def is_no_chance(window: Pulls, earlier: Pulls) -> bool:
    """Whether two samples of one and the same share would hardly differ so."""
    return wilson(window)[0] > wilson(earlier)[1]


def wilson(sample: Pulls) -> tuple[float, float]:
    """The ends of Wilson's score interval of a share: 0 and 1 where there is no sample."""
    if not sample.pulls:
        return 0.0, 1.0
    n, share, square = sample.pulls, sample.share, Z * Z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _sum(hours: Iterable[PullHour]) -> Pulls:
    listed = tuple(hours)
    return Pulls(sum(hour.pulls for hour in listed), sum(hour.failed for hour in listed))
