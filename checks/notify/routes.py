"""Routes: who is notified of what. Pure."""

from __future__ import annotations

import msgspec

from checks.changes import Change
from checks.notify.incidents import DEFAULT_ROUTE
from checks.settings import Settings


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Who is notified: its stored ``name`` and the addresses; ``why`` says why they are."""

    name: str
    recipients: tuple[str, ...]
    why: str = ""


def notice_route(settings: Settings) -> Route:
    """The route of a run's own notices: the default one."""
    return Route(
        name=DEFAULT_ROUTE, recipients=settings.mail_to or settings.mail_from, why="PULLWATCH_MAIL_TO names you"
    )


def routes_of(change: Change, settings: Settings) -> tuple[Route, ...]:
    """The routes that a change goes to, the default one first."""
    return (notice_route(settings),)
