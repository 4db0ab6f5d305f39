"""PW203: the private endpoint is approved and in reach."""

from checks import catalog
from checks.catalog import pw203_private_endpoint as pw203
from checks.findings import Finding, word
from tests.support.network_world import HOST, NODES, RECORDS, World
from tests.support.tenant_builder import SUBSCRIPTION


def judged(world: World) -> Finding:
    """The only finding of the check."""
    (finding,) = catalog.judge_with((pw203,), world.facts())
    assert finding.subject.registry == HOST
    return finding


def test_pass_approved_and_peered_both_ways() -> None:
    finding = judged(World().healthy_private())
    assert (word(finding.verdict), finding.cause) == ("pass", "endpoint-in-peer")


def test_fail_pending_and_the_command_that_approves_it() -> None:
    world = World().private()
    world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.endpoint(status="Pending")
    finding = judged(world)
    assert (word(finding.verdict), finding.cause) == ("fail", "endpoint-pending")
    connection = f"{world.registry_id}/privateEndpointConnections/acrone.pe"
    assert finding.fix == (f"az network private-endpoint-connection approve --id {connection}",)


def test_fail_peered_on_one_side_and_the_command_for_the_other() -> None:
    world = World().private()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home, state="Initiated", back=None)
    world.endpoint()
    world.zone(RECORDS, world.vnet_id(NODES))
    finding = judged(world)
    assert (word(finding.verdict), finding.cause) == ("fail", "peering-not-connected")
    assert finding.fix == (
        f"az network vnet peering create --subscription {SUBSCRIPTION} --resource-group rg "
        f"--vnet-name vnet-endpoints --name to-vnet-nodes --remote-vnet {world.vnet_id(NODES)} --allow-vnet-access",
    )


def test_unknown_the_endpoint_is_in_a_subscription_that_is_not_to_be_seen() -> None:
    world = World().healthy_private()
    world.refused.add((SUBSCRIPTION, "endpoints"))
    finding = judged(world)
    assert (word(finding.verdict), finding.cause) == ("unknown", "look-not-allowed")
    assert getattr(finding.verdict, "missing", "") == "Reader"


def test_nothing_there_a_public_registry_without_endpoints_is_skipped() -> None:
    assert word(judged(World()).verdict) == "skipped"
