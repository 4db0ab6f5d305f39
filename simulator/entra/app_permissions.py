"""Who the app is in this tenant and what it may not do: TENANT/authorization/caller.json.

    {"principalId": ..., "clientId": ..., "tenantId": ..., "resourceId": ...,   each optional
     "address": "203.0.113.10",          the address registries see (their firewall judges it)
     "graph": "denied" | [path globs],   Microsoft Graph answers 403 Authorization_RequestDenied
     "denied": [{"scope": "/subscriptions/...", "actions": ["*"] | ["Microsoft.Authorization/roleAssignments/read"]}]}

Without the file the app may read everything. A denial holds at its scope and below it. One that names
`Microsoft.Resources/subscriptions/read` itself also takes the subscription out of `GET /subscriptions`; a wildcard does
not: the app then sees that the subscription is there and may not look into it, which is the case worth testing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from simulator.arm.ids import covers, key

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


@dataclass(frozen=True, slots=True)
class Denial:
    scope: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Caller:
    principal: str = DEFAULT_PRINCIPAL
    client: str = DEFAULT_CLIENT
    tenant: str = DEFAULT_TENANT
    resource_id: str | None = None
    address: str = DEFAULT_ADDRESS
    graph_denied: tuple[str, ...] = ()
    denials: tuple[Denial, ...] = ()

    def is_denied(self, action: str, scope: str) -> bool:
        """Whether an action at a scope (any spelling of the id) is refused."""
        place = key(scope)
        return any(
            covers(denial.scope, place) and any(matches(pattern, action) for pattern in denial.actions)
            for denial in self.denials
        )

    def hides_subscription(self, subscription_id: str) -> bool:
        place = key(f"/subscriptions/{subscription_id}")
        return any(
            covers(denial.scope, place) and any(action.lower() == SUBSCRIPTION_READ for action in denial.actions)
            for denial in self.denials
        )


def read_caller(document: Any, tenant_id: str | None) -> Caller:
    """From caller.json; what has the wrong type counts as absent."""
    data = document if isinstance(document, dict) else {}
    graph = data.get("graph")
    denied_paths = ("*",) if graph == "denied" else tuple(map(str, graph)) if isinstance(graph, list) else ()
    return Caller(
        principal=str(data.get("principalId") or DEFAULT_PRINCIPAL),
        client=str(data.get("clientId") or DEFAULT_CLIENT),
        tenant=str(data.get("tenantId") or tenant_id or DEFAULT_TENANT),
        resource_id=data.get("resourceId") if isinstance(data.get("resourceId"), str) else None,
        address=str(data.get("address") or DEFAULT_ADDRESS),
        graph_denied=denied_paths,
        denials=tuple(_denials(data.get("denied"))),
    )


def _denials(entries: Any) -> list[Denial]:
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("scope"), str):
            actions = entry.get("actions", ["*"])
            listed = [actions] if isinstance(actions, str) else actions if isinstance(actions, list) else []
            found.append(Denial(key(entry["scope"]), tuple(str(action) for action in listed)))
    return found
