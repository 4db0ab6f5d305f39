"""What the app's own identity may read: without it, a list that answers 200 says nothing about what it lacks."""

from __future__ import annotations

from functools import cached_property

import msgspec

from checks.facts.authorization import Permission
from checks.facts.observation import NotSeen, NotSeenReason, Seen

NOT_READ = NotSeen(NotSeenReason.ERROR, "what Pullwatch's identity may read there is not known")


class Visibility(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The app's own rights, per subscription that it can see (lower case).

    ``own_roles`` are the permissions of the roles that it holds at the subscription or above it, through groups too:
    what it holds only below shows a part of the subscription, and no list says so. ``object_id`` is its own, from its
    token; ``delegated`` are subscriptions of other tenants, whose role lists do not show their tenant's assignments.
    """

    object_id: str | None = None
    own_roles: dict[str, Seen[tuple[Permission, ...]] | NotSeen] = {}
    delegated: frozenset[str] = frozenset()

    def roles_in(self, subscription: str) -> Seen[tuple[Permission, ...]] | NotSeen | None:
        """The app's permissions on a whole subscription; None for a subscription that it cannot see."""
        return self.own_roles.get(subscription.lower())

    @cached_property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """The subscriptions with equal permissions together: most hold the same, so one of them is asked for all."""
        together: dict[tuple[Permission, ...], list[str]] = {}
        for guid, roles in sorted(self.own_roles.items()):
            if isinstance(roles, Seen):
                together.setdefault(roles.value, []).append(guid)
        unread = ((guid,) for guid, roles in self.own_roles.items() if not isinstance(roles, Seen))
        return (*map(tuple, together.values()), *unread)
