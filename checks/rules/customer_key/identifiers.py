"""A key's identifier taken apart: ``https://VAULT.vault.azure.net/keys/NAME[/VERSION]``.

It is text from a registry's body. What it names is looked up by name in Azure Resource Manager; nothing connects to it.
Source: "Azure Key Vault keys, secrets, and certificates overview", vault and object names.
"""

from __future__ import annotations

import re

import msgspec

from checks.facts.encryption import Encryption
from checks.rules.azure.clouds import CLOUDS

_VAULTS = "|".join(re.escape(cloud.vault_suffix) for cloud in CLOUDS.values())
_HSMS = "|".join(re.escape(cloud.hsm_suffix) for cloud in CLOUDS.values())
_IDENTIFIER = re.compile(
    rf"https://(?P<host>(?P<vault>[a-z0-9-]{{3,24}})\.(?:(?P<hsm>{_HSMS})|{_VAULTS}))(?::443)?"
    r"/keys/(?P<name>[a-z0-9-]{1,127})(?:/(?P<version>[0-9a-f]{32}))?/?",
    re.IGNORECASE,
)


class KeyName(msgspec.Struct, frozen=True):
    """A key by the names of its vault and its own; ``version`` is "" where a registry follows the newest.

    ``hsm``: it lies in a managed HSM, whose keys Azure Resource Manager does not show. ``host`` is the vault's, to
    compare with what Azure Resource Manager shows of a vault.
    """

    vault: str
    name: str
    version: str = ""
    hsm: bool = False
    host: str = ""


def parsed(identifier: str | None) -> KeyName | None:
    """The key that an identifier names; None for what is no identifier of Azure's clouds."""
    match = _IDENTIFIER.fullmatch(identifier or "")
    if match is None:
        return None
    return KeyName(
        vault=match["vault"].lower(),
        name=match["name"],
        version=(match["version"] or "").lower(),
        hsm=match["hsm"] is not None,
        host=match["host"].lower(),
    )


def in_use(encryption: Encryption) -> KeyName | None:
    """The key and version that a registry uses now; None where its body does not tell which.

    ``versionedKeyIdentifier`` is what it uses, the configured identifier what it was told: if that has a version, no
    other one is used.
    """
    told, used = parsed(encryption.key), parsed(encryption.versioned_key)
    if told is None or told.version or used is None:
        return told
    same = (told.host, told.name.lower()) == (used.host, used.name.lower())
    return used if same else told
