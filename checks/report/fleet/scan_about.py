"""What a scan was asked for, when it was made, and how long it took."""

from __future__ import annotations

from datetime import datetime

import msgspec


class ScanAbout(msgspec.Struct, frozen=True, kw_only=True):
    """``at`` is when it began (UTC), ``seconds`` how long it took.

    ``subscriptions``, ``clusters`` and ``registries`` are what was named, as it was named; empty: everything.
    """

    at: datetime
    seconds: float = 0.0
    subscriptions: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()
    canaries: bool = False
