"""The fleet as one look at storage shows it. Plain frozen data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from checks.history.model import Run, Unreadable
from checks.history.overview import ClusterEntry, Overview
from checks.silences import Silence


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """All that lists and pages are made of. ``now``: when it was read; ``latest``: the last run that was closed.

    ``unreadable`` are rows that could not be read: what they hold is not shown.
    """

    now: datetime
    overviews: tuple[Overview, ...]
    silences: tuple[Silence, ...] = ()
    latest: Run | None = None
    unreadable: tuple[Unreadable, ...] = ()

    def clusters(self) -> Iterator[ClusterEntry]:
        """Every cluster that is there, by subscription and id."""
        return (entry for overview in self.overviews for entry in overview.clusters if entry.gone_since is None)

    def entries(self) -> Iterator[ClusterEntry]:
        """Every cluster, those included that are gone and of which something is still to be told."""
        return (entry for overview in self.overviews for entry in overview.clusters)

    def subscription_names(self) -> dict[str, str]:
        """The display names of subscriptions by id, as the last run saw them."""
        results = self.latest.subscriptions if self.latest is not None else ()
        return {result.id.lower(): result.name for result in results if result.name}
