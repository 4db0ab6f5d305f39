"""PW106: when the secret of a service-principal cluster ends."""

import pytest

from checks.catalog.pw106_secret_expiry import judge
from checks.facts import ClientSecret, NotSeen, NotSeenReason
from checks.findings import Finding, Severity
from tests.support.access_facts import (
    CLIENT,
    REFUSED,
    facts,
    look_failed,
    only,
    seen,
    service_principal_cluster,
    verdict,
)


def ending(*ends: str | None) -> Finding:
    secrets = seen(tuple(ClientSecret(end) for end in ends))
    return only(judge(facts(cluster=service_principal_cluster(), client_secrets=secrets)))


def test_pass_while_every_secret_lasts() -> None:
    assert verdict(ending("2027-11-24T12:00:00Z", "2027-01-01T00:00:00.1234567Z")) == ("pass", "secret-valid")


def test_fail_where_every_secret_is_over() -> None:
    finding = ending("2026-11-24T11:59:59Z", "2020-01-01T00:00:00Z")
    assert verdict(finding) == ("fail", "secret-expired")
    assert finding.severity is Severity.ERROR
    assert "2026-11-24" in finding.summary
    assert CLIENT in finding.fix[0]


def test_fail_is_a_warning_within_thirty_days() -> None:
    finding = ending("2026-12-24T12:00:00Z")
    assert verdict(finding) == ("fail", "secret-ends-soon")
    assert finding.severity is Severity.WARNING
    assert verdict(ending("2026-12-24T12:00:01Z")) == ("pass", "secret-valid")


@pytest.mark.parametrize(
    ("ends", "cause"),
    [
        (("2020-01-01T00:00:00Z", "2028-01-01T00:00:00Z"), "secret-one-expired"),
        (("2028-01-01T00:00:00Z", None), "secret-not-shown"),
        (("soon",), "secret-not-shown"),
        ((), "secret-not-shown"),
    ],
)
def test_unknown_where_it_is_not_told_which_secret_the_nodes_hold(ends: tuple[str | None, ...], cause: str) -> None:
    finding = ending(*ends)
    assert verdict(finding) == ("unknown", cause)
    assert not look_failed(finding)


def test_unknown_where_graph_refuses_or_the_application_is_elsewhere() -> None:
    cluster = service_principal_cluster()
    assert verdict(only(judge(facts(cluster=cluster, client_secrets=REFUSED)))) == ("unknown", "look-not-allowed")
    gone = NotSeen(NotSeenReason.NOT_FOUND, "no application in this directory")
    assert verdict(only(judge(facts(cluster=cluster, client_secrets=gone)))) == ("unknown", "application-elsewhere")


def test_nothing_there_for_a_managed_identity() -> None:
    assert verdict(only(judge(facts()))) == ("skipped", "no-secret")
