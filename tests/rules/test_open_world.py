"""What was not seen does not exist only where its place was read completely: each kind hidden, and each certain."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checks import catalog
from checks.catalog import pw101_kubelet_identity, pw102_pull_permission
from checks.facts import (
    ClusterFacts,
    IdentityResource,
    KubeletIdentity,
    KubeletResource,
    NodeMachines,
    NotSeen,
    NotSeenReason,
    Seen,
)
from checks.facts.visibility import Visibility
from checks.findings import word
from checks.report.cluster_report import build_report
from checks.rules import visibility
from tests.support import access_facts
from tests.support.network_world import NODES, READ, RECORDS, REFUSED, World, rule
from tests.support.readable import OWN, readable
from tests.support.tenant_builder import SUBSCRIPTION

HUB = "22222222-2222-4222-8222-222222222222"
LINKS = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"


def closed() -> World:
    """A registry that only its endpoint, in a peered network, lets in; its zone lies in the hub's subscription."""
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.peer(world.vnet_id(NODES), home)
    zone = world.zone(RECORDS, home, sub=HUB)
    return world.zone_group(world.endpoint(), zone).private()


def zone_of(world: World) -> str:
    kind = "microsoft.network/privatednszones"
    return next(key for key, body in world.bodies.items() if body["type"].lower() == kind)


def linked() -> World:
    """The same, with the nodes' network linked to the zone."""
    world = closed()
    zone = next(
        key for key, body in world.bodies.items() if body["type"].lower() == "microsoft.network/privatednszones"
    )
    network = {"virtualNetwork": {"id": world.vnet_id(NODES)}, "registrationEnabled": False}
    world._child(zone, "virtualNetworkLinks/nodes", LINKS, network)
    return world


def outcome(facts: ClusterFacts) -> tuple[str, str | None]:
    """The path facet of the one row."""
    (row,) = build_report(facts).registries
    return word(row.path.verdict), row.path.cause


def seen_by(world: World, visible: Visibility) -> ClusterFacts:
    """The facts of a world for an app that may read less than all."""
    facts = world.facts()
    assert facts.networks is not None
    return msgspec.structs.replace(
        facts, networks=msgspec.structs.replace(facts.networks, visibility=visible), visibility=visible
    )


def fixes(facts: ClusterFacts) -> str:
    return "\n".join(command for finding in catalog.judge(facts) for command in finding.fix)


def test_everything_readable_is_certain_either_way() -> None:
    assert outcome(linked().facts()) == ("pass", "endpoint-in-peer")
    assert outcome(closed().facts()) == ("fail", "zone-not-linked")
    assert "private-dns link vnet create" in fixes(closed().facts())


def test_a_zone_in_a_subscription_that_cannot_be_seen_is_named_with_what_would_show_it() -> None:
    for build in (closed, linked):
        world = build()
        world.hidden.add(HUB)
        facts = world.facts()
        assert outcome(facts) == ("unknown", "look-not-allowed")
        assert HUB in fixes(facts)
        assert OWN in fixes(facts), "the app's own object id, no placeholder"
        assert "private-dns" not in fixes(facts), "nothing is created or linked whose counterpart may exist"


def test_a_zone_group_that_may_not_be_read_leaves_open_where_the_records_are() -> None:
    facts = closed().facts()
    assert facts.networks is not None
    groups: dict[str, Any] = dict.fromkeys(facts.networks.zone_groups, REFUSED)
    networks = msgspec.structs.replace(facts.networks, zone_groups=groups)
    assert outcome(msgspec.structs.replace(facts, networks=networks))[0] == "unknown"


def test_a_zone_that_counts_more_links_than_it_shows_is_not_known_whole() -> None:
    world = closed()
    zone = next(
        key for key, body in world.bodies.items() if body["type"].lower() == "microsoft.network/privatednszones"
    )
    world.change(zone, numberOfVirtualNetworkLinks=1)
    assert outcome(world.facts()) == ("fail", "zone-not-linked")
    world.change(zone, numberOfVirtualNetworkLinks=2)
    assert outcome(world.facts()) == ("unknown", "zone-links-hidden")


