"""Networks for tests: raw ARM bodies that are read into facts as the adapters read them, or served by the simulator.

A ``World`` starts with one cluster whose nodes leave by a load balancer, and one public registry. Every method adds or
changes one thing and returns the world or an id, so a test says only what it is about.
"""

from __future__ import annotations

from typing import Any

import msgspec

from checks.collect.arm import bodies, name_server_bodies, network_bodies
from checks.collect.arm import networks as network
from checks.facts import ClusterFacts, NotSeen, NotSeenReason, Principal, RegistryUse, Seen, subscription_of
from checks.facts.network import ForwardingRuleset, Network, Networks, Zone, networks_of
from checks.facts.visibility import Visibility
from checks.findings import Evidence
from tests.support import name_server_world
from tests.support.managed_networks import management
from tests.support.readable import readable
from tests.support.tenant_builder import SUBSCRIPTION, Tenant, guid, merged, object_id
from tests.support.virtual_hubs import hubs_of

HOST = "acrone.azurecr.io"
DATA = "acrone.westeurope.data.azurecr.io"
NODES = "vnet-nodes"
EGRESS = "20.50.1.1"
READ = Evidence("a list", "Azure Resource Manager", "2026-11-24T08:00:00+00:00", "2024-05-01")
REFUSED = NotSeen(
    NotSeenReason.NOT_ALLOWED, "HTTP 403 AuthorizationFailed. Missing role: Reader.", "Reader", ("az role …",)
)
KINDS = {
    "virtual_networks": ("virtualNetworks", network_bodies.virtual_network),
    "security_groups": ("networkSecurityGroups", network_bodies.security_group),
    "route_tables": ("routeTables", network_bodies.route_table),
    "nat_gateways": ("natGateways", network_bodies.nat_gateway),
    "addresses": ("publicIPAddresses", network_bodies.public_address),
    "prefixes": ("publicIPPrefixes", network_bodies.public_prefix),
    "endpoints": ("privateEndpoints", network_bodies.private_endpoint),
}


