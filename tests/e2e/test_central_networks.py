"""Network managers and virtual hubs over the wire: what is asked, how often, and that nodes fare as the report says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from simulator import Simulator, running
from tests.e2e.test_agreement import heard
from tests.support.cli import Scan, scan
from tests.support.managed_networks import BOTH, admin_rule, configuration, in_effect
from tests.support.network_world import EGRESS, HOST, NODES, RECORDS, World, rule
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, object_id
from tests.support.virtual_hubs import attach, hub, intent, static_routes

ASKED = ("listNetworkManagerEffectiveConnectivityConfigurations", "listNetworkManagerEffectiveSecurityAdminRules",
         "networkManagerConnections")  # fmt: skip
CANARY = {"PULLWATCH_CANARY_IMAGE": f"{HOST}/team/web:1", "PULLWATCH_PROBE": "false", "PULLWATCH_CANARY_SECONDS": "5"}


def far() -> World:
    """A private registry whose endpoint lies in a network that no peering connects with the nodes'."""
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    zone = world.zone(RECORDS, world.vnet_id(NODES), home)
    return world.zone_group(world.endpoint(), zone).private()


def tenant_of(world: World, folder: Path, *, granted: list[str] | None = None, clusters: int = 1) -> Tenant:
    """The world as a tenant in which the kubelet identity may pull; the app holds Reader, and what is granted."""
    tenant = world.into(Tenant(folder))
    tenant.reachable()
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    tenant.ready_pods(f"{HOST}/team/web:1", "system")
    tenant.assign(object_id("aks-1"), ACR_PULL, world.registry_id)
    for number in range(2, clusters + 1):
        pool = world.pool("system")
        tenant.cluster(f"aks-{number}", properties={"agentPoolProfiles": [pool]})
        tenant.reachable(f"aks-{number}")
        tenant.pod(f"{HOST}/team/web:1", cluster=f"aks-{number}")
    if granted:
        tenant.caller(granted=granted)
    return tenant


def asked(sim: Simulator) -> Counter[str]:
    """How often each of these lists was asked for."""
    names = (record.path.rstrip("/").rsplit("/", 1)[-1] for record in sim.requests)
    return Counter(name for name in names if name in ASKED)


def looked(tenant: Tenant, **options: int) -> tuple[Scan, Counter[str]]:
    with running(tenant.root, kubelet_delay=0.01, **options) as sim:
        return scan(sim.environment | CANARY, "--canary"), asked(sim)


def shown(result: Scan) -> tuple[str, str]:
    """What Azure shows of the path, and what the nodes' canary heard."""
    return result.row()["path"]["verdict"], heard(result)


def test_a_connected_group_brings_the_endpoint_into_reach_of_nodes(tmp_path: Path) -> None:
    world = far()
    for network_id in (world.vnet_id(NODES), world.vnet_id("vnet-endpoints")):
        in_effect(world, network_id, configuration(name="other", inside=()), configuration())
    tenant = tenant_of(world, tmp_path, granted=BOTH, clusters=3)
    result, calls = looked(tenant, page_size=1)
    assert shown(result) == ("pass", "pass")
    assert result.finding("PW203")["cause"] == "endpoint-in-connected-group"
    # Two pages of each network, once for three clusters; the admin rules of the nodes' network once.
    assert calls == {ASKED[0]: 4, ASKED[1]: 1}


def test_without_the_action_a_manager_that_was_seen_leaves_it_open(tmp_path: Path) -> None:
    world = far()
    world.manager(SUBSCRIPTION)
    for network_id in (world.vnet_id(NODES), world.vnet_id("vnet-endpoints")):
        in_effect(world, network_id, configuration())
    result, calls = looked(tenant_of(world, tmp_path))
    assert shown(result) == ("unknown", "pass")
    assert "listNetworkManagerEffectiveConnectivityConfigurations/action" in result.finding("PW203")["summary"]
    assert calls == {ASKED[2]: 1}


def test_nothing_in_effect_is_out_of_reach_for_nodes_too(tmp_path: Path) -> None:
    world = far()
    world.manager(SUBSCRIPTION)
    result, calls = looked(tenant_of(world, tmp_path, granted=BOTH, clusters=2))
    assert shown(result) == ("fail", "fail")
    assert result.finding("PW203")["cause"] == "endpoint-out-of-reach"
    assert calls == {ASKED[0]: 2, ASKED[1]: 1}


def test_a_manager_of_another_tenant_is_looked_for_once_where_the_endpoint_is_out_of_reach(tmp_path: Path) -> None:
    world = far()
    result, calls = looked(tenant_of(world, tmp_path / "none", clusters=3))
    assert shown(result) == ("fail", "fail") and calls == {ASKED[2]: 1}
    body = {"properties": {"networkManagerId": "/subscriptions/other/networkManagers/central"}}
    name = "Microsoft.Network/networkManagerConnections"
    key = f"/subscriptions/{SUBSCRIPTION}/providers/{name}/central"
    world.bodies[key] = {"id": key, "name": "central", "type": name, **body}
    assert shown(looked(tenant_of(world, tmp_path / "one"))[0]) == ("unknown", "fail")


def test_ordinary_networks_cost_no_call(tmp_path: Path) -> None:
    for name, world in (("public", World()), ("private", World().healthy_private())):
        result, calls = looked(tenant_of(world, tmp_path / name))
        assert shown(result) == ("pass", "pass") and not calls


