"""Canary pods and real storage: a name is there before its pod, and what a dead process left is deleted later."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from checks.collect.kubernetes.canary_records import CanaryPod
from checks.collect.wire.errors import Temporary
from checks.history.model import CanaryList, StoredCanary
from checks.jobs.canaries import StoredCanaries, Swept, sweep_canaries
from simulator import Simulator, running
from tests.simulator.test_simulated_kubelet import Cluster
from tests.support.cli import ROOT, clean
from tests.support.network_world import HOST, World
from tests.support.storage import Clock, app_settings, job_context
from tests.support.tenant_builder import ACR_PULL, Tenant, object_id

IMAGE = f"{HOST}/team/web:1"
NAME = "pullwatch-canary-system-1"


class Estate:
    """A tenant with one cluster that is served, and what the app needs to work on it."""

    def __init__(self, sim: Simulator, tenant: Tenant, cluster: str, storage: str) -> None:
        self.sim, self.tenant, self.cluster = sim, tenant, cluster
        self.api = Cluster(sim, cluster)
        self.settings = sim.environment | app_settings(storage)

    def pods(self, namespace: str = "watch") -> list[str]:
        """The names of the pods that are there."""
        return self.api.names(f"/api/v1/namespaces/{namespace}/pods")

    def make(self, name: str = NAME, namespace: str = "watch") -> CanaryPod:
        """A canary pod, as a look makes it."""
        body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "ask-0", "image": IMAGE}]}}
        assert self.api(f"/api/v1/namespaces/{namespace}/pods", "POST", body).status == 201
        return CanaryPod(self.cluster, namespace, name)


@pytest.fixture
def estate(tmp_path: Path, storage: str) -> Iterator[Estate]:
    world = World().registry(anonymousPullEnabled=False)
    tenant = world.into(Tenant(tmp_path / "tenant"))
    tenant.reachable()
    tenant.ready_pods(IMAGE, "system")
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    tenant.assign(object_id("aks-1"), ACR_PULL, world.registry_id)
    for name in ("watch", "held"):
        notes = {"annotations": {"simulator/finalizers": "x.io/keep"}} if name == "held" else {}
        body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name, **notes}}
        tenant.write("kubernetes/aks-1", body, name)
    with running(tenant.root, kubelet_delay=0.02) as sim:
        yield Estate(sim, tenant, world.cluster_id, storage)


async def test_a_pod_that_is_left_is_deleted_when_its_time_is_over(estate: Estate) -> None:
    clock = Clock()
    async with job_context(estate.settings, clock) as job:
        await StoredCanaries(job).add(estate.make(), 180)
        clock.forward(seconds=299)
        assert await sweep_canaries(job) == Swept(), "its look may still read it"
        assert estate.pods() == [NAME]
        clock.forward(seconds=1)
        assert await sweep_canaries(job) == Swept(deleted=1)
        assert estate.pods() == []
        assert await job.store.due_canaries(clock() + timedelta(days=9)) == CanaryList(())


async def test_a_pod_that_was_never_made_or_is_gone_is_forgotten(estate: Estate) -> None:
    clock = Clock()
    async with job_context(estate.settings, clock) as job:
        records = StoredCanaries(job)
        pod = CanaryPod(estate.cluster, "watch", NAME)
        await records.add(pod, 180)
        clock.forward(hours=1)
        assert await sweep_canaries(job) == Swept(deleted=1)
        await records.add(pod, 180)
        await records.remove(pod)
        await records.remove(pod)
        assert await job.store.due_canaries(clock() + timedelta(days=9)) == CanaryList(())


async def test_pods_that_stay_are_tried_again_later_and_later(estate: Estate) -> None:
    clock = Clock()
    async with job_context(estate.settings, clock) as job:
        records = StoredCanaries(job)
        await records.add(estate.make(namespace="held"), 180)
        await records.add(estate.make("pullwatch-canary-system-2"), 180)
        clock.forward(hours=1)
        assert await sweep_canaries(job) == Swept(deleted=1, left=1)
        assert await sweep_canaries(job) == Swept(), "not at once again"
        clock.forward(minutes=10)
        assert await sweep_canaries(job) == Swept(left=1)
        clock.forward(days=1)
        (row,) = (await job.store.due_canaries(clock())).items
    assert (row.attempts, row.reason) == (2, "finalizers keep it: x.io/keep")
    assert row.due < clock() - timedelta(hours=23)


async def test_a_cluster_that_cannot_be_asked_holds_up_no_other_and_one_that_is_gone_is_forgotten(
    estate: Estate,
) -> None:
    clock = Clock()
    gone = estate.cluster.replace("aks-1", "aks-gone")
    estate.tenant.cluster("aks-dark")
    dark = estate.cluster.replace("aks-1", "aks-dark")
    async with job_context(estate.settings | {"PULLWATCH_CALL_SECONDS": "2"}, clock) as job:
        records = StoredCanaries(job)
        for pod in (CanaryPod(gone, "watch", NAME), CanaryPod(dark, "watch", NAME), estate.make()):
            await records.add(pod, 180)
        clock.forward(hours=1)
        assert await sweep_canaries(job) == Swept(deleted=2, left=1)
        clock.forward(days=1)
        assert [row.cluster for row in (await job.store.due_canaries(clock())).items] == [dark]


async def test_storage_that_is_away_makes_no_pod(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise ServiceRequestError("no storage")

    async with job_context(estate.settings, Clock()) as job:
        monkeypatch.setattr(job.store, "_put", away)
        with pytest.raises(Temporary, match="could not be stored, so it was not made"):
            await StoredCanaries(job).add(CanaryPod(estate.cluster, "watch", NAME), 180)


async def test_a_row_that_cannot_be_read_stops_no_other(estate: Estate) -> None:
    async with job_context(estate.settings, Clock()) as job:
        row = StoredCanary(cluster=estate.cluster, namespace="watch", name=NAME, due=job.clock())
        await job.store.put_canary(row)
        assert await job.store.due_canaries(job.clock()) == CanaryList((row,))
        partition = estate.cluster.split("/")[2]
        broken = {"PartitionKey": partition, "RowKey": "canary|x|y|z", "v": 1, "cluster": 5}
        await job.store._put(broken)
        listed = await job.store.due_canaries(job.clock())
        assert listed == CanaryList((row,), ("row 'canary|x|y|z' names no canary pod",))
        assert await sweep_canaries(job) == Swept(deleted=1)


# a process that dies -------------------------------------------------------------------------------------------------

WORKER = """
import asyncio, os, sys
from checks import settings
from checks.collect.arm.inventories import InventoryCache
from checks.jobs.context import open_job_context
from checks.web.resources.checks import post_checks
from checks.web.http import Asked

