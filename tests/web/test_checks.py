"""What ``POST /api/checks`` takes, and what it counts."""

import json
import uuid
from typing import Any

import pytest

from checks.web.resources.checks import MAX_SUBSCRIPTIONS
from tests.support.http import answered, ask
from tests.support.storage import Clock, app_settings, job_context


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
