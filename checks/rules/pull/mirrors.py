"""The mirror that failed instead of the registry: containerd asks the mirrors of a host (hosts.toml) before the host.

A request to a mirror carries ``?ns=`` with the registry that it stands for: the URL's host is the one that failed.
Source: containerd docs/hosts.md; AKS's artifact streaming listens on localhost:8578.
"""

from __future__ import annotations

import ipaddress
import re

from checks.rules import registry_names

_MAX_TEXT = 16 * 1024
_MIRRORED = re.compile(r"https?://([^/\s\"\\]{1,255})/[^\s\"\\]{0,2000}?[?&]ns=([^&\s\"\\]{1,255})", re.IGNORECASE)
_FROM_HOST = re.compile(r"pulling from host ([^\s/\"\\]{1,255}) failed", re.IGNORECASE)


def mirror_in(text: str, host: str | None) -> str:
    """The host that failed although the image names another registry (``host``); "" where it is the registry itself."""
    for found in _MIRRORED.finditer(text[:_MAX_TEXT]):
        asked, stands_for = found[1].lower(), found[2].lower()
        if not _same_registry(asked, stands_for):
            return asked
    named = _FROM_HOST.search(text[:_MAX_TEXT])
    if named is not None and host is not None and not _same_registry(named[1].lower(), host):
        return named[1].lower()
    return ""


def _same_registry(one: str, other: str) -> bool:
    one, other = (registry_names.login_server_of(host.removesuffix(":443")) for host in (one, other))
    return one == other


def is_on_node(mirror: str) -> bool:
    """Whether a mirror runs on the node that asked it."""
    host = mirror.rpartition(":")[0] if mirror.count(":") == 1 else mirror.strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