def test_a_forwarding_ruleset_of_the_nodes_network_may_answer() -> None:
    world = closed()
    world.ruleset("rules", world.vnet_id("vnet-endpoints"))
    assert outcome(world.facts()) == ("fail", "zone-not-linked")
    world.ruleset("rules", world.vnet_id(NODES), sub=HUB, rules={"corp.example": "10.9.9.9"})
    assert outcome(world.facts()) == ("fail", "zone-not-linked")
    world.ruleset("rules", world.vnet_id(NODES), sub=HUB, rules={"azurecr.io": "10.9.9.9"})
    assert outcome(world.facts()) == ("unknown", "forwarding-ruleset")


@pytest.mark.parametrize("group", [True, False])
def test_a_zone_linked_to_an_unseen_network_may_answer_through_its_resolver(group: bool) -> None:
    world = World()
    home, hub = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={}), world.vnet_id("vnet-hub", sub=HUB)
    world.peer(world.vnet_id(NODES), home)
    zone, endpoint = world.zone(RECORDS, home, hub), world.endpoint()
    if group:
        world.zone_group(endpoint, zone)
    world.private()
    assert outcome(world.facts()) == ("unknown", "look-not-allowed")
    assert HUB in fixes(world.facts())
    assert "private-dns" not in fixes(world.facts())
    world.vnet("vnet-hub", "10.30.0.0/16", sub=HUB, resolver={})
    assert outcome(world.facts()) == ("fail", "zone-not-linked")
    del world.bodies[hub]
    assert outcome(world.facts()) == ("unknown", "look-not-allowed")
    world.vnet("vnet-other", "10.30.0.0/16", sub=HUB)
    assert outcome(world.facts()) == ("fail", "zone-not-linked"), "a link to a deleted network"


@pytest.mark.parametrize("resource_type", [visibility.PRIVATE_ZONES, visibility.RULESETS])
def test_a_list_that_shows_a_part_says_nothing_of_the_rest(resource_type: str) -> None:
    partly = readable(SUBSCRIPTION, HUB, without=(f"{resource_type}/*",))
    assert outcome(seen_by(closed(), partly)) == ("unknown", "look-not-allowed")


def test_rights_on_single_groups_are_no_rights_on_the_subscription() -> None:
    none: dict[str, Any] = {SUBSCRIPTION: Seen((), READ), HUB: Seen((), READ)}
    assert outcome(seen_by(closed(), Visibility(object_id=OWN, own_roles=none)))[0] == "unknown"


def far() -> World:
    """The endpoint lies in a network that nothing connects with the nodes'."""
    world = World()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    zone = world.zone(RECORDS, world.vnet_id(NODES), home)
    return world.zone_group(world.endpoint(), zone).private()


def test_out_of_reach_is_certain_only_where_no_network_manager_may_connect() -> None:
    assert outcome(far().facts()) == ("fail", "endpoint-out-of-reach")
    for scopes, expected in (((HUB,), "fail"), ((SUBSCRIPTION,), "unknown")):
        world = far()
        world.manager(*scopes)
        assert outcome(world.facts())[0] == expected
    world = far()
    world.manager(SUBSCRIPTION, accesses=("SecurityAdmin",))
    assert "endpoint-out-of-reach" in {f.cause for f in catalog.judge(world.facts())}
    hidden = readable(SUBSCRIPTION, without=(f"{visibility.NETWORK_MANAGERS}/*",))
    assert outcome(seen_by(far(), hidden)) == ("unknown", "look-not-allowed")


def test_security_admin_rules_come_before_security_groups() -> None:
    for build in (World, lambda: World().nsg(rule("no", 100, "Deny", "*"))):
        world = build()
        before = outcome(world.facts())
        assert before in (("pass", "open-to-all"), ("fail", "nsg-closes-login"))
        world.manager(SUBSCRIPTION, accesses=("SecurityAdmin",))
        assert outcome(world.facts()) == ("unknown", "admin-rules-login")
    world.cluster(identityProfile=..., servicePrincipalProfile={"clientId": OWN})
    world.bodies[world.cluster_id].pop("identity")
    assert "admin-rules-sign-in" in {finding.cause for finding in catalog.judge(world.facts())}


