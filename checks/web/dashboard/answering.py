"""What every page of the dashboard is answered with: the frame around it, and its headers."""

from __future__ import annotations

from datetime import datetime

import msgspec

from checks import ncrontab, watchdog
from checks.dashboard.render import render
from checks.dashboard.views.frame import Clock, Person, frame
from checks.dashboard.views.message import MessageView
from checks.history.model import Run
from checks.jobs.context import JobContext
from checks.jobs.watch import read_latest
from checks.report.html import bounded
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse

HTML = "text/html; charset=utf-8"
FRESH = {"Cache-Control": "no-store"}  # a form's token is of one person


class Here:
    """One request for a page: what it works with and who looks."""

    def __init__(self, context: JobContext, asked: Asked, viewer: Viewer) -> None:
        self.context = context
        self.store = context.store
        self.asked = asked
        self.viewer = viewer
        self.now: datetime = context.clock()

    def html(
        self,
        template: str,
        title: str,
        place: str,
        view: msgspec.Struct,
        latest: Run | None,
        *,
        status: int = 200,
        said: str = "",
        refresh: int = 0,
    ) -> HttpResponse:
        """A page. ``latest`` is the run that was closed last; ``place`` the part of the navigation it belongs to."""
        framed = frame(title, place, self._clock(latest), self._person(), said, refresh)
        return HttpResponse(status, render(template, framed, view).encode("utf-8", "replace"), dict(FRESH), HTML)

    async def message(self, headline: str, *sentences: str, status: int, kind: str = "unknown") -> HttpResponse:
        """A page that only says something."""
        view = MessageView(headline, kind, sentences)
        return self.html("message", headline, "-", view, await read_latest(self.context), status=status)

    def _clock(self, latest: Run | None) -> Clock:
        schedule = self.context.settings.schedule
        completed = latest.closed if latest else None
        return Clock(
            now=self.now,
            latest=latest,
            overdue=not watchdog.is_recent(completed, ncrontab.longest_gap(schedule), self.now),
            next=ncrontab.next_firing(schedule, self.now),
        )

    def _person(self) -> Person:
        viewer = self.viewer
        return Person(name=bounded.name(viewer.name), operator=viewer.operator, token=viewer.form_token)
