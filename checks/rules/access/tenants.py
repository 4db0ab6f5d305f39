"""The tenants of a cluster and a registry: a managed identity gets tokens of its own tenant only."""

from __future__ import annotations

import msgspec

from checks.facts import ClusterFacts, Registry, subscription_of
from checks.rules.access.identity_access import is_service_principal


class Tenants(msgspec.Struct, frozen=True):
    """The cluster's tenants (of its identity, of its subscription) and the registry's, "" where it is not shown."""

    ours: tuple[str, ...]
    theirs: str
    same_subscription: bool

    @property
    def same(self) -> bool:
        """Certainly one tenant."""
        return self.same_subscription or (bool(self.theirs) and self.theirs in self.ours)

    @property
    def known(self) -> bool:
        """Both are shown."""
        return bool(self.theirs and self.ours)


def tenants_of(facts: ClusterFacts, registry: Registry) -> Tenants:
    """As Azure Resource Manager shows them. The app's own tenant plays no part."""
    cluster, theirs = subscription_of(facts.cluster.id), subscription_of(registry.id)
    shown = (facts.cluster.tenant_id, facts.tenants.get(cluster))
    ours = tuple(dict.fromkeys(tenant.lower() for tenant in shown if tenant))
    return Tenants(ours, (facts.tenants.get(theirs) or "").lower(), cluster == theirs)


def identity_crosses(facts: ClusterFacts, registry: Registry) -> bool:
    """Whether a managed identity would have to cross into another tenant, which none can."""
    tenants = tenants_of(facts, registry)
    return tenants.known and not tenants.same and not is_service_principal(facts.cluster)
