"""What a reading of the pods that was cut leaves of the findings."""

import pytest

from checks import catalog
from checks.facts import NotSeen, NotSeenReason, Seen, Workloads
from checks.findings import Evidence, Fail, Finding, Pass, Skipped, Subject, Unknown, Verdict
from checks.report.partial_reads import downgrade_passes
from checks.rules.pull import image_access, partial_reads

READ = Evidence("pods and events", "Run Command")
NOTHING = Workloads(events=NotSeen(NotSeenReason.ERROR, "not read"))
CUT = Seen(NOTHING, READ, "cut off: 3 pods were read, not all")


def finding(code: str, cause: str, verdict: Verdict) -> Finding:
    return Finding(code=code, subject=Subject("c"), verdict=verdict, cause=cause, summary="It holds.")


@pytest.mark.parametrize("code", [check.code for check in catalog.checks() if check.speaks_of_all_pods])
def test_a_pass_about_every_pod_or_image_becomes_unknown(code: str) -> None:
    (result,) = downgrade_passes((finding(code, "no-pod-waits", Pass()),), CUT)
    assert result.verdict == Unknown(partial_reads.MISSING) and result.cause == partial_reads.CAUSE
    assert result.summary == "cut off: 3 pods were read, not all. Of what was read: It holds."


@pytest.mark.parametrize(
    ("code", "cause", "verdict"),
    [
        ("PW301", "dns", Fail()),
        ("PW301", "cluster-not-running", Skipped("stopped")),
        ("PW302", "images-exist", Pass()),
        ("PW102", "role-held", Pass()),
        ("PW304", image_access.ANONYMOUS, Pass()),
        ("PW304", image_access.PUBLIC_HOST, Pass()),
    ],
)
def test_what_holds_whatever_was_not_seen_stays(code: str, cause: str, verdict: Verdict) -> None:
    result = finding(code, cause, verdict)
    assert downgrade_passes((result,), CUT) == (result,)


@pytest.mark.parametrize("workloads", [Seen(NOTHING, READ), NotSeen(NotSeenReason.UNREACHABLE, "out of reach")])
def test_nothing_changes_where_nothing_was_cut(workloads: Seen[Workloads] | NotSeen) -> None:
    result = finding("PW301", "no-pod-waits", Pass())
    assert downgrade_passes((result,), workloads) == (result,)


def test_the_checks_that_speak_of_all_pods_are_those_of_pods_and_images() -> None:
    assert [check.code for check in catalog.checks() if check.speaks_of_all_pods] == ["PW301", "PW304", "PW306"]
