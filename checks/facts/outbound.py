"""The network settings that clusters, node pools and registries carry in their own bodies, as frozen plain data."""

from __future__ import annotations

import msgspec


class HttpProxy(msgspec.Struct, frozen=True):
    """``httpProxyConfig`` of a cluster that sends HTTPS through a proxy, with all names that go past it."""

    no_proxy: tuple[str, ...] = ()


class ClusterOutbound(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster leaves its network. ``*_ids`` are ARM ids of public addresses or prefixes, not addresses."""

    outbound_type: str | None = None
    balancer_ids: tuple[str, ...] = ()
    balancer_prefix_ids: tuple[str, ...] = ()
    nat_ids: tuple[str, ...] = ()
    proxy: HttpProxy | None = None


class PoolOutbound(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a pool's nodes have public addresses of their own, and the prefix these come from."""

    enable_node_public_ip: bool = False
    node_public_ip_prefix_id: str | None = None


class EndpointConnection(msgspec.Struct, frozen=True, kw_only=True):
    """One of a registry's ``privateEndpointConnections``. ``name`` is what ``az`` approves it by."""

    name: str
    endpoint_id: str | None = None
    status: str | None = None

    def approved(self) -> bool:
        """The connection's state is Approved."""
        return (self.status or "").lower() == "approved"


class NetworkAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a registry lets in. None in ``public_network_access`` or ``default_action``: the body made no sense there.

    A ``networkRuleSet`` that is null or absent is open ("Allow"), an absent ``publicNetworkAccess`` is "Enabled".
    """

    public_network_access: str | None = "Enabled"
    default_action: str | None = "Allow"
    ip_rules: tuple[str, ...] = ()
    data_endpoint_enabled: bool | None = None
    data_hosts: tuple[str, ...] = ()
    connections: tuple[EndpointConnection, ...] = ()
    bypass: str | None = None
