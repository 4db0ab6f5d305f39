"""*What I cannot see*: whose reports are read."""

from __future__ import annotations

import msgspec

from checks.changes import Status
from checks.dashboard.views.now import lines_of
from checks.dashboard.views.unseen import MAX_READ, Unseen, to_be_read, unseen_view
from checks.fleet.model import Fleet
from checks.history.model import HeldBeside
from checks.history.overview import ClusterEntry, OpenFacet, Overview, RowEntry
from checks.report.outcome import Outcome
from tests.fleet.test_incidents import BILLING, NOW, SHOP, ago, entry, fails, fleet, row

OTHER = "22222222-2222-4222-8222-222222222222"


def dark(name: str) -> ClusterEntry:
    return msgspec.structs.replace(entry(name), outcome=Outcome.UNKNOWN)


def half(name: str) -> ClusterEntry:
    return entry(
        name,
        row(SHOP),
        RowEntry("acr", {"path": Status.PASSING}, (OpenFacet("path", Status.PASSING, "unknown", ago(1)),)),
    )


def names(held: Fleet) -> list[str]:
    return [one.rpartition("/")[2] for one in to_be_read(held)]


def test_reports_of_each_subscription_are_read_in_turn_what_is_open_first() -> None:
    mine = fleet(entry("fine"), half("half"), dark("dark")).overviews[0]
    other = Overview(OTHER, (entry("theirs"), msgspec.structs.replace(dark("left"), gone_since=NOW)))
    held = msgspec.structs.replace(fleet(), overviews=(mine, other))
    assert names(held) == ["dark", "theirs", "half", "fine"]


def test_of_a_large_fleet_some_reports_are_read_and_the_page_says_so() -> None:
    held = fleet(*(entry(f"aks-{number:03d}") for number in range(MAX_READ + 40)))
    assert len(to_be_read(held)) == MAX_READ
    view = unseen_view(held, Unseen())
    assert (view.read, view.clusters, view.grants.needed) == (0, MAX_READ + 40, ())


def test_every_cluster_is_counted_of_which_some_pull_is_not_known_whatever_else_fails_there() -> None:
    unknown = OpenFacet("pull", Status.PASSING, "unknown", ago(1), "look-error")
    image = fails(3, "tag-absent", "images")
    lost = msgspec.structs.replace(entry("lost", row(SHOP, fails(2))), missed_since=ago(1))
    unread = msgspec.structs.replace(
        entry("unread", row(SHOP, fails(2)), row(BILLING)), beside=HeldBeside("unknown", "look-off", "", ago(1))
    )
    held = fleet(
        dark("dark"),
        entry("two", row(SHOP, fails(2)), row(BILLING, unknown)),
        entry("both", row(SHOP, image, unknown)),
        lost,
        unread,
        entry("bad", row(SHOP, fails(2))),
        entry("fine", row(SHOP)),
    )
    view = unseen_view(held, Unseen())
    assert (view.not_seen, view.not_found) == (5, 1)
    leads_to = {line.entry.cluster.rpartition("/")[2] for line in lines_of(held, "not seen")}
    assert leads_to == {"dark", "two", "both", "lost", "unread"}
