"""Routes: who is notified of a change, of what, and why. Pure.

The default route always comes first. A subscription's route and the addresses of a cluster's tag are added to it, never
put in its place: whoever may write tags cannot keep anything from those who watch over the tenant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

import msgspec

from checks.arm_ids import name_of, subscription_of
from checks.changes import Change, Transition
from checks.facts.resources import NOTIFY_TAG
from checks.notify.incidents import DEFAULT_ROUTE
from checks.notify.items import Item
from checks.notify.roots import SIGHT
from checks.rules.mail_addresses import ADDRESS, MAX_NAMED, domain_of, folded
from checks.settings import ALL_ROUTES, Settings


class Threshold(StrEnum):
    """What a route is notified of, the least first.

    ``FAILING``: whatever people are notified of at all (PULLWATCH_ALERT_ON). ``DOWN``: nodes cannot pull.
    """

    FAILING = "failing"
    DOWN = "down"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Some people who are notified together.

    ``name`` is stored and stays the same: "" for the default, "subscription:<id>", "tag:<address>". ``why`` says to its
    recipients why they get mail.
    """

    name: str
    recipients: tuple[str, ...]
    at_least: Threshold = Threshold.FAILING
    why: str = ""


def routes_of(change: Change, settings: Settings) -> tuple[Route, ...]:
    """The routes of a change, the broadest first. Nobody is in two of them where the first gets all of the second."""
    default = notice_route(settings)
    return default, *_besides([default], [*_of_subscription(change, settings), *_of_tag(change, settings)])


def _besides(broader: Sequence[Route], routes: Iterable[Route]) -> list[Route]:
    """The routes without whom a broader one serves as well."""
    made: list[Route] = []
    for route in routes:
        served = {
            folded(address)
            for other in (*broader, *made)
            if other.at_least in (Threshold.FAILING, route.at_least)
            for address in other.recipients
        }
        left = tuple(address for address in route.recipients if folded(address) not in served)
        if left:
            made.append(msgspec.structs.replace(route, recipients=left))
    return made


def route_named(name: str, settings: Settings, *, apart: bool = False) -> Route | None:
    """A route as it is now, by the name that is stored of it; None where its people are not to be notified any more.

    ``apart``: without whom the default route serves as well. Whether a cluster's tag still names somebody is not asked:
    it did when something was held back from them, or sent.
    """
    default = notice_route(settings)
    kind, _, rest = name.partition(":")
    if not name:
        return default
    if kind == "subscription":
        made = [_subscription_route(rest, settings)] if rest in settings.routes else []
    else:
        made = [] if outside((rest,), settings) else [_tag_route(rest, "a cluster named you", settings)]
    return next(iter(_besides([default] if apart else [], made)), None)


def notice_route(settings: Settings) -> Route:
    """The default route, which alone gets the notices of runs."""
    return Route(
        name=DEFAULT_ROUTE,
        recipients=settings.mail_to or settings.mail_from,
        at_least=_threshold(settings, "default"),
        why="PULLWATCH_MAIL_TO names you",
    )


def wanted(told: Item | Transition, route: Route) -> bool:
    """Whether a route is notified of something. A recovery is wanted where its failure was: both are of one facet."""
    if route.at_least is Threshold.FAILING:
        return True
    facets = (told.facet,) if isinstance(told, Transition) else told.facets
    return "pull" in facets and told.reason not in SIGHT


def news_of(change: Change, route: Route) -> Change:
    """The change as a route is notified of it: without what those know already who are notified of every answer."""
    if route.at_least is not Threshold.FAILING:
        return change
    kept = (msgspec.structs.replace(moved, alert=False) if moved.covered else moved for moved in change.transitions)
    return msgspec.structs.replace(change, transitions=tuple(kept))


def outside(addresses: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """Those of the addresses whose domain a tag may not name."""
    domains = allowed_domains(settings)
    return tuple(address for address in addresses if domain_of(address) not in domains)


def allowed_domains(settings: Settings) -> frozenset[str]:
    """The domains of the addresses that a tag may name."""
    if settings.notify_domains is not None:
        return frozenset(settings.notify_domains)
    return frozenset(map(domain_of, settings.mail_to))


def _of_subscription(change: Change, settings: Settings) -> Iterator[Route]:
    guid = subscription_of(change.cluster)
    if guid in settings.routes:
        yield _subscription_route(guid, settings)


def _subscription_route(guid: str, settings: Settings) -> Route:
    return Route(
        name=f"subscription:{guid}",
        recipients=settings.routes[guid],
        at_least=_threshold(settings, guid, "subscriptions"),
        why=f"PULLWATCH_ROUTES names you for the subscription {guid}",
    )


def _of_tag(change: Change, settings: Settings) -> Iterator[Route]:
    """A route for each address, so that it stays the same whoever else the tag names."""
    refused = outside(change.notify, settings)
    for address in change.notify[:MAX_NAMED]:
        if ADDRESS.fullmatch(address) and address not in refused:
            yield _tag_route(address, f"the cluster {name_of(change.cluster)} names you", settings)


def _tag_route(address: str, whose: str, settings: Settings) -> Route:
    return Route(
        name=f"tag:{folded(address)}",
        recipients=(address,),
        at_least=_threshold(settings, "tags"),
        why=f"the tag {NOTIFY_TAG} of {whose}",
    )


def _threshold(settings: Settings, *names: str) -> Threshold:
    """What the settings say of the first of these names that they say anything of."""
    given = (settings.mail_at_least.get(name) for name in (*names, ALL_ROUTES))
    return Threshold(next(filter(None, given), Threshold.FAILING))
