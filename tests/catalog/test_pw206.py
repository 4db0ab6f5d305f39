"""PW206: what stands between."""

from checks import catalog
from checks.catalog import pw206_nsg_routes_proxy as pw206
from checks.findings import Finding, word
from tests.support.network_world import HOST, World, rule
from tests.support.tenant_builder import SUBSCRIPTION


def judged(world: World) -> Finding:
    """The only finding of the check."""
    (finding,) = catalog.judge_with((pw206,), world.facts())
    assert finding.subject.registry == HOST
    return finding


WHERE = f"--subscription {SUBSCRIPTION} --resource-group rg"


def test_pass_login_and_layers_are_told_apart() -> None:
    finding = judged(World().nsg())
    assert (word(finding.verdict), finding.cause) == ("pass", "open")
    assert "the login server" in finding.summary and "*.blob.core.windows.net" in finding.summary


def test_fail_names_the_rule_and_opens_before_it() -> None:
    allowed = rule("acr", 150, "Allow", "AzureContainerRegistry")
    finding = judged(World().nsg(allowed, rule("no", 151, "Deny", "Internet")))
    assert (word(finding.verdict), finding.cause) == ("fail", "nsg-closes-layers")
    assert "rule no (priority 151, Deny) of nsg-nodes" in finding.summary
    assert finding.fix == (
        f"az network nsg rule create {WHERE} --nsg-name nsg-nodes --name AllowHttpsToStorage --priority 148 "
        "--direction Outbound --access Allow --protocol Tcp --destination-address-prefixes Storage "
        "--destination-port-ranges 443",
    )


def test_fail_of_login_and_layers_gives_two_rules_that_stand_beside_each_other() -> None:
    findings = catalog.judge_with((pw206,), World().nsg(rule("no", 151, "Deny", "Internet")).facts())
    commands = [command.split("--name ")[1] for finding in findings for command in finding.fix]
    assert [line.split(" --direction")[0] for line in commands] == [
        "AllowHttpsToAzureContainerRegistry --priority 150",
        "AllowHttpsToStorage --priority 149",
    ]


def test_fail_where_no_priority_is_free_deletes_nothing() -> None:
    findings = catalog.judge_with((pw206,), World().nsg(rule("no", 100, "Deny", "Internet")).facts())
    assert [command.startswith("# Allow TCP 443 to ") for f in findings for command in f.fix] == [True, True]


def test_fail_a_route_to_nowhere_and_the_route_past_it() -> None:
    findings = [
        f
        for f in catalog.judge_with((pw206,), World().routes(("0.0.0.0/0", "None")).facts())
        if f.cause == "route-drops-login"
    ]
    assert findings[0].fix == (
        f"az network route-table route create {WHERE} --route-table-name routes --name AzureContainerRegistry "
        "--address-prefix AzureContainerRegistry --next-hop-type Internet",
    )


def test_unknown_an_appliance_decides_for_both_paths() -> None:
    findings = catalog.judge_with((pw206,), World().routes(("0.0.0.0/0", "VirtualAppliance")).facts())
    assert {(word(f.verdict), f.cause) for f in findings} == {
        ("unknown", "route-diverts-login"),
        ("unknown", "route-diverts-layers"),
    }


def test_nothing_there_no_group_and_no_route_leaves_the_way_open() -> None:
    assert word(judged(World()).verdict) == "pass"
