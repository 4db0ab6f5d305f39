"""Incidents: what belongs together, since when, and what was said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from checks.arm_ids import name_of
from checks.changes import Status
from checks.dashboard.views.incidents import incident_view
from checks.dashboard.views.marks import counted_strip
from checks.fleet.incidents import Incident, incidents_of
from checks.fleet.model import Fleet
from checks.history.model import ClusterState, SubjectState
from checks.history.overview import ClusterEntry, EndedFailure, OpenFacet, Overview, RowEntry, Sight, entry_of
from checks.notify.roots import RootKind
from checks.report.outcome import Outcome
from checks.silences import Matchers, Silence, SilenceKind

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SUBSCRIPTION = "11111111-1111-4111-8111-111111111111"
SHOP, BILLING = "acrshop.azurecr.io", "acrbilling.azurecr.io"


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def cluster_id(name: str) -> str:
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
    )


def fails(hours: float, cause: str = "role-missing", facet: str = "pull", *, notified: bool = True) -> OpenFacet:
    return OpenFacet(facet, Status.FAILING, "fail", ago(hours), cause, f"{cause}.", "az fix", ("PW102",), notified)


def row(registry: str, *facets: OpenFacet) -> RowEntry:
    held = {"pull": Status.PASSING, "access": Status.PASSING} | {facet.facet: facet.status for facet in facets}
    return RowEntry(registry, held, facets)


def entry(name: str, *rows: RowEntry, ended: tuple[EndedFailure, ...] = ()) -> ClusterEntry:
    outcome = Outcome.FAIL if any(one.failing for one in rows) else Outcome.PASS
    return ClusterEntry(cluster_id(name), 9, "run-9", NOW, outcome, rows, ended)


def fleet(*entries: ClusterEntry, silences: tuple[Silence, ...] = ()) -> Fleet:
    return Fleet(now=NOW, overviews=(Overview(SUBSCRIPTION, entries),), silences=silences)


def over(registry: str, since: float, until: float, cause: str = "role-missing", facet: str = "pull") -> EndedFailure:
    return EndedFailure(registry, facet, cause, ago(since), ago(until))


def silence(kind: SilenceKind, name: str) -> Silence:
    return Silence(
        id=f"s{name}", kind=kind, matchers=Matchers(cluster=name), author="a", reason="b",
        created=ago(0.5), expires=NOW + timedelta(hours=4),
    )  # fmt: skip


def only(incidents: tuple[Incident, ...]) -> Incident:
    (incident,) = incidents
    return incident


def test_clusters_that_one_registry_shuts_out_are_one_incident_and_the_rest_are_counted() -> None:
    incident = only(
        incidents_of(
            fleet(entry("a", row(SHOP, fails(3))), entry("b", row(SHOP, fails(5))), entry("c", row(SHOP), row(BILLING)))
        )
    )
    assert (incident.root.kind, incident.name, incident.root.cause) == (RootKind.REGISTRY, SHOP, "role-missing")
    assert (incident.clusters, incident.using, incident.since, incident.until) == (2, 3, ago(5), None)
    assert [name_of(failure.cluster) for failure in incident.failing] == ["b", "a"], "the oldest first"


def test_what_is_worse_comes_first_and_what_somebody_looks_after_last() -> None:
    incidents = incidents_of(
        fleet(
            entry("a", row(SHOP, fails(9, "tag-absent", "images")), row(BILLING, fails(1, "throttled"))),
            entry("b", row(SHOP, fails(9, "tag-absent", "images"), fails(2, "nsg-closes-login", "path"))),
            entry("c", row("acrseen.azurecr.io", fails(5))),
            silences=(silence(SilenceKind.ACK, "c"),),
        )
    )
    assert [one.root.cause for one in incidents] == ["throttled", "nsg-closes-login", "tag-absent", "role-missing"]
    assert incidents[-1].acknowledged


def test_an_incident_says_what_the_last_look_found_instead() -> None:
    facet = msgspec.structs.replace(fails(3), latest=Sight("tag-absent", "No such tag.", "az acr"))
    (failure,) = only(incidents_of(fleet(entry("a", row(SHOP, facet))))).failing
    assert (failure.summary, failure.latest) == ("role-missing.", Sight("tag-absent", "No such tag.", "az acr"))


def test_what_a_look_could_not_tell_it_did_not_find() -> None:
    def said(cause: str) -> str:
        facet = msgspec.structs.replace(fails(3, "unknown"), latest=Sight(cause, "So it is."))
        held = fleet(entry("a", row(SHOP, facet)))
        line = incident_view(only(incidents_of(held)), held).line
        assert line.cause == "unknown cause"
        return line.latest

    assert said("look-not-found") == "The last look could not tell (look-not-found): So it is."
    assert said("unknown") == "The last look found unknown cause: So it is."
    assert said("tag-absent") == "The last look found tag-absent: So it is."


def test_an_incident_counts_the_commands_that_follow_the_first() -> None:
    steps = ("# Look.", "az one", "az two", "az three")
    subject = SubjectState(
        registry=SHOP, facet="images", status=Status.FAILING, since=ago(3), last_verdict="fail", last_seen=NOW,
        cause="tag-absent", fix=steps,
    )  # fmt: skip
    state = ClusterState(cluster=cluster_id("a"), run="run-9", sequence=9, updated=NOW, subjects=(subject,))
    incident = only(incidents_of(fleet(entry_of(state, ()))))
    (failure,) = incident.failing
    assert (failure.command, failure.further) == ("az one", 2)
    (line,) = incident_view(incident, fleet()).failing
    assert line.further == 2


def test_hours_before_the_first_look_at_any_of_its_clusters_are_no_hours_in_which_all_was_well() -> None:
    def unseen(*watched: float | None) -> int:
        entries = [
            msgspec.structs.replace(entry(f"a{number}", row(SHOP, fails(1))), watched=None if at is None else ago(at))
            for number, at in enumerate(watched)
        ]
        return only(incidents_of(fleet(*entries))).unseen

    assert [unseen(3), unseen(3, 9.5), unseen(40), unseen(0), unseen(None, 3)] == [20, 14, 0, 23, 0]
    young = only(incidents_of(fleet(msgspec.structs.replace(entry("a", row(SHOP, fails(2))), watched=ago(3)))))
    label = counted_strip(young.strip, young.unseen).label
    assert label == "Last 24 hours: something failed in 2 of them, at most 1 at once; 20 h before the first look"


def test_other_causes_and_registries_are_other_incidents_the_widest_first() -> None:
    incidents = incidents_of(
        fleet(
            entry("a", row(SHOP, fails(1, "dns")), row(BILLING, fails(2))),
            entry("b", row(BILLING, fails(1))),
        )
    )
    assert [(one.name, one.root.cause, one.clusters) for one in incidents] == [
        (BILLING, "role-missing", 2),
        (SHOP, "dns", 1),
    ]


def test_a_cluster_whose_own_identity_is_at_fault_is_one_incident_with_all_its_registries() -> None:
    cause = "identity-deleted"
    incident = only(incidents_of(fleet(entry("Aks-A", row(SHOP, fails(1, cause)), row(BILLING, fails(1, cause))))))
    assert (incident.root.kind, incident.name, incident.clusters) == (RootKind.CLUSTER, cluster_id("Aks-A"), 1)
    assert {failure.registry for failure in incident.failing} == {SHOP, BILLING}


def test_facets_of_one_cause_are_one_failure() -> None:
    incident = only(incidents_of(fleet(entry("a", row(SHOP, fails(2, facet="access"), fails(1, facet="pull"))))))
    (failure,) = incident.failing
    assert (failure.facets, failure.since, failure.command) == (("access", "pull"), ago(2), "az fix")


def test_it_began_with_the_first_that_failed_also_where_that_one_recovered_meanwhile() -> None:
    incident = only(
        incidents_of(
            fleet(entry("a", row(SHOP), ended=(over(SHOP, 8, 4),)), entry("b", row(SHOP, fails(5))), entry("c"))
        )
    )
    assert (incident.since, incident.until, incident.clusters) == (ago(8), None, 1)
    assert [(name_of(failure.cluster), failure.until) for failure in incident.over] == [("a", ago(4))]


def test_what_was_over_before_is_another_incident_and_has_an_end() -> None:
    going_on, ended = incidents_of(
        fleet(entry("a", row(SHOP, fails(1)), ended=(over(SHOP, 30, 20), over(SHOP, 30, 20, facet="access"))))
    )
    assert (going_on.since, going_on.until) == (ago(1), None)
    assert (ended.since, ended.until, ended.clusters) == (ago(30), ago(20), 0)
    assert ended.over[0].facets == ("access", "pull")
    assert going_on.id != ended.id


def test_failures_of_a_cluster_that_is_gone_are_over() -> None:
    gone = msgspec.structs.replace(entry("a", ended=(over(SHOP, 3, 1),)), gone_since=ago(1))
    incident = only(incidents_of(fleet(gone)))
    assert (incident.until, incident.using) == (ago(1), 0)


def test_it_is_acknowledged_or_silenced_where_all_of_it_is() -> None:
    one, other = entry("a", row(SHOP, fails(2))), entry("b", row(SHOP, fails(2)))
    ack, quiet = silence(SilenceKind.ACK, "a"), silence(SilenceKind.SILENCE, "b")

    def said(*silences: Silence) -> tuple[bool, bool]:
        incident = only(incidents_of(fleet(one, other, silences=silences)))
        return incident.acknowledged, incident.silenced

    assert said() == said(ack) == (False, False)
    assert said(ack, quiet) == (False, True)
    assert said(ack, msgspec.structs.replace(ack, id="x", matchers=Matchers(cluster="b"))) == (True, True)


def test_the_strip_counts_what_failed_in_each_hour() -> None:
    incident = only(
        incidents_of(fleet(entry("a", row(SHOP, fails(2.5))), entry("b", row(SHOP), ended=(over(SHOP, 4.5, 1.5),))))
    )
    assert incident.strip == (0,) * 19 + (1, 1, 2, 2, 1)


@given(
    spells=st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 60), st.integers(0, 30), st.booleans()), min_size=1, max_size=20
    )
)
def test_every_failure_is_in_one_incident_and_those_of_one_root_do_not_overlap(
    spells: list[tuple[int, int, int, bool]],
) -> None:
    names = sorted({number for number, *_ in spells})
    entries = []
    for name in names:
        own = [spell for spell in spells if spell[0] == name]
        going = [fails(since) for _, since, _, goes_on in own if goes_on][:1]
        ended = {over(SHOP, since + length, since) for _, since, length, goes_on in own if not goes_on}
        entries.append(entry(f"aks-{name}", row(SHOP, *going), ended=tuple(ended)))
    incidents = incidents_of(fleet(*entries))
    assert sum(len(one.failing) for one in incidents) == sum(len(one.rows[0].failing) for one in entries)
    assert sum(len(one.over) for one in incidents) == sum(len({x.until for x in one.ended}) for one in entries)
    assert len({one.id for one in incidents}) == len(incidents)
    ordered = sorted(incidents, key=lambda one: one.since)
    for earlier, later in pairwise(ordered):
        assert earlier.until is not None and earlier.until < later.since
