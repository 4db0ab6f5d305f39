"""Which identity a registry uses its key with."""

from __future__ import annotations

from checks.facts import NotSeen, Registry, Seen
from checks.facts.encryption import AssignedIdentity, Encryption

_SYSTEM = frozenset({"", "system", "[system]"})


def is_system(encryption: Encryption) -> bool:
    """Whether the registry's own, system-assigned identity uses the key: no client id is named."""
    return encryption.identity is not None and encryption.identity.lower() in _SYSTEM


def named(registry: Registry) -> AssignedIdentity | None:
    """The user-assigned identity that the encryption names, as the registry's body shows it; None where it does not.

    One that was deleted may be shown without its ids: where there is one such identity, it is the one.
    """
    encryption, identity = registry.encryption, registry.identity
    if encryption is None or identity is None or not encryption.identity or is_system(encryption):
        return None
    wanted = encryption.identity.lower()
    for one in identity.assigned:
        if wanted in ((one.client_id or "").lower(), (one.principal_id or "").lower()):
            return one
    nameless = [one for one in identity.assigned if one.client_id is None]
    return nameless[0] if len(nameless) == 1 else None


def principal(registry: Registry, read: Seen[AssignedIdentity | None] | NotSeen | None) -> str | None:
    """The object id that the key is used with, where it is shown.

    ``read``: the resource of the user-assigned identity, whose word counts before that of the registry's body.
    """
    if registry.encryption is not None and is_system(registry.encryption):
        return registry.identity.system_principal if registry.identity is not None else None
    in_body = named(registry)
    shown = read.value.principal_id if isinstance(read, Seen) and read.value is not None else None
    return shown or (in_body.principal_id if in_body is not None else None)
