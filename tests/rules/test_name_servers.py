"""Names on their way: rules, resolvers and custom servers, each where it decides, is hidden, or is absent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checks import catalog
from checks.facts import ClusterFacts, Seen
from checks.findings import Finding, word
from tests.rules.test_open_world import fixes, outcome, seen_by
from tests.support.hub_world import HUB, INBOUND, PUBLIC_NAME, RULESETS, Hub
from tests.support.name_server_world import RESOLVER, resolver
from tests.support.network_world import NODES, READ, RECORDS, REFUSED, World
from tests.support.readable import readable
from tests.support.tenant_builder import SUBSCRIPTION


def names(facts: ClusterFacts) -> Finding:
    """What PW204 says."""
    return next(finding for finding in catalog.judge(facts) if finding.code == "PW204")


def said(hub: Hub) -> tuple[str, str, str]:
    finding = names(hub.world.facts())
    return word(finding.verdict), finding.cause, finding.summary


WAYS = (lambda **over: Hub(**over).forwards(), lambda **over: Hub(**over).serves())


@pytest.mark.parametrize("way", WAYS)
def test_a_record_that_the_hub_answers_decides(way: Any) -> None:
    verdict, cause, summary = said(way())
    assert (verdict, cause) == ("pass", "names-lead-in")
    assert "10.20.0.4" in summary and ("rule azurecr-io" in summary or f"vnet-nodes, {INBOUND})" in summary)
    assert outcome(way().world.facts())[0] == "pass"


@pytest.mark.parametrize("way", WAYS)
def test_what_the_hubs_zone_lacks_or_has_wrong_fails(way: Any) -> None:
    hub = way(records={})
    assert said(hub)[:2] == ("fail", "login-record-missing")
    assert "linked to vnet-hub" in said(hub)[2]
    assert f"--subscription {HUB}" in fixes(hub.world.facts())
    hub = way(records=RECORDS | {"acrone": "10.20.0.99"})
    assert said(hub)[:2] == ("fail", "login-record-wrong")
    assert outcome(hub.world.facts())[0] == "fail"


@pytest.mark.parametrize("way", WAYS)
def test_a_hub_that_no_zone_is_linked_to_gets_the_link(way: Any) -> None:
    hub = way()
    hub.unlink()
    verdict, cause, summary = said(hub)
    assert (verdict, cause) == ("fail", "zone-not-linked")
    assert "is linked to vnet-hub, which answers the nodes" in summary
    (command,) = names(hub.world.facts()).fix
    assert f"--virtual-network {hub.network}" in command and "zone create" not in command


@pytest.mark.parametrize("way", WAYS)
def test_where_the_hub_may_not_be_seen_it_is_not_known(way: Any) -> None:
    hub = way()
    hub.world.hidden.add(HUB)
    facts = hub.world.facts()
    assert outcome(facts)[0] == "unknown"
    assert HUB in fixes(facts) and "private-dns" not in fixes(facts)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [RESOLVER, f"{RESOLVER}/inboundEndpoints"])
def test_resolvers_that_may_not_be_read_are_not_known(way: Any, kind: str) -> None:
    facts = way().world.facts()
    assert facts.networks is not None
    known = facts.networks.name_servers
    if kind == RESOLVER:
        resolvers: dict[str, Any] = dict.fromkeys(known.resolvers, REFUSED)
    else:
        resolvers = {
            sub: Seen({k: msgspec.structs.replace(r, inbound=REFUSED) for k, r in part.value.items()}, READ)
            for sub, part in known.resolvers.items()
            if isinstance(part, Seen)
        }
    servers = msgspec.structs.replace(known, resolvers=resolvers)
    networks = msgspec.structs.replace(facts.networks, name_servers=servers)
    assert outcome(msgspec.structs.replace(facts, networks=networks)) == ("unknown", "look-not-allowed")


@pytest.mark.parametrize("way", WAYS)
def test_a_resolver_that_a_list_may_hide_is_named_with_the_role(way: Any) -> None:
    hub = way(to="10.40.0.77")
    assert outcome(hub.world.facts())[0] == "unknown"
    assert names(hub.world.facts()).cause in ("custom-dns", "forwarding-ruleset")
    partly = readable(SUBSCRIPTION, HUB, without=(f"{RESOLVER}/*",))
    facts = seen_by(hub.world, partly)
    assert names(facts).cause == "look-not-allowed" and HUB in fixes(facts)


def test_rules_that_may_not_be_read_are_not_known() -> None:
    facts = Hub().forwards().world.facts()
    assert facts.networks is not None
    rules: dict[str, Any] = dict.fromkeys(facts.networks.name_servers.rules, REFUSED)
    servers = msgspec.structs.replace(facts.networks.name_servers, rules=rules)
    networks = msgspec.structs.replace(facts.networks, name_servers=servers)
    found = names(msgspec.structs.replace(facts, networks=networks))
    assert found.cause == "look-not-allowed" and "ruleset rules" in found.summary


def test_a_rule_that_could_not_be_understood_leaves_it_open() -> None:
    for over in (
        {"domainName": 7},
        {"forwardingRuleState": "Paused"},
        {"forwardingRuleState": False},
        {"targetDnsServers": "10.40.0.4"},
        {"targetDnsServers": [{"ipAddress": INBOUND, "port": 53}, "10.40.0.77"]},
        {"targetDnsServers": [{"ipAddress": INBOUND, "port": "5353"}]},
    ):
        assert said(Hub().forwards().rule(PUBLIC_NAME, **over))[:2] == ("unknown", "forwarding-ruleset")


def test_a_link_that_could_not_be_understood_leaves_it_open() -> None:
    hub = Hub().forwards(links=(Hub().network,))
    hub.unlink()
    assert said(hub)[:2] == ("fail", "zone-not-linked")
    (link,) = (key for key in hub.world.bodies if key.startswith(f"{hub.ruleset}/virtualNetworkLinks/"))
    hub.world.bodies[link]["properties"]["virtualNetwork"] = 7
    verdict, cause, summary = said(hub)
    assert (verdict, cause) == ("unknown", "look-error")
    assert "1 of 1 links of" in summary


@pytest.mark.parametrize("domain", ["", "corp.example", "xazurecr.io", "acrtwo.azurecr.io"])
def test_a_rule_that_catches_no_name_of_the_registry_changes_nothing(domain: str) -> None:
    assert said(Hub().forwards(domain))[:2] == ("fail", "zone-not-linked")


def test_a_rule_that_is_off_changes_nothing() -> None:
    assert said(Hub().forwards().rule(PUBLIC_NAME, forwardingRuleState="Disabled"))[:2] == ("fail", "zone-not-linked")


def test_a_rule_for_the_private_name_alone_is_not_known_to_catch_it() -> None:
    verdict, cause, summary = said(Hub().forwards(f"privatelink.{PUBLIC_NAME}"))
    assert (verdict, cause) == ("unknown", "forwarding-ruleset")
    assert "privatelink-azurecr-io" in summary
    assert said(Hub().forwards(PUBLIC_NAME, f"privatelink.{PUBLIC_NAME}"))[0] == "pass", "both lead to one server"


def test_the_longest_suffix_decides() -> None:
    hub = Hub().forwards(PUBLIC_NAME, f"acrone.{PUBLIC_NAME}")
    hub.rule(f"acrone.{PUBLIC_NAME}", targetDnsServers=[{"ipAddress": "10.40.0.77", "port": 53}])
    assert said(hub)[0] == "unknown"
    hub.rule(PUBLIC_NAME, targetDnsServers=[{"ipAddress": "10.40.0.77", "port": 53}])
    hub.rule(f"acrone.{PUBLIC_NAME}", targetDnsServers=[{"ipAddress": INBOUND, "port": 53}])
    assert word(names(hub.world.facts()).verdict) == "unknown", "the data endpoint goes another way"
    assert "data" in names(hub.world.facts()).summary


def test_a_server_at_another_port_is_nobody_known() -> None:
    servers = [{"ipAddress": INBOUND, "port": 5353}]
    assert said(Hub().forwards().rule(PUBLIC_NAME, targetDnsServers=servers))[:2] == ("unknown", "forwarding-ruleset")


def test_rulesets_that_disagree_leave_it_open() -> None:
    hub = Hub().forwards()
    hub.world.ruleset("others", hub.nodes, rules={PUBLIC_NAME: "10.40.0.77"})
    assert said(hub)[:2] == ("unknown", "forwarding-ruleset")


def test_a_zone_linked_to_the_nodes_network_comes_before_any_rule() -> None:
    hub = Hub().forwards().link(World().vnet_id(NODES))
    hub.rule(PUBLIC_NAME, targetDnsServers=[{"ipAddress": "10.40.0.77", "port": 53}])
    assert said(hub)[0] == "pass"
    hub = Hub(records={}).forwards().link(World().vnet_id(NODES))
    assert said(hub)[:2] == ("fail", "login-record-missing")
    assert f"linked to {NODES}" in said(hub)[2]


def test_a_zone_that_redirects_what_it_lacks_and_a_rule_leave_it_open() -> None:
    hub = Hub().forwards()
    hub.world.zone({}, hub.nodes, policy="NxDomainRedirect")
    verdict, cause, summary = said(hub)
    assert (verdict, cause) == ("unknown", "forwarding-ruleset")
    assert "NxDomainRedirect" in summary and "rule azurecr-io" in summary
    assert not any("link vnet create" in line for line in names(hub.world.facts()).fix)


def test_a_zone_that_redirects_what_it_lacks_is_not_said_to_be_unlinked() -> None:
    world = World().private()
    world.zone({}, world.vnet_id(NODES), policy="NxDomainRedirect")
    world.endpoint()
    finding = names(world.facts())
    assert (word(finding.verdict), finding.cause) == ("fail", "login-record-missing")
    assert "NxDomainRedirect" in finding.summary and "No private DNS zone" not in finding.summary
    assert finding.fix and all("add-record" in line for line in finding.fix)


def test_a_ruleset_linked_to_the_network_of_its_own_target_goes_round_unless_a_zone_answers() -> None:
    hub = Hub().forwards(links=(Hub().nodes, Hub().network))
    assert said(hub)[0] == "pass", "the zone linked to the hub comes first"
    hub.unlink()
    verdict, cause, summary = said(hub)
    assert (verdict, cause) == ("fail", "resolution-loop")
    assert "vnet-hub" in summary and "rules" in summary
    fix = names(hub.world.facts()).fix
    assert f"--virtual-network {hub.network}" in fix[0] and fix[-1].startswith("# ")


def test_a_list_of_rulesets_that_may_lack_one_leaves_even_a_rule_open() -> None:
    for build in (lambda: Hub().forwards(), lambda: Hub(records={}).forwards()):
        partly = readable(SUBSCRIPTION, HUB, without=(f"{RULESETS}/*",))
        facts = seen_by(build().world, partly)
        assert outcome(facts) == ("unknown", "look-not-allowed")
        assert "listDnsForwardingRulesets" in names(facts).summary


def asked(hub: Hub, *ids: str) -> ClusterFacts:
    """The facts where the network itself named its rulesets, and lists may lack some."""
    facts = seen_by(hub.world, readable(SUBSCRIPTION, HUB, without=(f"{RULESETS}/*",)))
    assert facts.networks is not None
    linked: dict[str, Any] = {hub.nodes.lower(): Seen(ids, READ)}
    servers = msgspec.structs.replace(facts.networks.name_servers, linked=linked)
    return msgspec.structs.replace(facts, networks=msgspec.structs.replace(facts.networks, name_servers=servers))


def test_what_the_network_itself_names_is_all_there_is() -> None:
    hub = Hub().forwards()
    assert outcome(asked(hub, hub.ruleset))[0] == "pass"
    assert outcome(asked(Hub()))[:2] == ("fail", "zone-not-linked")
    elsewhere = hub.ruleset.replace(HUB, "44444444-4444-4444-8444-444444444444")
    hidden = asked(hub, elsewhere)
    assert names(hidden).cause == "look-not-allowed"
    assert f"{RULESETS}/forwardingRules/read" in names(hidden).summary and elsewhere in names(hidden).summary


def test_servers_of_a_network_have_to_agree() -> None:
    hub = Hub().serves(INBOUND, "10.40.0.5")
    assert said(hub)[:2] == ("unknown", "custom-dns"), "nobody is known at the second"
    second = hub.world.vnet("vnet-second", "10.41.0.0/16", sub=HUB, inbound={})
    hub.world.peer(hub.nodes, second)
    resolver(hub.world, second, "10.41.0.4", name="second", sub=HUB)
    hub.serves(INBOUND, "10.41.0.4")
    assert said(hub)[:2] == ("unknown", "custom-dns"), "no zone is linked to the second's network"
    assert said(hub.link(second))[0] == "pass"
    assert said(hub.serves(INBOUND, "168.63.129.16"))[0] == "unknown"
    assert said(hub.link(hub.nodes))[0] == "pass"


def test_a_server_in_no_network_in_sight_is_nobody_known() -> None:
    for hub in (Hub(peered=False).serves(), Hub().serves("10.99.0.4"), Hub().serves("dns.example")):
        assert said(hub)[:2] == ("unknown", "custom-dns")


def test_a_peering_is_not_needed_for_rules_but_for_servers() -> None:
    assert said(Hub(peered=False).forwards())[0] == "pass"


def test_a_disconnected_resolver_answers_nobody() -> None:
    hub = Hub().serves()
    hub.world.change(hub.resolver, dnsResolverState="Disconnected")
    assert said(hub)[:2] == ("unknown", "custom-dns")


def test_a_server_in_a_virtual_wan_hub_is_named_as_such() -> None:
    world = Hub().serves("10.60.0.132").world
    hub = "/subscriptions/microsoft/resourceGroups/RG/providers/Microsoft.Network/virtualNetworks/HV_hub_1"
    world.peer(world.vnet_id(NODES), hub, remoteVirtualNetworkAddressSpace={"addressPrefixes": ["10.60.0.0/23"]})
    finding = names(world.facts())
    assert (word(finding.verdict), finding.cause) == ("unknown", "custom-dns")
    assert "Virtual WAN hub" in finding.summary


def test_a_fail_through_servers_of_a_network_says_that_running_nodes_keep_the_former_ones() -> None:
    assert "former ones" in said(Hub(records={}).serves())[2]
    assert "former ones" not in said(Hub(records={}).forwards())[2]


def test_a_public_registry_resolves_publicly_through_a_resolver_whatever_rules_there_are() -> None:
    hub = Hub().serves()
    public = World()
    network = public.vnet("vnet-hub", "10.40.0.0/16", inbound={})
    public.peer(public.vnet_id(NODES), network).dns(INBOUND)
    assert outcome(public.facts())[0] == "unknown"
    resolver(public, network, INBOUND)
    public.ruleset("rules", network, public.vnet_id(NODES), rules={PUBLIC_NAME: "10.9.9.9"})
    assert outcome(public.facts()) == ("pass", "open-to-all")
    assert outcome(hub.world.facts())[0] == "pass"
