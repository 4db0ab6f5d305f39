"""What a person reads of single cases."""

import msgspec
import pytest

from checks.cli.scan.screen.page import Shown
from checks.findings import (
    ASKED_FOR,
    Basis,
    ClusterProblem,
    ClusterReport,
    Facet,
    Fail,
    Finding,
    Pass,
    RegistryRow,
    ScanError,
    ScanReport,
    Severity,
    Skipped,
    Subject,
    SubscriptionResult,
    Unknown,
)
from checks.report.cluster_report import problem_report
from checks.report.outcome import Outcome
from tests.support.reports import CLUSTER, REGISTRY, report
from tests.support.screens import ALL, printed

PASSING = Shown(frozenset({Outcome.PASS}))


def shown(*clusters: ClusterReport, of: Shown | None = None, width: int | None = 200) -> str:
    return printed(ScanReport(clusters=clusters), width, of)


def changed(row: RegistryRow, **over: object) -> ClusterReport:
    return msgspec.structs.replace(report("pass"), registries=(msgspec.structs.replace(row, **over),))


def found(code: str, cause: str, severity: Severity, *fix: str, registry: str | None = None) -> Finding:
    subject = Subject(CLUSTER, registry)
    return Finding(
        code=code, subject=subject, verdict=Fail(), cause=cause, summary=f"About {cause}.", severity=severity, fix=fix
    )


def test_a_line_has_check_cause_every_facet_and_what_the_answer_rests_on() -> None:
    line = next(line for line in shown(report("fail")).splitlines() if "aks-1" in line)
    expected = ["aks-1", "PW102", "role-missing", "fail", "pass", "fail", "not", "judged", "nodes,", "azure"]
    assert line.split() == [*expected, "11111111-1111-4111-8111-111111111111"]


def test_the_first_command_follows_its_line() -> None:
    lines = shown(report("fail")).splitlines()
    at = next(index for index, line in enumerate(lines) if "aks-1" in line)
    assert lines[at + 1] == "    az role assignment create --role AcrPull"


def test_what_nobody_can_judge_does_not_look_like_trouble() -> None:
    facet = Facet(Skipped("no Azure registry"), "not-judged")
    text = shown(changed(report("pass").registries[0], access=facet, pull=facet, basis=()))
    assert "skipped" not in text and "fail" not in text
    assert "1 row not judged" in text
    assert "1 cluster: 1 can pull, 0 cannot, 0 unknown, 0 warnings" in text


def test_an_image_in_trouble_is_said_as_such_where_the_registry_can_be_pulled_from() -> None:
    broken = Facet(Fail(), "tag-absent", ("PW302",), "The tag does not exist.")
    text = shown(changed(report("pass").registries[0], images=broken))
    assert "1 of 1 cluster has images that cannot be pulled" in text
    assert "1 of 1 cluster that uses it cannot pull some images  PW302 tag-absent" in text
    assert "0 can pull, 0 cannot, 1 with image errors" in text


def test_what_fails_while_nodes_still_pull_is_not_said_to_be_unable_to_pull() -> None:
    text = shown(report("fail", pull="pass"))
    assert "1 of 1 cluster is at risk" in text and "1 at risk" in text
    assert "cannot pull" not in text


def test_warnings_are_counted_and_never_said_to_fail() -> None:
    warned = msgspec.structs.replace(
        report("pass"), findings=(found("PW107", "admin-user-enabled", Severity.WARNING, "az acr update"),)
    )
    text = shown(warned)
    assert "1 warning" in text and "fail" not in text and "admin-user" not in text
    asked = shown(warned, of=Shown(least=Severity.WARNING))
    assert "PW107 admin-user-enabled" in asked and "az acr update" in asked
    assert "they fail no cluster" in asked
    assert "fail" not in asked.replace("they fail no cluster", "")


def test_a_finding_that_repeats_a_fix_is_only_named() -> None:
    fix = "az role assignment create --role AcrPull"
    findings = (
        found("PW102", "role-missing", Severity.ERROR, fix, registry="acrone.azurecr.io"),
        found("PW304", "nothing-grants", Severity.ERROR, fix, registry="acrone.azurecr.io"),
        found("PW206", "nsg-denies", Severity.ERROR, "az network nsg rule create", registry="acrone.azurecr.io"),
    )
    text = shown(msgspec.structs.replace(report("fail"), findings=findings))
    assert text.count(fix) == 1
    assert "other checks say the same: PW304 nothing-grants" in text
    assert "also PW206 nsg-denies: About nsg-denies." in text and "az network nsg rule create" in text


def test_bicep_is_shown_only_where_it_is_asked_for() -> None:
    row = report("fail").registries[0]
    fix = ("az role assignment create", "// Bicep: deploy\nresource pull 'x' = {}")
    cluster = changed(row, pull=msgspec.structs.replace(row.pull, fix=fix))
    assert "Bicep" not in shown(cluster)


def test_unknown_is_grouped_by_what_is_missing() -> None:
    clusters = [
        problem_report(f"{CLUSTER}{number}", (), ClusterProblem("checker-error", "Pullwatch failed.", "a repair"))
        for number in range(12)
    ]
    text = shown(*clusters)
    assert "12 clusters are unknown" in text
    assert text.count("Missing: a repair") == 1
    assert "and 2 more" in text
    every = printed(ScanReport(clusters=tuple(clusters)), 200, ALL)
    assert "more" not in every and all(f"aks-1{number}" in every for number in range(12))


