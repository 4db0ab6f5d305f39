"""What one turn works with: how long what is kept, how much may go at once, and what went."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
from azure.core.exceptions import AzureError

from checks.history.decide.retention import Keep
from checks.history.errors import HistoryError
from checks.history.table.store import Store
from checks.settings import Settings
from checks.text import counted

LOG = logging.getLogger(__name__)
ROWS = 20_000  # that one turn deletes at most
LONGEST = timedelta(minutes=2)  # that one turn takes at most, apart from what is under way by then

Say = Callable[[str], None]


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What went, or would go. ``months``: those whose runs went; ``mails`` counts mails and the batches they are of.

    ``records``: refusals, messages given up, what was asked for, results that came late, rows set aside. ``failed``
    counts what could not be handled; ``unfinished``: there is more for the next turn; ``waits``: why mails, changes and
    clusters were left alone altogether.
    """

    months: tuple[str, ...] = ()
    changes: int = 0
    clusters: int = 0
    mails: int = 0
    records: int = 0
    failed: int = 0
    unfinished: bool = False
    waits: str = ""

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            months=self.months + other.months,
            changes=self.changes + other.changes,
            clusters=self.clusters + other.clusters,
            mails=self.mails + other.mails,
            records=self.records + other.records,
            failed=self.failed + other.failed,
            unfinished=self.unfinished or other.unfinished,
            waits=self.waits or other.waits,
        )

    @property
    def is_nothing(self) -> bool:
        """Whether nothing went."""
        return not (self.months or self.changes or self.clusters or self.mails or self.records)

    def __str__(self) -> str:
        """One line with all counts."""
        parts = [
            f"{counted(len(self.months), 'month')} of runs",
            counted(self.changes, "change"),
            f"{counted(self.clusters, 'cluster')} gone for long",
            f"{self.mails} rows of mails",
            counted(self.records, "record"),
        ]
        parts += [f"{self.failed} that could not be handled"] if self.failed else []
        parts += ["the rest next time"] if self.unfinished else []
        parts += [self.waits] if self.waits else []
        return ", ".join(parts)


NOTHING = Pruned()


class Turn:
    """One turn of pruning. ``now`` is what ages are counted to; nothing is written where it is a ``dry_run``."""

    def __init__(
        self, store: Store, keep: Keep, now: datetime, clock: Callable[[], datetime], *, dry_run: bool, rows: int = ROWS
    ) -> None:
        self.store = store
        self.keep = keep
        self.now = now
        self.clock = clock
        self.dry_run = dry_run
        self._rows = rows
        self._deadline = clock() + LONGEST

    def granted(self, rows: int) -> int:
        """How many of so many rows may be deleted now: fewer where the turn has done enough."""
        if self.dry_run:
            return rows
        if self.clock() >= self._deadline:
            return 0
        given = min(rows, self._rows)
        self._rows -= given
        return given

    @property
    def is_spent(self) -> bool:
        """Whether the turn has done enough."""
        return not self.dry_run and (self._rows == 0 or self.clock() >= self._deadline)


def keep_of(settings: Settings) -> Keep:
    """How long what is kept, as the settings say."""
    return Keep(
        runs=timedelta(days=settings.keep_runs_days),
        changes=timedelta(days=settings.keep_changes_days),
        gone=timedelta(days=settings.keep_gone_days),
        mails=timedelta(days=settings.keep_mails_days),
    )


async def contained(what: str, work: Awaitable[Pruned]) -> Pruned:
    """A part of a turn: where storage refuses it, or holds what cannot be read, that costs this part alone."""
    try:
        return await work
    except (HistoryError, AzureError) as error:
        LOG.warning("%s is not pruned: %s", what, error)
        return Pruned(failed=1)
