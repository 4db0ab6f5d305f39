"""The fleet as one look at storage shows it. Plain frozen data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from checks.history.model import Run, Unreadable
from checks.history.overview import ClusterEntry, Overview
from checks.silences import Silence


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """All that lists and pages are made of. ``now``: when it was read; ``latest``: the last run over the
    whole scope that was closed.

    ``names`` are the display names of subscriptions by id (lower case), as they were seen last. ``unreadable`` are
    rows that could not be read: what they hold is not shown. ``not_shown``: how many clusters the last run found in
    each subscription of which nothing is shown, because its row cannot be read or is not there.
    """

    now: datetime
    overviews: tuple[Overview, ...]
    silences: tuple[Silence, ...] = ()
    latest: Run | None = None
    names: dict[str, str] = {}
    unreadable: tuple[Unreadable, ...] = ()
    not_shown: dict[str, int] = {}

    @property
    def hidden(self) -> int:
        """How many clusters are known to be there and are not shown."""
        return sum(self.not_shown.values())

    def clusters(self) -> Iterator[ClusterEntry]:
        """Every cluster that is there, by subscription and id."""
        return (entry for overview in self.overviews for entry in overview.clusters if entry.gone_since is None)

    def entries(self) -> Iterator[ClusterEntry]:
        """Every cluster, those included that are gone and of which something is still to be told."""
        return (entry for overview in self.overviews for entry in overview.clusters)