class World:
    """Bodies by id. ``refused`` holds (subscription, kind of ``Network``) that ARM refuses."""

    def __init__(self) -> None:
        self.bodies: dict[str, dict[str, Any]] = {}
        self.refused: set[tuple[str, str]] = set()
        self.hidden: set[str] = set()
        self.vnet(NODES, "10.10.0.0/16", nodes={})
        egress = self.address("egress", EGRESS)
        self.cluster_id = self.put(
            "Microsoft.ContainerService/managedClusters",
            "aks-1",
            {
                "identity": {"type": "SystemAssigned"},
                "properties": {
                    "provisioningState": "Succeeded",
                    "powerState": {"code": "Running"},
                    "nodeResourceGroup": "MC_aks-1",
                    "aadProfile": {"managed": True, "enableAzureRBAC": True},
                    "identityProfile": {"kubeletidentity": {"objectId": object_id("aks-1")}},
                    "servicePrincipalProfile": {"clientId": "msi"},
                    "networkProfile": {
                        "outboundType": "loadBalancer",
                        "loadBalancerSku": "standard",
                        "loadBalancerProfile": {"effectiveOutboundIPs": [{"id": egress}]},
                    },
                    "agentPoolProfiles": [self.pool("system")],
                },
            },
        )
        self.registry_id = self.put(
            "Microsoft.ContainerRegistry/registries",
            "acrone",
            {
                "sku": {"name": "Premium"},
                "properties": {
                    "loginServer": HOST,
                    "provisioningState": "Succeeded",
                    "publicNetworkAccess": "Enabled",
                    "networkRuleSet": {"defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": []},
                    "networkRuleBypassOptions": "AzureServices",
                    "dataEndpointEnabled": False,
                    "dataEndpointHostNames": [],
                    "privateEndpointConnections": [],
                    "roleAssignmentMode": "LegacyRegistryPermissions",
                },
            },
        )

    # bodies ---------------------------------------------------------------------------------------------------------

    def put(self, kind: str, name: str, body: dict[str, Any], *, sub: str = SUBSCRIPTION, group: str = "rg") -> str:
        """Adds a body; returns its id."""
        text = f"/subscriptions/{sub}/resourceGroups/{group}/providers/{kind}/{name}"
        base = {"id": text, "name": name, "type": kind, "location": "westeurope", "properties": {}}
        self.bodies[text] = merged(base, body)
        return text

    def change(self, resource_id: str, **properties: Any) -> World:
        """Lays properties over those of a body."""
        self.bodies[resource_id] = merged(self.bodies[resource_id], {"properties": properties})
        return self

    def cluster(self, **properties: Any) -> World:
        """Changes the cluster."""
        return self.change(self.cluster_id, **properties)

    def outbound(self, kind: str, **profile: Any) -> World:
        """Changes how the cluster leaves: no address is listed but what ``profile`` says."""
        return self.cluster(networkProfile={"outboundType": kind, "loadBalancerProfile": ..., **profile})

    def registry(self, **properties: Any) -> World:
        """Changes the registry."""
        return self.change(self.registry_id, **properties)

    def deny(self, *ip_rules: str, subnets: tuple[str, ...] = ()) -> World:
        """The registry denies all but these addresses and subnets."""
        rules = {
            "defaultAction": "Deny",
            "ipRules": [{"action": "Allow", "value": value} for value in ip_rules],
            "virtualNetworkRules": [{"action": "Allow", "id": one} for one in subnets],
        }
        return self.registry(networkRuleSet=rules)

    def private(self) -> World:
        """Public network access is off."""
        return self.registry(publicNetworkAccess="Disabled", networkRuleSet={"defaultAction": "Deny"})

    def pool(self, name: str, network: str | None = NODES, subnet: str = "nodes", **over: Any) -> dict[str, Any]:
        """A node pool; ``network`` None: AKS makes its network."""
        base = {"name": name, "mode": "System", "count": 2, "powerState": {"code": "Running"}}
        placed = {"vnetSubnetID": self.subnet(network, subnet)} if network else {}
        return {**base, **placed, **over}

    def pools(self, *pools: dict[str, Any]) -> World:
        """The cluster's pools."""
        return self.cluster(agentPoolProfiles=list(pools))

    def vnet_id(self, name: str, *, sub: str = SUBSCRIPTION, group: str = "rg") -> str:
        """The id of a virtual network."""
        return f"/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{name}"

    def subnet(self, network: str, name: str = "nodes", **where: str) -> str:
        """The id of a subnet."""
        return f"{self.vnet_id(network, **where)}/subnets/{name}"

    def vnet(self, name: str, space: str, *, sub: str = SUBSCRIPTION, group: str = "rg", dns: tuple[str, ...] = (),
             **subnets: dict[str, Any]) -> str:  # fmt: skip
        """A virtual network with subnets, the properties of each over those of a plain one of the whole space."""
        resource_id = self.vnet_id(name, sub=sub, group=group)
        listed = [
            {
                "id": f"{resource_id}/subnets/{key.replace('_', '-')}",
                "name": key.replace("_", "-"),
                "properties": merged(
                    {"addressPrefix": space.replace("/16", "/20"), "privateEndpointNetworkPolicies": "Disabled"}, over
                ),
            }
            for key, over in subnets.items()
        ]
        properties = {
            "addressSpace": {"addressPrefixes": [space]},
            "dhcpOptions": {"dnsServers": list(dns)},
            "subnets": listed,
            "virtualNetworkPeerings": [],
        }
        return self.put("Microsoft.Network/virtualNetworks", name, {"properties": properties}, sub=sub, group=group)

    def nodes(self, **properties: Any) -> World:
        """Changes the nodes' subnet."""
        body = self.bodies[self.vnet_id(NODES)]
        body["properties"]["subnets"][0] = merged(body["properties"]["subnets"][0], {"properties": properties})
        return self

    def dns(self, *servers: str) -> World:
        """Custom DNS servers in the nodes' network."""
        return self.change(self.vnet_id(NODES), dhcpOptions={"dnsServers": list(servers)})

    def peer(self, one: str, other: str, *, back: str | None = "Connected", state: str = "Connected",
             access: bool = True, **over: Any) -> World:  # fmt: skip
        """Peers two networks (by id); ``back`` is the other side's state, None where it is missing."""
        for near, far, word in ((one, other, state), (other, one, back)):
            if word is None or near not in self.bodies:
                continue
            peering = {
                "name": f"to-{far.rsplit('/', 1)[-1]}",
                "properties": {
                    "remoteVirtualNetwork": {"id": far},
                    "peeringState": word,
                    "allowVirtualNetworkAccess": access,
                    "peerCompleteVnets": True,
                    **over,
                },
            }
            self.bodies[near]["properties"]["virtualNetworkPeerings"].append(peering)
        return self

    def address(self, name: str, value: str | None, *, sub: str = SUBSCRIPTION, version: str = "IPv4") -> str:
        """A public address."""
        properties = {"ipAddress": value, "publicIPAddressVersion": version} if value else {}
        return self.put("Microsoft.Network/publicIPAddresses", name, {"properties": properties}, sub=sub)

    def prefix(self, name: str, value: str) -> str:
        """A public prefix."""
        return self.put("Microsoft.Network/publicIPPrefixes", name, {"properties": {"ipPrefix": value}})

    def nat(self, *addresses: str, prefixes: tuple[str, ...] = ()) -> World:
        """A NAT gateway on the nodes' subnet."""
        listed = {
            "publicIpAddresses": [{"id": one} for one in addresses],
            "publicIpPrefixes": [{"id": one} for one in prefixes],
        }
        return self.nodes(natGateway={"id": self.put("Microsoft.Network/natGateways", "nat", {"properties": listed})})

    def routes(self, *routes: tuple[str, str], name: str = "routes") -> World:
        """A route table on the nodes' subnet: (prefix, next hop type)."""
        listed = [
            {
                "name": f"route-{index}",
                "properties": {"addressPrefix": prefix, "nextHopType": hop}
                | ({"nextHopIpAddress": "10.10.250.4"} if hop == "VirtualAppliance" else {}),
            }
            for index, (prefix, hop) in enumerate(routes)
        ]
        table = self.put("Microsoft.Network/routeTables", name, {"properties": {"routes": listed}})
        return self.nodes(routeTable={"id": table})

    def nsg(self, *rules: dict[str, Any], name: str = "nsg-nodes") -> World:
        """A network security group on the nodes' subnet."""
        return self.nodes(networkSecurityGroup={"id": self.group(name, *rules)})

    def group(self, name: str, *rules: dict[str, Any], where: str = "rg") -> str:
        """A network security group."""
        body = {"properties": {"securityRules": list(rules), "defaultSecurityRules": default_rules()}}
        return self.put("Microsoft.Network/networkSecurityGroups", name, body, group=where)

    def endpoint(self, name: str = "pe", *, network: str | None = None, subnet: str = "endpoints", at: int = 4,
                 status: str = "Approved", sub: str = SUBSCRIPTION, listed: bool = True,
                 data: tuple[str, ...] = (DATA,), space: str = "10.20.0") -> str:  # fmt: skip
        """A private endpoint of the registry with its interface: the login server at ``.at``, data after it."""
        home = network or self.vnet_id("vnet-endpoints")
        members = [
            {
                "name": f"config-{index}",
                "properties": {
                    "privateIPAddress": f"{space}.{at + index}",
                    "privateLinkConnectionProperties": {"requiredMemberName": f"member-{index}", "fqdns": [host]},
                },
            }
            for index, host in enumerate((HOST, *data))
        ]
        interface = {"properties": {"ipConfigurations": members}}
        nic = self.put("Microsoft.Network/networkInterfaces", f"{name}.nic", interface, sub=sub)
        connection = {
            "name": name,
            "properties": {
                "privateLinkServiceId": self.registry_id,
                "groupIds": ["registry"],
                "privateLinkServiceConnectionState": {"status": status},
            },
        }
        body = {
            "subnet": {"id": f"{home}/subnets/{subnet}"},
            "privateLinkServiceConnections": [connection],
            "manualPrivateLinkServiceConnections": [],
            "networkInterfaces": [{"id": nic}],
            "customDnsConfigs": [],
        }
        endpoint = self.put("Microsoft.Network/privateEndpoints", name, {"properties": body}, sub=sub)
        if listed:
            connections = self.bodies[self.registry_id]["properties"]["privateEndpointConnections"]
            of_registry = {
                "id": f"{self.registry_id}/privateEndpointConnections/acrone.{name}",
                "name": f"acrone.{name}",
                "properties": {
                    "privateEndpoint": {"id": endpoint},
                    "privateLinkServiceConnectionState": {"status": status},
                },
            }
            self.registry(privateEndpointConnections=[*connections, of_registry])
        return endpoint

    def zone(self, records: dict[str, str | tuple[str, ...]], *links: str, name: str = "privatelink.azurecr.io",
             policy: str | None = None, sub: str = SUBSCRIPTION, aliases: dict[str, str] | None = None,
             group: str = "rg-dns") -> str:  # fmt: skip
        """A private DNS zone, its A records by relative name, linked to networks (by id)."""
        kind = "Microsoft.Network/privateDnsZones"
        zone = self.put(kind, name, {"location": "global"}, sub=sub, group=group)
        for network_id in links or ():
            body = {"virtualNetwork": {"id": network_id}, "registrationEnabled": False, "resolutionPolicy": policy}
            link = network_id.rsplit("/", 1)[-1]
            self._child(zone, f"virtualNetworkLinks/{link}", f"{kind}/virtualNetworkLinks", body)
        for relative, given in records.items():
            values = (given,) if isinstance(given, str) else given
            body = {"ttl": 10, "aRecords": [{"ipv4Address": value} for value in values]}
            self._child(zone, f"A/{relative}", f"{kind}/A", body)
        for relative, target in (aliases or {}).items():
            self._child(zone, f"CNAME/{relative}", f"{kind}/CNAME", {"cnameRecord": {"cname": target}})
        return zone

    def zone_group(self, endpoint: str, *zones: str) -> World:
        """A zone group of a private endpoint (by id), which writes its records into zones (by id)."""
        configs = [
            {"name": f"config-{index}", "properties": {"privateDnsZoneId": one}} for index, one in enumerate(zones)
        ]
        kind = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
        self._child(endpoint, "privateDnsZoneGroups/default", kind, {"privateDnsZoneConfigs": configs})
        return self

    def ruleset(self, name: str, *links: str, sub: str = SUBSCRIPTION, rules: dict[str, str] | None = None,
                resolver: str | None = None) -> str:  # fmt: skip
        """A DNS forwarding ruleset, linked to networks (by id), with the server that each of its domains goes to.

        ``resolver``: the id of the one whose outbound endpoint asks them.
        """
        kind = "Microsoft.Network/dnsForwardingRulesets"
        outbound = [{"id": f"{resolver}/outboundEndpoints/out"}] if resolver else []
        ruleset = self.put(kind, name, {"properties": {"dnsResolverOutboundEndpoints": outbound}}, sub=sub)
        for network_id in links:
            body = {"virtualNetwork": {"id": network_id}}
            self._child(
                ruleset, f"virtualNetworkLinks/{network_id.rsplit('/', 1)[-1]}", f"{kind}/virtualNetworkLinks", body
            )
        for domain, server in (rules or {}).items():
            to = {"domainName": f"{domain}.", "targetDnsServers": [{"ipAddress": server, "port": 53}]}
            to["forwardingRuleState"] = "Enabled"
            self._child(ruleset, f"forwardingRules/{domain.replace('.', '-')}", f"{kind}/forwardingRules", to)
        return ruleset

    def manager(self, *scopes: str, accesses: tuple[str, ...] = ("Connectivity",), sub: str = SUBSCRIPTION) -> str:
        """A network manager over subscriptions (guids) that has one connectivity configuration."""
        kind = "Microsoft.Network/networkManagers"
        listed = {"subscriptions": [f"/subscriptions/{one}" for one in scopes], "managementGroups": []}
        body = {"properties": {"networkManagerScopes": listed, "networkManagerScopeAccesses": list(accesses)}}
        manager = self.put(kind, "manager", body, sub=sub)
        self._child(manager, "connectivityConfigurations/mesh", f"{kind}/connectivityConfigurations", {})
        return manager

    def _child(self, parent: str, path: str, kind: str, properties: dict[str, Any]) -> None:
        name = path.rsplit("/", 1)[-1]
        text = f"{parent}/{path}"
        self.bodies[text] = {"id": text, "name": name, "type": kind, "properties": properties}

    def healthy_private(self) -> World:
        """An endpoint in a peered network, the zone linked to the nodes', all records right; public access off."""
        home = self.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
        self.peer(self.vnet_id(NODES), home)
        self.endpoint()
        self.zone(RECORDS, self.vnet_id(NODES))
        return self.private()

    # facts and tenants ----------------------------------------------------------------------------------------------

    def facts(self) -> ClusterFacts:
        """The facts as the adapters make them of these bodies."""
        cluster = bodies.cluster(self.bodies[self.cluster_id], READ)
        registry = bodies.registry(self.bodies[self.registry_id], READ)
        assert cluster is not None and registry is not None
        networks = self.networks()
        use = RegistryUse(login_server=HOST, sources=("images of 1 pod",), registry=Seen(registry, READ))
        return ClusterFacts(
            cluster=cluster,
            principal=Seen(Principal(object_id=object_id("aks-1"), kind="managed identity"), READ),
            workloads=NotSeen(NotSeenReason.OFF, "not read"),
            uses=(use,),
            networks=networks,
            visibility=networks.visibility,
        )

    def networks(self) -> Networks:
        """The networks of all subscriptions that are not hidden."""
        guids = {subscription_of(key) for key in self.bodies} - {one.lower() for one in self.hidden}
        visible = readable(*guids)
        listed = networks_of(((one, self._network(one)) for one in sorted(guids)), visible)
        servers = name_server_world.name_servers(self, visible)
        managed, hubs = management(self.bodies, visible), hubs_of(self.bodies, sorted(guids))
        zone_groups = self._zone_groups(visible)
        return msgspec.structs.replace(
            listed, zone_groups=zone_groups, management=managed, hubs=hubs, name_servers=servers
        )

    def _zone_groups(self, visible: Visibility) -> dict[str, Seen[tuple[str, ...]] | NotSeen]:
        """The zones that the zone groups of endpoints name, where the endpoint can be seen."""
        groups: dict[str, Seen[tuple[str, ...]] | NotSeen] = {}
        for key, body in self.bodies.items():
            if body["type"].lower() == "microsoft.network/privateendpoints" and visible.roles_in(subscription_of(key)):
                below = [b for k, b in self.bodies.items() if k.startswith(f"{key}/privateDnsZoneGroups/")]
                groups[key.lower()] = Seen(network_bodies.zones_of_groups(below), READ)
        return groups

    def _network(self, sub: str) -> Network:
        parts: dict[str, Any] = {}
        for field, (kind, reader) in KINDS.items():
            read = [
                virtual_network
                for body in self._of(sub, f"microsoft.network/{kind}")
                if (virtual_network := reader(body)) is not None
            ]
            parts[field] = Seen({one.id.lower(): one for one in read}, READ)
        nics = network._by_id(self._of(sub, "microsoft.network/networkinterfaces"))
        endpoints = {k: network._with_members(e, nics, None) for k, e in parts["endpoints"].value.items()}
        parts["endpoints"] = Seen(endpoints, READ)
        zones = (self._zone(body) for body in self._of(sub, "microsoft.network/privatednszones"))
        parts["zones"] = Seen({zone.id.lower(): zone for zone in zones}, READ)
        parts["rulesets"] = Seen({ruleset.id.lower(): ruleset for ruleset in self._rulesets(sub)}, READ)
        managers = [network_bodies.network_manager(b) for b in self._of(sub, "microsoft.network/networkmanagers")]
        parts["managers"] = Seen({manager.id.lower(): manager for manager in managers if manager}, READ)
        registries = self._of(sub, "microsoft.containerregistry/registries")
        parts["registry_rules"] = Seen(dict(r for b in registries if (r := network_bodies.registry_rules(b))), READ)
        parts["node_addresses"] = Seen(self._node_addresses(sub), READ)
        refused = {field: REFUSED for guid_, field in self.refused if guid_ == sub}
        return msgspec.structs.replace(Network(), **{**parts, **refused})

    def _rulesets(self, sub: str) -> list[ForwardingRuleset]:
        rulesets = []
        for body in self._of(sub, "microsoft.network/dnsforwardingrulesets"):
            below = [b for key, b in self.bodies.items() if key.startswith(f"{body['id']}/virtualNetworkLinks/")]
            links = network_bodies.linked_networks(Seen(below, READ), body["id"])
            asked_by = name_server_bodies.resolver_ids(body)
            rulesets.append(ForwardingRuleset(id=body["id"], name=body["name"], links=links, resolver_ids=asked_by))
        return rulesets

    def _node_addresses(self, sub: str) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for body in self._of(sub, "microsoft.compute/virtualmachinescalesets"):
            below = [b for key, b in self.bodies.items() if key.startswith(f"{body['id']}/virtualMachines/")]
            document[network._pool_key(body)] = tuple(a for b in below if (a := network_bodies.public_address(b)))
        return document

    def _of(self, sub: str, kind: str) -> list[dict[str, Any]]:
        return [
            b for key, b in self.bodies.items() if subscription_of(key) == sub and b["type"].lower() == kind.lower()
        ]

    def _zone(self, body: dict[str, Any]) -> Zone:
        below = {key: b for key, b in self.bodies.items() if key.startswith(f"{body['id']}/")}

        def read(kind: str, reader: Any) -> list[Any]:
            return [x for key, b in below.items() if f"/{kind}/" in key and (x := reader(b)) is not None]

        return Zone(
            id=body["id"],
            name=body["name"],
            link_count=network_bodies.link_count(body),
            links=Seen(tuple(read("virtualNetworkLinks", network_bodies.zone_link)), READ),
            records=Seen(dict(read("A", network_bodies.a_record)), READ),
            aliases=Seen(dict(read("CNAME", network_bodies.cname_record)), READ),
        )

    def into(self, tenant: Tenant) -> Tenant:
        """Writes all bodies into a tenant; subscriptions that are hidden stay hidden there too."""
        for resource_id, body in self.bodies.items():
            tenant.write("arm", body, f"world-{guid(resource_id)}")
        for sub in {subscription_of(key) for key in self.bodies} - {tenant.subscription, *self.hidden}:
            tenant.add_subscription(sub)
        return tenant


RECORDS: dict[str, str | tuple[str, ...]] = {"acrone": "10.20.0.4", "acrone.westeurope.data": "10.20.0.5"}


def rule(name: str, priority: int, access: str, to: str | tuple[str, ...], **over: Any) -> dict[str, Any]:
    """A rule of a network security group: outbound TCP 443 from everywhere unless told otherwise."""
    plural = {"destinationAddressPrefixes": list(to)} if isinstance(to, tuple) else {"destinationAddressPrefix": to}
    base = {
        "priority": priority,
        "direction": "Outbound",
        "access": access,
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "443",
        **plural,
    }
    return {"name": name, "properties": merged(base, over)}


def default_rules() -> list[dict[str, Any]]:
    """The six rules that every group ends in."""
    everywhere = {"protocol": "*", "destinationPortRange": "*"}
    table = (
        ("AllowVnetInBound", 65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowAzureLoadBalancerInBound", 65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
        ("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*"),
        ("AllowVnetOutBound", 65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowInternetOutBound", 65001, "Outbound", "Allow", "*", "Internet"),
        ("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*"),
    )
    return [
        rule(name, priority, access, to, direction=direction, sourceAddressPrefix=source, **everywhere)
        for name, priority, direction, access, source, to in table
    ]
