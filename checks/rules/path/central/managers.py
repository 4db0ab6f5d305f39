"""What says that a network manager may rule the networks of a subscription: one that was seen, or a connection."""

from __future__ import annotations

from collections.abc import Iterable

from checks.facts import Seen
from checks.facts.network import Networks


def connecting(facts: Networks, subscriptions: Iterable[str]) -> bool:
    """Whether a network manager may connect the networks of all these subscriptions (guids)."""
    ends = tuple(subscriptions)
    seen = any(m.connects and all(m.covers(end) for end in ends) for m in facts.managers)
    return seen or any(_given(facts, end) for end in ends)


def securing(facts: Networks, subscription: str) -> str | None:
    """The name of a network manager whose security admin rules may hold in a subscription's networks."""
    named = (m.name for m in facts.managers if m.secures and m.covers(subscription))
    return next(named, None) or next((one.rsplit("/", 1)[-1] for one in _given(facts, subscription)), None)


def _given(facts: Networks, subscription: str) -> tuple[str, ...]:
    """The network managers of other tenants that a subscription was given to."""
    part = facts.management.connections.get(subscription.lower())
    return part.value if isinstance(part, Seen) else ()
