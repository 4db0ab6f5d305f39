"""PW402: usage against hard limits, and throttling that was seen."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.catalog import judge_with, pw402_sku_limits
from checks.facts import NotSeen, NotSeenReason
from checks.facts.registry_details import Outcome, Usage
from checks.findings import Finding, Severity
from checks.rules.azure.registry_skus import SKUS, is_near_limit, maximum_of
from tests.support import image_facts
from tests.support.access_facts import REFUSED, only, seen, verdict
from tests.support.performance_facts import ACR, GIB, TIB, facts, performance, probe, unseen

judge = partial(judge_with, (pw402_sku_limits,))

THROTTLED = f'failed to pull and unpack image "{ACR}/team/web:1": unexpected status: 429 Too Many Requests'


def judged(*rows: Usage, sku: str = "Premium", partial: str = "") -> Finding:
    cluster_facts = facts(registry={"sku": sku}, performance={ACR: performance(usages=seen(rows, partial))})
    return only(judge(cluster_facts))


def test_pass_below_every_limit() -> None:
    assert verdict(only(judge(facts()))) == ("pass", "within-limits")


def test_pass_where_more_is_stored_than_the_price_includes() -> None:
    finding = judged(Usage("Size", 700 * GIB, 500 * GIB, "Bytes"))
    assert verdict(finding) == ("pass", "within-limits")
    assert "200 GiB more than the price includes" in finding.summary


def test_pass_where_a_limit_is_none_or_the_feature_is_not_there() -> None:
    rows = (Usage("Geo-replications", 30, -1, "Count"), Usage("IPRules", 0, 0, "Count"), Usage("New", 5, None))
    assert verdict(judged(*rows)) == ("pass", "within-limits")


@pytest.mark.parametrize(
    ("row", "sku", "described"),
    [
        (Usage("IPRules", 180, 200, "Count"), "Premium", "IPRules 180 of 200"),
        (Usage("PrivateEndpointConnections", 200, 200), "Premium", "PrivateEndpointConnections 200 of 200"),
        (Usage("Tokens", 95, None, "Count"), "Basic", "Tokens 95 of 100"),
        (Usage("Size", 36 * TIB, 10 * GIB, "Bytes"), "Basic", "Size 36.0 of 40 TiB"),
        (Usage("Size", 95 * TIB, 500 * GIB, "Bytes"), "premium", "Size 95.0 of 100 TiB"),
    ],
)
def test_fail_near_a_hard_limit_is_a_warning(row: Usage, sku: str, described: str) -> None:
    finding = judged(row, sku=sku)
    assert verdict(finding) == ("fail", "near-limit")
    assert finding.severity is Severity.WARNING
    assert described in finding.summary
    assert finding.fix[0].startswith("az acr show-usage --name acrone")


def test_fail_where_pods_wait_because_of_throttling() -> None:
    waiting = image_facts.container(waiting_reason="ErrImagePull", waiting_message=THROTTLED)
    pods = image_facts.workloads(waiting)
    finding = only(judge(facts(registry={"sku": "Standard"}, workloads=pods, images=(waiting,))))
    assert verdict(finding) == ("fail", "rate-limited")
    assert finding.severity is Severity.WARNING
    assert "5,000 of them to one identity" in finding.summary
    assert finding.fix[0].endswith("--sku Premium")


def test_fail_where_the_probe_was_throttled_even_where_usage_may_not_be_read() -> None:
    cluster_facts = facts(
        probes={ACR: probe(Outcome.TOO_MANY_REQUESTS)}, performance={ACR: performance(usages=REFUSED)}
    )
    assert verdict(only(judge(cluster_facts))) == ("fail", "rate-limited")


def test_unknown_where_usage_may_not_be_read_or_makes_no_sense() -> None:
    refused = only(judge(facts(performance={ACR: performance(usages=REFUSED)})))
    assert verdict(refused) == ("unknown", "look-not-allowed")
    assert verdict(judged()) == ("unknown", "usage-not-told")
    assert verdict(judged(Usage("Size", 1, GIB), partial="1 of 2 bodies could not be read"))[0] == "unknown"


def test_nothing_there_without_a_registry_in_arm() -> None:
    assert verdict(only(judge(facts(uses=(unseen(),), performance={})))) == ("skipped", "registry-not-seen")
    off = performance(usages=NotSeen(NotSeenReason.NOT_APPLICABLE, "not asked"))
    assert verdict(only(judge(facts(performance={ACR: off})))) == ("skipped", "usage-not-read")


@given(st.integers(0, 10**6), st.one_of(st.none(), st.integers(-1, 10**6)), st.sampled_from([None, *SKUS]))
def test_what_is_near_has_a_limit_and_lies_at_nine_tenths_of_it(current: int, limit: int | None, sku: Any) -> None:
    row, table = Usage("Webhooks", current, limit), SKUS.get(sku)
    known = maximum_of(row, table)
    assert is_near_limit(row, table) == (known is not None and known > 0 and 10 * current >= 9 * known)
