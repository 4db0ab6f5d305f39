"""PW406: which resolver the nodes ask."""

from functools import partial
from typing import Any

import pytest

from checks.catalog import judge_with, pw406_dns
from checks.facts.network import Network, networks_of
from checks.findings import Severity
from checks.rules.azure import regions
from tests.support import access_facts as base
from tests.support.access_facts import REFUSED, only, seen, verdict
from tests.support.performance_facts import ACR, VNET, facts, network, performance, probe, replica, unseen
from tests.support.readable import readable

judge = partial(judge_with, (pw406_dns,))

CANONICAL = "r0102weu.westeurope.cloudapp.azure.com"
SEVERAL: dict[str, Any] = {"performance": {ACR: performance(replications=seen((replica(), replica("eastus"))))}}


def test_pass_where_the_nodes_ask_azure_s_resolver() -> None:
    assert verdict(only(judge(facts()))) == ("pass", "azure-dns")
    assert verdict(only(judge(facts(networks=network("168.63.129.16"))))) == ("pass", "azure-dns")


def test_pass_tells_where_the_name_leads_from_here() -> None:
    finding = only(judge(facts(probes={ACR: probe(canonical=CANONICAL)})))
    assert finding.evidence[-1].what == f"{ACR} resolves to {CANONICAL}, in westeurope"


def test_fail_of_custom_dns_before_a_replicated_registry_is_a_warning() -> None:
    finding = only(judge(facts(networks=network("10.0.0.4", "10.0.0.5"), **SEVERAL)))
    assert verdict(finding) == ("fail", "custom-dns")
    assert finding.severity is Severity.WARNING
    assert "custom DNS servers (10.0.0.4, 10.0.0.5), which decide which replica nodes reach" in finding.summary
    assert finding.fix == (f"az network vnet show --ids {VNET} --query dhcpOptions.dnsServers",)


def test_fail_of_custom_dns_before_one_region_only_informs() -> None:
    finding = only(judge(facts(networks=network("10.0.0.4"))))
    assert (verdict(finding), finding.severity) == (("fail", "custom-dns"), Severity.INFO)


def test_unknown_where_the_network_may_not_be_read() -> None:
    refused = networks_of([(base.SUBSCRIPTION, Network(virtual_networks=REFUSED))], readable(base.SUBSCRIPTION))
    assert verdict(only(judge(facts(networks=refused)))) == ("unknown", "look-not-allowed")


def test_nothing_there_without_pools_a_network_or_a_registry_in_arm() -> None:
    no_pools = base.cluster(pools=())
    assert verdict(only(judge(facts(cluster=no_pools)))) == ("skipped", "no-pools")
    gone = networks_of([(base.SUBSCRIPTION, Network(virtual_networks=seen({})))], readable(base.SUBSCRIPTION))
    assert verdict(only(judge(facts(networks=gone)))) == ("skipped", "network-not-known")
    assert verdict(only(judge(facts(uses=(unseen(),))))) == ("skipped", "registry-not-seen")
    assert judge(facts(uses=())) == ()


@pytest.mark.parametrize(
    ("name", "region"),
    [(CANONICAL, "westeurope"), ("x.eastus2.cloudapp.azure.com", "eastus2"), ("acrone.azurecr.io", None), (None, None)],
)
def test_the_region_is_read_off_the_end_of_the_chain(name: str | None, region: str | None) -> None:
    assert regions.region_of_host(name) == region
