"""Every row of the verdict tables about the way: what the facts say of it, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from checks.findings import Finding, RegistryRow, Severity, word
from checks.report.cluster_report import build_report
from tests.support.network_world import DATA, EGRESS, HOST, NODES, RECORDS, World, rule
from tests.support.tenant_builder import SUBSCRIPTION, guid

OTHER = guid("another subscription")
INTERNET_ALL = ("0.0.0.0/0", "VirtualAppliance")


def judged(world: World) -> tuple[RegistryRow, dict[str, list[Finding]]]:
    """The row of the registry and the findings of the way, by code."""
    report = build_report(world.facts())
    findings: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if finding.code in ("PW202", "PW203", "PW204", "PW205", "PW206"):
            findings.setdefault(finding.code, []).append(finding)
    return report.registries[0], findings


def answered(findings: dict[str, list[Finding]], code: str) -> set[tuple[str, str]]:
    """What a code's findings say: verdict and cause."""
    return {(word(f.verdict), f.cause) for f in findings[code]}


def world() -> World:
    return World()


def spoke() -> World:
    """A network of endpoints that is peered with the nodes'."""
    tenant = World()
    home = tenant.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    return tenant.peer(tenant.vnet_id(NODES), home)


def zone(tenant: World, records: dict[str, Any] | None = None, **over: Any) -> World:
    """The privatelink zone, linked to the nodes' network."""
    tenant.zone(RECORDS if records is None else records, tenant.vnet_id(NODES), **over)
    return tenant


def endpoint(tenant: World, **over: Any) -> World:
    tenant.endpoint(**over)
    return tenant


def own_address(tenant: World, **over: Any) -> World:
    """Nodes with public addresses of their own."""
    return tenant.pools(tenant.pool("system", enableNodePublicIP=True, **over))


def scale_set(tenant: World, *addresses: str) -> World:
    kind, group = "Microsoft.Compute/virtualMachineScaleSets", "MC_aks-1"
    name = "aks-system-vmss"
    scale = tenant.put(kind, name, {"tags": {"aks-managed-poolName": "system"}}, group=group)
    for index, value in enumerate(addresses):
        below = f"{name}/virtualMachines/{index}/networkInterfaces/nic/ipConfigurations/one/publicIPAddresses/pip"
        tenant.put(kind, below, {"properties": {"ipAddress": value}}, group=group)
    assert scale
    return tenant


def two_pools(tenant: World, **second: Any) -> World:
    """A second pool in a subnet of its own, whose properties are ``second``."""
    count = second.pop("count", 2)
    tenant.vnet(NODES, "10.10.0.0/16", nodes={}, more={"addressPrefix": "10.10.16.0/20", **second})
    return tenant.pools(tenant.pool("system"), tenant.pool("more", subnet="more", count=count))


def managed(tenant: World, *, dns: tuple[str, ...] = (), name: str = "aks-vnet-12345678") -> World:
    """The network that AKS made itself."""
    tenant.vnet(name, "10.224.0.0/16", group="MC_aks-1", dns=dns, aks_subnet={})
    return tenant.pools(tenant.pool("system", network=None))


def with_nat(tenant: World, *values: str, prefixes: tuple[str, ...] = ()) -> World:
    ids = tuple(tenant.address(f"nat-{index}", value) for index, value in enumerate(values))
    return tenant.nat(*ids, prefixes=tuple(tenant.prefix(f"prefix-{i}", v) for i, v in enumerate(prefixes)))


def served(tenant: World) -> World:
    return tenant.nodes(serviceEndpoints=[{"service": "Microsoft.ContainerRegistry", "locations": ["*"]}])


def proxy(tenant: World, *no_proxy: str) -> World:
    settings = {"enabled": True, "httpsProxy": "http://proxy:3128/", "noProxy": list(no_proxy)}
    return tenant.cluster(httpProxyConfig=settings)


def hub(tenant: World, **nodes: Any) -> World:
    """Nodes peered with a hub, the hub with the endpoints' network: two peerings away."""
    middle = tenant.vnet("vnet-hub", "10.30.0.0/16", hosts={})
    home = tenant.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    tenant.peer(tenant.vnet_id(NODES), middle, **nodes).peer(middle, home)
    return zone(endpoint(tenant).private())


def elsewhere(tenant: World) -> World:
    """An endpoint and its network in a subscription that cannot be read."""
    home = tenant.vnet_id("vnet-far", sub=OTHER)
    tenant.vnet("vnet-far", "10.20.0.0/16", sub=OTHER, endpoints={})
    tenant.endpoint(network=home, sub=OTHER)
    tenant.hidden.add(OTHER)
    return tenant


Row = tuple[str, Callable[[], World], str, dict[str, tuple[str, str]]]

