"""The path to a registry on the internet: closed on the nodes' side, open there, or not judged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checks.facts import ClusterFacts, NotSeen, NotSeenReason, RegistryUse
from checks.facts.outbound import HttpProxy
from checks.findings import RegistryRow, word
from checks.report.cluster_report import build_report
from tests.support.image_facts import container
from tests.support.network_world import World, rule

MCR, HUB, INSIDE = "mcr.microsoft.com", "docker.io", "harbor.corp.example"
ELSEWHERE = NotSeen(NotSeenReason.NOT_APPLICABLE, "it is no registry of this cloud")
NO_INTERNET = rule("no-internet", 4000, "Deny", "Internet")


def facts_of(world: World, host: str, **cluster: Any) -> ClusterFacts:
    """A cluster with an image of a host in use, in this network."""
    facts = world.facts()
    used = (container(f"{host}/team/web:1"),)
    use = RegistryUse(login_server=host, sources=("images of 1 pod",), registry=ELSEWHERE, acr=False, images=used)
    changed = msgspec.structs.replace(facts.cluster, **cluster)
    return msgspec.structs.replace(facts, cluster=changed, uses=(use,))


def row_of(world: World, host: str, **cluster: Any) -> RegistryRow:
    (row,) = build_report(facts_of(world, host, **cluster)).registries
    return row


def words(row: RegistryRow) -> tuple[str, ...]:
    return tuple(word(facet.verdict) for _, facet in row.facets())[:3]


@pytest.mark.parametrize("world", [World(), World().nsg(), World().nat("20.0.0.9")])
def test_outbound_access_that_nothing_closes_stands(world: World) -> None:
    assert words(row_of(world, MCR)) == ("pass", "pass", "pass")
    assert words(row_of(world, HUB)) == ("skipped", "pass", "skipped"), "whether it serves the image nobody can tell"


CLOSED = {
    "a rule": (World().nsg(NO_INTERNET), "nsg-closes-login"),
    "no outbound access": (World().outbound("block"), "no-egress"),
    "a route to nowhere": (World().routes(("0.0.0.0/0", "None")), "route-drops-login"),
}


@pytest.mark.parametrize("host", [MCR, HUB])
@pytest.mark.parametrize("kind", CLOSED)
def test_what_closes_the_nodes_side_is_a_fail_with_a_way_out(kind: str, host: str) -> None:
    world, cause = CLOSED[kind]
    row = row_of(world, host)
    assert (word(row.path.verdict), row.path.cause) == ("fail", cause)
    assert word(row.pull.verdict) == "fail"
    assert row.basis == ("azure",)


def test_a_fix_never_opens_the_whole_internet() -> None:
    commands = " ".join(row_of(World().nsg(NO_INTERNET), HUB).fix)
    assert "az network nsg" not in commands
    assert "by a firewall that filters by name" in commands
    tags = [
        command.split("--destination-address-prefixes ")[1].split()[0]
        for command in row_of(World().nsg(NO_INTERNET), MCR).fix
    ]
    assert tags == ["MicrosoftContainerRegistry", "AzureFrontDoor.FirstParty"]


def test_rules_for_the_registrys_service_tags_leave_it_open_whether_layers_come_through() -> None:
    allowed = rule("mcr", 200, "Allow", "MicrosoftContainerRegistry")
    row = row_of(World().nsg(allowed, NO_INTERNET), MCR)
    assert (word(row.path.verdict), row.path.cause) == ("skipped", "not-judged")


@pytest.mark.parametrize(
    ("world", "cluster"),
    [
        (World().routes(("0.0.0.0/0", "VirtualAppliance")), {}),
        (World().nsg(NO_INTERNET), {"artifact_source": "Cache"}),
        (World().outbound("userDefinedRouting"), {}),
    ],
)
def test_what_something_else_decides_is_not_judged(world: World, cluster: dict[str, Any]) -> None:
    row = row_of(world, MCR, **cluster)
    assert (word(row.path.verdict), row.path.cause) == ("skipped", "not-judged")
    assert word(row.pull.verdict) == "skipped"
    assert row.basis == (), "nothing was judged"


def test_a_proxy_decides_for_the_nodes() -> None:
    world = World()
    outbound = msgspec.structs.replace(world.facts().cluster.outbound, proxy=HttpProxy(no_proxy=()))
    assert word(row_of(world, MCR, outbound=outbound).path.verdict) == "skipped"


def test_what_may_not_be_read_is_unknown_and_says_what_is_missing() -> None:
    world = World().nsg(NO_INTERNET)
    world.hidden = {world.cluster_id.split("/")[2]}
    row = row_of(world, MCR)
    assert word(row.path.verdict) == "unknown"
    assert row.path.verdict.look_failed  # type: ignore[union-attr]


def test_a_host_that_may_be_inside_the_network_is_not_judged_without_word_from_nodes() -> None:
    assert words(row_of(World().nsg(NO_INTERNET), INSIDE)) == ("skipped", "skipped", "skipped")


def test_routes_that_may_not_be_read_are_unknown_in_every_facet_that_rests_on_them() -> None:
    facts = facts_of(World().routes(("0.0.0.0/0", "None")), HUB)
    assert facts.networks is not None
    gap = NotSeen(NotSeenReason.NOT_ALLOWED, "HTTP 403", "Reader")
    listed = {
        guid: msgspec.structs.replace(network, route_tables=gap)
        for guid, network in facts.networks.by_subscription.items()
    }
    networks = msgspec.structs.replace(facts.networks, by_subscription=listed)
    (row,) = build_report(msgspec.structs.replace(facts, networks=networks)).registries
    assert (word(row.path.verdict), word(row.pull.verdict)) == ("unknown", "unknown")
