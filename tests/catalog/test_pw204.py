"""PW204: private DNS leads names to the endpoint."""

import msgspec

from checks import catalog
from checks.catalog import pw204_private_dns as pw204
from checks.findings import Finding, word
from tests.support.network_world import DATA, HOST, NODES, RECORDS, World
from tests.support.tenant_builder import SUBSCRIPTION


def judged(world: World) -> Finding:
    """The only finding of the check."""
    (finding,) = catalog.judge_with((pw204,), world.facts())
    assert finding.subject.registry == HOST
    return finding


WHERE = f"--subscription {SUBSCRIPTION} --resource-group rg-dns --zone-name privatelink.azurecr.io"


def spoke(records: dict[str, str | tuple[str, ...]], linked: bool = True) -> World:
    world = World().private()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home).endpoint()
    world.zone(records, world.vnet_id(NODES) if linked else home)
    return world


def test_pass_every_name_leads_to_the_endpoint() -> None:
    finding = judged(spoke(RECORDS))
    assert (word(finding.verdict), finding.cause) == ("pass", "names-lead-in")
    assert "10.20.0.4" in finding.summary and "10.20.0.5" in finding.summary


def test_fail_not_linked_and_the_command_that_links_the_zone_that_has_the_record() -> None:
    world = spoke(RECORDS, linked=False)
    finding = judged(world)
    assert (word(finding.verdict), finding.cause) == ("fail", "zone-not-linked")
    assert finding.fix == (
        f"az network private-dns link vnet create {WHERE} --name {NODES} "
        f"--virtual-network {world.vnet_id(NODES)} --registration-enabled false",
    )


def test_fail_data_record_missing_and_the_command_that_adds_it() -> None:
    finding = judged(spoke({"acrone": "10.20.0.4"}))
    assert (word(finding.verdict), finding.cause) == ("fail", "data-record-missing")
    assert finding.fix == (
        f"az network private-dns record-set a add-record {WHERE} "
        "--record-set-name acrone.westeurope.data --ipv4-address 10.20.0.5",
    )


def test_fail_wrong_address_is_taken_out_and_the_right_one_put_in() -> None:
    finding = judged(spoke(RECORDS | {"acrone": "10.20.0.99"}))
    assert (word(finding.verdict), finding.cause) == ("fail", "login-record-wrong")
    assert [line.split()[5] for line in finding.fix] == ["remove-record", "add-record"]


def test_unknown_custom_dns_servers_decide() -> None:
    world = World().healthy_private().dns("10.30.0.4")
    world.vnet("vnet-hub", "10.30.0.0/16", hosts={})
    world.zone({}, world.vnet_id("vnet-hub"), group="rg-hub")
    finding = judged(world)
    assert (word(finding.verdict), finding.cause) == ("unknown", "custom-dns")
    assert "They stand in vnet-hub" in finding.summary


def test_nothing_there_no_zone_and_no_endpoint_is_skipped() -> None:
    assert word(judged(World()).verdict) == "skipped"


REGIONAL = "acrone.westeurope.geo.azurecr.io"


def by_regional_name(world: World) -> Finding:
    facts = world.facts()
    (use,) = facts.uses
    named = msgspec.structs.replace(facts, uses=(msgspec.structs.replace(use, names=(REGIONAL,)),))
    (finding,) = catalog.judge_with((pw204,), named)
    return finding


def test_fail_a_regional_endpoint_that_images_name_has_no_record() -> None:
    world = World().private()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home).endpoint(data=(DATA, REGIONAL))
    world.zone(RECORDS, world.vnet_id(NODES))
    finding = by_regional_name(world)
    assert (word(finding.verdict), finding.cause) == ("fail", "regional-record-missing")
    assert finding.fix == (
        f"az network private-dns record-set a add-record {WHERE} "
        "--record-set-name acrone.westeurope.geo --ipv4-address 10.20.0.6",
    )


def test_pass_a_regional_endpoint_with_its_record() -> None:
    finding = by_regional_name(spoke(RECORDS | {"acrone.westeurope.geo": "10.20.0.6"}))
    assert (word(finding.verdict), finding.cause) == ("pass", "names-lead-in")