PUBLIC: list[Row] = [
    ("public, Allow | load balancer", world, "pass", {"PW202": ("pass", "open-to-all"), "PW206": ("pass", "open")}),
    ("public, networkRuleSet null | load balancer", lambda: world().registry(networkRuleSet=None), "pass",
     {"PW202": ("pass", "open-to-all")}),
    ("public, Allow | NAT gateway", lambda: with_nat(world(), "20.60.0.1"), "pass", {"PW202": ("pass", "open-to-all")}),
    ("public, Allow | node public IP", lambda: own_address(world()), "pass", {"PW202": ("pass", "open-to-all")}),
    ("public, Allow | a load balancer without a listed address", lambda: world().outbound("loadBalancer"), "pass",
     {"PW202": ("pass", "open-to-all")}),
    ("public, Allow | 0/0 to an appliance", lambda: world().routes(INTERNET_ALL), "unknown",
     {"PW206": ("unknown", "route-diverts-login")}),
    ("public, Allow | outboundType userDefinedRouting", lambda: world().outbound("userDefinedRouting"), "unknown",
     {"PW202": ("unknown", "egress-routed")}),
    ("public, Allow | proxy", lambda: proxy(world()), "unknown", {"PW206": ("unknown", "proxy-decides")}),
    ("public, Allow | proxy, but noProxy names login and layers",
     lambda: proxy(world(), "azurecr.io", ".blob.core.windows.net"), "pass", {"PW206": ("pass", "open")}),
    ("public, Allow | noProxy names the login alone", lambda: proxy(world(), HOST), "unknown",
     {"PW206": ("unknown", "proxy-decides")}),
    ("public, Allow | CIDRs in noProxy do not match names",
     lambda: proxy(world(), "0.0.0.0/0", "20.0.0.0/8"), "unknown",
     {"PW206": ("unknown", "proxy-decides")}),
    ("public, Allow | custom DNS", lambda: world().dns("10.9.9.9"), "unknown", {"PW204": ("unknown", "custom-dns")}),
    ("public, Allow | Azure's own DNS named", lambda: world().dns("168.63.129.16"), "pass", {}),
    ("public, Allow | block, in a network that AKS made", lambda: managed(world().outbound("block")), "fail",
     {"PW202": ("fail", "no-egress")}),
    ("public, Allow | none, in a network that AKS made", lambda: managed(world().outbound("none")), "fail",
     {"PW202": ("fail", "no-egress")}),
    ("public, Allow | none, your subnet without default outbound access",
     lambda: world().outbound("none").nodes(defaultOutboundAccess=False), "fail", {"PW202": ("fail", "no-egress")}),
    ("public, Allow | none, your subnet may have default outbound access", lambda: world().outbound("none"), "unknown",
     {"PW202": ("unknown", "egress-default")}),
    ("public, Allow | none, your subnet has a NAT gateway", lambda: with_nat(world().outbound("none"), "20.60.0.1"),
     "pass", {"PW202": ("pass", "open-to-all")}),
    ("public, Allow, endpoint elsewhere | zone linked without the record: NXDOMAIN",
     lambda: zone(endpoint(spoke()), {}), "fail", {"PW204": ("fail", "login-record-missing"),
                                                   "PW202": ("skipped", "no-name")}),
    ("the same, but NxDomainRedirect", lambda: zone(endpoint(spoke()), {}, policy="NxDomainRedirect"), "pass",
     {"PW202": ("pass", "open-to-all")}),
    ("public, Allow, no endpoint at all | zone linked without the record", lambda: zone(world(), {}), "pass",
     {"PW202": ("pass", "open-to-all")}),
    ("public, Deny | all egress addresses in ipRules", lambda: world().deny(EGRESS), "pass",
     {"PW202": ("pass", "ip-allowed"), "PW205": ("skipped", "no-service-endpoint")}),
    ("public, Deny | the address lies in a CIDR", lambda: world().deny("20.50.0.0/16"), "pass",
     {"PW202": ("pass", "ip-allowed")}),
    ("public, Deny | some in, some out",
     lambda: with_nat(world().deny("20.60.0.1"), "20.60.0.1", "20.60.0.2"), "fail",
     {"PW202": ("fail", "ip-partly-allowed")}),
    ("public, Deny | a prefix half inside", lambda: with_nat(world().deny("20.60.0.0/31"), prefixes=("20.60.0.0/30",)),
     "fail", {"PW202": ("fail", "ip-partly-allowed")}),
    ("public, Deny | a prefix inside two rules",
     lambda: with_nat(world().deny("20.60.0.0/31", "20.60.0.2/31"), prefixes=("20.60.0.0/30",)), "pass",
     {"PW202": ("pass", "ip-allowed")}),
    ("public, Deny | none in", lambda: world().deny("20.99.0.1"), "fail", {"PW202": ("fail", "ip-not-allowed")}),
    ("public, Deny | IPv6 of a dual-stack egress does not count",
     lambda: with_nat(world().deny("20.60.0.1"), "20.60.0.1", "2603:1030::1"), "pass",
     {"PW202": ("pass", "ip-allowed")}),
    ("public, Deny, NAT on the subnet outranks the load balancer's address",
     lambda: with_nat(world().deny(EGRESS), "20.60.0.1"), "fail", {"PW202": ("fail", "ip-not-allowed")}),
    ("public, Deny | nodes' own addresses outrank the load balancer's",
     lambda: scale_set(own_address(world().deny(EGRESS)), "20.70.0.1", "20.70.0.2"), "fail",
     {"PW202": ("fail", "ip-not-allowed")}),
    ("public, Deny | nodes' own addresses all in",
     lambda: scale_set(own_address(world().deny("20.70.0.0/24")), "20.70.0.1"), "pass",
     {"PW202": ("pass", "ip-allowed")}),
    ("public, Deny | nodes' addresses come from a prefix",
     lambda: own_prefix(world().deny("20.70.0.0/28")), "pass", {"PW202": ("pass", "ip-allowed")}),
    ("public, Deny | service endpoint and the subnet in virtualNetworkRules",
     lambda: (w := served(world())).deny(subnets=(w.subnet(NODES),)), "pass", {"PW205": ("pass", "subnet-allowed")}),
    ("public, Deny | service endpoint voids a matching IP rule", lambda: served(world()).deny(EGRESS), "fail",
     {"PW205": ("fail", "service-endpoint-voids-ip-rules"), "PW202": ("skipped", "service-endpoint")}),
    ("public, Deny | a rule for the subnet, which lacks the service endpoint",
     lambda: (w := world()).deny(subnets=(w.subnet(NODES),)), "fail", {"PW205": ("fail", "service-endpoint-missing")}),
    ("public, Deny | a service endpoint goes past 0/0, the storage path does not",
     lambda: (w := served(world()).routes(INTERNET_ALL)).deny(subnets=(w.subnet(NODES),)), "unknown",
     {"PW205": ("pass", "subnet-allowed"), "PW206": ("unknown", "route-diverts-layers")}),
    ("public, Deny | egress unknown: UDR", lambda: world().deny(EGRESS).routes(INTERNET_ALL), "unknown",
     {"PW202": ("unknown", "egress-routed")}),
    ("public, Deny | egress unknown: proxy", lambda: proxy(world().deny(EGRESS)), "unknown",
     {"PW202": ("unknown", "egress-proxy")}),
    ("public, Deny | egress unknown: no listed address", lambda: world().outbound("loadBalancer").deny(EGRESS),
     "unknown", {"PW202": ("unknown", "egress-unknown")}),
    ("public, Deny | a tag route to the internet: the load balancer's address counts again",
     lambda: world().deny(EGRESS).routes(INTERNET_ALL, ("AzureContainerRegistry", "Internet"), ("Storage", "Internet")),
     "pass", {"PW202": ("pass", "ip-allowed"), "PW206": ("pass", "open")}),
    ("public, Allow | a tag route for the login alone: the layers go to the appliance",
     lambda: world().routes(INTERNET_ALL, ("AzureContainerRegistry", "Internet")), "unknown",
     {"PW206": ("unknown", "route-diverts-layers")}),
    ("public, Allow | next hop None", lambda: world().routes(("0.0.0.0/0", "None")), "fail",
     {"PW206": ("fail", "route-drops-login")}),
    ("public, Allow | both halves to an appliance",
     lambda: world().routes(("0.0.0.0/1", "VirtualAppliance"), ("128.0.0.0/1", "VirtualAppliance")), "unknown",
     {"PW206": ("unknown", "route-diverts-login")}),
    ("public, Allow | both halves to nowhere", lambda: world().routes(("0.0.0.0/1", "None"), ("128.0.0.0/1", "None")),
     "fail", {"PW206": ("fail", "route-drops-login")}),
    ("public, Allow | next hop Internet leaves egress as it is", lambda: world().routes(("0.0.0.0/0", "Internet")),
     "pass", {"PW206": ("pass", "open")}),
    ("public, Allow | routes of pods (kubenet) do not matter",
     lambda: world().routes(("10.244.0.0/24", "VirtualAppliance"), ("10.244.1.0/24", "VirtualAppliance")), "pass",
     {"PW206": ("pass", "open")}),
    ("public, Deny | managed NAT gateway", lambda: managed_nat(world().deny("20.61.0.1"), "20.61.0.1"), "pass",
     {"PW202": ("pass", "ip-allowed")}),
    ("public, Deny | a network that AKS made is read like any other", lambda: managed(world().deny(EGRESS)), "pass",
     {"PW202": ("pass", "ip-allowed")}),
    ("publicNetworkAccess is what nobody knows", lambda: world().registry(publicNetworkAccess="SecuredByPerimeter"),
     "unknown", {"PW202": ("unknown", "public-access-unclear")}),
    ("public, Disabled, no endpoint", lambda: world().private(), "fail",
     {"PW202": ("fail", "public-access-disabled"), "PW203": ("fail", "no-private-endpoint")}),
]  # fmt: skip


