"""What the rules of a registry's key take: the registry, the key's name, and what was read."""

from __future__ import annotations

from datetime import datetime

import msgspec

from checks.facts import NotSeen, Registry, Seen
from checks.facts.encryption import Encryption, EncryptionReads, KeyVault
from checks.facts.visibility import Visibility
from checks.findings import Evidence
from checks.rules.customer_key.identifiers import KeyName


class OwnKey(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that is encrypted with a customer-managed key, and the key; ``now`` is when the key was read."""

    registry: Registry
    encryption: Encryption
    name: KeyName
    reads: EncryptionReads
    visibility: Visibility
    now: datetime | None

    @property
    def vault(self) -> KeyVault | None:
        """The vault, where it was found."""
        return self.reads.vault.value if isinstance(self.reads.vault, Seen) else None

    @property
    def words(self) -> str:
        """The key in a sentence."""
        return f"the key {self.name.name} of the vault {self.name.vault}"

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Where all that was seen was read."""
        parts = (self.reads.identity, self.reads.vault, self.reads.key, self.reads.assignments)
        read = tuple(part.evidence for part in parts if part is not None and not isinstance(part, NotSeen))
        return (*((self.registry.evidence,) if self.registry.evidence else ()), *read)
