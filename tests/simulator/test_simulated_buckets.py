"""How many requests the simulated Azure Resource Manager takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.arm.buckets import Buckets
from simulator.responses import Refusal
from tests.support.tenant_server import CLUSTER, SUBSCRIPTION, Client, Folder

READS = "x-ms-ratelimit-remaining-subscription-reads"


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def buckets(folder: Path, clock: Clock, content: str) -> tuple[Buckets, list[str]]:
    said: list[str] = []
    (folder / "buckets.json").write_text(content)
    return Buckets(folder / "buckets.json", said.append, clock), said


def taken(some: Buckets, method: str, subscription: str | None, tries: int) -> int:
    """How many of so many requests are let through."""
    count = 0
    for _ in range(tries):
        try:
            some.take(method, subscription)
            count += 1
        except Refusal as refusal:
            assert refusal.status == 429
    return count


SMALL = '{"subscription": {"reads": {"capacity": 5, "per_second": 2}}}'


def test_a_bucket_gives_what_it_holds_and_then_what_it_gets(tmp_path: Path) -> None:
    clock = Clock()
    some, _ = buckets(tmp_path, clock, SMALL)
    assert taken(some, "GET", "s1", 10) == 5
    clock.now += 1.5
    assert taken(some, "GET", "S1", 10) == 3
    clock.now += 3600
    assert taken(some, "GET", "s1", 10) == 5


def test_each_subscription_and_operation_has_its_own(tmp_path: Path) -> None:
    some, _ = buckets(tmp_path, Clock(), SMALL)
    assert taken(some, "GET", "s1", 10) == 5
    assert taken(some, "HEAD", "s2", 10) == 5
    assert taken(some, "POST", "s1", 10) == 10
    assert taken(some, "GET", None, 10) == 10


@pytest.mark.parametrize(("per_second", "seconds"), [(2, "1"), (0.3, "4"), (100, "1")])
def test_a_refusal_asks_for_whole_seconds_until_there_is_one(tmp_path: Path, per_second: float, seconds: str) -> None:
    clock = Clock()
    content = '{"tenant": {"writes": {"capacity": 1, "per_second": %s}}}' % per_second  # noqa: UP031
    some, _ = buckets(tmp_path, clock, content)
    some.take("POST", None)
    with pytest.raises(Refusal) as raised:
        some.take("POST", None)
    assert raised.value.headers["Retry-After"] == seconds
    assert raised.value.body["error"]["code"] == "TenantRequestsThrottled"
    assert some.headers("POST", None) == {"x-ms-ratelimit-remaining-tenant-writes": "0"}
    clock.now += float(seconds)
    some.take("POST", None)


@pytest.mark.parametrize("limit", ["1", '{"capacity": 0, "per_second": 1}', '{"capacity": 5, "per_second": 0}', "{}"])
def test_what_is_no_bucket_is_said_and_left_out(tmp_path: Path, limit: str) -> None:
    some, said = buckets(tmp_path, Clock(), '{"subscription": {"reads": %s}}' % limit)  # noqa: UP031
    assert taken(some, "GET", "s1", 10) == 10
    assert len(said) == 1 and "it is no bucket: subscription reads" in said[0]


def test_every_answer_tells_what_is_left_and_the_last_is_refused(client: Client, folder: Folder) -> None:
    limit = {"capacity": 2, "per_second": 0.01}
    folder.write("buckets.json", {"subscription": {"reads": limit}})
    replies = [client.arm(CLUSTER), client.arm(f"{CLUSTER}-absent"), client.arm(CLUSTER)]
    assert [reply.status for reply in replies] == [200, 404, 429]
    assert [reply.headers[READS] for reply in replies] == ["1", "0", "0"]
    assert replies[2].json["error"]["code"] == "SubscriptionRequestsThrottled"
    assert SUBSCRIPTION in replies[2].json["error"]["message"]
    assert int(replies[2].headers["Retry-After"]) in (99, 100)
    assert client.arm("/subscriptions", "2022-12-01").status == 200


def test_a_changed_file_fills_all_buckets(client: Client, folder: Folder) -> None:
    folder.write("buckets.json", {"subscription": {"reads": {"capacity": 1, "per_second": 0.01}}})
    assert [client.arm(CLUSTER).status for _ in range(2)] == [200, 429]
    folder.write("buckets.json", {})
    reply = client.arm(CLUSTER)
    assert reply.status == 200
    assert READS not in reply.headers
