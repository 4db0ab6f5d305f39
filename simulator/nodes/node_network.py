"""Where a node stands and how its traffic to a registry goes: names, routes, the address it leaves with.

What Azure does: names are looked up as simulator/nodes/names.py has it. Network security groups of the subnet and those
that AKS puts on the nodes' interfaces in a network it was given both have to let traffic out, and that of a private
endpoint's subnet lets it in where the subnet's policies for endpoints make groups count. Traffic leaves by the first
that is there of: a default route, the subnet's NAT gateway, the node's own public address, the load balancer, default
outbound access. TENANT/egress.json may say with which addresses a cluster leaves that goes through an appliance or a
proxy:

    {"<cluster name>": ["198.51.100.7"]}
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass
from typing import Any

from simulator.arm import ids
from simulator.arm.resources import Resource, Resources
from simulator.jsonfiles import JsonFile
from simulator.nodes import network_managers, virtual_hubs
from simulator.nodes.names import AZURE_DNS, PUBLIC, Names
from simulator.nodes.security_rules import lets_in, lets_out
from simulator.tenant import Tenant

RESOLVER = AZURE_DNS
NETWORKS = "microsoft.network/virtualnetworks"
ENDPOINTS = "microsoft.network/privateendpoints"
GROUPS = "microsoft.network/networksecuritygroups"
POLICIES_OF_GROUPS = ("enabled", "networksecuritygroupenabled")
SERVICE = "microsoft.containerregistry"
ELSEWHERE = "198.51.100.200"  # the address of an appliance or a proxy of which nothing is told


@dataclass(frozen=True, slots=True)
class Node:
    """A node of one pool. `network` and `subnet` are bodies; empty where the tenant has none."""

    cluster: Resource
    pool: dict[str, Any]
    network_id: str
    network: dict[str, Any]
    subnet_id: str
    subnet: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        return table(self.cluster.body.get("properties"))

    @property
    def outbound(self) -> str:
        return str(table(self.properties.get("networkProfile")).get("outboundType") or "loadBalancer").lower()


class NodeNetwork:
    """Answers about names and ways, from the tenant as it is now."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._egress = JsonFile(tenant.root / "egress.json", {}, tenant.report)

    @property
    def generation(self) -> int:
        """Changes with TENANT/egress.json."""
        self._egress.value()
        return self._egress.generation

    def own_address(self, node: Node) -> str:
        """A node's own address in its network, the same for all nodes of a subnet."""
        return _private_address(node.subnet)

    def node(self, cluster: Resource, pool: dict[str, Any]) -> Node:
        resources, subnet_id = self._tenant.resources(), str(pool.get("vnetSubnetID") or "")
        if subnet_id:
            network_id = subnet_id.rsplit("/subnets/", 1)[0]
            network, subnet = resources.find(network_id), resources.find(subnet_id)
            return Node(cluster, pool, network_id, _properties(network), subnet_id, _properties(subnet))
        made = _made_by_aks(resources, cluster)
        if made is None:
            return Node(cluster, pool, "", {}, "", {})
        subnet = next(iter(resources.children(made.id, "subnets")), None)
        return Node(cluster, pool, made.id, _properties(made), subnet.id if subnet else "", _properties(subnet))

    def lookup(self, node: Node, name: str, registry: Resource) -> str | None:
        """The address one of a registry's names leads to: a private one, "public", or None: there is no such name."""
        if not self._endpoints(registry):
            return PUBLIC
        return Names(self._tenant.resources()).lookup(node.network_id, name)

    def has_endpoint(self, registry: Resource) -> bool:
        return bool(self._endpoints(registry))

    def is_reached(self, node: Node, address: str, registry: Resource) -> bool:
        """Whether a private address is one of an approved endpoint of the registry in the node's reach."""
        for endpoint in self._endpoints(registry):
            if address in self._addresses(endpoint) and self._is_approved(endpoint, registry):
                subnet_id = str(table(_properties(endpoint).get("subnet")).get("id", ""))
                near = self._is_near(node, subnet_id.rsplit("/subnets/", 1)[0])
                return near and self._is_let_in(node, address, _properties(self._find(subnet_id)))
        return False

    def _is_let_in(self, node: Node, address: str, subnet: dict[str, Any]) -> bool:
        """Whether the group of an endpoint's subnet lets a node in; it counts only where the subnet's policies say."""
        group = self._find(table(subnet.get("networkSecurityGroup")).get("id"))
        counts = str(subnet.get("privateEndpointNetworkPolicies", "")).lower() in POLICIES_OF_GROUPS
        return group is None or not counts or lets_in(_properties(group), _private_address(node.subnet), address)

    def leaves_with(self, node: Node, seed: str) -> str | None:
        """The source address a registry's public endpoint sees, None where nothing leaves.

        Of several addresses any may be used: `seed` decides which.
        """
        if _has_service_endpoint(node.subnet):
            return _private_address(node.subnet)
        public_addresses = self._exit(node)
        return random.Random(seed).choice(public_addresses) if public_addresses else None

    def lets_out(self, node: Node, destination: str) -> bool:
        """Whether a node may go to an address, or to "public": admin rules first, then the groups of its subnet and
        interface."""
        above = self._admin_verdict(node, destination)
        if above in ("deny", "alwaysallow"):
            return above == "alwaysallow"
        groups = (self._find(table(node.subnet.get("networkSecurityGroup")).get("id")), *self._groups_of_aks(node))
        source = _private_address(node.subnet)
        return all(lets_out(_properties(group), source, destination) for group in groups if group is not None)

    def _admin_verdict(self, node: Node, destination: str) -> str:
        source, resources = _private_address(node.subnet), self._tenant.resources()
        return network_managers.verdict(resources, node.network_id, source, destination)

    def _groups_of_aks(self, node: Node) -> list[Resource]:
        """The groups that AKS puts on interfaces (a network of its own has them at the subnet, as any other)."""
        if not node.pool.get("vnetSubnetID"):
            return []
        subscription, name = node.cluster.path.subscription or "", str(node.properties.get("nodeResourceGroup", ""))
        listed = self._tenant.resources().of_type(GROUPS, subscription, name)
        return [group for group in listed if group.path.names[-1].lower().startswith("aks-agentpool-")]

    def allows_subnet(self, node: Node, registry: Resource) -> bool:
        """Whether a virtual network rule of the registry names the node's subnet, which has the service endpoint."""
        rules = table(_properties(registry).get("networkRuleSet")).get("virtualNetworkRules")
        named = {ids.key(str(rule.get("id", ""))) for rule in items(rules)}
        return bool(node.subnet_id) and _has_service_endpoint(node.subnet) and ids.key(node.subnet_id) in named

    def _exit(self, node: Node) -> list[str]:
        hop = self._default_hop(node)
        proxied = table(node.properties.get("httpProxyConfig")).get("enabled") is not False and bool(
            table(node.properties.get("httpProxyConfig")).get("httpsProxy")
        )
        if hop == "none":
            return []
        if hop in ("virtualappliance", "virtualnetworkgateway") or proxied:
            return self._shown_addresses(node)
        if node.outbound == "block":
            return []
        resources = self._tenant.resources()
        if not hop and self._takes_routes(node) and virtual_hubs.takes_internet_traffic(resources, node.network_id):
            return self._shown_addresses(node)
        gateway = self._find(table(node.subnet.get("natGateway")).get("id"))
        if gateway is not None:
            return self._public(gateway, "publicIpAddresses", "publicIpPrefixes")
        if node.pool.get("enableNodePublicIP") is True:
            return self._own_addresses(node) or self._shown_addresses(node)
        return self._of_outbound_type(node)

    def _of_outbound_type(self, node: Node) -> list[str]:
        profile = table(node.properties.get("networkProfile"))
        if node.outbound in ("loadbalancer", "managednatgateway", "managednatgatewayv2"):
            name = "loadBalancerProfile" if node.outbound == "loadbalancer" else "natGatewayProfile"
            listed = items(table(profile.get(name)).get("effectiveOutboundIPs"))
            return self._addresses_of([str(item.get("id")) for item in listed]) or self._shown_addresses(node)
        if node.outbound == "userdefinedrouting":
            return self._shown_addresses(node)
        if not node.pool.get("vnetSubnetID") or node.subnet.get("defaultOutboundAccess") is False:
            return []
        return self._shown_addresses(node)

    def _takes_routes(self, node: Node) -> bool:
        """Whether the node's subnet takes routes of gateways and hubs."""
        routes = self._find(table(node.subnet.get("routeTable")).get("id"))
        return _properties(routes).get("disableBgpRoutePropagation") is not True

    def _shown_addresses(self, node: Node) -> list[str]:
        listed = table(self._egress.value()).get(str(node.cluster.body.get("name", "")))
        return [str(item) for item in listed] if isinstance(listed, list) and listed else [ELSEWHERE]

    def _default_hop(self, node: Node) -> str:
        """Where 0.0.0.0/0 (or both its halves, or ACR's service tag, which is more specific) is sent; "" nowhere."""
        routes = self._find(table(node.subnet.get("routeTable")).get("id"))
        hops: dict[str, str] = {}
        for route in items(_properties(routes).get("routes")):
            properties = table(route.get("properties"))
            hops[str(properties.get("addressPrefix"))] = str(properties.get("nextHopType", "")).lower()
        tagged = next((hop for prefix, hop in hops.items() if prefix.lower().startswith("azurecontainerregistry")), "")
        halves = hops.get("0.0.0.0/1") if "128.0.0.0/1" in hops else None
        return tagged or halves or hops.get("0.0.0.0/0", "")

    def _own_addresses(self, node: Node) -> list[str]:
        """Public addresses below the scale sets of the node's pool."""
        group = str(node.properties.get("nodeResourceGroup", "")).lower()
        own_addresses = []
        for resource in self._tenant.resources().by_id.values():
            is_address = resource.kind.endswith("/publicipaddresses") and "virtualmachinescalesets" in resource.kind
            if is_address and (resource.path.group or "").lower() == group and self._is_of_pool(resource, node):
                own_addresses.append(str(_properties(resource).get("ipAddress")))
        return own_addresses

    def _is_of_pool(self, address: Resource, node: Node) -> bool:
        scale_set = self._find(address.id.split("/virtualMachines/")[0])
        tags = table(scale_set.body.get("tags")) if scale_set else {}
        named = next((str(v) for k, v in tags.items() if k.lower() == "aks-managed-poolname"), "")
        return named.lower() == str(node.pool.get("name", "")).lower()

    def _public(self, resource: Resource, *names: str) -> list[str]:
        listed = [str(item.get("id")) for name in names for item in items(_properties(resource).get(name))]
        return self._addresses_of(listed)

    def _addresses_of(self, resource_ids: list[str]) -> list[str]:
        addresses = []
        for resource_id in resource_ids:
            properties = _properties(self._find(resource_id))
            if isinstance(properties.get("ipAddress"), str):
                addresses.append(properties["ipAddress"])
            addresses += _hosts(properties.get("ipPrefix"))
        return [address for address in addresses if ":" not in address]

    def _endpoints(self, registry: Resource) -> list[Resource]:
        """Endpoints that lead to the registry: by their own word, or by the registry's list of connections."""
        endpoints = []
        listed = {
            ids.key(str(table(table(c.get("properties")).get("privateEndpoint")).get("id", "")))
            for c in items(_properties(registry).get("privateEndpointConnections"))
        }
        for endpoint in self._tenant.resources().everywhere(ENDPOINTS):
            targets = {
                ids.key(str(table(c.get("properties")).get("privateLinkServiceId", ""))) for c in _connections(endpoint)
            }
            if registry.lower in targets or endpoint.lower in listed:
                endpoints.append(endpoint)
        return endpoints

    def _is_approved(self, endpoint: Resource, registry: Resource) -> bool:
        for connection in items(_properties(registry).get("privateEndpointConnections")):
            properties = table(connection.get("properties"))
            if ids.key(str(table(properties.get("privateEndpoint")).get("id", ""))) == endpoint.lower:
                state = table(properties.get("privateLinkServiceConnectionState"))
                return str(state.get("status", "")).lower() == "approved"
        states = [table(table(c.get("properties")).get("privateLinkServiceConnectionState")) for c in
                  _connections(endpoint)]  # fmt: skip
        return any(str(state.get("status", "")).lower() == "approved" for state in states)

    def _addresses(self, endpoint: Resource) -> list[str]:
        addresses = [
            str(address)
            for config in items(_properties(endpoint).get("customDnsConfigs"))
            for address in config.get("ipAddresses") or []
        ]
        for interface in items(_properties(endpoint).get("networkInterfaces")):
            for config in items(_properties(self._find(interface.get("id"))).get("ipConfigurations")):
                addresses.append(str(table(config.get("properties")).get("privateIPAddress")))
        return addresses

    def _is_near(self, node: Node, network_id: str) -> bool:
        """The same network, peered both ways and connected, or in a connected group or behind a virtual hub with it."""
        if not network_id or ids.key(network_id) == ids.key(node.network_id):
            return bool(network_id)
        resources = self._tenant.resources()
        if network_managers.are_connected(resources, node.network_id, network_id):
            return True
        if virtual_hubs.are_connected(resources, node.network_id, network_id) and self._takes_routes(node):
            return True
        return self._peers(node.network_id, network_id) and self._peers(network_id, node.network_id)

    def _peers(self, one: str, other: str) -> bool:
        for peering in self._tenant.resources().children(one, "virtualNetworkPeerings"):
            properties = _properties(peering)
            remote = str(table(properties.get("remoteVirtualNetwork")).get("id", ""))
            if ids.key(remote) == ids.key(other):
                connected = str(properties.get("peeringState", "")).lower() == "connected"
                return connected and properties.get("allowVirtualNetworkAccess") is not False
        return False

    def _find(self, resource_id: Any) -> Resource | None:
        return self._tenant.resources().find(resource_id) if isinstance(resource_id, str) and resource_id else None


