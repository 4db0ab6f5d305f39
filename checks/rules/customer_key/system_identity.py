"""How a registry comes to use its key with its system-assigned identity.

The order is that of "Encrypt registry using a customer-managed key", advanced scenario: the identity, its permission,
the vault's firewall, and the change to it last. A registry that changes too early may lose its key, so that step is
words only.
"""

from __future__ import annotations

from checks.facts.encryption import KeyVault
from checks.rules.customer_key import identity, permission
from checks.rules.customer_key.subject import OwnKey
from checks.rules.fixes import az_acr

WANTED = "# To be sure, give the registry a system-assigned identity that may get the key, wrap and unwrap with it."
CHANGE = (
    "# Last, and only when its system-assigned identity may use the key (a role takes some minutes to hold), change to "
    "it: az acr encryption rotate-key with --identity [system], as Microsoft's article on rotating the key says."
)


def prepare(own: OwnKey, vault: KeyVault) -> tuple[str, ...]:
    """What gives the registry the identity and lets that use the key. Nothing changes yet of what the registry uses."""
    held = own.registry.identity.system_principal if own.registry.identity is not None else None
    if held:
        return (permission.grant(vault, held),)
    shown = az_acr.show_system_principal(own.registry)
    return (
        az_acr.assign_identity(own.registry, "[system]"),
        f"{identity.VARIABLE}=$({shown})",
        *identity.granted(own),
    )
