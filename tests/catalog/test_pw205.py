"""PW205: service endpoints and virtual network rules."""

from checks import catalog
from checks.catalog import pw205_service_endpoints as pw205
from checks.findings import Finding, word
from tests.support.network_world import EGRESS, HOST, NODES, World
from tests.support.tenant_builder import SUBSCRIPTION


def judged(world: World) -> Finding:
    """The only finding of the check."""
    (finding,) = catalog.judge_with((pw205,), world.facts())
    assert finding.subject.registry == HOST
    return finding


SERVICE = [{"service": "Microsoft.Storage"}, {"service": "Microsoft.ContainerRegistry"}]


def test_pass_a_rule_allows_the_subnet() -> None:
    world = World().nodes(serviceEndpoints=SERVICE)
    finding = judged(world.deny(subnets=(world.subnet(NODES).upper(),)))
    assert (word(finding.verdict), finding.cause) == ("pass", "subnet-allowed")


def test_fail_the_service_endpoint_voids_the_ip_rule() -> None:
    world = World().nodes(serviceEndpoints=SERVICE).deny(EGRESS)
    finding = judged(world)
    assert (word(finding.verdict), finding.cause) == ("fail", "service-endpoint-voids-ip-rules")
    where = f"--subscription {SUBSCRIPTION} --resource-group rg"
    assert finding.fix == (f"az acr network-rule add --name acrone {where} --subnet {world.subnet(NODES)}",)


def test_fail_a_rule_without_the_service_endpoint_keeps_the_others_of_the_subnet() -> None:
    world = World().nodes(serviceEndpoints=SERVICE[:1])
    finding = judged(world.deny(subnets=(world.subnet(NODES),)))
    assert (word(finding.verdict), finding.cause) == ("fail", "service-endpoint-missing")
    assert finding.fix == (
        f"az network vnet subnet update --ids {world.subnet(NODES)} "
        "--service-endpoints Microsoft.Storage Microsoft.ContainerRegistry",
    )


def test_unknown_the_rules_could_not_be_read() -> None:
    world = World().nodes(serviceEndpoints=SERVICE).deny(EGRESS)
    world.refused.add((SUBSCRIPTION, "registry_rules"))
    assert word(judged(world).verdict) == "unknown"


def test_nothing_there_no_service_endpoint_is_skipped() -> None:
    assert word(judged(World().deny(EGRESS)).verdict) == "skipped"