def test_what_one_read_did_not_show_is_said_once_with_the_checks_that_miss_it() -> None:
    said = "The network of the nodes could not be read: HTTP 503."
    missed = [
        Finding(
            code=code,
            subject=Subject(CLUSTER, REGISTRY),
            verdict=Unknown("HTTP 503"),
            cause="look-error",
            summary=said if code != "PW203" else "The endpoint could not be read: HTTP 503.",
        )
        for code in ("PW202", "PW206", "PW203", "PW204")
    ]
    text = shown(msgspec.structs.replace(report("unknown"), findings=tuple(missed)))
    assert "PW202, PW204, PW206 look-error  1" in text
    assert "PW203 look-error  1" in text
    assert text.count(said) == 1


def test_a_read_that_is_refused_in_many_places_has_a_command_for_each_and_the_rest_is_counted() -> None:
    def missed(number: int) -> ClusterReport:
        cluster = f"{CLUSTER}{number}"
        finding = Finding(
            code="PW301", subject=Subject(cluster), verdict=Unknown("Reader"), cause="look-not-allowed",
            summary=f"The pods of {number} could not be read.", fix=(f"az role assignment create --scope {cluster}",),
        )  # fmt: skip
        return msgspec.structs.replace(report("pass", cluster=cluster), findings=(finding,))

    text = shown(*map(missed, range(5)))
    assert "PW301 look-not-allowed  5" in text
    assert "The same is missing in 4 more places." in text
    assert text.count("az role assignment create --scope") == 3
    assert "and 2 more such commands, each of another scope: --json has them" in text
    assert "more such" not in shown(*map(missed, range(3)))


def proven(*basis: Basis, number: int = 1, gap: bool = True) -> ClusterReport:
    """A cluster whose pods were not read, with a row that passes on this basis."""
    (row,) = report("pass").registries
    said = Facet(Pass(), "pulled", (), f"A node of {number} pulled web:1 at 08:55.")
    unread = Finding(
        code="PW301", subject=Subject(CLUSTER), verdict=Unknown("a network path"), cause="look-unreachable"
    )
    return msgspec.structs.replace(
        report("pass", cluster=f"{CLUSTER}{number}"),
        registries=(msgspec.structs.replace(row, pull=said, basis=basis),),
        findings=(unread,) if gap else (),
    )


def test_pulls_that_are_proven_are_told_of_clusters_that_are_unknown_for_something_else() -> None:
    text = shown(proven(Basis.REGISTRY), proven(Basis.NODES, Basis.AZURE, number=2), proven(Basis.AZURE, number=3))
    assert "3 clusters are unknown" in text
    assert "pulls proven all the same  2\n    aks-11 <- acrone: A node of 1 pulled web:1 at 08:55.\n    aks-12" in text
    assert "A node of 3" not in text, "what Azure shows proves no pull"
    assert "proven all the same" not in shown(proven(Basis.AZURE))


def test_many_proven_pulls_are_counted() -> None:
    clusters = [proven(Basis.REGISTRY, number=number) for number in range(5)]
    text = shown(*clusters)
    assert text.count("pulled web:1") == 3 and "and 2 more such rows: --json has them" in text
    every = printed(ScanReport(clusters=tuple(clusters)), 200, ALL)
    assert every.count("pulled web:1") == 5 and "more such" not in every


def test_a_healthy_fleet_says_what_it_rests_on() -> None:
    three = [(Basis.NODES, Basis.REGISTRY), (Basis.REGISTRY,), (Basis.AZURE,)]
    fleet = [proven(*basis, number=number, gap=False) for number, basis in enumerate(three)]
    text = shown(*fleet)
    assert "1 proven by nodes, 1 by the registry's log, 1 as Azure shows." in text


def test_the_headline_counts_what_is_unknown_beside_what_fails() -> None:
    dark = problem_report(f"{CLUSTER}2", (), ClusterProblem("checker-error", "Pullwatch failed.", "a repair"))
    assert shown(report("fail"), dark).splitlines()[0] == "1 of 2 clusters cannot pull, 1 is unknown"


def test_a_registry_that_was_only_asked_for_is_not_said_to_be_used() -> None:
    named = (ASKED_FOR,)
    text = shown(changed(report("fail").registries[0], sources=named))
    assert "Nothing that was read shows that aks-1 uses it: it was named." in text
    assert "that uses it" not in text
    assert "1 row is judged only because the registry was named" in shown(
        changed(report("pass").registries[0], sources=named)
    )
    assert "was named" not in shown(report("fail")) + shown(report("pass"))


def test_a_subscription_that_could_not_be_read_comes_first() -> None:
    lost = SubscriptionResult(
        id="11111111-1111-4111-8111-111111111111",
        name="shop",
        verdict=Unknown("Reader"),
        cause="not-allowed",
        summary="The clusters could not be listed.",
        fix=("az role assignment create --role Reader",),
    )
    text = printed(ScanReport(subscriptions=(lost,), clusters=(report("fail"),)), 200)
    assert text.startswith("subscription shop (11111111-1111-4111-8111-111111111111)  not-allowed\n")
    assert "    az role assignment create --role Reader\n" in text


def test_errors_come_before_anything_else() -> None:
    error = ScanError("no-such-cluster", "No cluster is called aks-9; did you mean aks-1?", ("az aks list",))
    text = printed(ScanReport(errors=(error,), clusters=(report("pass"),)), 200)
    assert text.startswith("No cluster is called aks-9; did you mean aks-1?\n    az aks list\n")


def test_rows_that_pass_are_shown_where_they_are_asked_for() -> None:
    assert "acrone" not in shown(report("pass"))
    line = next(line for line in shown(report("pass"), of=PASSING).splitlines() if "aks-1" in line)
    assert line.split()[:5] == ["aks-1", "acrone", "pass", "pass", "pass"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_long_name_never_breaks(width: int) -> None:
    name = "aks-" + "x" * 59
    text = shown(report("fail", cluster=f"{CLUSTER.rpartition('/')[0]}/{name}"), width=width)
    assert any(name in line.split() for line in text.splitlines())
