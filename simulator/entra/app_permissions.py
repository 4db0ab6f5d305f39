"""Who the app is in this tenant and what it may not do: TENANT/authorization/caller.json.

    {"principalId": ..., "clientId": ..., "tenantId": ..., "resourceId": ...,   each optional
     "address": "203.0.113.10",          the address registries see (their firewall judges it)
     "graph": "denied" | [path globs],   Microsoft Graph answers 403 Authorization_RequestDenied
     "denied": [{"scope": "/subscriptions/...", "actions": ["*"] | ["Microsoft.Authorization/roleAssignments/read"]}],
     "granted": [action patterns],       rights beyond reading, held wherever the app may read
     "assignments": [role assignments],  raw bodies: the app's own roles, instead of those derived from the rest
     "enforced": true}                   the app may do what its roles in the folder allow, and nothing else

Without the file the app may read everything. A denial holds at its scope and below it; the scope may be `/`, a
management group, a subscription, a resource group or a resource. One that names
`Microsoft.Resources/subscriptions/read` itself, at a subscription or above it, hides the subscription: it is absent
from `GET /subscriptions`, and whatever is asked of it is refused, since Azure lists every subscription in which the
caller holds anything.

A wildcard does not hide: the app then sees that the subscription is there and may not look into it, and lists in it
answer 403. In Azure such a subscription is one where the caller holds a role without reads (AKS Cluster User at a
cluster, say); its lists of resources may then answer 200 with what little that role shows. Deny `*` at each resource
group to have that.

A denial below the place of a list leaves the list at 200 with the readable part, and nothing in it tells of the rest.
What the app's own role assignments say of all this: simulator/arm/own_roles.py. With `enforced` it is the other way
round: nothing is derived, and every request is judged by the role assignments of the folder (and `assignments`), as
Azure does, denials besides. A list then needs its read at the very scope that is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from simulator.arm.ids import MANAGEMENT_GROUPS, covers, key

DEFAULT_PRINCIPAL = "0a5e0b1e-5f0c-4d4e-9a55-70112a7c0001"
DEFAULT_CLIENT = "0c11e47a-5f0c-4d4e-9a55-70112a7c0002"
DEFAULT_TENANT = "7e4a47aa-5f0c-4d4e-9a55-70112a7c0003"
DEFAULT_ADDRESS = "203.0.113.10"
SUBSCRIPTION_READ = "microsoft.resources/subscriptions/read"


@lru_cache(maxsize=4096)
def _pattern(action: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in action.split("*")), re.IGNORECASE | re.DOTALL)


def matches(pattern: str, action: str) -> bool:
    """Azure's action patterns: `*` anywhere, any number of times, spanning `/`; case does not count."""
    return _pattern(pattern).fullmatch(action) is not None


def matches_every_read(pattern: str) -> bool:
    """Whether nothing is left of `*/read` without the pattern; its `*` stands for what the pattern cannot name."""
    return matches(pattern, "*/read")


def matches_some_read(pattern: str) -> bool:
    """Whether the pattern takes anything out of `*/read`."""
    end = pattern.lower().rsplit("*", 1)[-1]
    return end.endswith("/read") or ("*" in pattern and "/read".endswith(end))


@dataclass(frozen=True, slots=True)
class Denial:
    scope: str
    actions: tuple[str, ...]


class Roles(Protocol):
    """What an identity's roles allow."""

    def may(self, action: str, scope: str, *, data: bool = False) -> bool:
        """Whether an action (`data`: a dataAction) is allowed at a scope."""


@dataclass(frozen=True, slots=True)
class Caller:
    principal: str = DEFAULT_PRINCIPAL
    client: str = DEFAULT_CLIENT
    tenant: str = DEFAULT_TENANT
    resource_id: str | None = None
    address: str = DEFAULT_ADDRESS
    graph_denied: tuple[str, ...] = ()
    denials: tuple[Denial, ...] = ()
    granted: tuple[str, ...] = ()
    assignments: tuple[dict[str, Any], ...] | None = None  # None: derived from the denials
    enforced: bool = False
    roles: Roles | None = None  # where they are enforced

    def is_denied(self, action: str, scope: str, *, data: bool = False) -> bool:
        """Whether an action at a scope (any spelling of the id) is refused; in a hidden subscription every one is."""
        if self.roles is not None and not self.roles.may(action, scope, data=data):
            return True
        at = key(scope)
        denied = any(
            covers(denial.scope, at) and any(matches(pattern, action) for pattern in denial.actions)
            for denial in self.denials
        )
        return denied or (at.startswith("/subscriptions/") and self._names_hidden(at.split("/")[2]))

    def hides_subscription(self, subscription_id: str) -> bool:
        """Whether the list of subscriptions lacks it."""
        refused = self.roles is not None and not self.roles.may(SUBSCRIPTION_READ, f"/subscriptions/{subscription_id}")
        return refused or self._names_hidden(subscription_id)

    def _names_hidden(self, subscription_id: str) -> bool:
        scope = key(f"/subscriptions/{subscription_id}")
        return any(
            covers(denial.scope, scope) and any(action.lower() == SUBSCRIPTION_READ for action in denial.actions)
            for denial in self.denials
        )

    def with_denials_below(self, subscriptions: Iterable[str], is_above: Callable[[str, str], bool]) -> Caller:
        """What a management group denies is denied at each subscription (by its id) that `is_above` puts below it."""
        from_groups = [denial for denial in self.denials if denial.scope.startswith(MANAGEMENT_GROUPS)]
        locations = [key(f"/subscriptions/{subscription}") for subscription in subscriptions] if from_groups else []
        more = [
            Denial(scope, denial.actions)
            for denial in from_groups
            for scope in locations
            if is_above(denial.scope, scope)
        ]
        return replace(self, denials=(*self.denials, *more))


def read_caller(document: Any, tenant_id: str | None) -> Caller:
    """From caller.json; what has the wrong type counts as absent."""
    data = document if isinstance(document, dict) else {}
    graph, granted, own = data.get("graph"), data.get("granted"), data.get("assignments")
    denied_paths = ("*",) if graph == "denied" else tuple(map(str, graph)) if isinstance(graph, list) else ()
    return Caller(
        principal=str(data.get("principalId") or DEFAULT_PRINCIPAL),
        client=str(data.get("clientId") or DEFAULT_CLIENT),
        tenant=str(data.get("tenantId") or tenant_id or DEFAULT_TENANT),
        resource_id=data.get("resourceId") if isinstance(data.get("resourceId"), str) else None,
        address=str(data.get("address") or DEFAULT_ADDRESS),
        graph_denied=denied_paths,
        denials=tuple(_denials(data.get("denied"))),
        granted=tuple(map(str, granted)) if isinstance(granted, list) else (),
        assignments=tuple(body for body in own if isinstance(body, dict)) if isinstance(own, list) else None,
        enforced=data.get("enforced") is True,
    )


def _denials(entries: Any) -> list[Denial]:
    denials = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("scope"), str):
            actions = entry.get("actions", ["*"])
            listed = [actions] if isinstance(actions, str) else actions if isinstance(actions, list) else []
            denials.append(Denial(key(entry["scope"]), tuple(str(action) for action in listed)))
    return denials
