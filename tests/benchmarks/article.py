"""The article's own procedure beside a whole scan, over the same simulated tenant.

"Verify the connection to the container registry" has somebody run, for each cluster, `az aks show` and
`az role assignment list --assignee … --all`. They are timed on a sample of the clusters, with the real Azure CLI, which
costs the same for each; the scan (`pullwatch scan --json`, which asks a good deal more) is timed over the whole fleet,
with the start of its process.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from simulator import running
from tests.benchmarks.figures import Figure, Section, at_least
from tests.benchmarks.processes import ROOT, Failed, generated, spend
from tests.support.cli import clean

sys.path.insert(0, str(ROOT / "tools"))  # azure_cli lies there, as peers.py has it
from azure_cli.program import Az, Missing, environment, install, register_cloud

SIZES = (100, 400, 1_000)
SAMPLE = 5
GOAL = 100


def measure(sizes: tuple[int, ...] = SIZES) -> Section:
    """CPU for each cluster: of the two commands, and of a scan of fleets of these sizes."""
    figures: list[Figure] = []
    article = 0.0
    scans: list[float] = []
    for clusters in sizes:
        with tempfile.TemporaryDirectory() as folder:
            parts = {"subscriptions": 5, "registries": max(4, clusters // 20), "pods": 50, "seed": 3}
            tenant = generated(Path(folder), clusters=clusters, **parts)
            with running(tenant) as sim:
                if not article:
                    article = _article(Az(_program(), environment(sim, Path(folder))), sim)
                    figures.append(Figure("the article's two commands, a cluster", article * 1000, "ms of CPU"))
                command = [sys.executable, "-m", "checks", "scan", "--json", "--quiet"]
                scans.append(spend(command, clean(sim.environment)).cpu)
        each = scans[-1] / clusters
        figures.append(Figure(f"a scan of {clusters:,} clusters, a cluster", each * 1000, "ms of CPU"))
        figures.append(at_least(f"the article over a scan of {clusters:,}", article / each, GOAL, "times"))
    if len(sizes) > 1:
        further = (scans[-1] - scans[0]) / (sizes[-1] - sizes[0])
        figures.append(Figure("a further cluster of a scan", further * 1000, "ms of CPU"))
        figures.append(Figure("the article over a further cluster", article / further, "times"))
    return Section("The article's procedure", "5 subscriptions, 50 pods a cluster; the real Azure CLI", tuple(figures))


def _program() -> Path:
    """The Azure CLI. Raises Failed where it cannot be had."""
    try:
        return install()
    except Missing as error:
        raise Failed(f"no Azure CLI, whose commands these are: {error}") from None


def _article(az: Az, sim: Any) -> float:
    """CPU seconds of the two commands for one cluster, the mean of a sample."""
    register_cloud(az, sim)
    az("login", "--identity")
    clusters = az("aks", "list")[:SAMPLE]
    spent = 0.0
    for cluster in clusters:
        shown = spend([str(az.program), *_show(cluster), "--output", "json"], az.environment)
        spent += shown.cpu
        identity = cluster["identityProfile"]["kubeletidentity"]["objectId"]
        listed = ["role", "assignment", "list", "--assignee", identity, "--all", "--output", "json"]
        spent += spend([str(az.program), *listed], az.environment).cpu
    return spent / len(clusters)


def _show(cluster: dict[str, Any]) -> list[str]:
    return ["aks", "show", "--resource-group", cluster["resourceGroup"], "--name", cluster["name"]]
