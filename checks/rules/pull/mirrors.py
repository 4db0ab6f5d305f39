"""The mirror that failed instead of the registry: containerd asks the mirrors of a host (hosts.toml) before the host.

A request to a mirror carries ``?ns=`` with the registry that it stands for: the URL's host is the one that failed.
Source: containerd docs/hosts.md; AKS's artifact streaming listens on localhost:8578.
"""

from __future__ import annotations

import ipaddress
import re

from checks.rules import registry_names

_MAX_TEXT = 16 * 1024
_ARTIFACT_STREAMING = ("localhost:8578", "127.0.0.1:8578")
_REQUEST = re.compile(r"https?://([^/\s\"\\]{1,255})/([^\s\"\\]{0,2000})", re.IGNORECASE)
_STANDS_FOR = re.compile(r"[?&]ns=([^&\s\"\\:]{1,255})", re.IGNORECASE)
_FROM_HOST = re.compile(r"pulling from host ([^\s/\"\\]{1,255}) failed", re.IGNORECASE)


def mirror_in(text: str, host: str | None) -> str:
    """The host that failed although the image names another registry (``host``); "" where it is the registry itself.

    The first request decides, as its error does: kubelet tries again without credentials, and that may fail elsewhere.
    """
    for found in _REQUEST.finditer(text[:_MAX_TEXT]):
        asked, stands_for = found[1].lower(), _STANDS_FOR.search(found[2])
        original = stands_for[1].lower() if stands_for else host
        if original is not None and (stands_for or _same_registry(asked, original)):
            return "" if _same_registry(asked, original) else asked
    named = _FROM_HOST.search(text[:_MAX_TEXT])
    if named is not None and host is not None and not _same_registry(named[1].lower(), host):
        return named[1].lower()
    return ""


def is_artifact_streaming(mirror: str) -> bool:
    """Whether a mirror is that of AKS's artifact streaming (acr-mirror), which listens on each node of its pool."""
    return mirror in _ARTIFACT_STREAMING


def is_in_network(mirror: str) -> bool:
    """Whether a mirror is a private address: a peer's on another node (Spegel), or a registry in the network."""
    address = _address(mirror)
    return address is not None and address.is_private and not address.is_loopback


def _same_registry(one: str, other: str) -> bool:
    one, other = (registry_names.login_server_of(host.removesuffix(":443")) for host in (one, other))
    return one == other


def is_on_node(mirror: str) -> bool:
    """Whether a mirror runs on the node that asked it."""
    address = _address(mirror)
    return _host(mirror) == "localhost" or (address is not None and address.is_loopback)


def _host(mirror: str) -> str:
    return mirror.rpartition(":")[0] if mirror.count(":") == 1 else mirror.strip("[]")


def _address(mirror: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(_host(mirror))
    except ValueError:
        return None
