"""A tenant of clusters behind addresses of their own, shared ones and unseen ones, and the calls a registry logs."""

from __future__ import annotations

from typing import Any

import msgspec

from checks.facts import AgentPool, Cluster, KubeletIdentity, Seen
from checks.facts.network import (
    NatGateway,
    Network,
    Networks,
    PublicAddress,
    Route,
    RouteTable,
    Subnet,
    VirtualNetwork,
    networks_of,
)
from checks.facts.outbound import ClusterOutbound
from checks.facts.registry_log import LOGIN, PULL, LogEntry
from checks.findings import Evidence
from checks.rules.registry_log.callers import Callers
from tests.support.readable import readable
from tests.support.tenant_builder import SUBSCRIPTION, guid

HOST = "acrone.azurecr.io"
READ = Evidence("a list", "Azure Resource Manager", "2026-11-29T09:00:00+00:00", "2024-05-01")
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
FIREWALL = "client with IP '{}' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."
UNTIL = "2026-11-29T09:00:00Z"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a cluster stands. ``exit`` is "balancer", "nat N", "nat N too" (others are behind it), or "hub"."""

    name: str
    number: int
    exit: str
    identity: str = ""  # one that several may have been given; "": AKS made one
    seen: bool = True

    @property
    def address(self) -> str:
        """The public address that it leaves by."""
        if self.exit == "hub":
            return "20.99.0.1"
        return f"20.77.0.{self.exit.split()[1]}" if self.exit.startswith("nat") else f"20.50.0.{self.number}"

    @property
    def node(self) -> str:
        """The address of one of its nodes."""
        return f"10.{self.number}.0.7"

    @property
    def principal(self) -> str:
        """The object id that its nodes pull as."""
        return guid(self.identity or f"kubelet of {self.name}")


def cluster_at(place: Place) -> Cluster:
    """The cluster as Azure Resource Manager shows it."""
    group = f"MC_{place.name}"
    of_identity = "identities" if place.identity else group
    name = place.identity or f"{place.name}-agentpool"
    resource = f"{GROUP}/{of_identity}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    return Cluster(
        id=f"{GROUP}/rg/providers/Microsoft.ContainerService/managedClusters/{place.name}",
        name=place.name,
        has_identity=True,
        kubelet=KubeletIdentity(resource, guid(f"client of {place.principal}"), place.principal),
        node_resource_group=group,
        outbound=ClusterOutbound(
            outbound_type="userDefinedRouting" if place.exit == "hub" else "loadBalancer",
            balancer_ids=(_address_id(place),) if place.exit == "balancer" else (),
        ),
        pools=(AgentPool(name="system", count=2, power_state="Running", vnet_subnet_id=_subnet_id(place)),),
    )


def callers(places: list[Place], *, whole: bool = True) -> Callers:
    """Who may have called, by what can be seen of a tenant."""
    shown = [place for place in places if place.seen]
    return Callers(map(cluster_at, shown), networks(shown), whole=whole)


def networks(places: list[Place]) -> Networks:
    """The networks of these clusters, all of one subscription. Those behind one NAT gateway share a network."""
    nets: dict[str, VirtualNetwork] = {}
    for place in places:
        key = _network_id(place)
        known = nets.get(key, VirtualNetwork(id=key, name=key.rsplit("/", 1)[-1]))
        nets[key] = msgspec.structs.replace(known, subnets=(*known.subnets, _subnet(place), *_others(place)))
    numbers = {place.exit.split()[1] for place in places if place.exit.startswith("nat")}
    gateways = {_nat_id(n): NatGateway(id=_nat_id(n), address_ids=(f"{GROUP}/rg/nat-ip/{n}",)) for n in numbers}
    shown = {f"{GROUP}/rg/nat-ip/{n}": f"20.77.0.{n}" for n in numbers}
    shown |= {_address_id(place): place.address for place in places if place.exit == "balancer"}
    addresses = {one.lower(): PublicAddress(one, address) for one, address in shown.items()}
    route = Route("all", "0.0.0.0/0", "VirtualAppliance", "10.255.0.4")
    table = RouteTable(id=f"{GROUP}/rg/table".lower(), name="table", routes=(route,))
    part = Network(
        **{name: _seen({}) for name in Network.__struct_fields__}
        | {
            "virtual_networks": _seen({key.lower(): one for key, one in nets.items()}),
            "nat_gateways": _seen({key.lower(): one for key, one in gateways.items()}),
            "addresses": _seen(addresses),
            "route_tables": _seen({table.id: table}),
        }
    )
    return networks_of(((SUBSCRIPTION, part),), readable(SUBSCRIPTION))


def entry(place: Place, status: int, **over: Any) -> LogEntry:
    """A call of a cluster's node, as the registry logs it."""
    base: dict[str, Any] = {
        "kind": LOGIN if status == 401 else PULL,
        "login_server": HOST,
        "first": "2026-11-29T08:40:00Z",
        "last": "2026-11-29T08:55:00Z",
        "events": 4,
        "address": place.address,
        "identity": place.principal,
        "status": status,
        "repository": "" if status == 401 else "team/web",
        "tag": "" if status == 401 else "1",
    }
    return LogEntry(**(base | over))


def turned_away(place: Place, **over: Any) -> LogEntry:
    """A refusal by the registry's firewall, which asks nobody who it is."""
    base = {"kind": LOGIN, "identity": "", "text": FIREWALL.format(place.address), "repository": "", "tag": ""}
    return entry(place, 403, **(base | over))


def _seen(value: Any) -> Seen[Any]:
    return Seen(value, READ)


def _network_id(place: Place) -> str:
    shared = f"nat{place.exit.split()[1]}" if place.exit.startswith("nat") else place.name
    return f"{GROUP}/rg/providers/Microsoft.Network/virtualNetworks/vnet-{shared}"


def _subnet_id(place: Place) -> str:
    return f"{_network_id(place)}/subnets/{place.name}"


def _subnet(place: Place) -> Subnet:
    nat = _nat_id(place.exit.split()[1]) if place.exit.startswith("nat") else None
    return Subnet(
        id=_subnet_id(place),
        name=place.name,
        prefixes=(f"10.{place.number}.0.0/16",),
        nat_gateway_id=nat,
        route_table_id=f"{GROUP}/rg/table" if place.exit == "hub" else None,
    )


def _others(place: Place) -> tuple[Subnet, ...]:
    """A subnet of machines behind the same NAT gateway."""
    if not place.exit.endswith("too"):
        return ()
    name, gateway = f"machines-{place.name}", _nat_id(place.exit.split()[1])
    return (Subnet(id=f"{_network_id(place)}/subnets/{name}", name=name, nat_gateway_id=gateway),)


def _nat_id(number: str) -> str:
    return f"{GROUP}/rg/providers/Microsoft.Network/natGateways/nat-{number}"


def _address_id(place: Place) -> str:
    return f"{GROUP}/MC_{place.name}/providers/Microsoft.Network/publicIPAddresses/ip-{place.number}"
