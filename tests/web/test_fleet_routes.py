"""What is held, over HTTP: clusters, incidents, registries, silences. States come by the product's own deciding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from checks.findings import Pass, SubscriptionResult
from checks.history.model import Run, RunScope
from checks.history.table import keys
from checks.jobs.close import close_run
from tests.support.broken_rows import EACH_WAY, damage
from tests.support.held import SUBSCRIPTION, Held, held_fleet
from tests.support.http import answered, ask
from tests.support.reports import CLUSTER, REGISTRY
from tests.support.sampling import sampled

WHO = {"author": "jo@contoso.example", "reason": "the role comes with the next deployment"}


def parts(name: str) -> dict[str, str]:
    return {"subscription": SUBSCRIPTION, "resource_group": "RG", "name": name}


@pytest.fixture
async def held(storage: str) -> AsyncIterator[Held]:
    async with held_fleet(storage) as there:
        yield there


def query(**given: str) -> dict[str, list[str]]:
    return {name: [value] for name, value in given.items()}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["aks-1", "aks-4", "aks-3", "aks-2"]),
        ({"verdict": "fail"}, ["aks-1", "aks-4"]),
        ({"cause": "role-missing", "registry": "acrone"}, ["aks-1", "aks-4"]),
        ({"subscription": "22222222-2222-4222-8222-222222222222"}, []),
    ],
    ids=str,
)
async def test_clusters_are_chosen_and_the_worst_come_first(
    held: Held, given: dict[str, str], names: list[str]
) -> None:
    body = await held.get("clusters", query=query(**given))
    assert [cluster["name"] for cluster in body["clusters"]] == names
    assert (body["counts"]["clusters"], body["next"], body["unreadable"]) == (len(names), None, 0)


async def test_a_list_is_read_in_pages_also_while_it_changes(held: Held) -> None:
    first = await held.get("clusters", query=query(limit="2"))
    assert [cluster["name"] for cluster in first["clusters"]] == ["aks-1", "aks-4"]
    assert first["counts"] == {"clusters": 4, "passing": 1, "failing": 2, "unknown": 1}
    await held.look(aks_1="pass")
    rest = await held.get("clusters", query=query(limit="2", page=first["next"]))
    assert [cluster["name"] for cluster in rest["clusters"]] == ["aks-3", "aks-1"]


async def test_a_token_is_of_one_list_with_its_filters(held: Held) -> None:
    token = (await held.get("clusters", query=query(limit="1", verdict="fail", cause="role-missing")))["next"]
    same = await held.get("clusters", query=query(page=token, verdict="fail", cause="Role-Missing"))
    assert [cluster["name"] for cluster in same["clusters"]] == ["aks-4"]
    for route, given in (("incidents", {}), ("clusters", {}), ("clusters", {"verdict": "pass"})):
        status, body = await ask(held.job, route, query=query(page=token, **given))
        assert (status, body["parameter"]) == (400, "page")
        assert body["detail"] == "page is no token that this list gave, filtered as it is"


@pytest.mark.parametrize("token", ["x", "!", "e30", "WzFd", "é" * 30, "A" * 2000])
async def test_a_token_that_no_list_gave_is_refused(held: Held, token: str) -> None:
    status, body = await ask(held.job, "clusters", query=query(page=token))
    assert (status, body["parameter"]) == (400, "page")


async def test_a_cluster_says_since_when_and_its_history_says_what_changed(held: Held) -> None:
    body = await held.get("cluster", path=parts("AKS-1"))
    assert (body["id"], body["verdict"]) == (CLUSTER, "fail")
    assert body["failing_since"] == "2026-11-24T09:00:00Z"
    assert {facet["fix"] for facet in body["rows"][0]["not_fine"]} == {"az role assignment create --role AcrPull"}
    history = await held.get("cluster_history", path=parts("aks-1"), query=query(limit="1"))
    assert history["more"] is True
    (change,) = history["changes"]
    assert {(moved["facet"], moved["before"], moved["after"]) for moved in change["transitions"]} == {
        ("access", "passing", "failing"), ("pull", "passing", "failing")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("cluster", parts("nobody")),
        ("cluster_history", parts("nobody")),
        ("cluster", {"subscription": "' or 1 eq 1", "resource_group": "../..", "name": "\x00"}),
        ("registry", {"login_server": "nobody.azurecr.io"}),
        ("incident", {"id": "0" * 16}),
        ("get_silence", {"id": "0a0a"}),
        ("get_silence", {"id": "' or RowKey ge 'a"}),
        ("end_silence", {"id": "0a0a"}),
        ("end_silence", {"id": "' or RowKey ge 'a"}),
    ],
    ids=str,
)
async def test_what_is_not_there_is_not_found(held: Held, route: str, path: dict[str, str]) -> None:
    status, body = await ask(held.job, route, path=path)
    assert (status, body["type"]) == (404, "urn:pullwatch:problem:not-found")


async def test_who_depends_on_a_registry(held: Held) -> None:
    body = await held.get("registry", path={"login_server": "acrone"})
    assert (body["registry"], body["clusters"], body["failing"], body["unknown"]) == (REGISTRY, 4, 2, 1)
    assert (body["unreadable"], body["not_shown"]) == (0, 0)
    assert [one["name"] for one in body["dependents"]] == ["aks-1", "aks-4", "aks-3", "aks-2"]


async def test_an_incident_goes_on_until_the_last_cluster_recovers(held: Held) -> None:
    (incident,) = (await held.get("incidents"))["incidents"]
    assert (incident["name"], incident["cause"], incident["state"]) == (REGISTRY, "role-missing", "open")
    assert (incident["clusters"], incident["using"], incident["since"]) == (2, 4, "2026-11-24T09:00:00Z")
    await held.look(aks_1="pass")
    assert (await held.get("incident", path={"id": incident["id"]}))["clusters"] == 1
    await held.look(aks_4="pass")
    assert (await held.get("incidents"))["incidents"] == []
    (over,) = (await held.get("incidents", query=query(state="over")))["incidents"]
    assert (over["id"], over["until"], len(over["over"])) == (incident["id"], "2026-11-24T10:00:00Z", 2)


async def test_whoever_acknowledges_second_learns_who_was_first(held: Held) -> None:
    (incident,) = (await held.get("incidents"))["incidents"]
    answers = await asyncio.gather(*(acknowledge(held, incident["id"], f"{name}@contoso.example") for name in "abcde"))
    assert sorted(status for status, _ in answers) == [201, 412, 412, 412, 412]
    (made,) = (body for status, body in answers if status == 201)
    assert {body["silence"]["author"] for status, body in answers if status == 412} == {made["author"]}
    assert (await held.get("incident", path={"id": incident["id"]}))["state"] == "acknowledged"
    status, again = await acknowledge(held, incident["id"], "z@contoso.example")
    assert (status, again["silence"]["id"]) == (412, made["id"])


async def test_what_was_acknowledged_may_be_acknowledged_again_when_that_is_over(held: Held) -> None:
    (incident,) = (await held.get("incidents"))["incidents"]
    _, first = await acknowledge(held, incident["id"], "a")
    status, ended = await ask(held.job, "end_silence", path={"id": first["id"]})
    assert (status, ended["active"]) == (200, False)
    assert (await held.get("incidents", query=query(state="open")))["incidents"] != []
    status, second = await acknowledge(held, incident["id"], "b")
    assert status == 201 and second["id"] != first["id"]
    assert {one["id"] for one in (await held.get("silences"))["silences"]} == {second["id"]}
    assert len((await held.get("silences", query=query(over="true")))["silences"]) == 2


async def acknowledge(held: Held, incident: str, author: str) -> tuple[int, dict[str, Any]]:
    body = b'{"author": "%s", "reason": "looking"}' % author.encode()
    return await ask(held.job, "acknowledge", path={"id": incident}, body=body)


async def test_a_silence_is_made_listed_and_ended(held: Held) -> None:
    body = b'{"matchers": {"registry": "acrone.azurecr.io"}, "author": "a", "reason": "moves", "minutes": 60}'
    status, made = await ask(held.job, "silence", body=body)
    assert (status, made["kind"], made["matchers"]) == (201, "silence", {"registry": REGISTRY})
    assert made["until"] == (held.clock() + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    (incident,) = (await held.get("incidents", query=query(state="silenced")))["incidents"]
    assert {failure["silence"]["author"] for failure in incident["failing"]} == {"a"}
    assert await held.get("get_silence", path={"id": made["id"].upper()}) == made
    status, _ = await ask(held.job, "end_silence", path={"id": made["id"]})
    assert (status, (await held.get("silences"))["silences"]) == (200, [])
    assert (await ask(held.job, "get_silence", path={"id": made["id"]}))[0] == 404
    (over,) = (await held.get("silences", query=query(over="true")))["silences"]
    assert (over["id"], over["active"]) == (made["id"], False)


async def test_what_was_made_is_where_location_says(held: Held) -> None:
    body = b'{"matchers": {"registry": "acrone.azurecr.io"}, "author": "a", "reason": "moves", "minutes": 60}'
    made = await answered(held.job, "silence", body=body)
    place, _, name = made.headers["Location"].rpartition("/")
    assert place == "/api/silences"
    assert (await answered(held.job, "get_silence", path={"id": name})).encoded() == made.encoded()


@pytest.mark.parametrize(("author", "reason"), [("\\u0000\\u202e", "moves"), ("a", " \\n")])
async def test_a_silence_by_nobody_or_for_nothing_that_can_be_shown_is_refused(
    held: Held, author: str, reason: str
) -> None:
    body = f'{{"matchers": {{"cause": "dns"}}, "author": "{author}", "reason": "{reason}", "minutes": 5}}'
    status, refused = await ask(held.job, "silence", body=body.encode())
    assert (status, "can be shown" in refused["detail"]) == (400, True)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b'{"matchers": {}}', b"\xff\xfe",
        b'{"matchers": {}, "author": "a", "reason": "b", "minutes": 5}',
        b'{"matchers": {"registry": "x"}, "author": "a", "reason": "b", "minutes": 0}',
        b'{"matchers": {"registry": "x"}, "author": "a", "reason": "b", "minutes": 999999}',
        b'{"matchers": {"registry": "x"}, "author": "", "reason": "b", "minutes": 5}',
        b'{"matchers": {"regsitry": "x"}, "author": "a", "reason": "b", "minutes": 5}',
        b'{"matchers": {"registry": "x"}, "author": "a", "reason": "b", "minutes": 5, "forever": true}',
    ],
)  # fmt: skip
async def test_a_silence_of_nothing_or_everything_or_for_ever_is_refused(held: Held, body: bytes) -> None:
    status, answer = await ask(held.job, "silence", body=body)
    assert (status, answer["type"]) == (400, "urn:pullwatch:problem:unusable-body")
    assert (await held.get("silences"))["silences"] == []


async def test_what_somebody_wrote_is_harmless_where_it_is_shown(held: Held) -> None:
    body = (
        b'{"matchers": {"cause": "dns"}, "author": "a\\u202e\\n", "reason": "Bearer abcdefghijkl12345", "minutes": 5}'
    )
    status, made = await ask(held.job, "silence", body=body)
    assert status == 201
    assert "abcdefghijkl" not in made["reason"] and made["author"] == "a"


async def test_runs_are_listed_and_the_latest_has_a_name_of_its_own(held: Held) -> None:
    assert (await held.get("list_runs"))["runs"] == []
    assert (await ask(held.job, "runs", path={"id": "latest"}))[0] == 404
    ids = []
    for number in range(2):
        ticket = await held.job.store.next_sequence(held.clock(), f"request {number}")
        run = Run(
            id=ticket.run_id, sequence=ticket.sequence, requested_by="timer", scope=RunScope(()),
            created=held.clock(), deadline=held.clock() + timedelta(minutes=25),
        )  # fmt: skip
        assert await held.job.store.create_run(run, [])
        ids.append(run.id)
    assert (await close_run(held.job, ids[0])).reason == "closed"
    assert [(one["run"], one["status"]) for one in (await held.get("list_runs"))["runs"]] == [
        (ids[1], "planned"), (ids[0], "closed")
    ]  # fmt: skip
    assert len((await held.get("list_runs", query=query(limit="1")))["runs"]) == 1
    assert (await held.get("runs", path={"id": "latest"}))["run"] == ids[0]


async def test_a_history_says_what_was_folded_before_its_oldest_change(held: Held) -> None:
    whole = await held.get("cluster_history", path=parts("aks-1"))
    assert (whole["more"], whole["earlier"]) == (False, None)
    newest = await held.job.store.list_changes(CLUSTER)
    await held.job.store.fold_changes(CLUSTER, newest[1].sequence, held.clock())
    await held.job.store.drop_changes(CLUSTER, [one.sequence for one in newest[1:]])
    history = await held.get("cluster_history", path=parts("aks-1"))
    assert history["earlier"] == {
        "changes": len(newest) - 1,
        "until": newest[1].at.isoformat().replace("+00:00", "Z"),
        "folded": held.clock().isoformat().replace("+00:00", "Z"),
    }
    assert len(history["changes"]) == 1


async def closed_run(held: Held, **more: Any) -> Run:
    """The next run of the fleet, closed without a look."""
    ticket = await held.job.store.next_sequence(held.clock(), f"run {held.clock()}")
    run = Run(
        id=ticket.run_id, sequence=ticket.sequence, requested_by="timer", scope=RunScope((SUBSCRIPTION,)),
        created=held.clock(), deadline=held.clock() + timedelta(minutes=25), **more,
    )  # fmt: skip
    assert await held.job.store.create_run(run, [])
    assert (await close_run(held.job, run.id)).reason == "closed"
    return run


SEEN = (SubscriptionResult(id=SUBSCRIPTION, name="Shop", clusters=4, verdict=Pass()),)


@pytest.mark.parametrize("how", sampled(EACH_WAY, 2))
async def test_a_row_of_the_latest_run_that_cannot_be_read_costs_no_list(held: Held, storage: str, how: str) -> None:
    run = await closed_run(held, subscriptions=SEEN)
    for row in ("latest", "latest-whole"):
        damage(storage, how, keys.RUN, row)
    listed = await held.get("clusters")
    assert (len(listed["clusters"]), listed["unreadable"], listed["not_shown"]) == (4, 1, 0)
    assert {one["subscription_name"] for one in listed["clusters"]} == {"Shop"}, "as it was seen last"
    assert (await held.get("incidents"))["unreadable"] == 1
    assert (await held.get("cluster", path=parts("aks-1")))["verdict"] == "fail"
    status, body = await ask(held.job, "runs", path={"id": "Latest"})
    assert (status, body["type"]) == (503, "urn:pullwatch:problem:row-unreadable")
    assert body["detail"].startswith("table pullwatch, partition 'run', row 'latest' cannot be read: ")
    assert "POST /api/checks" in body["fix"][0]
    assert (await held.get("runs", path={"id": run.id}))["status"] == "closed"


async def test_a_latest_run_whose_own_row_cannot_be_read_is_named_with_its_table(held: Held, storage: str) -> None:
    run = await closed_run(held)
    damage(storage, "garbage JSON", run.id, "run", keys.run_table(run.id))
    assert (await held.get("clusters"))["unreadable"] == 1
    _, body = await ask(held.job, "runs", path={"id": "latest"})
    assert body["detail"].startswith(f"table pullwatchruns202611, partition '{run.id}', row 'run' cannot be read: ")


@pytest.mark.parametrize("how", [*sampled(EACH_WAY, 2), "deleted"])
async def test_clusters_of_a_row_that_cannot_be_read_are_counted_and_not_denied(
    held: Held, storage: str, how: str
) -> None:
    await closed_run(held, subscriptions=SEEN)
    key = keys.overview(SUBSCRIPTION)
    if how == "deleted":
        await held.job.store._delete(keys.OVERVIEW, key)
    else:
        damage(storage, how, keys.OVERVIEW, key)
        for route in ("cluster", "cluster_history"):
            status, body = await ask(held.job, route, path=parts("aks-1"))
            assert (status, body["type"]) == (503, "urn:pullwatch:problem:row-unreadable")
            assert key in body["detail"]
    for route in ("clusters", "incidents"):
        listed = await held.get(route)
        assert (listed["unreadable"], listed["not_shown"], listed[route]) == (int(how != "deleted"), 4, [])
    status, body = await ask(held.job, "registry", path={"login_server": REGISTRY})
    assert (status, body["detail"]) == (404, "no cluster is known to use such a registry, of those that can be shown")


async def test_a_subscription_is_named_by_its_id_or_its_display_name(held: Held) -> None:
    await closed_run(held, subscriptions=SEEN)
    for name in (SUBSCRIPTION, SUBSCRIPTION.upper(), "shop"):
        assert (await held.get("clusters", query=query(subscription=name)))["counts"]["clusters"] == 4
    status, body = await ask(held.job, "clusters", query=query(subscription="shopp"))
    assert (status, body["parameter"]) == (400, "subscription")
    assert body["detail"] == "no subscription is called 'shopp'. Did you mean Shop?"


@pytest.mark.parametrize(
    ("cause", "hint"),
    [("role-mising", "Did you mean role-missing"), ("zzz", "docs/causes.md lists them all")],
)
async def test_a_cause_that_there_is_not_is_refused(held: Held, cause: str, hint: str) -> None:
    status, body = await ask(held.job, "clusters", query=query(cause=cause))
    assert (status, body["parameter"]) == (400, "cause")
    assert hint in body["detail"]
    assert (await held.get("clusters", query=query(cause="DNS-error")))["clusters"] == [], "there is such a one"