def own_prefix(tenant: World) -> World:
    return own_address(tenant, nodePublicIPPrefixID=tenant.prefix("nodes", "20.70.0.0/28"))


def managed_nat(tenant: World, *values: str) -> World:
    ids = [{"id": tenant.address(f"managed-{index}", value)} for index, value in enumerate(values)]
    return tenant.outbound("managedNATGateway", natGatewayProfile={"effectiveOutboundIPs": ids})


def swapped(**over: Any) -> World:
    """A healthy private world with something of its peering changed."""
    tenant = World()
    home = tenant.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    tenant.peer(tenant.vnet_id(NODES), home, **over)
    return zone(endpoint(tenant).private())


def same_network(**over: Any) -> World:
    """An endpoint in the nodes' own network."""
    tenant = World()
    tenant.vnet(NODES, "10.10.0.0/16", nodes={}, endpoints={"addressPrefix": "10.10.64.0/24", **over})
    tenant.endpoint(network=tenant.vnet_id(NODES), space="10.10.64")
    tenant.zone({"acrone": "10.10.64.4", "acrone.westeurope.data": "10.10.64.5"}, tenant.vnet_id(NODES))
    return tenant


def healthy() -> World:
    return World().healthy_private()


def replica(*, cluster: str = "westeurope", records: dict[str, Any] = RECORDS) -> World:
    """A registry with a second replica, whose data record is among ``records`` or is not."""
    tenant = spoke()
    far = "acrone.northeurope.data.azurecr.io"
    tenant.registry(dataEndpointEnabled=True, dataEndpointHostNames=[DATA, far])
    endpoint(tenant, data=(DATA, far)).private()
    tenant.bodies[tenant.cluster_id]["location"] = cluster
    return zone(tenant, records)


