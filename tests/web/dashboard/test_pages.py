"""The dashboard's pages, over real storage: each is whole, says what is kept, and bears whatever is kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from azure.data.tables import TableServiceClient

from checks.arm_ids import name_of, resource_group_of, subscription_of
from checks.dashboard import assets
from checks.findings import ClusterReport, Coverage, Pass, PullTime, SubscriptionResult, Unknown
from checks.history.model import MarkerStatus, Totals
from checks.history.table import keys
from checks.rules.fixes import az_roles
from checks.silences import Matchers, Silence, SilenceKind
from checks.version import VERSION
from checks.watchdog import Unsent
from checks.web.dashboard.pages import page
from checks.web.dashboard.viewer import Viewer
from checks.web.http import Asked, HttpResponse
from tests.support.access_facts import SUBSCRIPTION
from tests.support.broken_rows import damage_state
from tests.support.html_pages import HtmlPage, faults
from tests.support.image_facts import ACR
from tests.support.kept_fleets import KeptFleet
from tests.support.sample_chains import NASTY
from tests.support.sample_fleets import fleet, hostile_scan, kinds, named
from tests.support.storage import Clock, app_settings, job_context

READER = Viewer(name="kim@contoso.example")
OPERATOR = Viewer(name="jo@contoso.example", operator=True, form_token="secret-of-the-form")
LIST = ("", "incidents", "runs", "silences", "unseen")
PLACE = f"clusters/{SUBSCRIPTION}/rg"
SHOP = SubscriptionResult(
    id=SUBSCRIPTION, name="Shop Production", clusters=5, verdict=Pass(), summary="5 clusters found."
)


@pytest.fixture
async def empty(storage: str) -> AsyncIterator[KeptFleet]:
    """Storage in which no run is kept."""
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        await job.store.ensure_tables()
        yield KeptFleet(job, clock)


def healthy(name: str) -> ClusterReport:
    return named(kinds()["healthy"], name)


@pytest.fixture
async def kept(empty: KeptFleet) -> KeptFleet:
    """Six clusters that could pull, of which three cannot any more and one was not read."""
    before = [healthy(f"aks-{word}") for word in ("role", "role2", "dns", "dark", "fine", "fine2")]
    after = {"aks-role": "role", "aks-role2": "role", "aks-dns": "dns", "aks-dark": "unread"}
    await empty.run(before, [SHOP])
    for _ in range(2):
        await empty.run([named(kinds()[after.get(one.name, "healthy")], one.name) for one in before], [SHOP])
    empty.clock.forward(minutes=12)
    return empty


async def answered(kept: KeptFleet, place: str = "", viewer: Viewer = READER, **query: str) -> HttpResponse:
    asked = Asked("GET", {"page": place} if place else {}, {name: [value] for name, value in query.items()})
    return await page(kept.job, asked, viewer)


async def shown(kept: KeptFleet, place: str = "", viewer: Viewer = READER, status: int = 200, **query: str) -> HtmlPage:
    """A page, of which everything holds that holds of each."""
    answer = await answered(kept, place, viewer, **query)
    assert (answer.status, answer.media_type) == (status, "text/html; charset=utf-8"), answer.encoded()[:2000]
    assert answer.headers == {"Cache-Control": "no-store"}
    made = HtmlPage(answer.encoded().decode())
    assert faults(made) == []
    assert f"Pullwatch {VERSION}." in made.text and viewer.name in made.text
    return made


def silence(kept: KeptFleet, **more: Any) -> Silence:
    given: dict[str, Any] = {
        "id": "0a0a", "kind": SilenceKind.SILENCE, "matchers": Matchers(registry=ACR), "author": "jo@contoso.example",
        "reason": "the role comes with the next deployment", "created": kept.clock() - timedelta(minutes=5),
        "expires": kept.clock() + timedelta(hours=6),
    }  # fmt: skip
    return Silence(**given | more)


# ---- whatever is kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", LIST)
async def test_an_app_without_a_run_has_pages_that_say_so(empty: KeptFleet, place: str) -> None:
    made = await shown(empty, place, OPERATOR)
    assert "No run was closed yet" in made.text and "next in 30 min" in made.text
    assert made.forms() == ["/api/dashboard/runs"]


async def test_incidents_do_not_say_that_nothing_fails_where_nothing_was_looked_at(empty: KeptFleet) -> None:
    text = (await shown(empty, "incidents")).text
    assert "Nothing was looked at yet" in text and "to fail" not in text


async def test_now_says_that_nothing_was_looked_at_and_when_that_will_be(empty: KeptFleet) -> None:
    made = await shown(empty)
    assert "No cluster was looked at yet" in made.text and "The next run begins 2026-11-24 08:30 UTC" in made.text
    assert made.all("table") == []


async def test_where_all_is_fine_now_is_short(empty: KeptFleet) -> None:
    await empty.run([healthy("aks-1"), healthy("aks-2")], [SHOP])
    made = await shown(empty)
    assert "All 2 clusters can pull" in made.text and "Everything is fine." in made.text
    assert "2 fine 2 of them proven by nodes" in made.text
    assert "aks-1" not in made.text and "aks-1" in (await shown(empty, all="1")).text


@pytest.mark.parametrize("viewer", [READER, OPERATOR], ids=["reader", "operator"])
async def test_hostile_names_are_texts_wherever_they_are_shown(empty: KeptFleet, viewer: Viewer) -> None:
    hostile = hostile_scan()
    reports = [msgspec.structs.replace(one, id=f"{one.id.replace('/aks-1', '/aks-1 ')}") for one in hostile.clusters]
    evil = msgspec.structs.replace(hostile.subscriptions[0], id=SUBSCRIPTION)
    for _ in range(2):
        await empty.run(reports, [evil])
    await empty.job.store.add_silence(silence(empty, author=NASTY, reason=NASTY, matchers=Matchers(registry=NASTY)))
    now = await shown(empty, viewer=viewer, all="1", q="")
    links = [link for link in now.links() if "/clusters/" in link or "/registries/" in link or "/incidents/" in link]
    assert len(links) > 6
    await shown(empty, viewer=viewer, q=NASTY[:90])
    for place in LIST[1:]:
        await shown(empty, place, viewer)
    (overview,) = (await empty.job.store.list_overviews()).items
    for entry in overview.clusters:
        parts = (subscription_of(entry.cluster), resource_group_of(entry.cluster), name_of(entry.cluster))
        await shown(empty, "/".join(("clusters", *parts)), viewer)
        for row in entry.rows:
            await shown(empty, f"registries/{row.registry}", viewer)
    for link in links:
        if "/incidents/" in link:
            await shown(empty, link.removeprefix("/api/dashboard/").partition("?")[0], viewer)


async def test_rows_that_cannot_be_read_are_counted_and_named_and_cost_no_page(kept: KeptFleet, storage: str) -> None:
    with TableServiceClient.from_connection_string(storage) as service:
        table = service.get_table_client(keys.TABLE)
        row = keys.overview("22222222-2222-4222-8222-222222222222")
        table.create_entity({"PartitionKey": keys.OVERVIEW, "RowKey": row, "v": 999})
    for place in ("", "incidents", f"registries/{ACR}"):
        made = await shown(kept, place)
        assert "1 row of the storage cannot be read. What it holds is missing here." in made.text
    assert row in (await shown(kept, "unseen")).text


async def test_a_cluster_whose_row_cannot_be_read_is_shown_as_far_as_it_is_known(kept: KeptFleet, storage: str) -> None:
    damage_state(storage, "version 999", healthy("aks-role").id)
    made = await shown(kept, f"{PLACE}/aks-role")
    assert "There is no report to show." in made.text and "cannot pull" in made.text
    assert "1 more report cannot be read" in (await shown(kept, "unseen")).text
    await shown(kept, f"registries/{ACR}")


async def test_a_latest_run_that_cannot_be_read_is_said_and_costs_no_list(kept: KeptFleet, storage: str) -> None:
    with TableServiceClient.from_connection_string(storage) as service:
        table = service.get_table_client(keys.TABLE)
        table.upsert_entity({"PartitionKey": keys.RUN, "RowKey": "latest", "v": 999})
        for row in list(
            table.query_entities(f"PartitionKey eq '{keys.RUN}' and RowKey ge 'latest' and RowKey lt 'latesu'")
        ):
            table.upsert_entity({"PartitionKey": keys.RUN, "RowKey": row["RowKey"], "v": 999})
    made = await shown(kept)
    assert "1 row of the storage cannot be read" in made.text and "aks-role" in made.text
    assert "latest" in (await shown(kept, "unseen")).text
    await shown(kept, "runs")
    await shown(kept, "silences")


# ---- Now ---------------------------------------------------------------------------------------------------------


async def test_now_counts_lists_and_leads_on(kept: KeptFleet) -> None:
    await kept.job.store.save_unsent(Unsent(seen=kept.clock(), waiting=2, oldest_mail=kept.clock()))
    made = await shown(kept)
    assert "3 of 6 clusters cannot pull" in made.text and "2 mails waiting" in made.text
    assert "1 not seen" in made.text and "Last run 12 min ago" in made.text
    links = made.links()
    for place in (f"{PLACE}/aks-role", f"{PLACE}/aks-dark", f"registries/{ACR}", "incidents", "runs", "unseen"):
        assert f"/api/dashboard/{place}" in links
    assert "/api/dashboard/clusters.csv" in links and "/api/dashboard?all=1#clusters" in links
    assert made.forms() == [], "a reader sees no form"
    assert made.text.count("az role assignment create") == 1, "both clusters have the same identity"


async def test_an_operator_sees_forms_with_the_token(kept: KeptFleet) -> None:
    made = await shown(kept, viewer=OPERATOR)
    actions = made.forms()
    assert actions[0] == "/api/dashboard/runs"
    assert {one.rpartition("/")[2] for one in actions[1:]} == {"acknowledge", "silence"}
    tokens = [one for one in made.all("input") if one.get("name") == "token"]
    assert len(tokens) == len(actions) and {one["value"] for one in tokens} == {OPERATOR.form_token}
    hours = [one["value"] for one in made.all("option")]
    assert hours[:5] == ["1", "4", "8", "24", "72"]


async def test_rows_are_filtered_and_their_filter_is_kept_in_what_leads_on(kept: KeptFleet) -> None:
    made = await shown(kept, all="1", q="AKS-FINE")
    assert "2 rows with “AKS-FINE”" in made.text and "aks-fine2" in made.text
    assert "/api/dashboard/clusters.csv?all=1&q=AKS-FINE" in made.links()
    none = await shown(kept, q="aks-fine")
    assert "Nothing here has that in it." in none.text and "/api/dashboard?all=1&q=aks-fine#clusters" in none.links()


async def test_many_rows_come_in_pages(empty: KeptFleet) -> None:
    await empty.run(fleet(230, 0).clusters, [SHOP])
    first = await shown(empty, all="1")
    assert "230 rows, 200 of them on this page" in first.text
    (further,) = [link for link in first.links() if "page=" in link]
    token = further.partition("page=")[2].partition("#")[0]
    rest = await shown(empty, all="1", page=token)
    assert "230 rows, 30 of them on this page" in rest.text and "Open incidents" not in rest.text
    assert all(f"aks-shop-{number:04d}" in first.text + rest.text for number in range(230))


@pytest.mark.parametrize("query", [{"page": "zz"}, {"q": "x" * 201}, {"al": "1"}, {"all": "perhaps"}], ids=str)
async def test_a_query_that_cannot_be_used_is_refused_with_why(kept: KeptFleet, query: dict[str, str]) -> None:
    assert "The address cannot be used" in (await shown(kept, status=400, **query)).text


async def test_exports_have_the_rows_of_the_page(kept: KeptFleet) -> None:
    answer = await answered(kept, "clusters.csv", all="1", q="aks-role")
    assert (answer.status, answer.media_type) == (200, "text/csv; charset=utf-8")
    assert "attachment" in answer.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.encoded().decode())))
    assert [line["cluster"] for line in lines] == ["aks-role", "aks-role2"]
    assert {line["region"] for line in lines} == {"westeurope"}
    body = json.loads((await answered(kept, "clusters.json")).encoded())
    assert {one["name"] for one in body["clusters"]} == {"aks-role", "aks-role2", "aks-dns", "aks-dark"}


# ---- one cluster, registry, incident, silence, run ---------------------------------------------------------------


async def test_a_cluster_shows_its_path_its_fix_what_changed_and_what_was_not_read(kept: KeptFleet) -> None:
    made = await shown(kept, f"{PLACE.upper().replace('CLUSTERS', 'clusters')}/AKS-ROLE")
    assert "it breaks here" in made.text and "role: FAIL" in made.text
    assert "az role assignment create" in made.text and "Evidence" in made.text
    assert "2026-11-24 09:30 UTC" in made.text
    assert "passing" in made.text and "failing role-missing" in made.text
    assert "Coverage" in made.text and "canary pulls" in made.text
    assert [one["class"] for one in made.all("svg") if "pw-picture" in str(one.get("class"))] == ["pw-picture"]


async def test_an_operator_may_ask_for_another_look_at_the_subscription(kept: KeptFleet) -> None:
    assert (await shown(kept, f"{PLACE}/aks-role")).forms() == []
    made = await shown(kept, f"{PLACE}/aks-role", OPERATOR)
    assert made.forms() == ["/api/dashboard/runs"] * 2
    fields = {str(one["name"]): one["value"] for one in made.all("input")}
    assert fields == {"token": OPERATOR.form_token, "subscription": SUBSCRIPTION}


async def test_a_cluster_shows_how_long_pulls_took(empty: KeptFleet) -> None:
    for number in range(3):
        at = empty.clock().isoformat()
        times = (PullTime(f"{ACR}|system|s", 2.0 + number, 5, at), PullTime(f"{ACR}|apps|s/MiB", 0.1, 5, at))
        await empty.run([msgspec.structs.replace(healthy("aks-1"), pull_times=times)], [SHOP])
    made = await shown(empty, f"{PLACE}/aks-1")
    labels = [str(one["aria-label"]) for one in made.all("svg") if one.get("class") == "spark"]
    assert labels == [
        "Pull times of 3 runs: from 0.1 to 0.1 s/MiB, latest 0.1 s/MiB, median 0.1 s/MiB",
        "Pull times of 3 runs: from 2 to 4 s, latest 4 s, median 3 s",
    ]


async def test_a_cluster_that_could_not_be_checked_says_why(kept: KeptFleet) -> None:
    made = await shown(kept, f"{PLACE}/aks-dark")
    assert "It could not be checked. The cluster's API did not answer." in made.text


async def test_a_registry_shows_who_depends_on_it_and_what_is_known_of_it(kept: KeptFleet) -> None:
    made = await shown(kept, f"registries/{ACR.partition('.')[0]}", OPERATOR)
    assert "6 clusters use it: 3 cannot pull , 1 not seen , 2 fine ." in made.text
    assert {"Replicas", "Endpoints and names", "Firewall and way"} <= {
        word for word in ("Replicas", "Endpoints and names", "Firewall and way") if word in made.text
    }
    assert "PW203" in made.text and "As the last looks at" in made.text
    assert f"/api/dashboard/{PLACE}/aks-fine2" in made.links()


async def incidents(kept: KeptFleet) -> list[str]:
    links = (await shown(kept, "incidents")).links()
    found = [link.removeprefix("/api/dashboard/") for link in links if link.startswith("/api/dashboard/incidents/")]
    return list(dict.fromkeys(found))


async def test_an_incident_shows_every_cluster_and_all_fixes(kept: KeptFleet) -> None:
    first, *others = await incidents(kept)
    made = await shown(kept, first, OPERATOR)
    assert "2 of 6 clusters that use the registry" in made.text and "The fix" in made.text
    assert made.text.count("az role assignment create") == 3, "once for copying, once beside each cluster"
    assert [one.rpartition("/")[2] for one in made.forms()] == ["runs", "acknowledge", "silence"]
    assert len(others) == 2, "the path of a cluster, and what its nodes say of it"
    assert all(["1 of 6 clusters" in (await shown(kept, one)).text for one in others])


async def test_an_incident_that_is_over_has_no_forms(kept: KeptFleet) -> None:
    names = ("aks-role", "aks-role2", "aks-dns", "aks-dark", "aks-fine", "aks-fine2")
    first, *_ = await incidents(kept)
    for _ in range(3):
        await kept.run([healthy(name) for name in names], [SHOP])
    assert "Nothing is known to fail." in (await shown(kept, "incidents")).text
    assert "3 incidents" in (await shown(kept, "incidents", state="over")).text
    made = await shown(kept, first, OPERATOR)
    assert "What has recovered" in made.text and made.forms() == ["/api/dashboard/runs"]


async def test_an_acknowledgement_is_shown_to_everybody_and_may_be_ended_by_operators(kept: KeptFleet) -> None:
    matchers = Matchers(registry=ACR, cause="role-missing")
    await kept.job.store.add_silence(silence(kept, kind=SilenceKind.ACK, matchers=matchers))
    (name, *_) = [one for one in await incidents(kept) if "role-missing" in (await shown(kept, one)).text]
    made = await shown(kept, name, OPERATOR)
    assert (
        "Acknowledged by jo@contoso.example until it is over, at most until 2026-11-24 15:42 UTC (in 6 h) : the role"
        in made.text
    )
    assert [one.rpartition("/")[2] for one in made.forms()] == ["runs", "silence"], "nobody acknowledges it twice"
    assert (await shown(kept, "silences")).forms() == []
    assert (await shown(kept, "silences", OPERATOR)).forms()[1:] == ["/api/dashboard/silences/0a0a/end"]
    await kept.job.store.end_silence("0a0a", kept.clock())
    over = await shown(kept, "silences", OPERATOR)
    assert "None holds" in over.text and "Over" in over.text and len(over.forms()) == 1


@pytest.mark.parametrize(
    ("done", "said"), [("acknowledged", "Acknowledged: nobody"), ("silenced", "Silenced: no mail"), ("<b>x", "")]
)
async def test_what_was_just_done_is_said_in_known_words_only(kept: KeptFleet, done: str, said: str) -> None:
    made = await shown(kept, (await incidents(kept))[0], done=done)
    assert (said in made.text) if said else ("x" not in [one.get("role") for one in made.all("p")])
    assert any(one.get("role") == "status" for one in made.all("p")) is bool(said)


async def test_a_run_is_followed_until_it_is_closed(kept: KeptFleet) -> None:
    ticket = await kept.job.store.next_sequence(kept.clock(), "asked")
    progress = f"runs/{ticket.run_id}/progress.json"
    assert json.loads((await answered(kept, progress)).encoded())["status"] == "requested"
    waiting = await shown(kept, f"runs/{ticket.run_id}")
    assert "is about to be planned" in waiting.text and '<noscript><meta http-equiv="refresh"' in waiting.raw

    run = await kept.plan([SHOP], ("0001", "0002"))
    await kept.job.store.mark_shard(run.id, "0001", MarkerStatus.DONE, Totals(), kept.clock())
    made = await shown(kept, f"runs/{run.id}")
    assert "1 of 2 parts looked at." in made.text
    assert [(one["value"], one["max"]) for one in made.all("progress")] == [("1", "2")]
    answer = await answered(kept, f"runs/{run.id}/progress.json")
    assert answer.headers == {"Cache-Control": "no-store"}
    assert json.loads(answer.encoded()) == {
        "run": run.id, "status": "planned", "shards": 2, "ended": 1, "words": "1 of 2 parts looked at.",
    }  # fmt: skip
    assert "goes on" in (await shown(kept, "runs")).text

    await kept.close(run)
    made = await shown(kept, f"runs/{run.id}")
    assert "What it came to" in made.text and "refresh" not in made.raw and made.all("progress") == []


async def test_a_run_says_what_it_came_to_and_what_could_not_be_read(empty: KeptFleet) -> None:
    unread = SubscriptionResult(
        id="22222222-2222-4222-8222-222222222222", name="Secret", verdict=Unknown("Reader"), summary="Not visible.",
        fix=(az_roles.assign_role(az_roles.OWN_IDENTITY, "Reader", f"/subscriptions/{SUBSCRIPTION}"),),
    )  # fmt: skip
    run = await empty.run([healthy("aks-1"), named(kinds()["role"], "aks-2")], [SHOP, unread])
    made = await shown(empty, f"runs/{run.id}")
    assert "1 fail of 2 clusters" in made.text and "1 pass" in made.text
    assert made.text.index("Secret") < made.text.index("Shop Production"), "what was not read comes first"
    assert f"/api/dashboard/runs/{run.id}" in (await shown(empty, "runs")).links()


# ---- what I cannot see -------------------------------------------------------------------------------------------


async def test_what_was_not_read_is_grouped_and_one_script_grants_it(empty: KeptFleet) -> None:
    grant = az_roles.assign_role("33333333-3333-4333-8333-333333333333", "Reader", f"/subscriptions/{SUBSCRIPTION}")
    gap = Coverage("all of subscription x", False, "only a part of everything may be read", (grant,))
    reports = [
        msgspec.structs.replace(one, coverage=(*one.coverage, gap)) for one in (healthy("aks-1"), healthy("aks-2"))
    ]
    await empty.run(reports, [SHOP])
    made = await shown(empty, "unseen")
    assert "all of subscription x 2 clusters" in made.text and "1 role assignment, each" in made.text
    answer = await answered(empty, "unseen.sh")
    assert (answer.status, answer.media_type) == (200, "text/x-shellscript; charset=utf-8")
    script = answer.encoded().decode()
    assert f"grant 33333333-3333-4333-8333-333333333333 Reader /subscriptions/{SUBSCRIPTION}\n" in script
    assert script.count("\ngrant 3") == 1


# ---- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "nothing", "clusters", f"{PLACE}/nobody", "clusters/a/b/c", "clusters/' or 1 eq 1/../x", "registries",
        "registries/nobody.azurecr.io", "incidents/0000000000000000", "incidents/<script>", "runs/latest",
        "runs/202611-000000009999", "runs/x/progress.json", "silences/0a0a", "static/dashboard.css", "static/../x",
        "static/dashboard.000000000000.js", "unseen.sh/x", "//", "clusters.xml",
    ],
)  # fmt: skip
async def test_what_is_not_there_is_said_to_be_not_there(kept: KeptFleet, place: str) -> None:
    if place == "//":
        assert "cannot pull" in (await shown(kept, place)).text, "slashes alone mean Now"
        return
    made = await shown(kept, place, status=404)
    assert "There is no such page" in made.text and "<script>" not in made.text


async def test_files_are_named_by_their_content_and_stay(kept: KeptFleet) -> None:
    made = await shown(kept)
    files = [str(one["href"]) for one in made.all("link")] + [str(one["src"]) for one in made.all("script")]
    kindly = {}
    for address in files:
        file = assets.find(address.removeprefix("/api/dashboard/static/"))
        assert file is not None, address
        kindly[file.media_type] = file.body.decode()
    assert set(kindly) == {"text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml"}
    assert ".pw-picture" in kindly["text/css; charset=utf-8"] and "url(" not in kindly["text/css; charset=utf-8"]
    assert "innerHTML" not in kindly["text/javascript; charset=utf-8"]


async def test_a_page_says_that_earlier_changes_were_folded_and_a_run_that_is_not_kept_is_not_found(
    kept: KeptFleet,
) -> None:
    store = kept.job.store
    assert "were folded" not in (await shown(kept, f"{PLACE}/aks-role")).text
    cluster = healthy("aks-role").id
    folded = kept.clock()
    newest, *earlier = await store.list_changes(cluster)
    assert await store.fold_changes(cluster, earlier[0].sequence, folded) == len(earlier)
    await store.drop_changes(cluster, [one.sequence for one in earlier])
    (month,) = await store.months()
    kept.clock.forward(days=40)
    await kept.run([healthy("aks-fine")], [SHOP])
    await store.drop_month(month)
    page = await shown(kept, f"{PLACE}/aks-role")
    assert f"Earlier changes were folded on {folded:%Y-%m-%d %H:%M} UTC" in page.text
    assert f"run {newest.run}" in page.text
    await shown(kept, f"runs/{newest.run}", status=404)
    for place in LIST:
        await shown(kept, place)
