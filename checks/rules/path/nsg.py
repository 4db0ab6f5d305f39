"""Network security groups: whether they let TCP 443 through, rule by rule in the order of their priorities.

Certainly open and certainly closed are said only where no rule before the deciding one may apply. Source:
learn.microsoft.com/azure/virtual-network/network-security-groups-overview (rules, default rules, tags).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from checks.facts.network import SecurityGroup
from checks.facts.security_rules import SecurityRule
from checks.rules.path.destinations import Destination, Match, any_of, network, networks, prefixes_cover, tag_covers

PORT = 443
_EVERYWHERE = ("*", "any")


class Access(StrEnum):
    """What a group does with the traffic."""

    OPEN = "open"
    CLOSED = "closed"
    UNSETTLED = "unsettled"


class RuleDecision(msgspec.Struct, frozen=True):
    """What a group does, and the rule that decides it (or that cannot be settled)."""

    access: Access
    group: SecurityGroup | None = None
    rule: SecurityRule | None = None
    why: str = ""

    def describe(self) -> str:
        """The deciding rule in words."""
        group = self.group.name if self.group else "no network security group"
        rule = f"rule {self.rule.name} (priority {self.rule.priority}, {self.rule.access})" if self.rule else self.why
        return f"{rule} of {group}"


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Both ends of the traffic. ``in_network``: whether the tag VirtualNetwork covers the far end."""

    destination: Destination
    nodes: tuple[str, ...]
    in_network: Match = Match.NO


def outbound(groups: Iterable[SecurityGroup], flow: Flow) -> RuleDecision:
    """All groups on the nodes' outbound path have to allow it."""
    return _all(_decision(group, flow, outward=True) for group in groups)


def inbound(groups: Iterable[SecurityGroup], flow: Flow) -> RuleDecision:
    """The same at the other end: the groups on a private endpoint's subnet, where its policies are on."""
    return _all(_decision(group, flow, outward=False) for group in groups)


def _all(decisions: Iterable[RuleDecision]) -> RuleDecision:
    rule_decisions = list(decisions)
    for access in (Access.CLOSED, Access.UNSETTLED, Access.OPEN):
        decided = next((decision for decision in rule_decisions if decision.access is access), None)
        if decided is not None:
            return decided
    return RuleDecision(Access.OPEN)


def _decision(group: SecurityGroup, flow: Flow, *, outward: bool) -> RuleDecision:
    doubtful: list[SecurityRule] = []
    for rule in _ordered(group, "outbound" if outward else "inbound"):
        match = applies(rule, flow, outward=outward)
        if match is Match.MAYBE:
            doubtful.append(rule)
        if match is Match.YES:
            return _decided(group, rule, doubtful)
    return RuleDecision(Access.UNSETTLED, group, None, "no rule decides")


def _decided(group: SecurityGroup, rule: SecurityRule, doubtful: list[SecurityRule]) -> RuleDecision:
    other = next((d for d in doubtful if d.access.lower() != rule.access.lower()), None)
    if other is not None:
        return RuleDecision(Access.UNSETTLED, group, other)
    if group.unreadable:
        return RuleDecision(Access.UNSETTLED, group, None, f"{group.unreadable} rules that could not be read")
    return RuleDecision(Access.OPEN if rule.access.lower() == "allow" else Access.CLOSED, group, rule)


def _ordered(group: SecurityGroup, direction: str) -> list[SecurityRule]:
    defaults = group.default_rules or DEFAULT_RULES
    rules = [rule for rule in (*group.rules, *defaults) if rule.direction.lower() == direction]
    return sorted(rules, key=lambda rule: rule.priority)


def _default(name: str, priority: int, direction: str, access: str, source: str, destination: str) -> SecurityRule:
    return SecurityRule(
        name=name,
        priority=priority,
        direction=direction,
        access=access,
        sources=(source,),
        destinations=(destination,),
    )


# What every group ends in, for bodies that do not show it.
DEFAULT_RULES = (
    _default("AllowVnetInBound", 65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    _default("AllowAzureLoadBalancerInBound", 65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
    _default("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*"),
    _default("AllowVnetOutBound", 65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    _default("AllowInternetOutBound", 65001, "Outbound", "Allow", "*", "Internet"),
    _default("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*"),
)


def applies(rule: SecurityRule, flow: Flow, *, outward: bool) -> Match:
    """Whether a rule, of a group or of a network manager, applies to the traffic: all of its parts have to."""
    if rule.protocol.lower() not in ("*", "any", "tcp"):
        return Match.NO
    # An inbound rule sees the same two ends from the other side: nodes are its source there too.
    parts = (
        Match.YES if holds_port(rule.destination_ports, PORT) else Match.NO,
        Match.YES if any(text.strip() in ("*", "0-65535") for text in rule.source_ports) else Match.MAYBE,
        _nodes(rule, flow, outward=outward),
        _far_end(rule, flow),
    )
    if Match.NO in parts:
        return Match.NO
    return Match.MAYBE if Match.MAYBE in parts else Match.YES


def holds_port(ranges: Sequence[str], port: int) -> bool:
    """Whether port ranges ("443", "80-8080", "*", "443,8443") hold a port."""
    for text in (part.strip() for item in ranges for part in item.split(",")):
        first, _, last = text.partition("-")
        if text == "*" or (
            first.isdecimal() and (last or first).isdecimal() and int(first) <= port <= int(last or first)
        ):
            return True
    return False


def _nodes(rule: SecurityRule, flow: Flow, *, outward: bool) -> Match:
    """Whether a rule's sources cover the nodes, which have any address of their subnet."""
    if rule.source_groups:
        return Match.MAYBE
    answers = [Match.YES for text in rule.sources if text.lower() in _EVERYWHERE]
    tagged = Match.YES if outward else flow.in_network
    answers += [tagged for text in rule.sources if text.lower() == "virtualnetwork"]
    merged = networks(rule.sources)
    own_networks = [prefix for text in flow.nodes if (prefix := network(text))]
    if own_networks and all(any(one.subnet_of(prefix) for prefix in merged) for one in own_networks):
        answers.append(Match.YES)
    elif any(one.overlaps(prefix) for one in own_networks for prefix in merged) or (merged and not own_networks):
        answers.append(Match.MAYBE)
    return any_of(answers)


def _far_end(rule: SecurityRule, flow: Flow) -> Match:
    """Whether a rule's destinations cover what is connected to."""
    answers = [_destination(text, flow) for text in rule.destinations]
    if rule.destination_unread or (rule.destination_groups and flow.destination.addresses):
        answers.append(Match.MAYBE)
    return any_of([*answers, prefixes_cover(rule.destinations, flow.destination)])


def _destination(text: str, flow: Flow) -> Match:
    lower = text.lower()
    if lower in _EVERYWHERE:
        return Match.YES
    if lower == "virtualnetwork":
        return flow.in_network
    if flow.destination.addresses or network(text):
        return Match.NO
    return Match.YES if lower == "internet" else tag_covers(text, flow.destination)
