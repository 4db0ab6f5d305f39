"""*Now*: what clusters come to, which rows are shown, and what is exported of them."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import pytest

from checks.changes import Status
from checks.dashboard import exports
from checks.dashboard.views.marks import basis_words
from checks.dashboard.views.now import Line, NowView, lines_of, now_view, order_of
from checks.dashboard.views.standing import Standing, proven, standing_of
from checks.fleet.incidents import incidents_of
from checks.fleet.model import Fleet
from checks.history.model import HeldBeside
from checks.history.overview import ClusterEntry, OpenFacet, RowEntry
from checks.report.outcome import Outcome
from checks.watchdog import Unsent
from tests.fleet.test_incidents import BILLING, NOW, SHOP, SUBSCRIPTION, ago, entry, fails, fleet, row


def looked(verdict: str, facet: str = "pull") -> OpenFacet:
    """A facet that is held to pass, of which the last look found another verdict."""
    since = ago(2) if verdict == "unknown" else None
    return OpenFacet(facet, Status.PASSING, verdict, ago(9), "cause", unknown_since=since)


def came_to(outcome: Outcome, name: str, *rows: RowEntry) -> ClusterEntry:
    return msgspec.structs.replace(entry(name, *rows), outcome=outcome)


def seen(registry: str, *by: str, waiting: int = 0) -> RowEntry:
    return msgspec.structs.replace(row(registry), seen_by=by, waiting=waiting)


MIXED = msgspec.structs.replace(
    fleet(
        entry("broken", row(SHOP, fails(3)), row(BILLING)),
        entry("risky", row(SHOP, fails(2, "nsg-closes-login", "path"))),
        entry("images", row(SHOP, fails(1, "image_not_found", "images"))),
        came_to(Outcome.FAIL, "once", row(SHOP, looked("fail"))),
        came_to(Outcome.UNKNOWN, "dark", row(SHOP, looked("unknown"))),
        came_to(Outcome.UNKNOWN, "bare"),
        entry("proven", seen(SHOP, "nodes", "azure"), seen(BILLING, "nodes")),
        entry("half", seen(SHOP, "nodes"), seen(BILLING, "azure")),
        entry("idle"),
    ),
    names={SUBSCRIPTION: "Shop Production"},
)


def view(held: Fleet, text: str = "", *, everything: bool = False, **more: Any) -> NowView:
    lines = lines_of(held, text, everything=everything)
    more.setdefault("unsent", None)
    return now_view(held, incidents_of(held), lines, lines[:200], text=text, everything=everything, **more)


def test_every_cluster_comes_to_one_word() -> None:
    assert {one.cluster.rpartition("/")[2]: standing_of(one).value for one in MIXED.clusters()} == {
        "broken": "cannot pull", "risky": "at risk", "images": "image errors", "once": "unconfirmed",
        "dark": "not seen", "bare": "not seen", "proven": "fine", "half": "fine", "idle": "fine",
    }  # fmt: skip


def test_a_cluster_is_proven_where_nodes_speak_of_every_registry_that_is_judged() -> None:
    assert [one.cluster.rpartition("/")[2] for one in MIXED.clusters() if proven(one)] == ["proven"]


def test_the_tiles_count_every_cluster_once_and_say_what_is_proven() -> None:
    tiles = {tile.label: (tile.count, tile.note) for tile in view(MIXED).tiles}
    assert tiles["cannot pull"][0] == "1" and tiles["not seen"][0] == "2"
    assert tiles["fine"] == ("3", "1 of them proven by nodes")
    assert sum(int(count) for label, (count, _) in tiles.items() if label != "mails waiting") == 9


@pytest.mark.parametrize(
    ("unsent", "tile"),
    [
        (None, ("–", "mails waiting", "nobody has looked yet")),
        (Unsent(seen=ago(0.05), waiting=1, oldest_mail=ago(0.1)), ("1", "mail waiting", "seen 3 min ago")),
        (Unsent(seen=ago(0.05), waiting=4, oldest_pointer=ago(3)), ("4", "mails waiting", "mail is stuck")),
    ],
    ids=["never", "one", "stuck"],
)
def test_mail_that_waits_has_a_tile(unsent: Unsent | None, tile: tuple[str, str, str]) -> None:
    last = view(MIXED, unsent=unsent).tiles[-1]
    assert (last.count, last.label, last.note) == tile


def fewer(*entries: ClusterEntry) -> Fleet:
    """A fleet of which the row of a subscription with three clusters is missing."""
    return msgspec.structs.replace(fleet(*entries), not_shown={"another": 3})


@pytest.mark.parametrize(
    ("held", "headline"),
    [
        (MIXED, "1 of 9 clusters cannot pull"),
        (fleet(entry("a", row(SHOP, fails(1, facet="access")))), "1 of 1 cluster at risk or with image errors"),
        (fleet(came_to(Outcome.UNKNOWN, "a"), entry("b")), "Nothing is known to fail; 1 of 2 clusters not settled"),
        (fleet(entry("a"), entry("b")), "All 2 clusters can pull"),
        (fleet(), "No cluster was looked at yet"),
        (fewer(entry("a")), "1 cluster can pull, 3 more cannot be shown"),
        (fewer(entry("a", row(SHOP, fails(1)))), "1 of 1 cluster shown cannot pull"),
    ],
    ids=["broken", "risky", "unknown", "fine", "none", "not all", "broken of some"],
)
def test_the_headline_says_the_worst_that_is_true(held: Fleet, headline: str) -> None:
    assert view(held).headline == headline


def names(lines: list[Line]) -> list[str]:
    return [line.entry.cluster.rpartition("/")[2] for line in lines]


def test_only_what_is_not_fine_is_shown_unless_everything_is_asked_for() -> None:
    assert names(lines_of(MIXED)) == ["broken", "risky", "images", "once", "bare", "dark"]
    everything = lines_of(MIXED, everything=True)
    assert len(everything) == 12 and {one.entry.cluster for one in everything} == {
        one.cluster for one in MIXED.clusters()
    }
    assert everything == sorted(everything, key=order_of)


def test_a_cluster_that_fails_with_no_row_that_does_has_a_row_of_its_own() -> None:
    (line,) = lines_of(fleet(came_to(Outcome.FAIL, "odd", row(SHOP))))
    assert (line.row, line.standing) == (None, Standing.UNCONFIRMED)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BROKEN", ["broken"]),
        ("shop production images", ["images"]),
        ("nsg-closes", ["risky"]),
        ("not seen", ["bare", "dark"]),
        ("broken nsg-closes", []),
        ("<script>", []),
        ("fail", ["broken", "risky", "images"]),
        ("unconfirmed", ["once"]),
        (SUBSCRIPTION[:8], ["broken", "risky", "images", "once", "bare", "dark"]),
    ],
)
def test_the_filter_wants_all_its_words(text: str, found: list[str]) -> None:
    assert names(lines_of(MIXED, text)) == found


def test_a_row_says_what_is_known_of_it() -> None:
    rests = {"basis": ("nodes", "azure"), "seen_by": ("azure",)}
    held = msgspec.structs.replace(row(SHOP, fails(3), fails(2, "dns", "path")), waiting=7, **rests)
    (shown,) = view(fleet(msgspec.structs.replace(entry("broken", held), region="westeurope"))).rows
    assert (shown.cluster, shown.registry, shown.region) == ("broken", SHOP, "westeurope")
    assert [one.word for one in shown.answers] == ["pass", "fail", "fail", "not judged"]
    assert (shown.basis, shown.waiting, shown.cause) == ("nodes, Azure", 7, "role-missing")
    assert shown.since is not None and shown.since.relative == "3 h ago"
    assert shown.strip.label == "Last 24 hours: 3 h failing, 21 h fine"


def test_what_failed_once_says_why_since_when_and_what_would_fix_it() -> None:
    once = msgspec.structs.replace(looked("fail"), summary="No role.", command="az fix", failed_since=ago(0.5))
    (shown,) = view(fleet(came_to(Outcome.FAIL, "once", row(SHOP, once, looked("unknown", "access"))))).rows
    assert (shown.cause, shown.summary, shown.standing.word) == ("cause", "No role.", "unconfirmed")
    assert shown.since is not None and shown.since.relative == "30 min ago"
    assert shown.strip.label == "Last 24 hours: 1 h failing, 23 h fine"


def test_a_cluster_that_was_not_found_is_not_fine_and_says_so() -> None:
    gone = msgspec.structs.replace(entry("gone", row(SHOP)), outcome=Outcome.UNKNOWN, missed_since=ago(0.5))
    held = fleet(gone, entry("there", row(SHOP)))
    for everything, registry in ((False, ""), (True, SHOP)):
        (shown,) = [one for one in view(held, everything=everything).rows if one.cluster == "gone"]
        assert (shown.standing.word, shown.cause) == ("not seen", "not found in the last run")
        assert (shown.registry, shown.since and shown.since.relative) == (registry, "30 min ago")
        assert shown.strip.label == "Last 24 hours: 1 h not known, 23 h fine"
    assert names(lines_of(held, "not found")) == ["gone"]


def test_what_fails_of_a_cluster_that_was_not_found_stays_and_says_both() -> None:
    rows = (row(SHOP, fails(3)), row(BILLING))
    held = fleet(msgspec.structs.replace(entry("gone", *rows), outcome=Outcome.UNKNOWN, missed_since=ago(0.5)))
    both = "role-missing; not found in the last run"
    shown = [(one.registry, one.standing.word, one.cause) for one in view(held, everything=True).rows]
    assert shown == [(SHOP, "cannot pull", both), (BILLING, "not seen", "not found in the last run")]
    assert [(one.registry, one.cause) for one in view(held).rows] == [(SHOP, both)]
    assert [one.word for one in view(held, everything=True).rows[1].answers[:3]] == ["unknown", "not judged", "unknown"]
    assert names(lines_of(held, "cannot found role")) == ["gone"]
    listed = csv.DictReader(io.StringIO(exports.as_csv(held, lines_of(held, everything=True))))
    assert [(one["registry"], one["standing"], one["cause"]) for one in listed] == shown


def beside(verdict: str, cause: str, *rows: RowEntry, registry: str = "") -> Fleet:
    """A fleet of one cluster of which something is said beside its rows."""
    outcome = {"fail": Outcome.FAIL, "unknown": Outcome.UNKNOWN}.get(verdict, Outcome.PASS)
    held = msgspec.structs.replace(came_to(outcome, "aks", *rows), beside=HeldBeside(verdict, cause, registry, ago(2)))
    return fleet(held)


def told(held: Fleet, *, everything: bool = False) -> list[tuple[str, str, str]]:
    return [(one.registry, one.standing.word, one.cause) for one in view(held, everything=everything).rows]


def test_a_cluster_whose_pods_were_not_read_says_so_once_and_in_each_row_where_all_are_asked_for() -> None:
    held = beside("unknown", "look-unreachable", row(SHOP), row(BILLING))
    (shown,) = view(held).rows
    assert (shown.registry, shown.standing.word, shown.cause) == ("", "not seen", "look-unreachable")
    assert shown.since is not None and shown.since.relative == "2 h ago"
    assert shown.strip.label == "Last 24 hours: 2 h not known, 22 h fine"
    assert told(held, everything=True) == [
        (BILLING, "not seen", "look-unreachable"),
        (SHOP, "not seen", "look-unreachable"),
    ]
    (cluster,) = held.clusters()
    assert {cluster.outcome_of(one) for one in cluster.rows} == {Outcome.UNKNOWN} == {cluster.outcome}


def test_what_fails_stays_the_worst_beside_pods_that_were_not_read() -> None:
    held = beside("unknown", "look-unreachable", row(SHOP, fails(3)), row(BILLING))
    assert told(held) == [(SHOP, "cannot pull", "role-missing"), ("", "not seen", "look-unreachable")]


def test_what_is_open_of_one_registry_says_nothing_of_another() -> None:
    held = beside("unknown", "look-not-allowed", row(SHOP), row(BILLING), registry=SHOP)
    assert told(held) == [(SHOP, "not seen", "look-not-allowed")]
    assert told(held, everything=True)[1] == (BILLING, "fine", "")


def test_a_failure_that_is_in_no_row_names_its_registry_and_its_cause() -> None:
    assert told(beside("fail", "odd-name", row(SHOP), registry="acr.example.com")) == [
        ("acr.example.com", "unconfirmed", "odd-name")
    ]
    assert told(beside("fail", "odd-name", row(SHOP), registry=SHOP)) == [(SHOP, "unconfirmed", "odd-name")]
    assert told(beside("fail", "no-identity", row(SHOP))) == [("", "unconfirmed", "no-identity")]


def test_a_stopped_cluster_is_said_to_be_stopped() -> None:
    assert told(beside("unknown", "cluster-not-running")) == [("", "not seen", "stopped; no registry known")]
    failing = beside("skipped", "cluster-not-running", row(SHOP, fails(3)), row(BILLING))
    assert told(failing) == [(SHOP, "cannot pull", "role-missing; stopped")]
    assert told(failing, everything=True)[1] == (BILLING, "fine", "stopped")


def test_a_basis_is_that_of_the_answer_beside_it() -> None:
    by = {"basis": ("azure",), "seen_by": ("nodes", "azure")}
    rows = [row(SHOP, fails(2)), row(SHOP, looked("unknown")), row(SHOP, looked("fail")), row(SHOP)]
    words = [basis_words(msgspec.structs.replace(one, **by)) for one in rows]
    assert words == ["Azure", "", "nodes, Azure", "nodes, Azure"]


def test_the_csv_counts_no_waiting_pods_where_none_were_read() -> None:
    def waiting(held: Fleet) -> list[str]:
        text = exports.as_csv(held, lines_of(held, everything=True))
        return [one["waiting_pods"] for one in csv.DictReader(io.StringIO(text))]

    assert waiting(fleet(entry("aks", row(SHOP)))) == ["0"]
    assert waiting(beside("unknown", "look-unreachable", row(SHOP))) == [""]
    assert waiting(beside("skipped", "cluster-not-running", row(SHOP))) == [""]
    assert waiting(beside("unknown", "look-not-allowed", row(SHOP), registry=SHOP)) == ["0"]
    assert waiting(fleet(msgspec.structs.replace(entry("gone", row(SHOP)), missed_since=ago(1)))) == [""]


def test_a_tile_leads_to_its_clusters() -> None:
    tiles = {tile.label: tile.address for tile in view(MIXED).tiles}
    assert tiles["not seen"] == "/api/dashboard?q=not+seen" and tiles["fine"].endswith("?all=1&q=fine")
    assert [tile.address for tile in view(fleet()).tiles] == [""] * 5


def test_of_200_incidents_the_first_are_shown_and_the_others_counted() -> None:
    many = fleet(*(entry(f"aks-{n:03d}", row(f"acr{n:03d}.azurecr.io", fails(1))) for n in range(200)))
    shown = view(many)
    assert (len(shown.incidents), shown.more_incidents, len(shown.rows)) == (12, 188, 200)
    assert view(many, first=False).incidents == ()


def test_fixes_of_an_incident_are_whole_commands_as_many_as_there_is_room_for() -> None:
    long = [msgspec.structs.replace(fails(1), command=f"az fix {'x' * 900} {n}") for n in range(20)]
    held = fleet(*(entry(f"aks-{n:02d}", row(SHOP, facet)) for n, facet in enumerate(long)))
    (incident,) = view(held).incidents
    lines = incident.fixes.text.splitlines()
    assert (incident.fixes.count, incident.fixes.more, len(lines)) == (20, 12, 9)
    assert all(line.startswith("az fix ") and line[-1].isdigit() for line in lines[:-1])
    assert lines[-1] == "# 12 more commands: the pages of the incident and of its clusters have them"


def test_the_csv_has_a_line_for_each_row_and_no_formula() -> None:
    evil = fleet(entry("=cmd()", row("+acr", msgspec.structs.replace(fails(1), summary='@x\n"y"'))))
    text = exports.as_csv(evil, lines_of(evil))
    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["cluster"], line["registry"], line["summary"]) == ("'=cmd()", "'+acr", '\'@x "y"')
    assert (line["pull"], line["standing"], line["since"]) == ("fail", "cannot pull", ago(1).isoformat())
    whole = list(csv.DictReader(io.StringIO(exports.as_csv(MIXED, lines_of(MIXED, everything=True)))))
    assert len(whole) == 12 and {one["subscription_name"] for one in whole} == {"Shop Production"}


def test_the_json_has_each_cluster_once_and_says_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    made = exports.as_json(MIXED, lines_of(MIXED, everything=True))
    assert (len(made.clusters), made.left_out, made.now) == (9, 0, NOW)
    monkeypatch.setattr(exports, "MAX_CLUSTERS", 4)
    assert exports.as_json(MIXED, lines_of(MIXED, everything=True)).left_out == 5
    monkeypatch.setattr(exports, "MAX_LINES", 4)
    assert "2 more rows are left out" in exports.as_csv(MIXED, lines_of(MIXED))
