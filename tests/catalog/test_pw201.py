"""PW201: what a registry shows from where Pullwatch runs; certain only where no vantage could differ."""

from typing import Any

import pytest

from checks.catalog.pw201_registry_connectivity import CHECK, HEALTH_CODES, judge
from checks.facts import NotSeen, NotSeenReason
from checks.facts.outbound import NetworkAccess
from checks.facts.registry_details import DataEndpoint, Outcome
from checks.findings import Finding, Severity, Unknown
from checks.rules.access import rbac
from tests.support import access_facts as base
from tests.support.access_facts import look_failed, only, verdict
from tests.support.performance_facts import ACR, facts, probe, unseen

DATA = "acrone.westeurope.data.azurecr.io"


def judged(outcome: Outcome, registry: dict[str, Any] | None = None, **over: Any) -> Finding:
    return only(judge(facts(registry=registry, probes={ACR: probe(outcome, **over)})))


def test_pass_where_the_registry_signs_pullwatch_in() -> None:
    finding = judged(Outcome.REACHED, signed_in=True, repository="team/web", data=(reached(DATA),))
    assert verdict(finding) == ("pass", "reached")
    assert finding.summary.startswith("From where Pullwatch runs")
    assert "lets it pull team/web; its 1 data endpoints answer" in finding.summary


def reached(host: str) -> DataEndpoint:
    return DataEndpoint(host, Outcome.REACHED, "TLS")


def test_fail_of_a_name_that_does_not_exist_although_arm_shows_the_registry() -> None:
    finding = judged(Outcome.DNS_ERROR)
    assert verdict(finding) == ("fail", "dns-error")
    assert finding.severity is Severity.WARNING
    assert finding.fix[0] == f"nslookup {ACR}"
    assert finding.evidence[1].what == "CONNECTIVITY_DNS_ERROR"


def test_fail_of_a_certificate_that_expired_or_is_about_to() -> None:
    assert verdict(judged(Outcome.CERTIFICATE_EXPIRED)) == ("fail", "certificate-expired")
    year = {"certificate_from": "2026-01-01T00:00:00+00:00"}
    near = judged(Outcome.REACHED, certificate_until="2026-11-30T12:00:00+00:00", **year)
    assert verdict(near) == ("fail", "certificate-expires-soon")
    assert near.severity is Severity.WARNING
    far = judged(Outcome.REACHED, certificate_until="2026-12-02T12:00:00+00:00", **year)
    assert verdict(far) == ("pass", "reached")


def test_pass_where_a_certificate_is_made_for_days_only() -> None:
    short = {"certificate_from": "2026-11-22T00:00:00+00:00", "certificate_until": "2026-11-28T00:00:00+00:00"}
    assert verdict(judged(Outcome.REACHED, **short)) == ("pass", "reached")


def test_fail_of_a_data_endpoint_without_a_name_comes_before_what_only_concerns_pullwatch() -> None:
    lost = DataEndpoint(DATA, Outcome.DNS_ERROR, f"the name {DATA} does not exist")
    for outcome in (Outcome.REACHED, Outcome.REFRESH_TOKEN):
        finding = judged(outcome, data=(reached("x.azurecr.io"), lost))
        assert verdict(finding) == ("fail", "data-endpoint-dns-error")
        assert finding.fix[0] == f"nslookup {DATA}"


def test_unknown_where_the_firewall_keeps_this_vantage_out() -> None:
    finding = judged(Outcome.FORBIDDEN, client_address="203.0.113.10")
    assert verdict(finding) == ("unknown", "forbidden-error")
    assert not look_failed(finding)
    assert "refuses connections from Pullwatch (it sees Pullwatch as 203.0.113.10); nodes may differ" in finding.summary


@pytest.mark.parametrize(
    ("registry", "failed"),
    [
        ({}, True),
        ({"network_access": NetworkAccess(public_network_access="Enabled", default_action="Allow")}, True),
        ({"network_access": NetworkAccess(public_network_access="Disabled")}, False),
        ({"network_access": NetworkAccess(default_action="Deny")}, False),
        ({"network_access": NetworkAccess(public_network_access=None)}, False),
        ({"network_access": NetworkAccess(default_action=None)}, False),
    ],
)
def test_unknown_without_a_path_and_a_failed_look_only_where_the_registry_is_open(
    registry: dict[str, Any], failed: bool
) -> None:
    finding = judged(Outcome.CONNECT_TIMEOUT, registry)
    assert verdict(finding) == ("unknown", "connect-timeout")
    assert look_failed(finding) is failed
    assert isinstance(finding.verdict, Unknown) and finding.verdict.missing.endswith(ACR)


@pytest.mark.parametrize(
    ("mode", "role"),
    [(rbac.LEGACY_MODE, "AcrPull"), (rbac.ABAC_MODE, "Container Registry Repository Reader"), (None, "AcrPull")],
)
def test_unknown_where_only_pullwatch_lacks_a_role_names_the_one_for_the_mode(mode: str | None, role: str) -> None:
    for outcome in (Outcome.REFRESH_TOKEN, Outcome.ACCESS_TOKEN, Outcome.IDENTITY):
        finding = judged(outcome, {"role_assignment_mode": mode})
        assert verdict(finding) == ("unknown", outcome.value)
        assert isinstance(finding.verdict, Unknown) and finding.verdict.missing.startswith(f"{role} for")
        assert not look_failed(finding)


def test_unknown_where_it_is_throttled_or_answers_oddly() -> None:
    assert "asks to wait 7 s" in judged(Outcome.TOO_MANY_REQUESTS, retry_after=7).summary
    assert verdict(judged(Outcome.CHALLENGE)) == ("unknown", "challenge-error")


def test_unknown_for_a_name_that_arm_does_not_show() -> None:
    finding = only(judge(facts(uses=(unseen(),), probes={ACR: probe(Outcome.DNS_ERROR)})))
    assert verdict(finding) == ("unknown", "dns-error")


def test_unknown_where_a_data_endpoint_is_out_of_reach_from_here() -> None:
    shut = DataEndpoint(DATA, Outcome.CONNECT_TIMEOUT, "no answer")
    assert verdict(judged(Outcome.REACHED, data=(shut,))) == ("unknown", "data-endpoint-connect-timeout")


def test_nothing_there_where_probing_is_off_or_a_registry_was_not_probed() -> None:
    off = NotSeen(NotSeenReason.OFF, "probing is switched off by PULLWATCH_PROBE")
    finding = only(judge(facts(probes={ACR: off})))
    assert verdict(finding) == ("skipped", "probe-off")
    assert "PULLWATCH_PROBE" in finding.summary
    assert verdict(only(judge(facts(probes={})))) == ("skipped", "not-probed")
    assert judge(facts(uses=())) == ()


def test_nothing_there_for_other_registries_unless_they_were_probed() -> None:
    other = base.use(NotSeen(NotSeenReason.NOT_APPLICABLE, "none of this cloud"), login_server="quay.io", acr=False)
    assert judge(facts(uses=(other,), probes={})) == ()
    finding = only(judge(facts(uses=(other,), probes={"quay.io": probe(host="quay.io")})))
    assert verdict(finding) == ("pass", "reached")


def test_every_outcome_that_is_no_success_can_be_compared_with_check_health_or_is_pullwatch_s_own() -> None:
    own = {Outcome.REACHED, Outcome.NOT_CONTACTED, Outcome.ADDRESS_REFUSED, Outcome.IDENTITY}
    assert set(HEALTH_CODES) == set(Outcome) - own


def test_it_is_never_part_of_the_path() -> None:
    assert CHECK.decides is None
