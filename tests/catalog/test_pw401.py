"""PW401: a replica in the cluster's region that serves."""

from functools import partial
from typing import Any

import pytest

from checks.catalog import judge_with, pw401_geo_replication
from checks.facts import NotSeen, NotSeenReason
from checks.findings import Finding, Severity
from tests.support import access_facts as base
from tests.support.access_facts import REFUSED, only, seen, verdict
from tests.support.performance_facts import ACR, facts, performance, replica, unseen

judge = partial(judge_with, (pw401_geo_replication,))

OTHER = {"location": "northeurope"}
NO_REPLICAS = NotSeen(NotSeenReason.NOT_APPLICABLE, "a Basic registry has no replicas")


def judged(*replicas: Any, registry: dict[str, Any] | None = None, partial: str = "") -> Finding:
    return only(judge(facts(registry=registry, performance={ACR: performance(replications=seen(replicas, partial))})))


@pytest.mark.parametrize("name", ["westeurope", "West Europe", "WESTEUROPE"])
def test_pass_in_the_same_region_however_it_is_spelt_and_without_a_list_of_replicas(name: str) -> None:
    assert verdict(judged(registry={"location": name})) == ("pass", "same-region")


def test_pass_by_a_replica_in_the_cluster_s_region() -> None:
    assert verdict(judged(replica("West Europe"), replica("northeurope"), registry=OTHER)) == (
        "pass",
        "replica-in-region",
    )
    updating = replica(provisioning_state="Updating")
    assert verdict(judged(updating, registry=OTHER)) == ("pass", "replica-in-region")


def test_pass_tells_of_a_replica_elsewhere_that_does_not_serve() -> None:
    finding = judged(replica(), replica("eastus", provisioning_state="Failed", status=None))
    assert verdict(finding) == ("pass", "replica-in-region")
    assert "Elsewhere not ready: eastus (Failed, status not shown)" in finding.summary


def test_fail_without_a_replica_is_a_warning_with_the_command_that_makes_one() -> None:
    finding = judged(replica("northeurope"), registry=OTHER)
    assert verdict(finding) == ("fail", "no-replica-in-region")
    assert finding.severity is Severity.WARNING
    (fix,) = finding.fix
    assert fix.startswith("az acr replication create --registry acrone --subscription ")
    assert fix.endswith("--location westeurope")


@pytest.mark.parametrize(
    ("over", "cause"),
    [
        ({"provisioning_state": "Failed"}, "replica-not-ready"),
        ({"provisioning_state": "Creating", "status": None}, "replica-not-ready"),
        ({"status": "Unhealthy"}, "replica-not-ready"),
        ({"routed": False}, "replica-not-routed"),
    ],
)
def test_fail_of_a_replica_that_does_not_serve(over: dict[str, Any], cause: str) -> None:
    assert verdict(judged(replica(**over))) == ("fail", cause)


def test_unknown_where_the_replicas_may_not_be_read() -> None:
    finding = only(judge(facts(performance={ACR: performance(replications=REFUSED)})))
    assert verdict(finding) == ("unknown", "look-not-allowed")


def test_unknown_where_bodies_do_not_tell_enough() -> None:
    silent = replica(provisioning_state=None, status=None)
    assert verdict(judged(silent)) == ("unknown", "replica-state-not-told")
    assert verdict(judged(registry=OTHER, partial="1 of 1 bodies could not be read")) == (
        "unknown",
        "replicas-unreadable",
    )
    assert verdict(judged(registry={"location": None})) == ("unknown", "region-not-told")
    assert verdict(only(judge(facts(cluster=base.cluster())))) == ("unknown", "region-not-told")


def test_nothing_there_where_the_sku_does_not_replicate() -> None:
    basic = {ACR: performance(replications=NO_REPLICAS)}
    far = only(judge(facts(registry={**OTHER, "sku": "Basic"}, performance=basic)))
    assert verdict(far) == ("skipped", "sku-does-not-replicate")
    near = only(judge(facts(registry={"sku": "Basic"}, performance=basic)))
    assert verdict(near) == ("pass", "same-region")


def test_nothing_there_without_a_registry_in_arm() -> None:
    assert verdict(only(judge(facts(uses=(unseen(),), performance={})))) == ("skipped", "registry-not-seen")
    assert judge(facts(uses=())) == ()