@pytest.mark.parametrize(
    ("access", "path", "node"), [("Deny", "fail", "fail"), ("AlwaysAllow", "pass", "pass"), ("Allow", "fail", "fail")]
)
@pytest.mark.parametrize("private", [True, False])
def test_admin_rules_come_before_the_group_that_denies_all(
    tmp_path: Path, access: str, path: str, node: str, private: bool
) -> None:
    world = World().healthy_private() if private else World()
    world.nsg(rule("no", 100, "Deny", "*"))
    world.manager(SUBSCRIPTION, accesses=("SecurityAdmin",))
    late = admin_rule("late", 20, "Deny", "*")
    in_effect(world, world.vnet_id(NODES), late, admin_rule("first", 10, access, "*"))
    result, calls = looked(tenant_of(world, tmp_path, granted=BOTH, clusters=2), page_size=1)
    assert shown(result) == (path, node)
    assert calls == {ASKED[1]: 2}
    expected = {"Deny": "admin-rule-denies-login", "AlwaysAllow": "open", "Allow": "nsg-closes-login"}[access]
    assert expected in {finding["cause"] for finding in result.findings("PW206")}


def test_without_the_action_admin_rules_are_not_known_and_named(tmp_path: Path) -> None:
    world = World()
    world.manager(SUBSCRIPTION, accesses=("SecurityAdmin",))
    in_effect(world, world.vnet_id(NODES), admin_rule("deny", 10, "Deny", "*"))
    result, calls = looked(tenant_of(world, tmp_path))
    assert shown(result) == ("unknown", "fail") and not calls
    (found, *_) = [one for one in result.findings("PW206") if one["cause"] == "admin-rules-login"]
    assert "listNetworkManagerEffectiveSecurityAdminRules/action" in found["summary"]


# virtual hubs ---------------------------------------------------------------------------------------------------------


HUB_READS = ("virtualHubs", "hubVirtualNetworkConnections", "routingIntent", "hubRouteTables")
HUB = "22222222-2222-4222-8222-222222222222"


def hub_calls(tenant: Tenant) -> tuple[Scan, Counter[str]]:
    with running(tenant.root, kubelet_delay=0.01) as sim:
        result = scan(sim.environment | CANARY, "--canary")
        names = Counter(record.path.rstrip("/").rsplit("/", 1)[-1] for record in sim.requests)
    return result, Counter({name: names[name] for name in HUB_READS if names[name]})


def behind_hub(**over: object) -> tuple[World, str]:
    """The far endpoint, in a network that a hub in another subscription connects with the nodes'."""
    world = far()
    networks = (world.vnet_id(NODES), world.vnet_id("vnet-endpoints"))
    return world, hub(world, "hub", *networks, sub=HUB, **over)


def test_a_hub_brings_the_endpoint_into_reach_of_nodes_and_is_read_once(tmp_path: Path) -> None:
    world, _ = behind_hub()
    result, calls = hub_calls(tenant_of(world, tmp_path, clusters=3))
    assert shown(result) == ("pass", "pass")
    # A list in each of two subscriptions, and three below the hub, for three clusters.
    assert calls == {"virtualHubs": 2, "hubVirtualNetworkConnections": 1, "routingIntent": 1, "hubRouteTables": 1}


@pytest.mark.parametrize("hidden", [False, True])
def test_a_firewall_in_the_hub_decides_and_a_hub_that_is_hidden_is_not_known(tmp_path: Path, hidden: bool) -> None:
    world, hub_id = behind_hub()
    if not hidden:
        intent(world, hub_id, "PrivateTraffic")
    tenant = tenant_of(world, tmp_path)
    if hidden:
        actions = ["*", "Microsoft.Resources/subscriptions/read"]
        tenant.caller(denied=[{"scope": f"/subscriptions/{HUB}", "actions": actions}])
    result, calls = hub_calls(tenant)
    assert shown(result) == ("unknown", "pass" if hidden else "fail")
    assert calls["virtualHubs"] == (1 if hidden else 2)
    assert {one["cause"] for one in result.findings("PW203")} == {
        "endpoint-transit" if hidden else "endpoint-hub-routing"
    }


def test_a_network_that_is_in_no_hub_of_the_nodes_is_out_of_reach_for_them_too(tmp_path: Path) -> None:
    world = far()
    hub(world, "hub", world.vnet_id(NODES), sub=HUB)
    assert shown(hub_calls(tenant_of(world, tmp_path))[0]) == ("fail", "fail")


@pytest.mark.parametrize(
    ("address", "security", "path", "node"),
    [(EGRESS, True, "unknown", "fail"), ("198.51.100.200", True, "unknown", "pass"), (EGRESS, False, "pass", "pass"),
     ("198.51.100.200", False, "fail", "fail")],
)  # fmt: skip
def test_no_verdict_rests_on_the_load_balancer_where_the_hub_takes_the_traffic(
    tmp_path: Path, address: str, security: bool, path: str, node: str
) -> None:
    world = World().deny(address)
    hub_id = hub(world, "hub", sub=HUB)
    attach(world, world.vnet_id(NODES), hub_id, enableInternetSecurity=security)
    static_routes(world, hub_id, "0.0.0.0/0")
    assert shown(hub_calls(tenant_of(world, tmp_path))[0]) == (path, node)


def test_networks_without_a_hub_cost_no_list_of_hubs(tmp_path: Path) -> None:
    world = World().healthy_private()
    hub(world, "hub", sub=HUB)
    result, calls = hub_calls(tenant_of(world, tmp_path))
    assert shown(result) == ("pass", "pass") and not calls
