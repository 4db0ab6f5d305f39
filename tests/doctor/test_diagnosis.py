"""A diagnosis: what is missing once for each reason, never what nobody asked for, bounded and without control signs."""

from __future__ import annotations

import msgspec

from checks.causes import ScanCause
from checks.doctor.diagnosis import MAX_PLACES, MAX_WHY, diagnose
from checks.doctor.model import LackKind
from checks.doctor.switches import lacks_of, switched_off
from checks.findings import ClusterProblem, ClusterReport, Coverage, Pass, SubscriptionResult, Unknown
from checks.settings import load
from tests.support.reports import CLUSTER, report

GUID = CLUSTER.split("/")[2]
ROLE = "Azure Kubernetes Service RBAC Reader"


def looked(number: int = 1, *coverage: Coverage) -> ClusterReport:
    made = report("pass")
    return msgspec.structs.replace(made, id=f"{made.id}{number}", coverage=coverage, findings=())


def subscription(**more: object) -> SubscriptionResult:
    return msgspec.structs.replace(SubscriptionResult(id=GUID, name="Shop", verdict=Pass()), **more)  # type: ignore[arg-type]


def test_the_same_at_many_clusters_is_one_lack_with_many_places() -> None:
    dark = Coverage("pods", False, "403", (), "not-allowed", ROLE)
    many = [looked(number, dark) for number in range(MAX_PLACES + 3)]
    (lack,) = diagnose([subscription()], many).lacks
    assert (lack.kind, lack.needs, len(lack.places), lack.more) == (LackKind.PERMISSION, ROLE, MAX_PLACES, 3)


def test_what_was_read_does_not_apply_or_was_not_asked_for_is_not_missing() -> None:
    lines = [
        Coverage("pods", True),
        Coverage("canary pulls", False, "no canary was asked for", (), "off"),
        *(Coverage("images", False, "x", (), word) for word in ("not-applicable", "not-asked", "limit", "")),
    ]
    made = diagnose([subscription()], [looked(1, *lines)])
    assert made.lacks == () and made.is_clean


def test_an_error_of_somebody_else_is_trouble_and_no_permission() -> None:
    (lack,) = diagnose([subscription()], [looked(1, Coverage("pods", False, "503", (), "error"))]).lacks
    assert lack.kind is LackKind.TROUBLE


def test_what_a_whole_subscription_lacks_is_not_said_again_of_each_cluster() -> None:
    line = Coverage(f"networks of {GUID}", False, "403", (), "not-allowed", "Reader", GUID)
    partly = subscription(lacking=("Microsoft.Network/routeTables/read",))
    assert [one.what for one in diagnose([partly], [looked(1, line)]).lacks] == ["actions"]
    assert [one.what for one in diagnose([subscription()], [looked(1, line)]).lacks] == ["networks"]
    hidden = subscription(verdict=Unknown("Reader"), cause=ScanCause.NOT_VISIBLE, summary="not seen", fix=("az x",))
    problem = ClusterProblem(cause=ScanCause.NOT_VISIBLE, summary="not seen", missing="Reader")
    gone = msgspec.structs.replace(looked(1), problem=problem)
    assert [one.what for one in diagnose([hidden], [gone]).lacks] == ["subscription"]
    assert diagnose([subscription(verdict=Unknown("x"), cause=ScanCause.EXCLUDED)], []).lacks == ()


def test_hostile_words_are_bounded_and_printable() -> None:
    evil = Coverage("pods", False, "\x1b[31m" + "x" * 5000 + "\nAccountKey=" + "Zm9v" * 20, (), "not-allowed", ROLE)
    (lack,) = diagnose([subscription()], [looked(1, evil)]).lacks
    (place,) = lack.places
    assert place.why.isprintable() and len(place.why) <= MAX_WHY and "Zm9v" not in place.why


def test_settings_that_leave_something_out_are_said_apart_from_what_is_missing() -> None:
    loaded = load({"PULLWATCH_PROBE": "false", "PULLWATCH_READ_PULL_SECRETS": "true"})
    assert [one.setting for one in switched_off(loaded)] == ["PULLWATCH_PROBE=false"]
    assert {one.what for one in lacks_of(loaded)} == {"recipients", "mail transport"}
    settings = {"MAIL_TO": "a@b.example", "MAIL_TRANSPORTS": "smtp", "SMTP_HOST": "smtp.b.example"}
    assert lacks_of(load({f"PULLWATCH_{name}": value for name, value in settings.items()})) == ()
