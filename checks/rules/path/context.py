"""One question of the path: can the nodes of one pool get to one host. What it is about, gathered."""

from __future__ import annotations

import msgspec

from checks.facts import Cluster, Registry, subscription_of
from checks.facts.network import Networks
from checks.rules.path import http_proxy
from checks.rules.path.destinations import CLOUD_TAG, REGISTRY_TAG, SIGN_IN_TAG, STORAGE_TAG, Destination, suffix_of
from checks.rules.path.node_network import NodeSubnet
from checks.rules.path.private_endpoints import Candidate

REGISTRY_SERVICE = "Microsoft.ContainerRegistry"
STORAGE_SERVICE = "Microsoft.Storage"
# Where layers are stored: any account below this name.
_BLOB = {"azurecr.cn": "blob.core.chinacloudapi.cn", "azurecr.us": "blob.core.usgovcloudapi.net"}


class NodeContext(msgspec.Struct, frozen=True, kw_only=True):
    """A pool and where its nodes stand: what a path to any host begins with."""

    facts: Networks
    cluster: Cluster
    node_subnet: NodeSubnet

    @property
    def network_subscription(self) -> str:
        """The subscription of the nodes' network."""
        return subscription_of(self.node_subnet.network.id)

    def proxied(self, host: str) -> bool:
        """Whether nodes connect to a host through the cluster's proxy."""
        return http_proxy.uses_proxy(self.cluster, host)


class PathContext(NodeContext, frozen=True, kw_only=True):
    """A pool's nodes, a registry, and its private endpoints as these nodes have them.

    ``regional_hosts`` are the regional endpoints that images name, which need records of their own.
    """

    registry: Registry
    endpoints: tuple[Candidate, ...]
    regional_hosts: tuple[str, ...] = ()

    @property
    def login(self) -> str:
        """The login server."""
        return self.registry.login_server

    @property
    def home_region(self) -> str | None:
        """The region whose addresses the registry has for these nodes; None where a nearer replica may answer."""
        location = self.registry.location
        single = (self.registry.sku or "").lower() != "premium"
        return location if single or location == self.cluster.location else None

    def data_hosts(self) -> tuple[str, ...]:
        """The data endpoints that layers come from over private link: as the registry, else the endpoints name them.

        Where neither does, the name that the registry's own region has.
        """
        listed = self.registry.network_access.data_hosts
        named = tuple(dict.fromkeys(host for one in self.endpoints for host in one.data_hosts()))
        suffix, region = suffix_of(self.registry), (self.registry.location or "").lower().replace(" ", "")
        made = f"{self.login.removesuffix(f'.{suffix}')}.{region}.data.{suffix}"
        return listed or named or ((made,) if region else ())

    def login_target(self) -> Destination:
        """The login server's public endpoint."""
        return Destination(
            what="the login server",
            host=self.login,
            tags=(REGISTRY_TAG, CLOUD_TAG),
            region=self.home_region,
            service=REGISTRY_SERVICE,
            allow="AzureContainerRegistry",
        )

    def layers_target(self) -> Destination:
        """Where layers come from publicly: dedicated data endpoints, else storage accounts of the registry service."""
        hosts = self.registry.network_access.data_hosts
        if self.registry.network_access.data_endpoint_enabled and hosts:
            region = hosts[0].split(".")[1] if len(hosts) == 1 else None
            return Destination(
                what=f"the layers (data endpoint{'s' if len(hosts) > 1 else ''} {', '.join(hosts)})",
                host=hosts[0],
                tags=(REGISTRY_TAG, CLOUD_TAG),
                region=region,
                service=REGISTRY_SERVICE,
                allow="AzureContainerRegistry",
            )
        blob = _BLOB.get(suffix_of(self.registry), "blob.core.windows.net")
        return Destination(
            what=f"the layers (storage, *.{blob})",
            host=f"layers.{blob}",
            tags=(STORAGE_TAG, CLOUD_TAG),
            region=self.home_region,
            service=STORAGE_SERVICE,
            allow="Storage",
        )


SIGN_IN = Destination(
    what="the sign-in of the service principal",
    host="login.microsoftonline.com",
    tags=(SIGN_IN_TAG,),
    maybe_tags=(CLOUD_TAG,),
    allow="AzureActiveDirectory",
)
