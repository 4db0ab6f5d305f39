"""Who asks for a silence."""

from __future__ import annotations

import base64
import getpass
from typing import Any

import msgspec

from checks.collect.arm.client import Azure
from checks.settings import Settings
from checks.silences import MAX_AUTHOR

STORAGE_SCOPE = "https://storage.azure.com/.default"
_WHO = ("upn", "unique_name", "preferred_username", "email", "appid", "oid")


async def signed_in(loaded: Settings, azure: Azure) -> str:
    """Who asks: whoever the storage's token is of; with a connection string, whoever is signed in to the system."""
    if not loaded.storage:
        claims = claims_of(await azure.token(STORAGE_SCOPE))
        who = next((str(claims[name]) for name in _WHO if claims.get(name)), "")
        if who:
            return who[:MAX_AUTHOR]
    try:
        return getpass.getuser()[:MAX_AUTHOR]
    except (ImportError, KeyError, OSError):  # a container may have no name for its user
        return "unknown"


def claims_of(token: str) -> dict[str, Any]:
    """What a token says of whom it was given to; nothing where it is not one that can be read."""
    parts = token.split(".")
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(body, type=dict[str, Any])
    except (IndexError, ValueError):
        return {}
