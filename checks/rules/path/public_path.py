"""The public path: whether the addresses or the subnet that nodes leave with are let in (PW202, PW205)."""

from __future__ import annotations

import msgspec

from checks.facts import NotSeen
from checks.rules.fixes import az_acr, shell
from checks.rules.fixes import az_network as fix
from checks.rules.path import node_network, registry_firewall
from checks.rules.path.context import REGISTRY_SERVICE, NodeContext, PathContext
from checks.rules.path.destinations import Destination
from checks.rules.path.egress import Egress, OutboundType, egress_of, look_failed
from checks.rules.path.registry_firewall import PublicAccess
from checks.rules.path.routes import UNROUTED, Routing, to_public
from checks.rules.results import Result, fails, not_seen, passes, skipped, unknown

SERVED = "the traffic leaves through the subnet's service endpoint, with a private address"


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes leave towards a public target. ``gap``: the routes could not be read."""

    routing: Routing
    egress: Egress | None
    gap: NotSeen | None = None


def egress_route(context: NodeContext, destination: Destination) -> Leaving:
    """How nodes leave towards a public target. A service endpoint outranks routes and the order of egress."""
    node_subnet = context.node_subnet
    if destination.service and node_subnet.subnet.has_service_endpoint(destination.service):
        return Leaving(routing=UNROUTED, egress=None)
    if isinstance(node_subnet.table, NotSeen):
        return Leaving(routing=UNROUTED, egress=None, gap=node_subnet.table)
    routing = to_public(node_subnet.table, destination)
    return Leaving(routing=routing, egress=egress_of(context.facts, context.cluster, node_subnet, routing))


def addresses(context: PathContext) -> Result:
    """PW202: the registry's public access and IP rules against what the nodes leave with."""
    registry, open_to = context.registry, registry_firewall.public_access(context.registry)
    if open_to is PublicAccess.NOBODY:
        return closed(context)
    if open_to is PublicAccess.UNCLEAR:
        network = registry.network_access
        access, action = network.public_network_access, network.default_action
        summary = f"publicNetworkAccess is {access or 'unreadable'} and defaultAction {action or 'unreadable'}"
        return unknown("public-access-unclear", f"Of {registry.name}, {summary}.", "settings that are understood")
    if context.proxied(context.login):
        return _proxied(context, open_to)
    egress_path = egress_route(context, context.login_target())
    if egress_path.gap is not None:
        return not_seen(egress_path.gap, "The route table of the nodes' subnet")
    if egress_path.egress is None:
        return _served(context, open_to)
    if open_to is PublicAccess.ALL:
        return _let_in(context, egress_path.egress)
    return _compared(context, egress_path.egress)


def closed(context: PathContext) -> Result:
    """Public network access is off: no address is let in."""
    return fails(
        "public-access-disabled",
        f"{context.registry.name} has public network access disabled, and it has no private endpoint.",
        *fix.bring_private_endpoint(context.registry, context.node_subnet.network, context.node_subnet.subnet),
        shell.note(f"or open {context.registry.name} to the public, if that is allowed:"),
        az_acr.enable_public_access(context.registry),
    )


def _proxied(context: PathContext, open_to: PublicAccess) -> Result:
    if open_to is PublicAccess.ALL:
        return passes("open-to-all", f"{context.registry.name} lets every public address in; the nodes use a proxy.")
    summary = f"Nodes reach {context.login} through the cluster's proxy, whose address ARM does not show."
    return unknown("egress-proxy", summary, "the public address of the proxy")


def _served(context: PathContext, open_to: PublicAccess) -> Result:
    if open_to is PublicAccess.ALL:
        return passes("open-to-all", f"{context.registry.name} lets every network in; {SERVED}.")
    return skipped("service-endpoint", f"IP rules do not apply: {SERVED}")


def _exits(context: PathContext, egress: Egress) -> Result | None:
    """What follows from outbound access that does not stand, or that something else decides."""
    if egress.exit is OutboundType.NONE:
        return fails(
            "no-egress",
            f"The nodes have no outbound access to the internet ({egress.note}), and DNS resolves to the public "
            "endpoint.",
            *fix.bring_private_endpoint(context.registry, context.node_subnet.network, context.node_subnet.subnet),
        )
    if egress.exit is OutboundType.DROPPED:
        return skipped("route-drops", f"the traffic does not leave: {egress.note}")
    if egress.exit is OutboundType.DEFAULT:
        summary = (
            f"AKS creates no outbound access ({egress.note}); Azure's default outbound access may carry the traffic."
        )
        return unknown("egress-default", summary, "whether default outbound access is in effect")
    return None


def _let_in(context: PathContext, egress: Egress) -> Result:
    standing = _exits(context, egress)
    if standing is not None:
        return standing
    if egress.exit is OutboundType.ROUTED and egress.note.startswith("outboundType"):
        summary = f"What carries the nodes' traffic cannot be read ({egress.note}, no default route in the subnet)."
        return unknown("egress-routed", summary, "where the nodes' default route leads")
    return passes("open-to-all", f"{context.registry.name} lets every public address in; nodes leave by {egress.exit}.")


