"""What surrounds every page: where it is, when was looked last and when next, who looks."""

from __future__ import annotations

from datetime import datetime

import msgspec

from checks.dashboard import addresses
from checks.dashboard.views.moments import Moment, maybe, moment
from checks.history.model import Run
from checks.report.html import bounded
from checks.version import VERSION

_PAGES = (
    ("Now", ""),
    ("Incidents", "incidents"),
    ("Runs", "runs"),
    ("Silences", "silences"),
    ("What I cannot see", "unseen"),
)


class Link(msgspec.Struct, frozen=True):
    """A page of the navigation; ``current``: it is this one, or this one belongs to it."""

    name: str
    address: str
    current: bool = False


class LastRun(msgspec.Struct, frozen=True):
    """The run that was closed last. ``overdue``: the next one should have been closed since."""

    id: str
    address: str
    closed: Moment
    overdue: bool
    degraded: bool


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks. ``operator``: forms are shown, each with the hidden ``token``."""

    name: str
    operator: bool
    token: str


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The frame of one page. ``said``: a line about what was just done; ``refresh``: seconds, 0 for never."""

    title: str
    links: tuple[Link, ...]
    last: LastRun | None
    next: Moment | None
    person: Person
    now: Moment
    version: str = VERSION
    said: str = ""
    refresh: int = 0


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """What the frame says of runs. ``latest`` None: none was closed yet, or it cannot be read."""

    now: datetime
    latest: Run | None
    overdue: bool
    next: datetime | None


def frame(title: str, place: str, clock: Clock, person: Person, said: str = "", refresh: int = 0) -> Frame:
    """The frame of a page. ``place`` is the first segment of its address ("" for *Now* and what it leads to)."""
    return Frame(
        title=f"{bounded.name(title)} - Pullwatch",
        links=tuple(
            Link(name, addresses.page(where) if where else addresses.now(), where == place) for name, where in _PAGES
        ),
        last=_last(clock),
        next=maybe(clock.next, clock.now),
        person=person,
        now=moment(clock.now, clock.now),
        said=said,
        refresh=refresh,
    )


def _last(clock: Clock) -> LastRun | None:
    run = clock.latest
    if run is None or run.closed is None:
        return None
    closed = moment(run.closed, clock.now)
    return LastRun(run.id, addresses.run(run.id), closed, clock.overdue, run.degraded)
