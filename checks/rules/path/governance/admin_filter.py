"""What the security admin rules in effect on the nodes' network mean for a path, before network security groups do.

A rule belongs to the team that runs the network manager: what to ask of it is said, nothing that changes the rule.
"""

from __future__ import annotations

from checks.facts import NotSeen, NotSeenReason
from checks.facts.network_management import AdminRules
from checks.rules.fixes import shell
from checks.rules.path.central import admin_rules
from checks.rules.path.central.admin_rules import AdminDecision, AdminEffect
from checks.rules.path.central.managers import securing
from checks.rules.path.context import NodeContext
from checks.rules.path.destinations import Destination
from checks.rules.path.nsg import Access, Flow, RuleDecision
from checks.rules.results import Result, fails, passes, unknown

NONE = AdminRules()


def outbound(context: NodeContext, flow: Flow) -> AdminDecision | NotSeen:
    """What the rules do with traffic of the nodes; a NotSeen where there may be rules that were not read."""
    network_id = context.node_subnet.network.id.rstrip("/").lower()
    part = context.facts.management.admin_rules.get(network_id)
    if part is None:
        part = NotSeen(NotSeenReason.NOT_APPLICABLE, "they were not asked for")
    if not isinstance(part, NotSeen):
        return admin_rules.outbound(part.value, flow)
    governed = securing(context.facts, context.network_subscription) is not None
    return part if governed else admin_rules.outbound(NONE, flow)


def unread(context: NodeContext, part: str, gap: NotSeen) -> Result:
    """A network manager may have rules for the nodes' network, and they were not read."""
    name = securing(context.facts, context.network_subscription)
    summary = f"Security admin rules of the network manager {name} are evaluated before network security groups"
    return unknown(
        f"admin-rules-{part}",
        f"{summary}, and they were not read: {gap.detail}",
        gap.role or "its security admin rules",
        look_failed=gap.why not in (NotSeenReason.NOT_ALLOWED, NotSeenReason.NOT_APPLICABLE),
        fix=gap.fix,
    )


def settled(context: NodeContext, part: str, destination: Destination, above: AdminDecision | NotSeen) -> Result | None:
    """The answer where the rules alone decide, whatever network security groups say."""
    if isinstance(above, NotSeen):
        return None
    if above.only is AdminEffect.ALWAYS:
        return passes(f"open-{part}", f"TCP 443 to {destination.what} is always allowed by {above.describe()}.")
    if above.only is AdminEffect.DENIED:
        summary = f"TCP 443 to {destination.what} is closed by {above.describe()}, before network security groups."
        return fails(f"admin-rule-denies-{part}", summary, _ask(context, destination, above))
    return None


def doubt(part: str, destination: Destination, above: AdminDecision, groups: RuleDecision) -> Result | None:
    """That a rule which may or may not apply decides; None where it would change nothing."""
    answers = {AdminEffect.DENIED: Access.CLOSED, AdminEffect.ALWAYS: Access.OPEN, AdminEffect.ON: groups.access}
    if {answers[effect] for effect in above.effects} <= {groups.access}:
        return None
    allowed = f"Whether TCP 443 to {destination.what} is allowed"
    summary = f"{allowed} is not known: {above.describe()} may or may not apply."
    return unknown(f"admin-rule-unclear-{part}", summary, "what the security admin rule is about")


def _ask(context: NodeContext, destination: Destination, above: AdminDecision) -> str:
    """What to ask the team for whose rule it is: a rule of its own that comes first."""
    prefix = str(destination.addresses[0]) if destination.addresses else destination.allow or destination.host
    network, rule = context.node_subnet.network.name, above.rule
    manager = rule.manager if rule else ""
    before = f" with a priority below {rule.rule.priority}" if rule else ""
    wanted = f"an outbound security admin rule that allows TCP 443 from {network} to {prefix}{before}"
    return shell.note(f"The rule is its network manager's: ask the team that runs {manager} for {wanted}.")