def table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _properties(resource: Resource | None) -> dict[str, Any]:
    return table(resource.body.get("properties")) if resource is not None else {}


def _connections(endpoint: Resource) -> list[dict[str, Any]]:
    properties = _properties(endpoint)
    names = ("privateLinkServiceConnections", "manualPrivateLinkServiceConnections")
    return [connection for name in names for connection in items(properties.get(name))]


def _made_by_aks(resources: Resources, cluster: Resource) -> Resource | None:
    """The network in the node resource group of a cluster that was not given one."""
    group = str(_properties(cluster).get("nodeResourceGroup", ""))
    made_by_aks = resources.of_type(NETWORKS, cluster.path.subscription or "", group)
    return made_by_aks[0] if made_by_aks else None


def _has_service_endpoint(subnet: dict[str, Any]) -> bool:
    listed = items(subnet.get("serviceEndpoints"))
    return any(str(entry.get("service", "")).lower() == SERVICE for entry in listed)


def _private_address(subnet: dict[str, Any]) -> str:
    hosts = _hosts(subnet.get("addressPrefix"))
    return hosts[4] if len(hosts) > 4 else "10.0.0.4"


def _hosts(prefix: Any) -> list[str]:
    try:
        network = ipaddress.ip_network(str(prefix), strict=False)
    except ValueError:
        return []
    return [str(network[index]) for index in range(min(network.num_addresses, 16))]