def _compared(context: PathContext, egress: Egress) -> Result:
    standing = _exits(context, egress)
    if standing is not None:
        return standing
    if egress.exit is OutboundType.ROUTED:
        summary = f"Another device's public address counts ({egress.note}), which ARM does not show."
        return unknown("egress-routed", summary, "the public address of what the traffic is routed to")
    if egress.exit is OutboundType.HUB:
        summary = f"The address of a firewall may count in the place of the nodes' own ({egress.note})."
        gap = egress.hub.gap if egress.hub is not None else None
        fix_commands = gap.fix if gap is not None else ()
        missing = "the default route that the virtual hub gives"
        return unknown("egress-hub", summary, missing, look_failed=gap is not None, fix=fix_commands)
    ip_rule_match = registry_firewall.match(egress.networks, context.registry.network_access.ip_rules)
    if ip_rule_match.outside:
        return _refused(context, egress, ip_rule_match)
    if not egress.complete:
        gap = look_failed(egress.gaps)
        if gap is not None:
            return not_seen(gap, "A public address that nodes leave with")
        summary = f"The nodes leave by {egress.exit}, whose public addresses ARM does not show."
        return unknown("egress-unknown", summary, "the nodes' public addresses")
    return passes("ip-allowed", f"The IP rules of {context.registry.name} allow {egress.describe()} ({egress.exit}).")


def _refused(context: PathContext, egress: Egress, ip_rule_match: registry_firewall.IpRuleMatch) -> Result:
    registry, missing = context.registry, [_text(one) for one in ip_rule_match.outside]
    add = tuple(az_acr.allow_address(registry, one) for one in missing)
    bypass = (
        " networkRuleBypassOptions does not cover AKS nodes."
        if registry.network_access.bypass == "AzureServices"
        else ""
    )
    if ip_rule_match.partial:
        summary = f"The IP rules of {registry.name} allow a part of what nodes leave with ({egress.exit}), not"
        return fails("ip-partly-allowed", f"{summary} {', '.join(missing)}: intermittent 403.{bypass}", *add)
    summary = f"{registry.name} denies what nodes leave with ({egress.exit}): no IP rule allows {', '.join(missing)}."
    return fails("ip-not-allowed", f"{summary}{bypass}", *add)


def _text(network: object) -> str:
    return str(network).removesuffix("/32")


def subnets(context: PathContext, by_address: Result) -> Result:
    """PW205: virtual network rules against the nodes' subnet. ``by_address`` is what PW202 said of the same pool."""
    registry, subnet = context.registry, context.node_subnet.subnet
    if context.proxied(context.login):
        return skipped("proxy", f"nodes reach {context.login} through the cluster's proxy")
    if registry_firewall.public_access(registry) is not PublicAccess.SOME:
        return skipped("no-rules", f"no rule for a subnet is needed: {registry.name} restricts no network")
    network = context.facts.of(registry.id)
    rules = (
        network.registry_rules
        if network
        else node_network.hidden(context.facts, registry.id, f"The registry {registry.name}")
    )
    named = not isinstance(rules, NotSeen) and subnet.id.lower() in rules.value.get(registry.id.lower(), ())
    if not subnet.has_service_endpoint(REGISTRY_SERVICE):
        return _unserved(context, by_address, named=named)
    if isinstance(rules, NotSeen):
        return not_seen(rules, f"The virtual network rules of {registry.name}")
    if registry.id.lower() not in rules.value:
        summary = f"What {registry.name} shows as virtual network rules could not be understood."
        return unknown("rules-unreadable", summary, "virtualNetworkRules of the registry")
    if named:
        return passes("subnet-allowed", f"A virtual network rule of {registry.name} allows the subnet {subnet.name}.")
    return fails(
        "service-endpoint-voids-ip-rules",
        f"The subnet {subnet.name} has the service endpoint {REGISTRY_SERVICE}, so IP rules do not apply to its nodes, "
        f"and no virtual network rule of {registry.name} allows it.",
        az_acr.allow_subnet(registry, subnet.id),
    )


def _unserved(context: PathContext, by_address: Result, *, named: bool) -> Result:
    subnet = context.node_subnet.subnet
    if not named:
        return skipped("no-service-endpoint", f"the subnet {subnet.name} has no service endpoint {REGISTRY_SERVICE}")
    summary = (
        f"a virtual network rule allows the subnet {subnet.name}, which lacks the service endpoint {REGISTRY_SERVICE}"
    )
    if not by_address.failed:
        return skipped("service-endpoint-missing", f"{summary}; IP rules decide")
    return fails("service-endpoint-missing", f"{summary[0].upper()}{summary[1:]}: the rule has no effect.",
                 fix.add_service_endpoint(subnet, REGISTRY_SERVICE))  # fmt: skip
