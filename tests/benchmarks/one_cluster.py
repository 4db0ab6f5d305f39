"""Reads and judges one cluster in a process of its own, once for each line it is given; prints what that cost as JSON.

With --models it lists the pods once, as the `kubernetes` package does unless told otherwise: a model of every object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from kubernetes.aio import client
from msgspec import structs

from checks import settings
from checks.collect import cluster
from checks.collect.arm import inventory, reads
from checks.collect.arm.client import Azure, open_azure
from checks.collect.kubernetes import api as kubernetes
from checks.collect.kubernetes import lists
from checks.collect.kubernetes.kubeconfig import Kubeconfig, read
from checks.facts import Cluster
from checks.jobs import scan_cluster
from checks.jobs.choosing.scope import clusters_of
from checks.report.cluster_report import build_report
from checks.rules.azure.clouds import AKS_SERVER_APPLICATION
from checks.rules.pull.pull_times import measure_pull_times
from tests.benchmarks.whole_run import peak_mb


async def looking(folder: Path) -> None:
    """Says where the API server is; then CPU seconds of each look asked for; at the end, by how much memory grew."""
    async with open_azure(settings.load(os.environ)) as azure:
        visible = await scan_cluster.visible(azure)
        estate = await inventory.read(azure, visible)
        (target,) = clusters_of(estate, visible[0].id)
        kubeconfig, token = await _access(azure, target)
        (folder / "ca.pem").write_text(kubeconfig.ca_pem)
        idle = peak_mb()
        known = await cluster.gather(azure, estate, target)

        async def once() -> float:
            before = time.process_time()
            pods = await kubernetes.pods_and_events(azure, target, kubeconfig)
            uses, _ = cluster.in_use(azure, estate, target, known.principal, pods)
            pulls = measure_pull_times(pods.value, target.pools)
            report = build_report(structs.replace(known, workloads=pods, uses=uses, pull_times=pulls))
            assert report.findings
            return time.process_time() - before

        await once()
        _say(server=kubeconfig.server, token=token, page=lists.PAGE)
        while sys.stdin.readline().strip() == "look":
            _say(cpu=await once())
        _say(grown=peak_mb() - idle)


async def decoding(folder: Path) -> None:
    """CPU seconds of listing all pods as models."""
    async with open_azure(settings.load(os.environ)) as azure:
        visible = await scan_cluster.visible(azure)
        (target,) = clusters_of(await inventory.read(azure, visible), visible[0].id)
        kubeconfig, token = await _access(azure, target)
    configuration = client.Configuration(host=kubeconfig.server)
    configuration.ca_cert_data = kubeconfig.ca_pem
    configuration.api_key = {"BearerToken": f"Bearer {token}"}
    async with client.ApiClient(configuration) as api_client:
        pods, following = client.CoreV1Api(api_client), None
        before = time.process_time()
        while True:
            listed = await pods.list_pod_for_all_namespaces(limit=lists.PAGE, _continue=following)
            following = listed.metadata.var_continue if listed.metadata else None
            if not following:
                break
        _say(cpu=time.process_time() - before)


async def _access(azure: Azure, target: Cluster) -> tuple[Kubeconfig, str]:
    kubeconfig = read(await reads.user_kubeconfig(azure, target))
    return kubeconfig, await azure.token(f"{AKS_SERVER_APPLICATION}/.default")


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", action="store_true")
    options = parser.parse_args()
    asyncio.run((decoding if options.models else looking)(options.folder))
