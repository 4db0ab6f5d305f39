"""A cluster's own API over the wire: lists in pages, lists that expire, and every way in which it does not answer."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest
import trustme
import yaml

from checks import settings
from checks.collect.arm import reads
from checks.collect.arm.client import Azure, open_azure
from checks.collect.kubernetes import api, connection, lists
from checks.facts import Cluster, NotSeen, NotSeenReason, Seen, Workloads
from simulator import Simulator, running
from tests.support.cli import clean
from tests.support.real_kubernetes import nodes, priority
from tests.support.real_kubernetes.served import ApiServer
from tests.support.real_kubernetes.server import KubeApiServer
from tests.support.real_kubernetes.tenant import APP
from tests.support.tenant_builder import SUBSCRIPTION, Tenant

T = TypeVar("T")
Found = Seen[Workloads] | NotSeen
PODS = 30
PODS_READ = "Microsoft.ContainerService/managedClusters/pods/read"


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """A cluster with pods, every third of which waits, and an event about each."""
    tenant = Tenant(tmp_path / "tenant")
    tenant.cluster()
    for number in range(PODS):
        waiting = ("ImagePullBackOff", f"text {number}") if number % 3 == 0 else None
        tenant.pod(f"acrone.azurecr.io/team/web:{number}", name=f"pod-{number:03}", waiting=waiting)
        tenant.event(f"pod-{number:03}", "Failed", f"event {number}")
    return tenant


@pytest.fixture
def pages_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda size: monkeypatch.setattr(lists, "PAGE", size)


def run(sim: Simulator, work: Callable[[Azure], Awaitable[T]], **over: str) -> T:
    """Work with the product's clients on the running tenant."""

    async def within() -> T:
        async with open_azure(settings.load(os.environ)) as azure:
            return await work(azure)

    with mock.patch.dict(os.environ, clean(sim.environment | over), clear=True):
        return asyncio.run(within())


async def clusters(azure: Azure) -> list[Cluster]:
    return list((await reads.clusters(azure, SUBSCRIPTION)).value)


def read(sim: Simulator, **over: str) -> Found:
    """The workloads of the tenant's one cluster."""

    async def work(azure: Azure) -> Found:
        (cluster,) = await clusters(azure)
        return await api.workloads(azure, cluster)

    return run(sim, work, **over)


def fault(tenant: Tenant, effect: dict[str, Any], path: str = "^/.*/pods\\?", **over: Any) -> None:
    rule = {"service": "kubernetes", "path": path, "effect": effect, **over}
    (tenant.root / "faults.json").write_text(json.dumps([rule]))


def pods_in(workloads: Found) -> list[str]:
    assert isinstance(workloads, Seen), workloads
    return [container.pod for container in workloads.value.containers]


def gap_of(workloads: Found) -> NotSeen:
    assert isinstance(workloads, NotSeen)
    return workloads


NAMES = [f"pod-{number:03}" for number in range(PODS)]


