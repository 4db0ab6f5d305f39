"""A cluster's HTTP proxy: which names go past it.

containerd reads noProxy as Go does (golang.org/x/net/http/httpproxy): a name covers itself and everything below it, one
with a leading dot (or ``*.``) what is below it, ``*`` everything; addresses and CIDRs say nothing about names.
"""

from __future__ import annotations

from checks.facts import Cluster


def uses_proxy(cluster: Cluster, host: str) -> bool:
    """Whether nodes connect to a host through the cluster's proxy."""
    proxy = cluster.outbound.proxy
    return proxy is not None and not any(_covers(entry, host) for entry in proxy.no_proxy)


def _covers(entry: str, host: str) -> bool:
    name = entry.strip().lower()
    if name == "*":
        return True
    name = name.rsplit(":", 1)[0] if name.count(":") == 1 and name.rsplit(":", 1)[1] in ("443", "") else name
    name = name.removeprefix("*")
    if not name or "/" in name or ":" in name:
        return False
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")