def test_an_endpoint_in_an_unseen_network_is_not_out_of_reach() -> None:
    world = World()
    endpoint = world.endpoint(network=world.vnet_id("vnet-elsewhere", sub=HUB))
    zone = world.zone(RECORDS, world.vnet_id(NODES))
    world.zone_group(endpoint, zone).private()
    assert outcome(world.facts())[0] == "unknown"
    assert "peering" not in fixes(world.facts())


def managed() -> World:
    """AKS made the nodes' network, which stands in the node resource group."""
    world = World()
    world.vnet("aks-vnet-1", "10.224.0.0/12", group="MC_aks-1", aks_subnet={})
    return world.pools(world.pool("system", None))


def unlisted() -> World:
    world = managed()
    del world.bodies[world.vnet_id("aks-vnet-1", group="MC_aks-1")]
    return world


def test_a_network_is_taken_as_aks_makes_it_only_for_a_registry_that_is_public() -> None:
    assert outcome(unlisted().facts()) == ("pass", "open-to-all")
    world = unlisted()
    home = world.vnet("vnet-endpoints", "10.20.0.0/16", endpoints={})
    world.zone_group(world.endpoint(), world.zone(RECORDS, home)).private()
    causes = {finding.code: finding.cause for finding in catalog.judge(world.facts())}
    assert (causes["PW203"], causes["PW204"]) == ("endpoint-not-readable", "network-not-listed")
    assert outcome(world.facts())[0] == "unknown"
    assert "peering" not in fixes(world.facts())


def test_a_node_resource_group_that_may_not_be_read_hides_network_and_groups() -> None:
    for build, kind in ((unlisted, visibility.VIRTUAL_NETWORKS), (managed, visibility.SECURITY_GROUPS)):
        partly = readable(SUBSCRIPTION, without=(f"{kind}/*",))
        assert outcome(build().facts()) == ("pass", "open-to-all")
        assert outcome(seen_by(build(), partly)) == ("unknown", "look-not-allowed")


def identity(**over: Any) -> ClusterFacts:
    """A cluster whose kubelet identity and machines are as given."""
    resource_id = f"/subscriptions/{access_facts.SUBSCRIPTION}/resourceGroups/MC/providers/Microsoft.ManagedIdentity/"
    resource_id += "userAssignedIdentities/agentpool"
    kubelet = KubeletIdentity(resource_id, None, access_facts.ME)
    resource = IdentityResource(id=resource_id, principal_id=access_facts.ME)
    machine = NodeMachines(id="vmss", name="aks-system-1-vmss", identities=(resource_id.lower(),))
    base: dict[str, Any] = {
        "cluster": access_facts.cluster(kubelet=kubelet),
        "kubelet_resource": access_facts.seen(KubeletResource(resource=resource, others=0, siblings=0)),
        "machines": access_facts.seen((machine,)),
    }
    return access_facts.facts(**(base | over))


GONE = access_facts.seen(KubeletResource(resource=None, others=0, siblings=0))


@pytest.mark.parametrize(
    ("over", "hidden"),
    [
        ({"kubelet_resource": GONE, "machines": access_facts.seen(())}, visibility.IDENTITIES),
        ({"kubelet_resource": REFUSED}, visibility.IDENTITIES),
        ({"machines": access_facts.seen(())}, visibility.SCALE_SETS),
        ({"machines": REFUSED}, visibility.SCALE_SETS),
    ],
)
def test_an_identity_passes_only_where_what_would_show_it_deleted_can_be_read(over: Any, hidden: str) -> None:
    (finding,) = pw101_kubelet_identity.judge(identity())
    assert word(finding.verdict) == "pass"
    partly = readable(access_facts.SUBSCRIPTION, without=(f"{hidden}/*",))
    (finding,) = pw101_kubelet_identity.judge(identity(visibility=partly, **over))
    assert (word(finding.verdict), finding.cause) == ("unknown", "look-not-allowed")