PRIVATE: list[Row] = [
    ("Disabled | approved endpoint in a peered network, zone linked, records right", healthy, "pass",
     {"PW202": ("skipped", "private-way"), "PW203": ("pass", "endpoint-in-peer"), "PW204": ("pass", "names-lead-in"),
      "PW206": ("pass", "open")}),
    ("Disabled | approved endpoint in the nodes' network", lambda: same_network().private(), "pass",
     {"PW203": ("pass", "endpoint-in-network")}),
    ("Enabled, endpoint in reach | DNS decides: the private way", same_network, "pass",
     {"PW202": ("skipped", "private-way"), "PW203": ("pass", "endpoint-in-network")}),
    ("Enabled, Deny without any rule | private way all the same", lambda: same_network().deny(), "pass",
     {"PW202": ("skipped", "private-way")}),
    ("Enabled, endpoint in reach, its zone not linked | DNS decides: the public path", lambda: unlinked(shut=False),
     "pass", {"PW202": ("pass", "open-to-all"), "PW203": ("skipped", "public-way")}),
    ("Enabled, endpoint in reach, no zone to be found | where its records are is not known", lambda: endpoint(spoke()),
     "unknown", {"PW204": ("unknown", "zone-not-known")}),
    ("Enabled, names resolve to an endpoint out of reach | blocked, whatever the firewall says",
     lambda: far_away(), "fail",
     {"PW203": ("fail", "endpoint-out-of-reach")}),
    ("Disabled | endpoint in reach, custom dnsServers", lambda: healthy().dns("10.30.0.4"), "unknown",
     {"PW203": ("pass", "endpoint-in-peer"), "PW204": ("unknown", "custom-dns")}),
    ("Disabled | custom dnsServers cannot help where no endpoint is in reach",
     lambda: far_away().private().dns("10.9.9.9"),
     "fail", {"PW203": ("fail", "endpoint-out-of-reach")}),
    ("Disabled | endpoint Pending", lambda: zone(endpoint(spoke(), status="Pending").private()), "fail",
     {"PW203": ("fail", "endpoint-pending")}),
    ("Disabled | endpoint Rejected", lambda: zone(endpoint(spoke(), status="Rejected").private()), "fail",
     {"PW203": ("fail", "endpoint-rejected")}),
    ("Disabled | connection removed, only the endpoint says Disconnected",
     lambda: zone(endpoint(spoke(), status="Disconnected", listed=False).private()), "fail",
     {"PW203": ("fail", "endpoint-disconnected")}),
    ("Disabled | no zone link", lambda: unlinked(), "fail",
     {"PW204": ("fail", "zone-not-linked"), "PW203": ("pass", "endpoint-in-peer")}),
    ("Disabled | no zone to be found: its records may be kept where nothing is readable",
     lambda: endpoint(spoke()).private(), "unknown", {"PW204": ("unknown", "zone-not-known")}),
    ("Disabled | A record missing", lambda: zone(endpoint(spoke()).private(), {"acrone.westeurope.data": "10.20.0.5"}),
     "fail", {"PW204": ("fail", "login-record-missing")}),
    ("Disabled | A record to another address",
     lambda: zone(endpoint(spoke()).private(), RECORDS | {"acrone": "10.20.0.99"}), "fail",
     {"PW204": ("fail", "login-record-wrong")}),
    ("Disabled | one of two addresses of a record is wrong",
     lambda: zone(endpoint(spoke()).private(), RECORDS | {"acrone": ("10.20.0.4", "10.20.0.99")}), "fail",
     {"PW204": ("fail", "login-record-wrong")}),
    ("Disabled | login and data records exchanged",
     lambda: zone(endpoint(spoke()).private(), {"acrone": "10.20.0.5", "acrone.westeurope.data": "10.20.0.4"}), "fail",
     {"PW204": ("fail", "login-record-wrong")}),
    ("Disabled | data record missing: login works, layers time out",
     lambda: zone(endpoint(spoke()).private(), {"acrone": "10.20.0.4"}), "fail",
     {"PW204": ("fail", "data-record-missing")}),
    ("Disabled | data record to another address",
     lambda: zone(endpoint(spoke()).private(), RECORDS | {"acrone.westeurope.data": "10.20.0.99"}), "fail",
     {"PW204": ("fail", "data-record-wrong")}),
    ("Disabled, two replicas | the other replica's data record is missing: a warning",
     replica, "pass", {"PW204": ("fail", "replica-data-record-missing")}),
    ("Disabled, two replicas | the other replica's data record is wrong: a warning",
     lambda: replica(records=RECORDS | {"acrone.northeurope.data": "10.20.0.99"}), "pass",
     {"PW204": ("fail", "replica-data-record-wrong")}),
    ("Disabled, two replicas | the record of the replica that serves is missing",
     lambda: replica(cluster="northeurope"), "fail", {"PW204": ("fail", "data-record-missing")}),
    ("Disabled, two replicas | none in the cluster's region: which one serves cannot be read",
     lambda: replica(cluster="francecentral"), "unknown", {"PW204": ("unknown", "replica-data-record-missing")}),
    ("Disabled, two replicas | all records there",
     lambda: replica(records=RECORDS | {"acrone.northeurope.data": "10.20.0.6"}), "pass",
     {"PW204": ("pass", "names-lead-in")}),
    ("Disabled, data names redirect to the public endpoint, which is closed",
     lambda: zone(endpoint(spoke()).private(), {"acrone": "10.20.0.4"}, policy="NxDomainRedirect"), "fail",
     {"PW204": ("fail", "data-record-missing")}),
    ("Enabled, data names redirect to the public endpoint, which is open",
     lambda: zone(endpoint(spoke()), {"acrone": "10.20.0.4"}, policy="NxDomainRedirect"), "pass",
     {"PW203": ("pass", "endpoint-in-peer")}),
    ("Disabled | hub transit, no route and no gateway: out of reach", lambda: hub(world()), "fail",
     {"PW203": ("fail", "endpoint-out-of-reach")}),
    ("Disabled | hub transit, a route to an appliance", lambda: hub(world()).routes(INTERNET_ALL), "unknown",
     {"PW203": ("unknown", "endpoint-transit")}),
    ("Disabled | hub transit, a gateway in use", lambda: hub(world(), useRemoteGateways=True), "unknown",
     {"PW203": ("unknown", "endpoint-transit")}),
    ("Disabled | Virtual WAN: the hub cannot be read", lambda: virtual_wan(), "unknown",
     {"PW203": ("unknown", "endpoint-transit")}),
    ("Disabled | VPN gateway in the nodes' network",
     lambda: vpn(), "unknown", {"PW203": ("unknown", "endpoint-transit")}),
    ("Disabled | peering missing on the other side", lambda: swapped(back=None, state="Initiated"), "fail",
     {"PW203": ("fail", "peering-not-connected")}),
    ("Disabled | peering Disconnected on the other side", lambda: swapped(back="Disconnected"), "fail",
     {"PW203": ("fail", "peering-not-connected")}),
    ("Disabled | not peered at all",
     lambda: far_away().private(), "fail", {"PW203": ("fail", "endpoint-out-of-reach")}),
    ("Disabled | allowVirtualNetworkAccess off, no security group", lambda: swapped(access=False), "unknown",
     {"PW203": ("unknown", "endpoint-access-off")}),
    ("Disabled | allowVirtualNetworkAccess off, default security rules stop it", lambda: swapped(access=False).nsg(),
     "fail", {"PW206": ("fail", "nsg-closes-login")}),
    ("Disabled | only some subnets peered", lambda: swapped(peerCompleteVnets=False), "unknown",
     {"PW203": ("unknown", "endpoint-subnets-peered")}),
    ("Disabled | 0/0 to an appliance: the endpoint's /32 outranks it", lambda: healthy().routes(INTERNET_ALL), "pass",
     {"PW206": ("pass", "open")}),
    ("Disabled | a /32 to an appliance outranks it", lambda: healthy().routes(("10.20.0.4/32", "VirtualAppliance")),
     "unknown", {"PW206": ("unknown", "route-diverts-login")}),
    ("Disabled | a /32 to nowhere", lambda: healthy().routes(("10.20.0.4/32", "None")), "fail",
     {"PW206": ("fail", "route-drops-login")}),
    ("Disabled | network policies for endpoints on: 0/0 may count",
     lambda: same_network(privateEndpointNetworkPolicies="Enabled").private().routes(INTERNET_ALL), "unknown",
     {"PW206": ("unknown", "route-diverts-login")}),
    ("Disabled | endpoint in a subscription that may not be read",
     lambda: zone(elsewhere(world()).private()), "unknown",
     {"PW203": ("unknown", "look-not-allowed")}),
    ("Disabled | none egress, private endpoint in reach", lambda: healthy().outbound("none"), "pass",
     {"PW203": ("pass", "endpoint-in-peer")}),
    ("Disabled | block egress, private endpoint in reach", lambda: managed_private("block"), "pass",
     {"PW203": ("pass", "endpoint-in-peer")}),
    ("Disabled | two endpoints, the names resolve to the one in reach", lambda: two_endpoints("10.20.0.4"), "pass",
     {"PW203": ("pass", "endpoint-in-peer")}),
    ("Disabled | two endpoints, the names resolve to the one out of reach", lambda: two_endpoints("10.40.0.4"), "fail",
     {"PW203": ("skipped", "record-elsewhere"), "PW204": ("fail", "login-record-wrong")}),
    ("Disabled | a zone of that name linked to another network does not count",
     lambda: other_zone(), "pass", {"PW204": ("pass", "names-lead-in")}),
    ("Disabled | azurecr.io itself is a private zone, an alias leads to the privatelink name", lambda: alias(), "pass",
     {"PW204": ("pass", "names-lead-in")}),
    ("Disabled | noProxy names the login alone: the proxy looks up the data endpoint's name",
     lambda: proxy(zone(endpoint(spoke()).private(), {"acrone": "10.20.0.4"}), HOST), "unknown",
     {"PW204": ("unknown", "proxy-decides-layers")}),
    ("Enabled | azurecr.io itself is a private zone without the record",
     lambda: zone(world(), {}, name="azurecr.io"), "fail", {"PW204": ("fail", "login-record-missing")}),
]  # fmt: skip


