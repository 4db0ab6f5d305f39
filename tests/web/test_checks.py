"""What ``POST /api/checks`` takes, and what it counts."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from checks.web.resources.checks import MAX_SUBSCRIPTIONS
from simulator import running
from tests.support.http import answered, ask
from tests.support.network_world import World
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import SUBSCRIPTION, Tenant


def body(**members: Any) -> bytes:
    return json.dumps(members).encode()


async def test_as_many_subscriptions_as_may_be_named_fit_a_message(storage: str) -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(MAX_SUBSCRIPTIONS + 1)]
    async with job_context(app_settings(storage), Clock()) as job:
        assert (await ask(job, "post_checks", body=body(subscriptions=ids[:-1])))[0] == 202
        status, refused = await ask(job, "post_checks", body=body(subscriptions=ids))
    assert (status, refused["type"]) == (400, "urn:pullwatch:problem:unusable-body")
    assert str(MAX_SUBSCRIPTIONS) in refused["detail"]


@pytest.mark.parametrize(
    "members",
    [
        {"cluster": "x" * 513},
        {"cluster": "aks-*"},
        {"cluster": ""},
        {"cluster": " "},
        {"cluster": "/subscriptions/x/aks-1"},
        {"cluster": "rg/aks-1"},
        {"cluster": "aks-1", "registries": ["acrone"] * 101},
        {"registries": ["acrone"]},
        {"canary": True},
        {"subscriptions": ["not-an-id"]},
        {"cluster": "aks-1", "canary": "yes"},
    ],
)
async def test_what_cannot_be_used_is_refused_and_not_counted(storage: str, members: dict[str, Any]) -> None:
    async with job_context(app_settings(storage, ONDEMAND_PER_HOUR="1"), Clock()) as job:
        status, refused = await ask(job, "post_checks", body=body(**members))
        assert (status, refused["title"]) == (400, "The body cannot be used")
        assert await job.store.count_check(job.clock(), 1) is None, "it is the first of the hour"


async def test_what_is_more_than_the_hour_takes_is_told_when_to_come_again(storage: str) -> None:
    clock = Clock()
    async with job_context(app_settings(storage, ONDEMAND_PER_HOUR="2"), clock) as job:
        assert await job.store.count_check(clock(), 2) is None
        clock.forward(minutes=10)
        assert await job.store.count_check(clock(), 2) is None
        clock.forward(minutes=10)
        refused = await answered(job, "post_checks", body=body(cluster="aks-1"))
        assert (refused.status, refused.headers) == (429, {"Retry-After": "2400"})
        assert (await ask(job, "post_checks", body=b"{}"))[0] == 202, "runs are not counted"


SLOW = {"service": "arm", "path": "*/managedClusters", "effect": {"hang": True}}


@pytest.mark.parametrize("prefer", ["wait=1", "respond-async, wait=1", "return=minimal; x, Wait = 1"])
async def test_a_check_that_takes_longer_than_the_caller_waits_becomes_a_run(
    storage: str, tmp_path: Path, prefer: str
) -> None:
    world = World().registry()
    tenant = world.into(Tenant(tmp_path / "tenant"))
    tenant.write(".", [SLOW], "faults")
    with running(tenant.root) as sim:
        async with job_context(sim.environment | app_settings(storage), Clock()) as job:
            asked = body(cluster=world.cluster_id)
            answer = await answered(job, "post_checks", body=asked, headers={"prefer": prefer})
            run = json.loads(answer.encoded())["run"]
            assert (answer.status, answer.headers) == (202, {"Location": f"/api/runs/{run}", "Retry-After": "5"})
            assert (await job.store.load_asked((SUBSCRIPTION,))).asked.run_id == run  # type: ignore[union-attr]
            assert (await ask(job, "runs", path={"id": run}))[1]["status"] == "requested"


async def test_a_check_with_canary_pulls_has_no_run_to_take_its_place(storage: str, tmp_path: Path) -> None:
    tenant = World().registry().into(Tenant(tmp_path / "tenant"))
    tenant.write(".", [SLOW], "faults")
    with running(tenant.root) as sim:
        environment = sim.environment | app_settings(storage, CANARY_NAMESPACE="watch")
        async with job_context(environment, Clock()) as job:
            status, refused = await ask(
                job, "post_checks", body=body(cluster="aks-1", canary=True), headers={"prefer": "wait=1"}
            )
            assert (status, refused["type"]) == (504, "urn:pullwatch:problem:not-in-time")


@pytest.mark.parametrize("prefer", ["", "wait=", "wait=abc", "wait=-1", "await=1", "wait=99999"])
async def test_a_wish_that_cannot_be_read_is_none(storage: str, tmp_path: Path, prefer: str) -> None:
    tenant = World().registry().into(Tenant(tmp_path / "tenant"))
    with running(tenant.root) as sim:
        async with job_context(sim.environment | app_settings(storage), Clock()) as job:
            answer = await answered(job, "post_checks", body=body(cluster="aks-1"), headers={"prefer": prefer})
            assert answer.status == 200