async def work():
    async with open_job_context(settings.load(os.environ), InventoryCache()) as context:
        await post_checks(context, Asked("POST", body=b'{"cluster": "aks-1", "canary": true}'))

asyncio.run(work())
"""


@contextmanager
def worker(estate: Estate, *command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that asks for canaries, ended at the end."""
    given = estate.settings | {"PULLWATCH_CANARY_NAMESPACE": "watch", "PULLWATCH_CALL_SECONDS": "5"} | environment
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, *command], cwd=ROOT, env=clean(given), **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def until(holds: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to it"
        time.sleep(0.02)


async def test_what_a_killed_worker_left_is_deleted_by_the_next_sweep(tmp_path: Path, storage: str) -> None:
    """No end of a Functions host can be caught: kill -9 is the worst of them."""
    with slow_estate(tmp_path, storage) as estate, worker(estate, "-c", WORKER) as process:
        until(estate.pods)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert len(estate.pods()) == 1
        clock = Clock()
        clock.now += timedelta(days=400)
        async with job_context(estate.settings, clock) as job:
            assert await sweep_canaries(job) == Swept(deleted=1)
        assert estate.pods() == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_command_line_deletes_its_pods_when_a_signal_ends_it(
    tmp_path: Path, storage: str, number: signal.Signals, code: int
) -> None:
    """However often the signal comes while it deletes."""
    slow = {"service": "kubernetes", "method": "DELETE", "path": "*", "effect": {"latency": 1}}
    with slow_estate(tmp_path, storage, slow) as estate:
        with worker(estate, "-m", "checks", "scan", "--canary", "--quiet") as process:
            until(estate.pods)
            for _ in range(3):
                process.send_signal(number)
                time.sleep(0.2)
            out, errors = process.communicate(timeout=30)
        assert (process.returncode, out) == (code, "")
        assert errors == f"pullwatch: stopped by {number.name}\n"
        assert estate.pods() == []


def test_the_command_line_says_what_it_had_to_leave(tmp_path: Path, storage: str) -> None:
    refusing = {"service": "kubernetes", "method": "DELETE", "path": "*", "effect": {"status": 500}}
    with slow_estate(tmp_path, storage, refusing) as estate:
        with worker(estate, "-m", "checks", "scan", "--canary", "--quiet") as process:
            until(estate.pods)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        (name,) = estate.pods()
    assert process.returncode == 143
    assert f"canary pod watch/{name} of {estate.cluster} was left behind" in errors


@contextmanager
def slow_estate(folder: Path, storage: str, *faults: dict[str, Any]) -> Iterator[Estate]:
    """An estate whose kubelet says nothing, so that a look takes its time."""
    world = World().registry(anonymousPullEnabled=False)
    tenant = world.into(Tenant(folder / "slow"))
    tenant.ready_pods(IMAGE, "system")
    tenant.write("registries", {"repositories": {"team/web": {"1": {"platforms": ["linux/amd64"]}}}}, HOST)
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "watch"}}
    tenant.write("kubernetes/aks-1", body)
    tenant.write("", list(faults), "faults")
    with running(tenant.root, kubelet_delay=60) as sim:
        yield Estate(sim, tenant, world.cluster_id, storage)
