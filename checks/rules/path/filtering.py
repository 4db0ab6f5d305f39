"""Filters on the path that is taken: routes, network security groups and the proxy, for login and layers apart.

What certainly closes the path is a Fail that names the route or rule; what an appliance, a proxy or a rule of unknown
reach decides is Unknown.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from checks.facts import NotSeen
from checks.facts.network import RouteTable, Subnet, VirtualNetwork
from checks.findings import Pass
from checks.rules.access.identity_access import is_service_principal
from checks.rules.fixes import az_network as fix
from checks.rules.fixes import shell
from checks.rules.path import node_network, nsg
from checks.rules.path.central.virtual_hubs import HubDefault
from checks.rules.path.context import SIGN_IN, NodeContext, PathContext
from checks.rules.path.destinations import Destination, Match
from checks.rules.path.egress import OutboundType
from checks.rules.path.governance import admin_filter
from checks.rules.path.nsg import Access, Flow, RuleDecision
from checks.rules.path.private_endpoints import Reach, in_network
from checks.rules.path.private_path import owners
from checks.rules.path.public_path import egress_route
from checks.rules.path.routes import RouteEffect, Routing, to_private
from checks.rules.results import Result, fails, for_layers, not_seen, passes, unknown

_INBOUND = ("enabled", "networksecuritygroupenabled")


def public_filters(context: PathContext) -> tuple[Result, ...]:
    """The public path: login, layers, and for a service principal its sign-in."""
    targets = [("login", context.login_target()), ("layers", context.layers_target())]
    if is_service_principal(context.cluster):
        targets.append(("sign-in", SIGN_IN))
    return all_or_unsettled(
        tuple(_of_part(part, public_filter(context, part, destination)) for part, destination in targets)
    )


def private_filters(
    context: PathContext,
    login: tuple[IPv4Address, ...],
    data: dict[str, tuple[IPv4Address, ...]],
    *,
    layers_public: bool,
) -> tuple[Result, ...]:
    """The private path: the addresses that the login server and the data endpoints lead to, ``layers_public`` where a
    data endpoint's name resolves to its public address."""
    targets = [("login", Destination(what="the login server", host=context.login, addresses=login))]
    for host, addresses in data.items():
        targets.append(("layers", Destination(what=f"the layers ({host})", host=host, addresses=addresses)))
    answers = [_of_part(part, _private(context, part, destination)) for part, destination in targets]
    if layers_public:
        answers.append(for_layers(public_filter(context, "layers", context.layers_target())))
    return all_or_unsettled(tuple(answers))


def _of_part(part: str, answer: Result) -> Result:
    return for_layers(answer) if part == "layers" else answer


def proxy(context: NodeContext, hosts: tuple[str, ...]) -> Result:
    """A proxy stands between: it resolves the names and opens the connections."""
    names = ", ".join(hosts)
    summary = f"Nodes reach {names} through the cluster's HTTP proxy, which decides; noProxy does not name it."
    return unknown("proxy-decides", summary, "what the proxy lets through")


def all_or_unsettled(answers: tuple[Result, ...]) -> tuple[Result, ...]:
    """One answer where everything is open, else those that are not."""
    problems = tuple(answer for answer in answers if not isinstance(answer.verdict, Pass))
    return problems or (passes("open", " ".join(answer.summary for answer in answers)),)


def public_filter(context: NodeContext, part: str, destination: Destination) -> Result:
    """What routes, security groups and the proxy do with the traffic to a public host; ``part`` is what it is for."""
    if context.proxied(destination.host):
        return proxy(context, (destination.what,))
    egress_path = egress_route(context, destination)
    if egress_path.gap is not None:
        return not_seen(egress_path.gap, "The route table of the nodes' subnet")
    if egress_path.egress is not None:
        stopped = _routed(context, part, destination, egress_path.routing)
        if stopped is not None:
            return stopped
        if egress_path.egress.exit is OutboundType.NONE:
            return fails(
                f"no-egress-{part}", f"Nodes have no outbound access ({egress_path.egress.note}) to {destination.what}."
            )
        if egress_path.egress.exit is OutboundType.DEFAULT or egress_path.egress.exit is OutboundType.ROUTED:
            summary = f"What carries the traffic to {destination.what} cannot be read ({egress_path.egress.note})."
            return unknown(f"egress-unclear-{part}", summary, "where the nodes' traffic leaves")
    closing = _through_groups(context, part, destination, in_network(context.facts, context.node_subnet, destination))
    hub = egress_path.egress.hub if egress_path.egress is not None else None
    if hub is not None and hub.filters and isinstance(closing.verdict, Pass):
        return _through_hub(part, destination, hub)
    return closing


def _through_hub(part: str, destination: Destination, hub: HubDefault) -> Result:
    """A virtual hub's default route may lead the traffic to a firewall, which decides."""
    if hub.gap is not None:
        return not_seen(
            hub.gap, f"The virtual hub {hub.name}, which may send the traffic to {destination.what} to a firewall,"
        )
    diverted = f"The virtual hub {hub.name} may send the traffic to {destination.what} to a firewall or a gateway"
    return unknown(f"hub-decides-{part}", f"{diverted}, which decides.", "what the virtual hub lets through")


