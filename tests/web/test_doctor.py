"""``GET /api/doctor``: from what runs kept, nothing is asked of Azure; and what the app's own settings lack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from checks.findings import ClusterReport, Coverage, Pass, SubscriptionResult
from tests.support.http import ask
from tests.support.kept_fleets import KeptFleet
from tests.support.reports import CLUSTER, report
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = CLUSTER.split("/")[2]
ROLE = "Azure Kubernetes Service RBAC Reader"
FIX = (
    "az role assignment create --assignee-object-id 11111111-2222-4333-8444-555555555555 "
    f"--assignee-principal-type ServicePrincipal --role '{ROLE}' --scope {CLUSTER}"
)
DARK = Coverage("pods", False, "403: pods is forbidden", (FIX,), "not-allowed", ROLE)


@pytest.fixture
async def kept(storage: str) -> AsyncIterator[KeptFleet]:
    clock = Clock()
    async with job_context(app_settings(storage), clock) as job:
        await job.store.ensure_tables()
        yield KeptFleet(job, clock)


def looked(name: str, *coverage: Coverage) -> ClusterReport:
    made = report("pass")
    return msgspec.structs.replace(made, id=f"{made.id}-{name}", coverage=coverage)


async def test_it_is_made_of_the_last_reports_and_the_settings(kept: KeptFleet) -> None:
    whole = SubscriptionResult(id=SUBSCRIPTION, name="Shop", clusters=2, verdict=Pass())
    run = await kept.run([looked("a", DARK), looked("b", Coverage("pods", True))], [whole])
    status, answer = await ask(kept.job, "doctor")
    assert status == 200 and answer["run"] == run.id
    found = answer["diagnosis"]
    assert (found["clusters"], found["looked"], found["subscriptions"]) == (2, 2, 1)
    (pods, *others) = found["lacks"]
    assert (pods["kind"], pods["what"], pods["needs"]) == ("permission", "pods", ROLE)
    assert [place["scope"] for place in pods["places"]] == [f"{CLUSTER}-a"] and "PW301" in pods["lost"]
    assert {one["what"] for one in others} == {"recipients", "mail transport"}, "nobody is notified by these settings"
    assert {one["setting"] for one in found["off"]} == {"PULLWATCH_READ_PULL_SECRETS=false"}
    assert f"'{ROLE}' {CLUSTER}" in answer["script"]


async def test_one_subscription_is_asked_for_by_its_id(kept: KeptFleet) -> None:
    await kept.run([looked("a", DARK)], [SubscriptionResult(id=SUBSCRIPTION, clusters=1, verdict=Pass())])
    _, answer = await ask(kept.job, "doctor", query={"subscription": ["22222222-2222-4222-8222-222222222222"]})
    assert (answer["diagnosis"]["clusters"], answer["diagnosis"]["subscriptions"]) == (0, 0)


async def test_an_app_that_never_looked_says_nothing_of_what_is_missing(kept: KeptFleet) -> None:
    status, answer = await ask(kept.job, "doctor")
    assert (status, answer["run"], answer["diagnosis"]["looked"]) == (200, "", 0)
    assert "no run was closed yet" in [place["why"] for one in answer["diagnosis"]["lacks"] for place in one["places"]]


@pytest.mark.parametrize(
    "query", [{"subscription": "x"}, {"cluster": "aks-*"}, {"cluster": " "}, {"no": "such"}], ids=str
)
async def test_what_cannot_be_meant_is_refused(kept: KeptFleet, query: dict[str, str]) -> None:
    status, answer = await ask(kept.job, "doctor", query={name: [value] for name, value in query.items()})
    assert (status, answer["type"].rpartition("/")[2].rpartition(":")[2]) in (
        (400, "unusable-query"),
        (400, "unknown-query"),
    )
