"""The nodes' way end to end: raw bodies served over the wire, `python -m checks scan` as a user runs it."""

from collections import Counter
from pathlib import Path

import pytest

from simulator import running
from tests.support.cli import Scan, scan
from tests.support.network_world import EGRESS, HOST, NODES, RECORDS, World, rule
from tests.support.tenant_builder import ACR_PULL, SUBSCRIPTION, Tenant, guid, object_id

OTHER = guid("a hub subscription")
SCALE_SETS = "Microsoft.Compute/virtualMachineScaleSets"


def tenant_of(world: World, folder: Path) -> Tenant:
    """A tenant of these bodies: the cluster runs a pod of the registry and holds AcrPull on it."""
    tenant = world.into(Tenant(folder / "tenant"))
    tenant.assign(object_id("aks-1"), ACR_PULL, world.registry_id)
    tenant.pod(f"{HOST}/team/web:1")
    return tenant


def look(world: World, folder: Path) -> Scan:
    with running(tenant_of(world, folder).root) as simulator:
        return scan(simulator.environment)


def path(result: Scan) -> tuple[str, str]:
    value = result.row()["path"]
    return value["verdict"], value["cause"]


def test_a_healthy_public_registry_passes(tmp_path: Path) -> None:
    result = look(World(), tmp_path)
    assert path(result) == ("pass", "open-to-all")
    assert result.row()["path"]["decided_by"] == ["PW202", "PW206"]
    assert result.verdicts() == ("pass", "pass", "pass")


def test_a_healthy_private_registry_passes(tmp_path: Path) -> None:
    result = look(World().healthy_private(), tmp_path)
    assert path(result) == ("pass", "endpoint-in-peer")
    assert result.finding("PW202")["because"].startswith("the nodes' names resolve to a private endpoint")
    assert result.verdicts() == ("pass", "pass", "pass")


def test_a_firewall_that_knows_the_egress_address_passes_and_one_that_does_not_fails(tmp_path: Path) -> None:
    assert path(look(World().deny(EGRESS), tmp_path / "in")) == ("pass", "ip-allowed")
    result = look(World().deny("20.99.0.1"), tmp_path / "out")
    assert path(result) == ("fail", "ip-not-allowed")
    assert any(line.endswith(f"--ip-address {EGRESS}") for line in result.row()["fix"])
    assert result.verdicts() == ("pass", "fail", "fail")


def test_virtual_network_rules_are_read_at_the_version_that_shows_them(tmp_path: Path) -> None:
    world = World().nodes(serviceEndpoints=[{"service": "Microsoft.ContainerRegistry"}])
    world.deny(subnets=(world.subnet(NODES),))
    result = look(world, tmp_path)
    assert path(result) == ("pass", "subnet-allowed")
    versions = {e.get("api_version") for e in result.finding("PW205")["evidence"]}
    assert "2026-09-01-preview" in versions


def test_nodes_with_public_addresses_of_their_own(tmp_path: Path) -> None:
    world = World().deny("20.70.0.1")
    world.pools(world.pool("system", enableNodePublicIP=True))
    world.put(SCALE_SETS, "vmss", {"tags": {"aks-managed-poolName": "system"}}, group="MC_aks-1")
    for index, value in enumerate(("20.70.0.1", "20.70.0.2")):
        below = f"vmss/virtualMachines/{index}/networkInterfaces/nic/ipConfigurations/one/publicIPAddresses/pip"
        world.put(SCALE_SETS, below, {"properties": {"ipAddress": value}}, group="MC_aks-1")
    assert path(look(world, tmp_path)) == ("fail", "ip-partly-allowed")


def test_a_network_that_aks_made_is_found_in_the_node_resource_group(tmp_path: Path) -> None:
    world = World()
    world.vnet("aks-vnet-12345678", "10.224.0.0/16", group="MC_aks-1", aks_subnet={})
    world.pools(world.pool("system", network=None))
    world.group("aks-agentpool-12345678-nsg", rule("no", 200, "Deny", "Internet"), where="MC_aks-1")
    result = look(world, tmp_path)
    assert path(result) == ("fail", "nsg-closes-login")


def test_an_endpoint_and_a_zone_in_a_hub_subscription_count(tmp_path: Path) -> None:
    world = World()
    home = world.vnet("vnet-hub", "10.20.0.0/16", sub=OTHER, endpoints={})
    world.peer(world.vnet_id(NODES), home).endpoint(network=home, sub=OTHER)
    world.zone(RECORDS, world.vnet_id(NODES), sub=OTHER)
    result = look(world.private(), tmp_path)
    assert path(result) == ("pass", "endpoint-in-peer")


