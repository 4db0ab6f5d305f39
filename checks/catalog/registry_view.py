"""One Azure registry that a cluster uses, as judges of registries take it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from checks.facts import ClusterFacts, NotSeen, Registry, RegistryUse, Seen
from checks.findings import Evidence, Subject


class RegistryView(msgspec.Struct, frozen=True):
    """The registry (None where it could not be read), how the cluster uses it, and everything known of the cluster."""

    facts: ClusterFacts
    use: RegistryUse

    @property
    def registry(self) -> Seen[Registry] | NotSeen:
        """What Azure Resource Manager shows of the registry, or why it does not."""
        return self.use.registry

    @property
    def subject(self) -> Subject:
        """What a finding about this registry is about."""
        return Subject(self.facts.cluster.id, registry=self.use.login_server)

    @property
    def name(self) -> str:
        """The registry in a sentence, whether it could be read or not."""
        return f"The registry {self.use.login_server}"

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Where the registry was read, or nothing where it was not."""
        return (self.use.registry.evidence,) if isinstance(self.use.registry, Seen) else ()


def views_of(facts: ClusterFacts) -> Iterator[RegistryView]:
    """The Azure registries that a cluster uses."""
    return (RegistryView(facts, use) for use in facts.uses if use.acr)
