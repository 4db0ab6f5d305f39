"""DNS forwarding rulesets: which are linked to a network, and which of their rules decides over a name.

The rule with the longest suffix decides. The rule ``.`` does not catch names that are reserved for Azure services, as
those of registries are. Public DNS leads a registry's name on to ``privatelink.*``: whether a rule for that name alone
catches it on its way is not documented. Source: "Azure DNS Private Resolver endpoints and rulesets".
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from checks.arm_ids import name_of
from checks.facts import NotSeen, NotSeenReason, Seen, subscription_of
from checks.facts.name_servers import ForwardingRule
from checks.facts.network import ForwardingRuleset, Networks, VirtualNetwork
from checks.rules import visibility
from checks.rules.path import node_network
from checks.rules.path.names.servers import RESOLVERS, Unclear
from checks.rules.path.names.zones import covers
from checks.rules.results import Result, not_seen, unknown

RULES_ACTION = "Microsoft.Network/dnsForwardingRulesets/forwardingRules/read"
CAUSE = "forwarding-ruleset"


class Decision(msgspec.Struct, frozen=True):
    """The rule that decides over a name, and its ruleset."""

    ruleset: ForwardingRuleset
    rule: ForwardingRule

    def __str__(self) -> str:
        return f"the rule {self.rule.name} of the DNS forwarding ruleset {self.ruleset.name}"


def are_known(networks: Networks, network: VirtualNetwork) -> bool:
    """Whether the network itself was asked which rulesets are linked to it, of whatever subscription."""
    return isinstance(networks.name_servers.linked.get(network.id.rstrip("/").lower()), Seen)


def linked(networks: Networks, network: VirtualNetwork) -> tuple[ForwardingRuleset | str, ...]:
    """The rulesets that are linked to a network; only the id of one that cannot be seen."""
    key = network.id.rstrip("/").lower()
    shown = {one.id.rstrip("/").lower(): one for one in networks.rulesets_of.get(key, ())}
    named = networks.name_servers.linked.get(key)
    ids = named.value if isinstance(named, Seen) else ()
    others = {one.rstrip("/").lower(): _ruleset(networks, one) or one for one in ids}
    return tuple((others | shown).values())


def _ruleset(networks: Networks, ruleset_id: str) -> ForwardingRuleset | None:
    part = networks.of(ruleset_id)
    listed = part.rulesets if part is not None else None
    return listed.value.get(ruleset_id.rstrip("/").lower()) if isinstance(listed, Seen) else None


def deciding(networks: Networks, network: VirtualNetwork, host: str, private: str) -> Decision | Result | None:
    """The rule that decides over a host in a network, whose name in private zones is ``private``.

    None: no rule does. A Result says why that is not known.
    """
    caught: list[Decision] = []
    later: list[Decision] = []
    for ruleset in linked(networks, network):
        rules = _rules(networks, network, ruleset, host)
        if isinstance(rules, Result):
            return rules
        assert isinstance(ruleset, ForwardingRuleset), "the rules of one that cannot be seen are not known"
        caught += (Decision(ruleset, rule) for rule in _about(rules, host))
        later += (Decision(ruleset, rule) for rule in _about(rules, private) if not covers(rule.domain, host))
    longest = max((len(one.rule.domain) for one in caught), default=0)
    first = [one for one in caught if len(one.rule.domain) == longest]
    if not first:
        return _later(network, later[0], host) if later else None
    differing = next((one for one in (*first, *later) if one.rule.servers != first[0].rule.servers), None)
    if differing is None:
        return first[0]
    summary = f"In {network.name}, {first[0]} and {differing} both are about {host} and name different servers."
    return unknown(CAUSE, summary, f"which of the rules answers {host}")


def _about(rules: tuple[ForwardingRule, ...], name: str) -> Iterator[ForwardingRule]:
    return (rule for rule in rules if rule.domain and covers(rule.domain, name))


def _later(network: VirtualNetwork, decision: Decision, host: str) -> Result:
    summary = (
        f"In {network.name}, {decision} is about {decision.rule.domain}, to which public DNS leads {host}: whether a "
        "rule for that name alone catches it is not documented. Microsoft advises a rule for the public name."
    )
    return unknown(CAUSE, summary, f"whether {decision} catches {host}")


def _rules(
    networks: Networks, network: VirtualNetwork, ruleset: ForwardingRuleset | str, host: str
) -> tuple[ForwardingRule, ...] | Result:
    ruleset_id = ruleset if isinstance(ruleset, str) else ruleset.id
    what = f"The DNS forwarding ruleset {name_of(ruleset_id)}, which is linked to {network.name} and may catch {host},"
    if isinstance(ruleset, str):
        return not_seen(_hidden(networks, ruleset_id), what)
    rules = networks.name_servers.rules.get(ruleset_id.rstrip("/").lower())
    if isinstance(rules, NotSeen):
        return not_seen(rules, what)
    if rules is None or rules.partial:
        why = "were not read" if rules is None else f"were read in part: {rules.partial}"
        summary = f"The DNS forwarding ruleset {ruleset.name} is linked to {network.name}: its rules {why}."
        return unknown(CAUSE, summary, f"the rules of {ruleset_id}")
    return rules.value


def _hidden(networks: Networks, ruleset_id: str) -> NotSeen:
    guid = subscription_of(ruleset_id)
    detail = f"{ruleset_id} lies where Pullwatch's identity lacks {RULES_ACTION}"
    return NotSeen(NotSeenReason.NOT_ALLOWED, detail, RULES_ACTION, visibility.grant(networks.visibility, guid))


def asking(networks: Networks, ruleset: ForwardingRuleset) -> VirtualNetwork | Unclear:
    """The network from which a ruleset's servers are asked: that of the resolver with its outbound endpoints."""
    homes = [_home(networks, one) for one in ruleset.resolver_ids]
    unclear = next((one for one in homes if isinstance(one, Unclear)), None)
    if unclear is not None or not homes:
        return unclear or Unclear(f"the ruleset {ruleset.name} names no outbound endpoint")
    first = homes[0]
    assert isinstance(first, VirtualNetwork)
    if any(isinstance(one, VirtualNetwork) and one.id.lower() != first.id.lower() for one in homes):
        return Unclear(f"the ruleset {ruleset.name} asks from several networks")
    return first


def _home(networks: Networks, resolver_id: str) -> VirtualNetwork | Unclear:
    subscription, key = subscription_of(resolver_id), resolver_id.rstrip("/").lower()
    listed = networks.name_servers.resolvers.get(subscription)
    what = f"the resolver {name_of(resolver_id)} of its outbound endpoint"
    if not isinstance(listed, Seen):
        return Unclear(f"{what} could not be read", listed)
    resolver = listed.value.get(key)
    if resolver is None or resolver.network_id is None:
        gap = visibility.hidden_in(networks.visibility, subscription, RESOLVERS)
        return Unclear(f"{what} is not listed", gap)
    network = node_network.find(networks, "virtual_networks", resolver.network_id, "virtual network")
    if isinstance(network, VirtualNetwork):
        return network
    assert isinstance(network, NotSeen)
    return Unclear(f"the network of {what} could not be read", network)