def far_away() -> World:
    """An endpoint in a network that is not peered with the nodes'."""
    tenant = World()
    tenant.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    return zone(endpoint(tenant))


def unlinked(*, shut: bool = True) -> World:
    tenant = endpoint(spoke()).private() if shut else endpoint(spoke())
    tenant.zone(RECORDS, tenant.vnet_id("vnet-endpoints"))
    return tenant


def virtual_wan() -> World:
    tenant = far_away().private()
    return tenant.peer(tenant.vnet_id(NODES), tenant.vnet_id("HV_hub", sub=OTHER))


def vpn() -> World:
    tenant = far_away().private()
    tenant.vnet(NODES, "10.10.0.0/16", nodes={}, GatewaySubnet={"addressPrefix": "10.10.255.0/27"})
    return tenant


def managed_private(kind: str) -> World:
    """A network that AKS made, peered with the endpoints'; the zone is linked to it."""
    tenant = managed(World().outbound(kind))
    own = tenant.vnet_id("aks-vnet-12345678", group="MC_aks-1")
    tenant.peer(own, tenant.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={}))
    tenant.endpoint()
    tenant.zone(RECORDS, own)
    return tenant.private()


def two_endpoints(address: str) -> World:
    tenant = endpoint(spoke())
    home = tenant.vnet("vnet-far", "10.40.0.0/16", endpoints={})
    tenant.endpoint("pe-far", network=home, space="10.40.0")
    data = address.rsplit(".", 1)[0] + ".5"
    return zone(tenant.private(), {"acrone": address, "acrone.westeurope.data": data})