@pytest.mark.parametrize("size", [1, 7, PODS, 1000])
def test_a_list_is_read_to_its_end_whatever_the_page(
    tenant: Tenant, pages_of: Callable[[int], None], size: int, api_server: ApiServer
) -> None:
    pages_of(size)
    with api_server.running(tenant) as sim:
        workloads = read(sim)
        asked = api_server.count("pods")
    assert pods_in(workloads) == NAMES
    assert isinstance(workloads, Seen) and isinstance(workloads.value.events, Seen)
    assert [event.message for event in workloads.value.events.value] == [f"event {number}" for number in range(PODS)]
    assert {c.pod: c.waiting_message for c in workloads.value.containers if c.waiting_reason} == {
        f"pod-{number:03}": f"text {number}" for number in range(0, PODS, 3)
    }
    assert (workloads.value.pods, workloads.value.unreadable, asked) == (PODS, 0, -(-PODS // size))


EXPIRED: dict[str, Any] = {"status": 410, "body": {"kind": "Status", "metadata": {}, "message": "too old", "code": 410}}


def test_a_list_that_expires_on_the_way_and_cannot_be_gone_on_with_is_begun_anew(
    tenant: Tenant, pages_of: Callable[[int], None]
) -> None:
    pages_of(7)
    fault(tenant, EXPIRED, path="^/.*/pods\\?.*continue=", times=2)
    with running(tenant.root) as sim:
        workloads = read(sim)
    assert pods_in(workloads) == NAMES
    assert isinstance(workloads, Seen) and workloads.evidence.what == "pods and events"


def test_a_list_that_expires_on_the_way_is_gone_on_with_and_said_to_be_of_two_moments(
    tenant: Tenant, pages_of: Callable[[int], None], api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages_of(7)
    with api_server.running(tenant) as sim:
        if api_server.real is None:
            fault(tenant, {"status": 410}, path="^/.*/pods\\?.*continue=", times=1)
        else:
            expire_after_the_first_page(api_server.real, monkeypatch)
        workloads = read(sim)
        asked = api_server.count("pods")
    assert pods_in(workloads) == NAMES
    assert isinstance(workloads, Seen) and workloads.value.pods == PODS
    assert workloads.evidence.what == f"pods and events{api.TWO_MOMENTS}"
    assert asked <= -(-PODS // 7) + 2  # gone on with: begun anew, it would be one more page


def expire_after_the_first_page(server: KubeApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store forgets the state at which the list began, as it does after five minutes."""
    decode, pages = lists.decode_page, []

    def decoded(raw: memoryview, kind: type[Any]) -> Any:
        page = decode(raw, kind)
        if not pages:
            nodes.event(server, "pod-000", "Failed", "the store moves on")
            server.store.compact()
        pages.append(kind)
        return page

    monkeypatch.setattr(lists, "decode_page", decoded)


def test_a_list_that_expires_again_and_again_is_given_up(tenant: Tenant, pages_of: Callable[[int], None]) -> None:
    pages_of(7)
    fault(tenant, EXPIRED, path="^/.*/pods\\?.*continue=")
    with running(tenant.root) as sim:
        gap = gap_of(read(sim))
        assert sim.count("kubernetes", "/pods") == 2 * lists.EXPIRIES
    assert (gap.why, "expired 3 times" in gap.detail) == (NotSeenReason.ERROR, True)


@pytest.mark.parametrize(
    ("effect", "why", "expected"),
    [
        ({"status": 403}, NotSeenReason.NOT_ALLOWED, "answered 403"),
        ({"status": 404}, NotSeenReason.NOT_FOUND, "answered 404"),
        ({"status": 500}, NotSeenReason.ERROR, "answered 500"),
        ({"status": 503, "retry_after": 86400}, NotSeenReason.ERROR, "answered 503"),
        ({"hang": True}, NotSeenReason.UNREACHABLE, "no answer within 1 s"),
        ({"close": True}, NotSeenReason.UNREACHABLE, "read the Kubernetes API"),
        ({"truncate": 500}, NotSeenReason.ERROR, "read the Kubernetes API: the answer broke off"),
        ({"garbage": True}, NotSeenReason.ERROR, "sent what is no list"),
        ({"status": 200, "body": {"items": 7}}, NotSeenReason.ERROR, "sent what is no list"),
        ({"status": 200, "body": "[" * 5000}, NotSeenReason.ERROR, "sent what is no list"),
    ],
)
def test_what_is_wrong_is_told_by_its_own_reason(
    tenant: Tenant, effect: dict[str, Any], why: NotSeenReason, expected: str
) -> None:
    fault(tenant, effect)
    with running(tenant.root) as sim:
        gap = gap_of(read(sim, PULLWATCH_CALL_SECONDS="1"))
    assert gap.why is why, gap
    assert expected in gap.detail
    assert (gap.role == api.RBAC_READER) is (why is NotSeenReason.NOT_ALLOWED)
    if why is NotSeenReason.NOT_ALLOWED:
        assert gap.fix[0].startswith("az role assignment create") and api.RBAC_READER in gap.fix[0]


def test_a_refusal_is_told_in_azures_words_with_the_role_for_whom_they_name(
    tenant: Tenant, api_server: ApiServer
) -> None:
    tenant.caller(denied=[{"actions": [PODS_READ], "scope": "/"}])
    with api_server.running(tenant, roles=()) as sim:
        gap = gap_of(read(sim))
    assert (gap.why, gap.role) == (NotSeenReason.NOT_ALLOWED, api.RBAC_READER)
    assert gap.detail.startswith(
        f'the Kubernetes API answered 403: pods is forbidden: User "{APP}" cannot list resource "pods" in API group "" '
        "at the cluster scope: User does not have access to the resource in Azure."
    )
    assert f"--assignee-object-id {APP} " in gap.fix[0]


def test_a_token_that_is_not_taken_misses_no_role(
    tenant: Tenant, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AKS_SERVER_APPLICATION", "https://management.azure.com")
    with api_server.running(tenant) as sim:
        gap = gap_of(read(sim))
    assert gap.why is NotSeenReason.NOT_ALLOWED
    assert "the Kubernetes API answered 401: Unauthorized. Missing: a token of the Microsoft Entra tenant" in gap.detail
    assert gap.role is not None and "Role" not in gap.role and "RBAC" not in gap.detail
    assert gap.fix == (
        f"az aks show --subscription {SUBSCRIPTION} --resource-group rg --name aks-1 --query aadProfile",
    )


def test_throttling_is_waited_out(tenant: Tenant, api_server: ApiServer) -> None:
    with api_server.running(tenant) as sim:
        began = time.monotonic()
        with throttled(tenant, api_server, 1.5):
            workloads = read(sim)
    assert pods_in(workloads) == NAMES
    assert time.monotonic() - began > 1


def test_throttling_that_does_not_end_in_time_is_named(tenant: Tenant, api_server: ApiServer) -> None:
    with api_server.running(tenant) as sim, throttled(tenant, api_server, None):
        gap = gap_of(read(sim, PULLWATCH_CLUSTER_SECONDS="5"))
    assert gap.why is NotSeenReason.THROTTLED
    assert gap.detail == ("throttled: the Kubernetes API answered 429: Too many requests, please try again later.")


@pytest.mark.parametrize("asked", [86_400, "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_wait_that_would_end_too_late_is_not_begun(tenant: Tenant, asked: int | str) -> None:
    fault(tenant, {"status": 429, "retry_after": asked})
    with running(tenant.root) as sim:
        began = time.monotonic()
        assert gap_of(read(sim)).why is NotSeenReason.THROTTLED
        assert sim.count("kubernetes", "/pods") == 1
    assert time.monotonic() - began < 5


@contextmanager
def throttled(tenant: Tenant, api_server: ApiServer, seconds: float | None) -> Iterator[None]:
    """The app is refused with 429, for so many seconds or to the end of the block."""
    if api_server.real is None:
        fault(tenant, {"status": 429}, **({"times": 1} if seconds else {}))
        yield
        return
    with priority.throttled(api_server.real, APP) as release:
        timer = threading.Timer(seconds or 60, release)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def test_events_that_may_not_be_read_leave_the_pods(tenant: Tenant) -> None:
    fault(tenant, {"status": 403}, path="^/.*/events\\?")
    with running(tenant.root) as sim:
        workloads = read(sim)
    assert pods_in(workloads) == NAMES
    assert isinstance(workloads, Seen) and isinstance(workloads.value.events, NotSeen)
    assert workloads.value.events.why is NotSeenReason.NOT_ALLOWED


def test_one_odd_object_is_counted_and_loses_no_other(tenant: Tenant) -> None:
    good = {"metadata": {"name": "good", "namespace": "default"},
            "spec": {"containers": [{"name": "main", "image": "acrone.azurecr.io/team/web:1"}]}}  # fmt: skip
    odd = [{"metadata": 7}, None, "pod", {"metadata": {"name": "x"}, "spec": {"containers": "none"}}]
    fault(tenant, {"status": 200, "body": {"kind": "PodList", "items": [*odd, good], "metadata": {}}})
    with running(tenant.root) as sim:
        workloads = read(sim)
    assert pods_in(workloads) == ["good"]
    assert isinstance(workloads, Seen)
    assert (workloads.value.pods, workloads.value.unreadable) == (5, 4)


def test_a_page_without_end_is_cut_short(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MAX_PAGE_BYTES", 20)
    with running(tenant.root) as sim:
        assert "more than 20 bytes in one page" in gap_of(read(sim)).detail


def test_long_objects_are_read_in_shorter_pages(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tenant.root) as sim:
        whole = read(sim)
        monkeypatch.setattr(lists, "MAX_PAGE_BYTES", 4000)
        parts = read(sim)
    assert isinstance(whole, Seen) and isinstance(parts, Seen)
    assert parts.value.containers == whole.value.containers
    assert len(whole.value.containers) > 2


def test_pages_without_end_are_given_up(
    tenant: Tenant, pages_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages_of(1)
    monkeypatch.setattr(lists, "MAX_PAGES", 5)
    with running(tenant.root) as sim:
        assert "more than 5 pages" in gap_of(read(sim)).detail


def test_an_api_server_that_another_authority_vouches_for_is_not_spoken_to(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()

    async def elsewhere(azure: Azure, cluster: Cluster) -> bytes:
        body = yaml.safe_load(await known(azure, cluster))
        body["clusters"][0]["cluster"]["certificate-authority-data"] = other
        return yaml.safe_dump(body).encode()

    known = reads.user_kubeconfig
    monkeypatch.setattr(reads, "user_kubeconfig", elsewhere)
    with running(tenant.root) as sim:
        gap = gap_of(read(sim))
        assert sim.count("kubernetes", "/pods") == 0
    assert (gap.why, "certificate verify failed" in gap.detail.lower()) == (NotSeenReason.UNREACHABLE, True)


# Memory that readers hand on


def lent(azure: Azure) -> list[bytearray]:
    return azure._buffers


def test_readers_hand_on_their_memory_and_never_see_each_other(tenant: Tenant, pages_of: Callable[[int], None]) -> None:
    pages_of(7)
    tenant.cluster("aks-2")
    for number in range(3):
        tenant.pod("acrone.azurecr.io/other:1", cluster="aks-2", name=f"other-{number}")

    async def work(azure: Azure) -> list[list[str]]:
        one, two = sorted(await clusters(azure), key=lambda cluster: cluster.name)
        both = await asyncio.gather(*(api.workloads(azure, c) for c in (one, two, one, two)))
        assert 1 <= len(lent(azure)) <= 4
        again = [await api.workloads(azure, cluster) for cluster in (two, one)]
        assert 1 <= len(lent(azure)) <= 4
        return [pods_in(workloads) for workloads in (*both, *again)]

    others = [f"other-{number}" for number in range(3)]
    with running(tenant.root) as sim:
        assert run(sim, work) == [NAMES, others, NAMES, others, others, NAMES]


@pytest.mark.parametrize("effect", [{"garbage": True}, {"status": 500}, {"truncate": 100}, {"status": 200, "body": 7}])
def test_a_reader_that_failed_spoils_no_other(
    tenant: Tenant, pages_of: Callable[[int], None], effect: dict[str, Any]
) -> None:
    """Whatever failed on the second page, and whatever still looks at that page, the next reader reads on."""
    pages_of(7)
    fault(tenant, effect, path="^/.*/(pods|events)\\?.*continue=", times=2)

    async def work(azure: Azure) -> list[Found]:
        (cluster,) = await clusters(azure)
        return [await api.workloads(azure, cluster) for _ in range(4)]

    with running(tenant.root) as sim:
        workloads = run(sim, work)
    assert isinstance(workloads[0], NotSeen)
    assert pods_in(workloads[2]) == pods_in(workloads[3]) == NAMES
    assert isinstance(workloads[3], Seen) and isinstance(workloads[3].value.events, Seen)


def test_memory_that_is_still_looked_at_or_grew_too_big_is_not_lent_again(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checks.collect.arm.client.KEPT_BYTES", 100)

    async def work(azure: Azure) -> tuple[int, int, int]:
        with azure.buffer() as seen:
            seen += b"12345"
            view = memoryview(seen)
        while_seen = len(lent(azure))
        view.release()
        with azure.buffer() as big:
            big += bytes(101)
        after_big = len(lent(azure))
        with azure.buffer() as small:
            small += b"123"
        return while_seen, after_big, len(lent(azure))

    with running(tenant.root) as sim:
        assert run(sim, work) == (0, 0, 1)
