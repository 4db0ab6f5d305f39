"""PW307 over the wire: what the simulated registries counted, read once, judged, and told beside what nodes report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator import RequestRecord, running
from tests.support.cli import Scan, scan
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = "acrone.azurecr.io/team/web:1"
REFUSED = f"failed to fetch oauth token for {IMAGE}: unexpected status: 401 Unauthorized"
WEEK = {f"-{hour}h": (60, 59) for hour in range(4, 160)}
USUAL = {"-1h": (60, 59), "-2h": (60, 59)}
BROKEN = {"-1h": (60, 5), "-2h": (60, 6)}
QUIET = {"-0h": (0, 0), "-1h": (0, 0), "-2h": (0, 0), "-3h": (0, 0)}


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """Two clusters that may pull from one registry, and whose pods run."""
    tenant = Tenant(tmp_path / "tenant")
    registry = tenant.registry()
    for name in ("aks-1", "aks-2"):
        tenant.cluster(name)
        tenant.pod(IMAGE, cluster=name)
        tenant.assign(object_id(name), ACR_PULL, registry)
    return tenant


def look(
    tenant: Tenant, counted: Mapping[str, tuple[int, int]], *arguments: str, **environment: str
) -> tuple[Scan, list[RequestRecord]]:
    """A scan where the registry counted so many pulls, and so many successful ones, and what was asked of metrics."""
    hours = {at: {"TotalPullCount": both[0], "SuccessfulPullCount": both[1]} for at, both in counted.items()}
    tenant.write("metrics", hours, "acrone")
    with running(tenant.root) as simulator:
        result = scan({**simulator.environment, "PULLWATCH_PROBE": "false", **environment}, *arguments)
    return result, [one for one in simulator.requests if one.path.endswith("/Microsoft.Insights/metrics")]


def test_a_rise_is_a_warning_of_each_cluster_and_the_registry_is_asked_once(tenant: Tenant) -> None:
    result, asked = look(tenant, WEEK | BROKEN)
    assert len(asked) == 1 and asked[0].status == 200
    for cluster in ("aks-1", "aks-2"):
        finding = result.finding("PW307", cluster)
        assert (finding["verdict"], finding["cause"], finding["severity"]) == ("fail", "more-failures", "warning")
        assert "109 of them failed (91 %); in the week before it was 2 % of" in finding["summary"]
        assert result.row(cluster=cluster)["pull"]["verdict"] == "pass"
        assert "somebody by hand is likely" in " ".join(result.row(cluster=cluster)["disagreements"])
    assert result.code == 0, "it only warns"


def test_what_is_as_usual_passes(tenant: Tenant) -> None:
    finding = look(tenant, WEEK | USUAL)[0].finding("PW307")
    assert (finding["verdict"], finding["cause"]) == ("pass", "usual-failures")
    source = finding["evidence"][-1]
    assert (source["source"], source["api_version"]) == ("Azure Monitor metrics (Azure Resource Manager)", "2024-02-01")


def test_refusals_that_the_registry_counted_no_pull_of_say_so(tenant: Tenant) -> None:
    tenant.pod(IMAGE, name="web-refused", waiting=("ErrImagePull", REFUSED))
    result, _ = look(tenant, WEEK | QUIET)
    assert result.finding("PW307")["cause"] == "nothing-pulled"
    assert "counted no pull at all, by whomever" in " ".join(result.row()["disagreements"])
    assert "no pull at all" not in " ".join(result.row(cluster="aks-2")["disagreements"])


def test_a_check_of_one_cluster_reads_the_counts_only_where_its_pods_wait(tenant: Tenant) -> None:
    healthy, asked = look(tenant, WEEK | BROKEN, "--cluster", "aks-1")
    assert (healthy.finding("PW307")["cause"], asked) == ("counts-not-read", [])
    tenant.pod(IMAGE, name="web-refused", waiting=("ErrImagePull", REFUSED))
    failing, asked = look(tenant, WEEK | BROKEN, "--cluster", "aks-1")
    assert (failing.finding("PW307")["cause"], len(asked)) == ("more-failures", 1)


def test_a_refusal_names_the_role_and_costs_nothing_else(tenant: Tenant) -> None:
    scope = f"/subscriptions/{tenant.subscription}"
    tenant.caller(denied=[{"scope": scope, "actions": ["Microsoft.Insights/metrics/read"]}])
    result, _ = look(tenant, WEEK | BROKEN)
    finding = result.finding("PW307")
    assert (finding["verdict"], finding["cause"], finding["missing"]) == ("unknown", "look-not-allowed", "Reader")
    assert (result.row()["pull"]["verdict"], result.code) == ("pass", 0)


def test_nothing_is_asked_where_it_is_switched_off(tenant: Tenant) -> None:
    result, asked = look(tenant, WEEK | BROKEN, PULLWATCH_REGISTRY_METRICS="false")
    assert (result.finding("PW307")["cause"], asked) == ("counts-not-read", [])


@pytest.mark.parametrize("body", ["", [], {"value": 5}, {"value": [{"name": {"value": "TotalPullCount"}}]}])
def test_an_answer_that_makes_no_sense_costs_nothing_else(tenant: Tenant, body: Any) -> None:
    effect = {"status": 200, "body": body}
    rule = {"service": "arm", "path": "*/Microsoft.Insights/metrics", "method": "GET", "effect": effect}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))
    result, _ = look(tenant, WEEK)
    assert (result.finding("PW307")["verdict"], result.row()["pull"]["verdict"]) == ("unknown", "pass")
