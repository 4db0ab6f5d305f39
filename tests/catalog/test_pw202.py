"""PW202: egress addresses against IP rules."""

from checks import catalog
from checks.catalog import pw202_egress_and_ip_rules as pw202
from checks.findings import Finding, word
from tests.support.network_world import EGRESS, HOST, World
from tests.support.tenant_builder import SUBSCRIPTION


def judged(world: World) -> Finding:
    """The only finding of the check."""
    (finding,) = catalog.judge_with((pw202,), world.facts())
    assert finding.subject.registry == HOST
    return finding


def test_pass_all_addresses_are_allowed() -> None:
    finding = judged(World().deny("20.50.1.0/24"))
    assert (word(finding.verdict), finding.cause) == ("pass", "ip-allowed")
    assert EGRESS in finding.summary


def test_fail_names_the_address_and_the_command_that_allows_it() -> None:
    finding = judged(World().deny("20.99.0.1"))
    assert (word(finding.verdict), finding.cause) == ("fail", "ip-not-allowed")
    where = f"--subscription {SUBSCRIPTION} --resource-group rg"
    assert finding.fix == (f"az acr network-rule add --name acrone {where} --ip-address {EGRESS}",)
    assert "networkRuleBypassOptions does not cover AKS nodes" in finding.summary


def test_fail_some_addresses_are_out_and_pulls_fail_now_and_then() -> None:
    world = World().deny(EGRESS)
    ids = [{"id": world.address(name, value)} for name, value in (("one", EGRESS), ("two", "20.50.1.2"))]
    world.outbound("loadBalancer", loadBalancerProfile={"effectiveOutboundIPs": ids})
    finding = judged(world)
    assert (word(finding.verdict), finding.cause) == ("fail", "ip-partly-allowed")
    assert "intermittent 403" in finding.summary
    assert [line.rsplit(" ", 1)[-1] for line in finding.fix] == ["20.50.1.2"]


def test_unknown_a_basic_load_balancer_shows_no_address() -> None:
    finding = judged(World().outbound("loadBalancer", loadBalancerSku="Basic").deny(EGRESS))
    assert (word(finding.verdict), finding.cause) == ("unknown", "egress-unknown")


def test_nothing_there_no_node_pool() -> None:
    finding = judged(World().pools())
    assert (word(finding.verdict), finding.cause) == ("unknown", "no-pools")