def test_a_hub_subscription_that_refuses_is_unknown_and_names_role_and_scope(tmp_path: Path) -> None:
    world = World()
    home = world.vnet("vnet-hub", "10.20.0.0/16", sub=OTHER, endpoints={})
    world.peer(world.vnet_id(NODES), home).endpoint(network=home, sub=OTHER)
    world.zone(RECORDS, world.vnet_id(NODES), sub=OTHER)
    tenant = tenant_of(world.private(), tmp_path)
    tenant.caller(denied=[{"scope": f"/subscriptions/{OTHER}", "actions": ["Microsoft.Network/*"]}])
    with running(tenant.root) as simulator:
        result = scan(simulator.environment)
    assert path(result)[0] == "unknown"
    finding = next(f for f in result.findings("PW204") if f["verdict"] == "unknown")
    assert finding["missing"] == "Reader"
    assert finding["fix"][0].endswith(f"--role Reader --scope /subscriptions/{OTHER}")
    assert any(line["what"] == f"networks of {OTHER}" and not line["looked"]
               for line in result.cluster()["coverage"])  # fmt: skip


def test_a_missing_data_record_fails_the_path_and_names_the_layers(tmp_path: Path) -> None:
    world = World().healthy_private()
    del world.bodies[next(key for key in world.bodies if key.endswith("/A/acrone.westeurope.data"))]
    result = look(world, tmp_path)
    assert path(result) == ("fail", "data-record-missing")
    assert "the layers time out" in result.row()["path"]["summary"]


def test_a_zone_without_the_record_hides_a_public_registry_unless_it_redirects(tmp_path: Path) -> None:
    def world(policy: str | None) -> World:
        world = World()
        home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
        world.endpoint(network=home)
        world.zone({}, world.vnet_id(NODES), policy=policy)
        return world

    assert path(look(world(None), tmp_path / "hidden")) == ("fail", "login-record-missing")
    assert path(look(world("NxDomainRedirect"), tmp_path / "redirected")) == ("pass", "open-to-all")


def test_a_blocked_pool_fails_the_row_and_is_named(tmp_path: Path) -> None:
    world = World().deny(EGRESS)
    second = {"addressPrefix": "10.10.16.0/20", "serviceEndpoints": [{"service": "Microsoft.ContainerRegistry"}]}
    world.vnet(NODES, "10.10.0.0/16", nodes={}, more=second)
    world.pools(world.pool("system"), world.pool("more", subnet="more"))
    result = look(world, tmp_path)
    assert path(result) == ("fail", "service-endpoint-voids-ip-rules")
    failed = next(f for f in result.findings("PW205") if f["verdict"] == "fail")
    assert failed["subject"]["pool"] == "more"


def test_an_appliance_is_unknown_and_a_pull_that_succeeded_outranks_it(tmp_path: Path) -> None:
    tenant = tenant_of(World().routes(("0.0.0.0/0", "VirtualAppliance")), tmp_path)
    with running(tenant.root) as simulator:
        before = scan(simulator.environment)
        tenant.pulled(f"{HOST}/team/web:1")
        after = scan(simulator.environment)
    assert path(before) == ("unknown", "route-diverts-login")
    assert before.row()["pull"]["verdict"] == "unknown"
    assert (after.row()["path"]["verdict"], after.row()["pull"]["verdict"]) == ("unknown", "pass")


def test_children_with_bodies_of_their_own_are_found(tmp_path: Path) -> None:
    world = World().deny(EGRESS).nsg(rule("no", 200, "Deny", "Internet"))
    body = world.bodies[world.vnet_id(NODES)]
    (subnet,) = body["properties"].pop("subnets")
    body["properties"].pop("virtualNetworkPeerings")
    world.bodies[subnet["id"]] = {**subnet, "type": "Microsoft.Network/virtualNetworks/subnets"}
    assert path(look(world, tmp_path)) == ("fail", "nsg-closes-login")


def test_bodies_that_make_no_sense_are_unknown_and_break_nothing(tmp_path: Path) -> None:
    world = World()
    world.bodies[world.vnet_id(NODES)]["properties"] = {"subnets": "none", "dhcpOptions": 7}
    result = look(world, tmp_path)
    assert path(result)[0] == "unknown"
    assert "checker-error" not in {f["cause"] for f in result.cluster()["findings"]}


@pytest.mark.timeout(180)
def test_network_reads_do_not_grow_with_clusters(tmp_path: Path) -> None:
    def calls(clusters: int) -> Counter[str]:
        world = World().healthy_private()
        tenant = tenant_of(world, tmp_path / str(clusters))
        for index in range(clusters):
            tenant.cluster(f"more-{index}", properties={"agentPoolProfiles": [world.pool("system")]})
        with running(tenant.root) as simulator:
            scan(simulator.environment)
            return Counter(r.path.lower().split("/providers/")[-1].split("/")[0] for r in simulator.requests
                           if r.service == "arm" and f"/subscriptions/{SUBSCRIPTION}" in r.path)  # fmt: skip

    few, many = calls(1), calls(6)
    assert few["microsoft.network"] == many["microsoft.network"]
