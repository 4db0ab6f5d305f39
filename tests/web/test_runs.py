"""``GET /api/runs/{id}`` as a client sees it: requested, planned, closed; and what ``openapi.json`` says of it."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from checks.history.model import MarkerStatus, Run, RunScope, Shard, Totals
from checks.jobs.close import close_run
from checks.jobs.context import JobContext
from checks.web.openapi import document
from checks.web.routes import ROUTES
from localhost.mailbox import Mailbox
from tests.support.http import answered, ask
from tests.support.storage import Clock, app_settings, job_context

SUBSCRIPTION = "00000000-0000-0000-0000-000000000003"


@pytest.fixture
async def job(storage: str, smtp: Mailbox) -> AsyncIterator[JobContext]:
    async with job_context(app_settings(storage, smtp), Clock()) as opened:
        yield opened


def fits(path: str, method: str, status: int, body: dict[str, Any]) -> None:
    """Raises where a body is not what the description says."""
    described = msgspec.to_builtins(document(ROUTES))
    (content,) = described["paths"][path][method]["responses"][str(status)]["content"].values()
    Draft202012Validator({**content["schema"], "components": described["components"]}).validate(body)


async def test_a_run_from_its_request_to_its_end(job: JobContext) -> None:
    asked = await answered(job, "post_checks", body=b"{}")
    run_id = asked.body.run
    assert (asked.status, asked.headers) == (202, {"Location": f"/api/runs/{run_id}", "Retry-After": "5"})
    fits("/api/checks", "post", 202, json.loads(asked.encoded()))
    status, body = await ask(job, "post_checks", body=b'{"subscriptions": []}')
    assert (status, body) == (202, {"run": run_id, "status": "requested", "joined": True})

    requested = await answered(job, "runs", path={"id": run_id})
    assert (requested.status, requested.headers["Retry-After"]) == (200, "5")
    fits("/api/runs/{id}", "get", 200, json.loads(requested.encoded()))

    now = job.clock()
    run = Run(
        id=run_id,
        sequence=1,
        requested_by="http",
        scope=RunScope((SUBSCRIPTION,)),
        created=now,
        deadline=now + timedelta(minutes=25),
        expected=("a", "b"),
    )
    assert await job.store.create_run(run, [Shard("a", SUBSCRIPTION), Shard("b", SUBSCRIPTION)])
    await job.store.mark_shard(run_id, "a", MarkerStatus.DONE, Totals(clusters=3, passing=3), now)
    status, body = await ask(job, "runs", path={"id": run_id})
    assert (body["status"], body["shards"], body["shards_ended"], body["closed"]) == ("planned", 2, 1, None)
    fits("/api/runs/{id}", "get", 200, body)

    await job.store.mark_shard(run_id, "b", MarkerStatus.DONE, Totals(), now)
    assert (await close_run(job, run_id)).reason == "closed"
    closed = await answered(job, "runs", path={"id": run_id})
    body = json.loads(closed.encoded())
    assert (body["status"], body["totals"]["passing"], body["closed"]) == ("closed", 3, "2026-11-24T08:00:00Z")
    fits("/api/runs/{id}", "get", 200, body)
    tags = [requested.headers["ETag"], closed.headers["ETag"]]
    assert tags[0] != tags[1]
    again = await answered(job, "runs", path={"id": run_id}, headers={"if-none-match": tags[1]})
    assert again.status == 304


@pytest.mark.parametrize("run_id", ["202611-000000000099", "nonsense", "", "202611-000000000001|x", "../health"])
async def test_a_run_that_is_not_there(job: JobContext, run_id: str) -> None:
    status, body = await ask(job, "runs", path={"id": run_id})
    assert (status, body["type"]) == (404, "urn:pullwatch:problem:not-found")
    fits("/api/runs/{id}", "get", 404, body)


@pytest.mark.parametrize("name", [route.name for route in ROUTES])
async def test_no_route_takes_a_parameter_that_it_does_not_know(job: JobContext, name: str) -> None:
    status, body = await ask(job, name, query={"no-such-parameter": ["1"]})
    assert (status, body["parameter"]) == (400, "no-such-parameter")
