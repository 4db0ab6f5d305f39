"""What was asked for over HTTP: the latest run of each scope, so that requests join, and the checks of the last hour.

Each is a row of its own, written by compare-and-set, so that it holds across hosts. A row that cannot be read holds
nobody up: nothing is joined then, nothing counted; one of a later version is left as it is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from checks.history.errors import Conflict, SchemaError
from checks.history.table import keys, rows
from checks.history.table.tables import Tables, etag_of

LOG = logging.getLogger(__name__)
TRIES = 50  # of a compare-and-set that others try at the same time
HOUR = timedelta(hours=1)
SKEW = timedelta(minutes=1)  # how far the clocks of two hosts may be apart


class AskedRun(msgspec.Struct, frozen=True):
    """A run that was asked for: the request its ticket follows from, and when. ``run_id`` is "" until it is queued."""

    request: str
    at: datetime
    run_id: str = ""


class StoredAsked(msgspec.Struct, frozen=True):
    """The latest run that was asked for a scope; None where there is none to join. The ETag is "" without a row."""

    asked: AskedRun | None
    etag: str = ""


class _Checks(msgspec.Struct, frozen=True):
    """When the checks of the last hour were asked for."""

    at: tuple[datetime, ...] = ()


class AskedRuns(Tables):
    """The rows of what was asked for."""

    async def load_asked(self, subscriptions: Iterable[str]) -> StoredAsked:
        """The latest run that was asked for exactly these subscriptions. SchemaError where a later version wrote it."""
        row = await self._get(keys.ASKED, _scope_key(subscriptions))
        if row is None:
            return StoredAsked(None)
        return StoredAsked(_read(AskedRun, row), etag_of(row))

    async def keep_asked(self, subscriptions: Iterable[str], asked: AskedRun, etag: str) -> None:
        """Write what is the latest now, against the ETag that was read. Conflict where somebody was faster."""
        entity = rows.base(keys.ASKED, _scope_key(subscriptions)) | rows.chunked("asked", rows.text_of(asked))
        if etag:
            await self._replace(rows.checked(entity), etag)
        elif not await self._create(rows.checked(entity)):
            raise Conflict("a run was asked for by somebody else in between")

    async def count_check(self, now: datetime, limit: int) -> timedelta | None:
        """Count a check that is asked for now; where the last hour had ``limit`` (1 or more) of them
        already, how long to wait.

        Conflict where 50 tries in a row were overtaken.
        """
        for _ in range(TRIES):
            row = await self._get(keys.ASKED, "checks")
            try:
                counted = None if row is None else _read(_Checks, row)
            except SchemaError:
                LOG.warning("checks on demand are not counted: a later version wrote their row")
                return None
            recent = sorted(at for at in (counted or _Checks()).at if -SKEW <= now - at < HOUR)
            if len(recent) >= limit:
                return recent[len(recent) - limit] + HOUR - now
            entity = rows.base(keys.ASKED, "checks")
            entity |= rows.chunked("asked", rows.text_of(_Checks((*recent, now))))
            try:
                if row is not None:
                    await self._replace(rows.checked(entity), etag_of(row))
                    return None
                if await self._create(rows.checked(entity)):
                    return None
            except Conflict:
                continue
        raise Conflict("a check could not be counted")


def _scope_key(subscriptions: Iterable[str]) -> str:
    scope = "\n".join(sorted({guid.lower() for guid in subscriptions}))
    return f"scope|{hashlib.sha256(scope.encode()).hexdigest()}"


def _read(kind: type[rows.T], row: rows.Row) -> rows.T | None:
    """What a row holds; None where it is no use, and can be replaced. SchemaError where a later version wrote it."""
    try:
        return rows.read(kind, rows.joined(rows.versioned(row), "asked"), row.get("RowKey"))
    except SchemaError as error:
        if rows.is_newer(row):
            raise
        LOG.warning("replaced as it cannot be read: %s", error)
        return None
