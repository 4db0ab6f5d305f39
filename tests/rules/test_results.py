"""The one builder of results: what a read that did not happen or failed says."""

import pytest

from checks.catalog import pw102_pull_permission, pw202_egress_and_ip_rules
from checks.facts import NotSeen, NotSeenReason
from checks.findings import Severity, Subject, Unknown
from checks.rules import results

NO_FAILURE = {
    NotSeenReason.OFF,
    NotSeenReason.LIMIT,
    NotSeenReason.NOT_APPLICABLE,
    NotSeenReason.NOT_ASKED,
    NotSeenReason.NOT_FOUND,
}


@pytest.mark.parametrize("why", list(NotSeenReason))
def test_only_a_read_that_was_tried_and_failed_counts_as_failed(why: NotSeenReason) -> None:
    result = results.not_seen(NotSeen(why, "a detail", role="Reader"), "The registry")
    assert result.verdict == Unknown("Reader", look_failed=why not in NO_FAILURE)
    assert result.cause == f"look-{why.value}"
    assert result.severity is (Severity.INFO if why in NO_FAILURE else Severity.WARNING)


def test_checks_of_access_and_of_the_path_say_the_same_of_a_registry_that_azure_does_not_have() -> None:
    gap, subject = (
        NotSeen(NotSeenReason.NOT_FOUND, "no registry of this name"),
        Subject("c", registry="gone.azurecr.io"),
    )
    role = pw102_pull_permission.CHECK.not_seen(subject, gap, "The registry")
    path = pw202_egress_and_ip_rules.CHECK.finding(subject, results.not_seen(gap, "The registry"))
    assert role.verdict == path.verdict == Unknown("no registry of this name", look_failed=False)
