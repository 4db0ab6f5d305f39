"""User-defined routes: what becomes of traffic to a target.

Longest prefix wins; at the same prefix a user's route outranks the system's. A service tag's prefixes are all longer
than 0.0.0.0/0 and its two halves, so a tag's route outranks a default route. Source: "Virtual network traffic routing".
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network

import msgspec

from checks.facts import NotSeen
from checks.facts.network import Route, RouteTable, Subnet, VirtualNetwork
from checks.rules.path.destinations import EVERYTHING, Destination, Match, may_be_public, network, networks, tag_covers


class RouteEffect(StrEnum):
    """What becomes of the traffic."""

    AS_IS = "as-is"
    DROPPED = "dropped"
    DIVERTED = "diverted"


class Routing(msgspec.Struct, frozen=True):
    """What becomes of traffic to a target, and the routes that decide it. Several effects: which one is not known."""

    effects: frozenset[RouteEffect]
    routes: tuple[Route, ...] = ()

    @property
    def only(self) -> RouteEffect | None:
        """The effect, where there is only one."""
        return next(iter(self.effects)) if len(self.effects) == 1 else None

    def describe(self) -> str:
        """The deciding routes in words."""
        return ", ".join(f"{r.name or 'a route'} ({r.prefix} to {_hop(r)})" for r in self.routes) or "no route"


UNROUTED = Routing(frozenset({RouteEffect.AS_IS}))


def _hop(route: Route) -> str:
    return f"{route.next_hop}{f' {route.next_hop_address}' if route.next_hop_address else ''}"


def effect_of(route: Route) -> RouteEffect:
    """What a route does: Internet leaves traffic as it is, None drops it, everything else leads it elsewhere."""
    hop = route.next_hop.lower()
    return RouteEffect.AS_IS if hop == "internet" else RouteEffect.DROPPED if hop == "none" else RouteEffect.DIVERTED


def to_public(table: RouteTable | None, destination: Destination) -> Routing:
    """What becomes of traffic to a public service."""
    if table is None:
        return UNROUTED
    certain, possible = _tag_routes(table, destination)
    narrow = [r for r in table.routes if (p := network(r.prefix)) and p.prefixlen > 1 and may_be_public(p)]
    best = [certain[0]] if certain else []
    routing = _of(best) if certain else default_of(table)
    effects = set(routing.effects)
    deciding = list(routing.routes)
    for route in (*possible, *narrow):
        if effect_of(route) not in effects:
            effects.add(effect_of(route))
            deciding.append(route)
    return Routing(frozenset(effects), tuple(deciding))


def _of(routes: list[Route]) -> Routing:
    return Routing(frozenset(effect_of(route) for route in routes), tuple(routes))


def _tag_routes(table: RouteTable, destination: Destination) -> tuple[list[Route], list[Route]]:
    """The service-tag routes that certainly cover a target, the closest first, and those that may."""
    answers = [(route, tag_covers(route.prefix, destination)) for route in table.routes if not network(route.prefix)]
    certain = [route for route, answer in answers if answer is Match.YES]
    return sorted(certain, key=_closeness), [route for route, answer in answers if answer is Match.MAYBE]


def _closeness(route: Route) -> tuple[bool, bool]:
    """Azure's order at the same prefix: a service's regional tag, the service, AzureCloud's region, AzureCloud."""
    base, _, region = route.prefix.lower().partition(".")
    return base == "azurecloud", not region


def default_of(table: RouteTable | None) -> Routing:
    """What the default route, whole or in two halves, does; without one, traffic goes as it is."""
    if table is None:
        return UNROUTED
    whole = [route for route in table.routes if network(route.prefix) == EVERYTHING][:1]
    routes, effects = [], set()
    for half in EVERYTHING.subnets():
        items = [route for route in table.routes if network(route.prefix) == half][:1] or whole
        effects |= {effect_of(route) for route in items} or {RouteEffect.AS_IS}
        routes += [route for route in items if route not in routes]
    return Routing(frozenset(effects), tuple(routes))


def routes_everything(table: RouteTable | NotSeen | None, routing: Routing) -> bool:
    """Whether a user's route certainly decides: it comes before a default route that gateways or hubs give.

    A service tag's route, a default route, or both of its halves.
    """
    if not isinstance(table, RouteTable) or not routing.routes:
        return False
    prefixes = [prefix for route in routing.routes if (prefix := network(route.prefix)) is not None]
    tagged = len(prefixes) < len(routing.routes) and routing.only is not None and not prefixes
    return tagged or EVERYTHING in prefixes or set(EVERYTHING.subnets()) <= set(prefixes)


def to_private(
    table: RouteTable | None, destination: Destination, home: VirtualNetwork, subnet: Subnet | None
) -> Routing:
    """What becomes of traffic to a private endpoint in ``subnet`` of the network ``home``.

    An endpoint's own /32 route outranks every route of a user but a /32. With network policies for endpoints on in its
    subnet that route is gone: a route of the length of the network's own prefix or longer then decides, and a shorter
    one may (the facts say so; the network's own prefix should still outrank it).
    """
    if table is None:
        return UNROUTED
    policies = subnet is None or (subnet.endpoint_policies or "disabled").lower() in ("enabled", "routetableenabled")
    chosen: list[Route] = []
    effects: set[RouteEffect] = set()
    for one in destination.addresses:
        own = max((p.prefixlen for p in networks(home.prefixes) if one in p), default=0)
        covering = [(p, r) for r in table.routes if (p := network(r.prefix)) and one in p]
        best = max(covering, key=lambda pair: pair[0].prefixlen, default=None)
        if best is None or (not policies and best[0].prefixlen < 32):
            effects.add(RouteEffect.AS_IS)
            continue
        if best[0].prefixlen < own:
            effects.add(RouteEffect.AS_IS)
            if effect_of(best[1]) is RouteEffect.AS_IS:
                continue
        effects.add(_private_effect(best[1]))
        chosen.append(best[1])
    return Routing(frozenset(effects or {RouteEffect.AS_IS}), tuple(dict.fromkeys(chosen)))


def _private_effect(route: Route) -> RouteEffect:
    hop = route.next_hop.lower()
    return (
        RouteEffect.AS_IS
        if hop in ("vnetlocal", "virtualnetwork")
        else RouteEffect.DROPPED
        if hop == "none"
        else RouteEffect.DIVERTED
    )


def is_diverted(table: RouteTable | None, destination: Destination) -> bool:
    """Whether a route sends traffic for a private target to an appliance or a gateway (hub transit)."""
    listed = table.routes if table else ()
    prefixes: list[tuple[IPv4Network, Route]] = [(p, r) for r in listed if (p := network(r.prefix))]
    return any(
        effect_of(r) is RouteEffect.DIVERTED and any(one in p for one in destination.addresses) for p, r in prefixes
    )
