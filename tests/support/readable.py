"""What the app may read, for facts that tests make themselves."""

from __future__ import annotations

from checks.facts import Permission, Seen
from checks.facts.visibility import Visibility
from checks.findings import Evidence

OWN = "0a5e0b1e-5f0c-4d4e-9a55-70112a7c0001"


def readable(*subscriptions: str, without: tuple[str, ...] = ()) -> Visibility:
    """The app is Reader on these subscriptions; ``without`` are actions ("Microsoft.Network/*/read") that it lacks."""
    role: tuple[Permission, ...] = (Permission(actions=("*/read",), not_actions=without),)
    roles = Seen(role, Evidence("role assignments", "Azure Resource Manager"))
    return Visibility(object_id=OWN, own_roles={one.lower(): roles for one in subscriptions})