def role(visible: Visibility | None = None, *, held: bool = False) -> tuple[str, str]:
    assignments = (access_facts.held(access_facts.ACR_PULL),) if held else ()
    known = {access_facts.SUBSCRIPTION: access_facts.authorization(*assignments)}
    over: dict[str, Any] = {} if visible is None else {"visibility": visible}
    (finding,) = catalog.judge_with((pw102_pull_permission,), access_facts.facts(authorization=known, **over))
    return word(finding.verdict), finding.cause


def test_a_role_is_missing_only_where_every_assignment_is_listed() -> None:
    assert role() == ("fail", "role-missing")
    partly = readable(access_facts.SUBSCRIPTION, without=(f"{visibility.ROLE_ASSIGNMENTS}/read",))
    assert role(partly) == ("unknown", "look-not-allowed")
    assert role(partly, held=True) == ("pass", "role-held"), "a grant that is seen counts"


def test_a_role_is_held_only_where_every_deny_assignment_is_listed() -> None:
    partly = readable(access_facts.SUBSCRIPTION, without=(f"{visibility.DENY_ASSIGNMENTS}/read",))
    assert role(partly, held=True) == ("unknown", "look-not-allowed")


def test_across_lighthouse_a_missing_role_is_not_shown() -> None:
    visible = readable(access_facts.SUBSCRIPTION)
    over_there = msgspec.structs.replace(visible, delegated=frozenset({access_facts.SUBSCRIPTION}))
    assert role(over_there) == ("unknown", "assignments-delegated")
    assert role(over_there, held=True) == ("pass", "role-held")


def test_own_rights_that_could_not_be_read_show_nothing_whole() -> None:
    gap = NotSeen(REFUSED.why, "403", "Reader", ("az role assignment create",))
    hidden = hidden_behind(gap)
    assert (hidden.role, hidden.fix) == (gap.role, gap.fix) and "403" in hidden.detail


def test_a_role_is_not_what_cures_own_rights_that_azure_did_not_answer() -> None:
    hidden = hidden_behind(NotSeen(NotSeenReason.ERROR, "HTTP 503"))
    assert (hidden.why, hidden.role, hidden.fix) == (NotSeenReason.ERROR, None, ())
    assert "HTTP 503" in hidden.detail


def hidden_behind(gap: NotSeen) -> NotSeen:
    """Why private zones may be hidden where this is what came of the read of the app's own roles."""
    own: dict[str, Any] = {SUBSCRIPTION: gap}
    hidden = visibility.hidden_in(Visibility(own_roles=own), SUBSCRIPTION, visibility.PRIVATE_ZONES)
    assert hidden is not None
    return hidden


def test_the_coverage_names_what_is_hidden_and_the_command_that_shows_it() -> None:
    partly = readable(SUBSCRIPTION, HUB, without=(f"{visibility.PRIVATE_ZONES}/*",))
    lines = [line for line in build_report(seen_by(closed(), partly)).coverage if not line.looked and line.fix]
    assert [line.what for line in lines] == [f"all of subscription {SUBSCRIPTION}", f"all of subscription {HUB}"]
    assert all(visibility.PRIVATE_ZONES in line.why for line in lines)
    assert lines[1].fix == (
        f"az role assignment create --assignee-object-id {OWN} --assignee-principal-type ServicePrincipal "
        f"--role Reader --scope /subscriptions/{HUB}",
    )


def test_the_coverage_of_many_partly_readable_subscriptions_is_bounded_and_says_so() -> None:
    many = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(9)]
    partly = readable(SUBSCRIPTION, *many, without=(f"{visibility.RULESETS}/*",))
    lines = build_report(seen_by(World(), partly)).coverage
    assert sum(line.what.startswith("all of subscription") for line in lines) == 5
    assert [line.why for line in lines if line.what == "other subscriptions"] == [
        "5 more subscriptions may be read only in part"
    ]
