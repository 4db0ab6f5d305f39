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
from checks.rules.path import node_network, nsg
from checks.rules.path.context import SIGN_IN, PathContext
from checks.rules.path.destinations import Destination, Match
from checks.rules.path.egress import OutboundType
from checks.rules.path.nsg import Access, Flow, RuleDecision
from checks.rules.path.private_endpoints import in_network
from checks.rules.path.private_path import owners
from checks.rules.path.public_path import egress_route
from checks.rules.path.routes import RouteEffect, Routing, to_private
from checks.rules.results import Result, fails, not_seen, passes, unknown

_INBOUND = ("enabled", "networksecuritygroupenabled")


def public_filters(case: PathContext) -> tuple[Result, ...]:
    """The public path: login, layers, and for a service principal its sign-in."""
    targets = [("login", case.login_target()), ("layers", case.layers_target())]
    if is_service_principal(case.cluster):
        targets.append(("sign-in", SIGN_IN))
    return _summed(tuple(_public(case, part, target) for part, target in targets))


def private_filters(
    case: PathContext, login: tuple[IPv4Address, ...], data: dict[str, tuple[IPv4Address, ...]], *, layers_public: bool
) -> tuple[Result, ...]:
    """The private path: the addresses that the login server and the data endpoints lead to, ``layers_public`` where a
    data endpoint's name leads to its public address."""
    targets = [("login", Destination(what="the login server", host=case.login, addresses=login))]
    for host, addresses in data.items():
        targets.append(("layers", Destination(what=f"the layers ({host})", host=host, addresses=addresses)))
    answers = [_private(case, part, target) for part, target in targets]
    if layers_public:
        answers.append(_public(case, "layers", case.layers_target()))
    return _summed(tuple(answers))


def proxy(case: PathContext, hosts: tuple[str, ...]) -> Result:
    """A proxy stands between: it resolves the names and opens the connections."""
    names = ", ".join(hosts)
    summary = f"Nodes reach {names} through the cluster's HTTP proxy, which decides; noProxy does not name it."
    return unknown("proxy-decides", summary, "what the proxy lets through")


def _summed(answers: tuple[Result, ...]) -> tuple[Result, ...]:
    """One answer where everything is open, else those that are not."""
    troubles = tuple(answer for answer in answers if not isinstance(answer.verdict, Pass))
    return troubles or (passes("open", " ".join(answer.summary for answer in answers)),)


def _public(case: PathContext, part: str, target: Destination) -> Result:
    if case.proxied(target.host):
        return proxy(case, (target.what,))
    egress_path = egress_route(case, target)
    if egress_path.gap is not None:
        return not_seen(egress_path.gap, "The route table of the nodes' subnet")
    if egress_path.egress is not None:
        stopped = _routed(case, part, target, egress_path.routing)
        if stopped is not None:
            return stopped
        if egress_path.egress.exit is OutboundType.NONE:
            return fails(
                f"no-egress-{part}", f"Nodes have no outbound access ({egress_path.egress.note}) to {target.what}."
            )
        if egress_path.egress.exit is OutboundType.DEFAULT or egress_path.egress.exit is OutboundType.ROUTED:
            summary = f"What carries the traffic to {target.what} cannot be read ({egress_path.egress.note})."
            return unknown(f"egress-unclear-{part}", summary, "where the nodes' traffic leaves")
    return _gated(case, part, target, in_network(case.facts, case.place, target))


def _routed(case: PathContext, part: str, target: Destination, routing: Routing) -> Result | None:
    """What routes do where they do not leave the traffic as it is."""
    table = case.place.table
    if routing.only is RouteEffect.AS_IS:
        if isinstance(table, RouteTable) and table.unreadable:
            summary = f"{table.unreadable} routes of {table.name} could not be read."
            return unknown(f"routes-unreadable-{part}", summary, "readable routes")
        return None
    if routing.only is RouteEffect.DROPPED:
        fix_commands = (
            (fix.create_internet_route(table, _tag(target)),)
            if isinstance(table, RouteTable) and not target.addresses
            else ()
        )
        return fails(
            f"route-drops-{part}", f"A route drops the traffic to {target.what}: {routing.describe()}.", *fix_commands
        )
    summary = (
        f"A route may lead the traffic to {target.what} elsewhere: {routing.describe()}; what stands there decides."
    )
    return unknown(f"route-diverts-{part}", summary, "what the appliance or gateway lets through")


def _tag(target: Destination) -> str:
    names = {"azurecontainerregistry": "AzureContainerRegistry", "storage": "Storage"}
    return next((names[tag] for tag in target.tags if tag in names), "AzureActiveDirectory")


def _gated(case: PathContext, part: str, target: Destination, inside: Match) -> Result:
    """What the network security groups on the nodes' side do."""
    groups = case.place.groups
    if isinstance(groups, NotSeen):
        return not_seen(groups, "The network security group of the nodes' subnet")
    ends = Flow(target=target, nodes=case.place.subnet.prefixes, in_network=inside)
    return _passed(part, target, nsg.outbound(groups, ends), "Outbound")


def _passed(part: str, target: Destination, passage: RuleDecision, direction: str) -> Result:
    if passage.gate is Access.OPEN:
        return passes(f"open-{part}", f"Nothing in the network closes TCP 443 to {target.what}.")
    if passage.gate is Access.UNSETTLED:
        summary = (
            f"Whether TCP 443 to {target.what} is allowed is not known: {passage.describe()} may or may not apply."
        )
        return unknown(f"nsg-unclear-{part}", summary, "the addresses that the rule is about")
    fix_commands: tuple[str, ...] = ()
    if passage.group is not None and passage.rule is not None:
        destination = str(target.addresses[0]) if target.addresses else _tag(target)
        fix_commands = (fix.create_allow_rule(passage.group, passage.rule, destination, direction=direction),)
    return fails(f"nsg-closes-{part}", f"TCP 443 to {target.what} is closed by {passage.describe()}.", *fix_commands)


def _private(case: PathContext, part: str, target: Destination) -> Result:
    if case.proxied(target.host):
        return proxy(case, (target.what,))
    table = case.place.table
    if isinstance(table, NotSeen):
        return not_seen(table, "The route table of the nodes' subnet")
    home, subnet = _home(case, target)
    stopped = _routed(case, part, target, to_private(table, target, home, subnet))
    if stopped is not None:
        return stopped
    inside = in_network(case.facts, case.place, target)
    answer = _gated(case, part, target, inside)
    if not isinstance(answer.verdict, Pass) or (subnet.endpoint_policies or "").lower() not in _INBOUND:
        return answer
    groups = node_network.groups_of_subnet(case.facts, subnet)
    if isinstance(groups, NotSeen):
        return not_seen(groups, "The network security group of the endpoint's subnet")
    ends = Flow(target=target, nodes=case.place.subnet.prefixes, in_network=inside)
    return _passed(part, target, nsg.inbound(groups, ends), "Inbound")


def _home(case: PathContext, target: Destination) -> tuple[VirtualNetwork, Subnet]:
    """The network and subnet of the endpoint that has the target's addresses; the nodes' own where it is not known."""
    for one in target.addresses:
        for owner in owners(case, one, target.host):
            if not isinstance(owner.home, NotSeen):
                return owner.home
    return case.place.network, case.place.subnet
