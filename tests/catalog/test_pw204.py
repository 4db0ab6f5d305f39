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


def test_unknown_a_link_that_is_not_completed() -> None:
    for state, expected in (("Completed", "names-lead-in"), ("InProgress", "link-in-progress")):
        world = spoke(RECORDS)
        link = next(key for key in world.bodies if "/virtualNetworkLinks/" in key)
        world.change(link, virtualNetworkLinkState=state)
        assert judged(world).cause == expected


DATA_ZONE = "westeurope.data.privatelink.azurecr.io"


def with_data_zone(records: dict[str, str | tuple[str, ...]], own: dict[str, str | tuple[str, ...]]) -> World:
    """The data endpoint's records have a zone of their own beside that of the login server."""
    world = spoke(records)
    world.zone(own, world.vnet_id(NODES), name=DATA_ZONE)
    return world


LOGIN: dict[str, str | tuple[str, ...]] = {"acrone": "10.20.0.4"}


def test_pass_the_data_endpoint_has_a_zone_of_its_own() -> None:
    assert judged(with_data_zone(LOGIN, {"acrone": "10.20.0.5"})).cause == "names-lead-in"


def test_fail_no_zone_has_the_record_of_the_data_endpoint_and_the_command_adds_it_to_the_closer() -> None:
    finding = judged(with_data_zone(LOGIN, {}))
    assert (word(finding.verdict), finding.cause) == ("fail", "data-record-missing")
    assert f"--zone-name {DATA_ZONE} --record-set-name acrone " in finding.fix[0]


def test_unknown_the_record_is_in_the_wider_of_two_zones() -> None:
    finding = judged(with_data_zone(RECORDS, {}))
    assert (word(finding.verdict), finding.cause) == ("unknown", "zones-overlap")
    assert DATA_ZONE in finding.summary


def test_unknown_a_zone_group_names_a_closer_zone_that_is_hidden() -> None:
    hub = "22222222-2222-4222-8222-222222222222"
    for hidden, expected in ((False, ("pass", "names-lead-in")), (True, ("unknown", "look-not-allowed"))):
        world = spoke(RECORDS)
        closer = world.zone({"acrone": "10.20.0.5"}, name=DATA_ZONE, sub=hub)
        login = next(key for key, body in world.bodies.items() if body["name"] == "privatelink.azurecr.io")
        endpoint = next(key for key, body in world.bodies.items() if key.endswith("/privateEndpoints/pe"))
        world.zone_group(endpoint, login, closer)
        world.hidden |= {hub} if hidden else set()
        finding = judged(world)
        assert (word(finding.verdict), finding.cause) == expected
        assert not hidden or hub in finding.summary


def test_a_closer_zone_that_is_gone_hides_nothing() -> None:
    world = spoke(RECORDS)
    login = next(key for key, body in world.bodies.items() if body["name"] == "privatelink.azurecr.io")
    endpoint = next(key for key in world.bodies if key.endswith("/privateEndpoints/pe"))
    world.zone_group(endpoint, login, login.replace("privatelink.azurecr.io", DATA_ZONE))
    assert judged(world).cause == "names-lead-in"


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
