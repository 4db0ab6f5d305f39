"""The latest runs, newest first, each by its own key: no table is scanned for them.

The sequence says how many there were, and a run's id is the month it was planned in with its place in the sequence.
Months hardly ever go backwards, so the next older run is in the table of the one before or in that of the month before.
"""

from __future__ import annotations

import msgspec

from checks.history.errors import SchemaError
from checks.history.model import RowRef, Run, Unreadable
from checks.history.table import keys, rows
from checks.history.table.runs import Runs, read_sequence

MAX_MONTHS = 24  # the latest that are looked through
MAX_GAPS = 200  # places in the sequence that no run was planned for


class RunList(msgspec.Struct, frozen=True):
    """The runs that were found, newest first, and those that cannot be read. ``more``: there may be older ones.

    A run's lists (subscriptions, shards, clusters) are left out where they are long.
    """

    items: tuple[Run, ...]
    unreadable: tuple[Unreadable, ...] = ()
    more: bool = False


class LatestRuns(Runs):
    """Lists of runs."""

    async def list_runs(self, limit: int) -> RunList:
        """At most ``limit`` runs of the latest two years, newest first, open ones too. A row that cannot be read counts
        as one and stops no other. SchemaError where the sequence cannot be read."""
        row = await self._get(keys.RUN, "sequence")
        sequence = await self._highest_sequence() if row is None else read_sequence(row)
        months = await self._months() if sequence else []
        items: list[Run] = []
        unreadable: list[Unreadable] = []
        gaps = 0
        while months and sequence > 0 and len(items) + len(unreadable) < limit and gaps < MAX_GAPS:
            found = await self._find(sequence, months)
            sequence -= 1
            if found is None:
                gaps += 1
            elif isinstance(found, Run):
                items.append(found)
            else:
                unreadable.append(found)
        return RunList(tuple(items), tuple(unreadable), more=bool(months) and sequence > 0)

    async def _months(self) -> list[str]:
        """The latest of the months that have a table, the latest first."""
        return sorted(await self.months(), reverse=True)[:MAX_MONTHS]

    async def _find(self, sequence: int, months: list[str]) -> Run | Unreadable | None:
        """A run by its place. The month it is found in becomes the first of ``months``, which are looked through."""
        for index, month in enumerate(months):
            run_id = f"{month}-{sequence:012d}"
            row = await self._get(run_id, "run", keys.run_table(run_id))
            if row is None:
                continue
            months.insert(0, months.pop(index))
            try:
                return rows.read(Run, rows.joined(rows.versioned(row), "run"), run_id)
            except SchemaError as error:
                return Unreadable(RowRef(run_id, "run"), str(error))
        return None
