"""What all clusters of a subscription ask for, by what they ask for it with: looked up, not searched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from checks.facts import IdentityResource, NodeMachines, resource_group_of

MachinesByGroup = dict[str, list[NodeMachines]]


class IdentitiesListed:
    """The identities of a subscription."""

    def __init__(self, listed: Iterable[IdentityResource]) -> None:
        self._by_id: dict[str, list[IdentityResource]] = {}
        self._in_group: Counter[str] = Counter()
        self._all = 0
        for one in listed:
            self._by_id.setdefault(_key(one.id), []).append(one)
            self._in_group[resource_group_of(one.id).lower()] += 1
            self._all += 1

    def get(self, identity: str) -> IdentityResource | None:
        """The identity of a resource id."""
        return next(iter(self._by_id.get(_key(identity), ())), None)

    def beside(self, identity: str) -> tuple[int, int]:
        """How many others there are in the subscription, and in this one's group."""
        own = len(self._by_id.get(_key(identity), ()))
        return self._all - own, self._in_group[resource_group_of(identity).lower()] - own


def _key(resource_id: str) -> str:
    return resource_id.rstrip("/").lower()