def other_zone() -> World:
    tenant = healthy()
    tenant.zone({"acrone": "10.99.0.4"}, tenant.vnet_id("vnet-endpoints"), group="rg-other")
    return tenant


def alias() -> World:
    tenant = healthy()
    names = {
        "acrone": "acrone.privatelink.azurecr.io",
        "acrone.westeurope.data": "acrone.westeurope.data.privatelink.azurecr.io",
    }
    tenant.zone({}, tenant.vnet_id(NODES), name="azurecr.io", aliases=names)
    return tenant


STANDING: list[Row] = [
    ("a rule denies Internet", lambda: world().nsg(rule("no", 200, "Deny", "Internet")), "fail",
     {"PW206": ("fail", "nsg-closes-login")}),
    ("a rule denies everything, one before it allows the registry and storage",
     lambda: world().nsg(rule("acr", 100, "Allow", "AzureContainerRegistry"), rule("blob", 110, "Allow", "Storage"),
                         rule("no", 200, "Deny", "*", destinationPortRange="*")), "pass", {"PW206": ("pass", "open")}),
    ("the allowance comes after the denial",
     lambda: world().nsg(rule("acr", 300, "Allow", "AzureContainerRegistry"), rule("no", 200, "Deny", "*")), "fail",
     {"PW206": ("fail", "nsg-closes-login")}),
    ("only the registry is allowed: the layers are closed",
     lambda: world().nsg(rule("acr", 100, "Allow", "AzureContainerRegistry"), rule("no", 200, "Deny", "Internet")),
     "fail",
     {"PW206": ("fail", "nsg-closes-layers")}),
    ("AzureCloud covers both",
     lambda: world().nsg(rule("azure", 100, "Allow", "AzureCloud"), rule("no", 200, "Deny", "*")),
     "pass", {"PW206": ("pass", "open")}),
    ("regional tags of the registry's region",
     lambda: world().nsg(rule("acr", 100, "Allow", "AzureContainerRegistry.WestEurope"),
                         rule("blob", 110, "Allow", "Storage.WestEurope"), rule("no", 200, "Deny", "*")), "pass",
     {"PW206": ("pass", "open")}),
    ("regional tags of another region",
     lambda: world().nsg(rule("acr", 100, "Allow", ("AzureContainerRegistry.NorthEurope", "Storage.NorthEurope")),
                         rule("no", 200, "Deny", "*")), "fail", {"PW206": ("fail", "nsg-closes-login")}),
    ("some public prefix is denied: not settled", lambda: world().nsg(rule("no", 200, "Deny", "20.0.0.0/8")), "unknown",
     {"PW206": ("unknown", "nsg-unclear-login")}),
    ("all of IPv4 in two halves is denied", lambda: world().nsg(rule("no", 200, "Deny", ("0.0.0.0/1", "128.0.0.0/1"))),
     "fail", {"PW206": ("fail", "nsg-closes-login")}),
    ("private prefixes are denied", lambda: world().nsg(rule("no", 200, "Deny", ("10.0.0.0/8", "192.168.0.0/16"))),
     "pass", {"PW206": ("pass", "open")}),
    ("IPv6 is denied", lambda: world().nsg(rule("no", 200, "Deny", "::/0")), "pass", {"PW206": ("pass", "open")}),
    ("UDP is denied", lambda: world().nsg(rule("no", 200, "Deny", "*", protocol="Udp")), "pass",
     {"PW206": ("pass", "open")}),
    ("other ports are denied",
     lambda: world().nsg(rule("no", 200, "Deny", "*", destinationPortRange="", destinationPortRanges=["22", "80-442"])),
     "pass", {"PW206": ("pass", "open")}),
    ("a range of ports holds 443",
     lambda: world().nsg(rule("no", 200, "Deny", "*", destinationPortRange="", destinationPortRanges=["400-500"])),
     "fail", {"PW206": ("fail", "nsg-closes-login")}),
    ("another subnet's sources are denied",
     lambda: world().nsg(rule("no", 200, "Deny", "*", sourceAddressPrefix="10.10.32.0/20")), "pass",
     {"PW206": ("pass", "open")}),
    ("a part of the nodes' subnet is denied",
     lambda: world().nsg(rule("no", 200, "Deny", "*", sourceAddressPrefix="10.10.0.0/24")), "unknown",
     {"PW206": ("unknown", "nsg-unclear-login")}),
    ("an application security group as the source",
     lambda: world().nsg(rule("no", 200, "Deny", "*", sourceAddressPrefix="",
                              sourceApplicationSecurityGroups=[{"id": "/asg"}])), "unknown",
     {"PW206": ("unknown", "nsg-unclear-login")}),
    ("an inbound denial does not matter",
     lambda: world().nsg(rule("no", 200, "Deny", "*", direction="Inbound")), "pass",
     {"PW206": ("pass", "open")}),
    ("VirtualNetwork is allowed, the rest denied: private endpoint in a peer",
     lambda: healthy().nsg(rule("net", 100, "Allow", "VirtualNetwork"), rule("no", 200, "Deny", "*")), "pass",
     {"PW206": ("pass", "open")}),
    ("the endpoint's address is denied", lambda: healthy().nsg(rule("no", 100, "Deny", "10.20.0.0/24")), "fail",
     {"PW206": ("fail", "nsg-closes-login")}),
    ("the data endpoint's address alone is denied", lambda: healthy().nsg(rule("no", 100, "Deny", "10.20.0.5")), "fail",
     {"PW206": ("fail", "nsg-closes-layers")}),
    ("Internet is denied: the private way is not about it", lambda: healthy().nsg(rule("no", 100, "Deny", "Internet")),
     "pass", {"PW206": ("pass", "open")}),
    ("AKS's own group on the nodes' interfaces closes it", lambda: aks_group(), "fail",
     {"PW206": ("fail", "nsg-closes-login")}),
    ("inbound rules at the endpoint, its policies on",
     lambda: inbound(), "fail", {"PW206": ("fail", "nsg-closes-login")}),
    ("dedicated data endpoints, public: the layers come from the registry's own tag",
     lambda: world().registry(dataEndpointEnabled=True, dataEndpointHostNames=[DATA])
     .nsg(rule("acr", 100, "Allow", "AzureContainerRegistry"), rule("no", 200, "Deny", "Internet")), "pass",
     {"PW206": ("pass", "open")}),
    ("sign-in closed, service principal cluster", lambda: principal(world()), "fail",
     {"PW206": ("fail", "nsg-closes-sign-in")}),
    ("sign-in closed, managed identity: nodes do not sign in themselves",
     lambda: world().nsg(rule("no", 100, "Deny", "AzureActiveDirectory")), "pass", {"PW206": ("pass", "open")}),
]  # fmt: skip