def _routed(context: NodeContext, part: str, destination: Destination, routing: Routing) -> Result | None:
    """What routes do where they do not leave the traffic as it is."""
    table = context.node_subnet.table
    if routing.only is RouteEffect.AS_IS:
        if isinstance(table, RouteTable) and table.unreadable:
            summary = f"{table.unreadable} routes of {table.name} could not be read."
            return unknown(f"routes-unreadable-{part}", summary, "readable routes")
        return None
    if routing.only is RouteEffect.DROPPED:
        fix_commands = (
            (fix.create_internet_route(table, destination.allow),)
            if isinstance(table, RouteTable) and not destination.addresses and destination.allow
            else ()
        )
        return fails(
            f"route-drops-{part}",
            f"A route drops the traffic to {destination.what}: {routing.describe()}.",
            *fix_commands,
        )
    diverted = f"A route sends the traffic to {destination.what} to an appliance or gateway"
    summary = f"{diverted}, which decides: {routing.describe()}."
    return unknown(f"route-diverts-{part}", summary, "what the appliance or gateway lets through")


def _through_groups(context: NodeContext, part: str, destination: Destination, inside: Match) -> Result:
    """What security admin rules, then the network security groups on the nodes' side do."""
    flow = Flow(destination=destination, nodes=context.node_subnet.subnet.prefixes, in_network=inside)
    above = admin_filter.outbound(context, flow)
    decided = admin_filter.settled(context, part, destination, above)
    if decided is not None:
        return decided
    groups = context.node_subnet.groups
    if isinstance(groups, NotSeen):
        return not_seen(groups, "The network security group of the nodes' subnet")
    if isinstance(above, NotSeen):
        return admin_filter.unread(context, part, above)
    decision = nsg.outbound(groups, flow)
    return admin_filter.doubt(part, destination, above, decision) or _passed(part, destination, decision, "Outbound")


def _passed(part: str, destination: Destination, decision: RuleDecision, direction: str) -> Result:
    if decision.access is Access.OPEN:
        return passes(f"open-{part}", f"Nothing in the network closes TCP 443 to {destination.what}.")
    if decision.access is Access.UNSETTLED:
        allowed = f"Whether TCP 443 to {destination.what} is allowed"
        summary = f"{allowed} is not known: {decision.describe()} may or may not apply."
        return unknown(f"nsg-unclear-{part}", summary, "the addresses that the rule is about")
    fix_commands = _open_group(destination, decision, direction, ("login", "layers", "sign-in").index(part))
    return fails(
        f"nsg-closes-{part}", f"TCP 443 to {destination.what} is closed by {decision.describe()}.", *fix_commands
    )


def _open_group(destination: Destination, decision: RuleDecision, direction: str, nth: int) -> tuple[str, ...]:
    """A rule for this destination alone; a host without addresses or a service tag no security group can name."""
    prefix = str(destination.addresses[0]) if destination.addresses else destination.allow
    if not prefix:
        return (shell.note(f"Let {destination.host} through by a firewall that filters by name, or use a cache."),)
    if decision.group is None or decision.rule is None:
        return ()
    return (fix.create_allow_rule(decision.group, decision.rule, prefix, direction=direction, nth=nth),)


def _private(context: PathContext, part: str, destination: Destination) -> Result:
    if context.proxied(destination.host):
        return proxy(context, (destination.what,))
    table = context.node_subnet.table
    if isinstance(table, NotSeen):
        return not_seen(table, "The route table of the nodes' subnet")
    home, subnet = _home(context, destination)
    stopped = _routed(context, part, destination, to_private(table, destination, home, subnet))
    if stopped is not None:
        return stopped
    inside = _inside(context, destination)
    answer = _through_groups(context, part, destination, inside)
    if not isinstance(answer.verdict, Pass) or (subnet.endpoint_policies or "").lower() not in _INBOUND:
        return answer
    groups = node_network.groups_of_subnet(context.facts, subnet)
    if isinstance(groups, NotSeen):
        return not_seen(groups, "The network security group of the endpoint's subnet")
    flow = Flow(destination=destination, nodes=context.node_subnet.subnet.prefixes, in_network=inside)
    return _passed(part, destination, nsg.inbound(groups, flow), "Inbound")


def _inside(context: PathContext, destination: Destination) -> Match:
    """Whether the tag VirtualNetwork covers a target: an endpoint in a connected group, or behind the
    same virtual hub, is reached as if peered."""
    owned = [owner for one in destination.addresses for owner in owners(context, one, destination.host)]
    if owned and all(owner.reach in (Reach.GROUP, Reach.HUB) for owner in owned):
        return Match.YES
    return in_network(context.facts, context.node_subnet, destination)


def _home(context: PathContext, destination: Destination) -> tuple[VirtualNetwork, Subnet]:
    """The network and subnet of the endpoint that has the target's addresses; the nodes' own where it is not known."""
    for one in destination.addresses:
        for owner in owners(context, one, destination.host):
            if not isinstance(owner.home, NotSeen):
                return owner.home
    return context.node_subnet.network, context.node_subnet.subnet
