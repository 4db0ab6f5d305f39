"""After how many looks a facet moves, of which facets people are notified, and the measures of patience."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from checks.settings import FAIL_AFTER, PASS_AFTER

ALERTED = ("access", "path", "pull")
FACETS = (*ALERTED, "images")

KEEP_FOR = timedelta(days=30)
ONE_LOOK = timedelta(minutes=1)  # looks within it are one: a timer's and a request's that came together
PACE = timedelta(minutes=4)  # what has to pass, beside the looks, for each look after the first
FLIPS = 3  # in FLIPS_WITHIN; more than these is flapping
FLIPS_WITHIN = timedelta(hours=24)
STEADY_AFTER = FLIPS_WITHIN / FLIPS  # without a flip: it flaps no more, and what is slower never did
CHANGES = FLIPS + 1  # notices of a registry in FLIPS_WITHIN that may say that it changed; the last says that it flaps
SETTLINGS = 2  # more of them, which say that it stays as it is, the second only that it fails
LONGEST_STEP = timedelta(hours=2)  # the latest step of an age counts as this at most: its clock may have jumped
BLIND_AGAIN_AFTER = timedelta(hours=24)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that settings make, and whether the subscription is still in its baseline.

    ``fail_after`` and ``pass_after``: how many equal verdicts in a row move a facet. ``blind_after``: how long
    something may be Unknown, after a verdict, before people are notified. With ``baseline`` what fails at first sight
    goes into the run's summary. ``pulls_alone``: some people are notified of pulls alone, and so do not know a cause by
    any other answer.
    """

    fail_after: Mapping[str, int] = msgspec.field(default_factory=FAIL_AFTER.copy)
    pass_after: Mapping[str, int] = msgspec.field(default_factory=PASS_AFTER.copy)
    alert_on: frozenset[str] = frozenset(ALERTED)
    blind_after: timedelta = timedelta(hours=6)
    baseline: bool = False
    pulls_alone: bool = False