def aks_group() -> World:
    tenant = World()
    tenant.group("aks-agentpool-12345678-nsg", rule("no", 200, "Deny", "Internet"), where="MC_aks-1")
    return tenant


def inbound() -> World:
    tenant = same_network(privateEndpointNetworkPolicies="NetworkSecurityGroupEnabled").private()
    group = tenant.group("nsg-endpoints", rule("no", 200, "Deny", "*", direction="Inbound"))
    tenant.bodies[tenant.vnet_id(NODES)]["properties"]["subnets"][1]["properties"]["networkSecurityGroup"] = {
        "id": group
    }
    return tenant


def principal(tenant: World) -> World:
    tenant.cluster(identityProfile=..., servicePrincipalProfile={"clientId": guid("application")})
    tenant.bodies[tenant.cluster_id].pop("identity")
    return tenant.nsg(rule("no", 100, "Deny", "AzureActiveDirectory"))


@pytest.mark.parametrize(("build", "path", "expected"), [r[1:] for r in (*PUBLIC, *PRIVATE, *STANDING)],
                         ids=[r[0] for r in (*PUBLIC, *PRIVATE, *STANDING)])  # fmt: skip
def test_every_row_comes_out_as_the_facts_say(
    build: Callable[[], World], path: str, expected: dict[str, tuple[str, str]]
) -> None:
    row, findings = judged(build())
    assert word(row.path.verdict) == path, row.path
    for code, wanted in expected.items():
        assert wanted in answered(findings, code), findings[code]
    for finding in (f for listed in findings.values() for f in listed):
        if word(finding.verdict) == "fail" and finding.severity is Severity.ERROR and path == "fail":
            assert finding.evidence


