"""Security admin rules of network managers, which are evaluated before network security groups.

Deny ends it, AlwaysAllow skips the groups, Allow goes on to them, as where no rule applies; by priority, the lowest
number first. Of two managers the one higher up goes first, which their rules do not show: what they would do apart is
not settled. They are not applied to private endpoints. Source: "Security admin rules in Azure Virtual Network Manager".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from checks.facts.network_management import AdminRule, AdminRules
from checks.rules.path.destinations import Match
from checks.rules.path.nsg import Flow, applies


class AdminEffect(StrEnum):
    """What security admin rules do with the traffic."""

    DENIED = "denied"
    ALWAYS = "always allowed"
    ON = "left to network security groups"


_ANY = frozenset(AdminEffect)
_EFFECTS = {
    "deny": frozenset({AdminEffect.DENIED}),
    "alwaysallow": frozenset({AdminEffect.ALWAYS}),
    "allow": frozenset({AdminEffect.ON}),
}


class AdminDecision(msgspec.Struct, frozen=True):
    """What the rules do; several effects where a rule may or may not apply. ``rule`` is one that decides or may."""

    effects: frozenset[AdminEffect]
    rule: AdminRule | None = None
    unreadable: int = 0

    @property
    def only(self) -> AdminEffect | None:
        """The effect, where there is only one."""
        return next(iter(self.effects)) if len(self.effects) == 1 else None

    def describe(self) -> str:
        """The rule in words, with its collection and its network manager."""
        if self.rule is None:
            return f"one of {self.unreadable} security admin rules that could not be read"
        rule = self.rule.rule
        named = f"the security admin rule {rule.name} (priority {rule.priority}, {rule.access})"
        collection = f"{self.rule.collection} of " if self.rule.collection else ""
        return f"{named} in {collection}the network manager {self.rule.manager.rsplit('/', 1)[-1] or 'that it is of'}"


def outbound(rules: AdminRules, flow: Flow) -> AdminDecision:
    """What the rules in effect on the nodes' network do with their traffic."""
    by_manager: dict[str, list[AdminRule]] = {}
    for rule in rules.rules:
        if rule.rule.direction.lower() == "outbound":
            by_manager.setdefault(rule.manager.lower(), []).append(rule)
    lists = [_applying(items, flow) for items in by_manager.values()]
    possible = [rule for items, _ in lists for rule in items]
    effects = {effect for rule in possible for effect in _effects(rule)}
    if not any(decided for _, decided in lists):
        effects.add(AdminEffect.ON)
    if rules.unreadable:
        return AdminDecision(_ANY, None, rules.unreadable)
    shown = min(possible, key=lambda rule: (_effects(rule) == {AdminEffect.ON}, rule.rule.priority), default=None)
    return AdminDecision(frozenset(effects), shown)


def _applying(rules: Iterable[AdminRule], flow: Flow) -> tuple[list[AdminRule], bool]:
    """The rules of one manager that may decide, up to the first that certainly does; whether there is such a one."""
    found: list[AdminRule] = []
    decided: int | None = None
    for rule in sorted(rules, key=lambda one: one.rule.priority):
        if decided is not None and rule.rule.priority > decided:
            break
        match = applies(rule.rule, flow, outward=True)
        if match is not Match.NO:
            found.append(rule)
        if match is Match.YES:
            decided = rule.rule.priority
    return found, decided is not None


def _effects(rule: AdminRule) -> frozenset[AdminEffect]:
    """What a rule does where it applies; a word that is not known may be anything."""
    return _EFFECTS.get(rule.rule.access.lower(), _ANY)
