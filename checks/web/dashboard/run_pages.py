"""Runs: the latest, one of them, and how far it is."""

from __future__ import annotations

import asyncio
import re

from checks.dashboard.views.runs import Progress, progress_of, requested, requested_view, run_view, runs_view
from checks.history.model import Marker, Run
from checks.jobs.watch import read_latest
from checks.web.dashboard.answering import FRESH, Here
from checks.web.http import HttpResponse

MOST = 50
REFRESH = 5  # seconds
_RUN_ID = re.compile(r"[0-9]{6}-[0-9]{12}")

Planned = tuple[Run, tuple[Marker, ...]]


async def runs_page(here: Here) -> HttpResponse:
    """The latest runs."""
    found, latest = await asyncio.gather(here.store.list_runs(MOST), read_latest(here.context))
    view = runs_view(found.items, len(found.unreadable), here.now, more=found.more)
    return here.html("runs", "Runs", "runs", view, latest)


async def run_page(here: Here, run_id: str) -> HttpResponse | None:
    """One run, also one that was asked for and is not planned yet; None where there is none."""
    planned = await _planned(here, run_id)
    if planned is None and not await _promised(here, run_id):
        return None
    view = requested_view(run_id) if planned is None else run_view(*planned, here.now)
    latest = await read_latest(here.context)
    return here.html("run", f"Run {run_id}", "runs", view, latest, refresh=REFRESH if view.goes_on else 0)


async def progress_answer(here: Here, run_id: str) -> HttpResponse | None:
    """How far it is, as JSON."""
    planned = await _planned(here, run_id)
    progress: Progress | None = None
    if planned is not None:
        progress = progress_of(*planned)
    elif await _promised(here, run_id):
        progress = requested(run_id)
    return None if progress is None else HttpResponse(200, progress, dict(FRESH))


async def _planned(here: Here, run_id: str) -> Planned | None:
    stored = await here.store.load_run(run_id) if _RUN_ID.fullmatch(run_id) else None
    return None if stored is None else (stored.run, await here.store.list_markers(run_id))


async def _promised(here: Here, run_id: str) -> bool:
    return bool(_RUN_ID.fullmatch(run_id)) and await here.store.is_promised(run_id)