def test_one_pool_that_is_blocked_fails_the_row_and_is_named() -> None:
    tenant = two_pools(world().deny(EGRESS), serviceEndpoints=[{"service": "Microsoft.ContainerRegistry"}])
    row, findings = judged(tenant)
    assert word(row.path.verdict) == "fail"
    (failed,) = [f for f in findings["PW205"] if word(f.verdict) == "fail"]
    assert failed.subject.pool == "more"
    assert failed.subject.registry == HOST
    assert {f.subject.pool for f in findings["PW202"]} == {"system", "more"}


def test_pools_that_agree_share_one_finding() -> None:
    _, findings = judged(two_pools(world().deny("20.99.0.1")))
    (only,) = findings["PW202"]
    assert only.subject.pool is None


def test_a_second_pool_without_nodes_fails_nothing_and_is_mentioned() -> None:
    tenant = two_pools(world().deny(EGRESS), serviceEndpoints=[{"service": "Microsoft.ContainerRegistry"}], count=0)
    row, findings = judged(tenant)
    assert word(row.path.verdict) == "pass"
    (shown,) = [f for f in findings["PW205"] if f.cause == "pool-without-nodes"]
    assert word(shown.verdict) == "skipped"
    assert "more has no nodes now" in shown.summary


@pytest.mark.parametrize(
    ("field", "build"),
    [
        ("virtual_networks", world),
        ("route_tables", lambda: world().routes(("10.244.0.0/24", "VirtualAppliance"))),
        ("security_groups", world),
        ("addresses", lambda: world().deny(EGRESS)),
        ("nat_gateways", lambda: with_nat(world().deny("20.60.0.1"), "20.60.0.1")),
        ("prefixes", lambda: with_nat(world().deny("20.60.0.0/30"), prefixes=("20.60.0.0/30",))),
        ("endpoints", healthy),
        ("zones", healthy),
        ("registry_rules", lambda: served(world()).deny(EGRESS)),
        ("node_addresses", lambda: scale_set(own_address(world().deny("20.70.0.1")), "20.70.0.1")),
    ],
)
def test_a_list_that_is_refused_is_unknown_and_names_the_role(field: str, build: Callable[[], World]) -> None:
    tenant = build()
    tenant.refused.add((SUBSCRIPTION, field))
    row, findings = judged(tenant)
    assert word(row.path.verdict) == "unknown"
    unknown = [f.verdict for listed in findings.values() for f in listed if word(f.verdict) == "unknown"]
    assert any(getattr(verdict, "missing", "") == "Reader" for verdict in unknown)


@pytest.mark.parametrize("field", ["addresses", "nat_gateways", "prefixes", "endpoints", "zones", "registry_rules"])
def test_what_a_public_registry_does_not_depend_on_may_be_refused(field: str) -> None:
    tenant = world()
    tenant.refused.add((SUBSCRIPTION, field))
    assert word(judged(tenant)[0].path.verdict) == "pass"


def test_a_public_address_in_a_hidden_subscription_names_role_and_scope() -> None:
    tenant = world().deny(EGRESS)
    far = tenant.address("far", "20.50.1.9", sub=OTHER)
    tenant.outbound("loadBalancer", loadBalancerProfile={"effectiveOutboundIPs": [{"id": far}]})
    tenant.hidden.add(OTHER)
    _, findings = judged(tenant)
    (finding,) = findings["PW202"]
    assert (word(finding.verdict), finding.cause) == ("unknown", "look-not-allowed")
    assert finding.fix == (
        "az role assignment create --assignee-object-id 0a5e0b1e-5f0c-4d4e-9a55-70112a7c0001 "
        f"--assignee-principal-type ServicePrincipal --role Reader --scope /subscriptions/{OTHER}",
    )


def test_an_address_that_is_certainly_out_fails_even_where_another_is_not_to_be_seen() -> None:
    tenant = world().deny("20.99.0.1")
    far = tenant.address("far", "20.99.0.1", sub=OTHER)
    near = tenant.address("near", "20.50.1.7")
    tenant.outbound("loadBalancer", loadBalancerProfile={"effectiveOutboundIPs": [{"id": far}, {"id": near}]})
    tenant.hidden.add(OTHER)
    assert answered(judged(tenant)[1], "PW202") == {("fail", "ip-not-allowed")}


def test_the_coverage_names_the_subscriptions_whose_networks_were_seen() -> None:
    tenant = healthy()
    tenant.refused.add((SUBSCRIPTION, "zones"))
    lines = {line.what: line for line in build_report(tenant.facts()).coverage}
    assert SUBSCRIPTION in lines["networks"].why
    assert lines[f"networks of {SUBSCRIPTION}"].why.startswith("private DNS zones: HTTP 403")


def test_a_cluster_without_networks_at_hand_is_unknown() -> None:
    facts = world().facts()
    row = build_report(type(facts)(**{f: getattr(facts, f) for f in facts.__struct_fields__ if f != "networks"}))
    assert word(row.registries[0].path.verdict) == "unknown"
