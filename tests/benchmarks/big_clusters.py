"""What reading and judging one big cluster costs, beside curl, kubectl and the client's own decoding of the same bytes.

All ask the same API server, for pods about as long as real ones (6 to 7 kB each: defaults, token volume, tolerations,
conditions, managedFields), packed with gzip: kubectl and Pullwatch always ask for that, curl is told to. The simulated
API server sends pre-serialised bytes from a thread of this process; what is measured are other processes. Where there
is a real kube-apiserver (KUBEBUILDER_ASSETS), a smaller cluster is measured on that too.

Ours and curl run in turns, so that whatever else the machine does meets both, and the median is taken; kubectl and the
client's own decoding (models of every object) run once, as they are far off.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from checks.collect.kubernetes.objects import EVENTS
from simulator import running
from tests.benchmarks.figures import Figure, Section, at_most
from tests.benchmarks.processes import ROOT, Failed, generated
from tests.support.cli import clean
from tests.support.real_kubernetes import programs
from tests.support.real_kubernetes.nodes import load_many
from tests.support.real_kubernetes.roles import READER
from tests.support.real_kubernetes.server import kube_apiserver
from tests.support.real_kubernetes.tenant import APP, kubeconfig_rule

SIZES = (500, 5_000, 20_000)
REAL_PODS = 2_000
ROUNDS = 7
MAX_OF_CURL, MAX_MB = 1.2, 60
READER_PROCESS = [sys.executable, "-m", "tests.benchmarks.one_cluster"]


def measure(sizes: tuple[int, ...] = SIZES, real_pods: int = REAL_PODS, rounds: int = ROUNDS) -> Section:
    """The figures of each size, as ratios to curl. Raises Failed where there is no curl."""
    if shutil.which("curl") is None:
        raise Failed("no curl, which the goal is measured by")
    figures: list[Figure] = []
    for pods in sizes:
        with tempfile.TemporaryDirectory() as folder:
            tenant = _tenant(Path(folder), pods)
            with running(tenant) as sim:
                figures += _figures(f"{pods:,} pods", Path(folder), sim.environment, rounds)
    if not programs.what_is_missing():
        with _real(real_pods) as (folder, environment):
            figures += _figures(f"{real_pods:,} pods, kube-apiserver", folder, environment, rounds)
    how = f"CPU, median of {rounds}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return Section("One big cluster", how, tuple(figures))


def _tenant(folder: Path, pods: int) -> Path:
    return generated(folder, subscriptions=1, clusters=1, registries=2, pods=pods, seed=3)


@contextmanager
def _real(pods: int) -> Iterator[tuple[Path, dict[str, str]]]:
    """The same on a real API server, whose address the simulated Azure Resource Manager gives."""
    with tempfile.TemporaryDirectory() as folder, kube_apiserver() as server:
        tenant = _tenant(Path(folder), pods)
        (cluster,) = (tenant / "kubernetes").iterdir()
        for file in cluster.glob("*.json"):
            load_many(server, file)
        server.grant(READER, APP)
        (tenant / "faults.json").write_text(json.dumps([kubeconfig_rule(server, cluster.name)]))
        with running(tenant) as sim:
            yield Path(folder), sim.environment


@dataclass(frozen=True)
class _Server:
    """The API server as the measured process found it, and what is needed to ask it likewise."""

    url: str
    token: str
    page: int
    folder: Path

    @property
    def ca(self) -> Path:
        """The file of its authority."""
        return self.folder / "ca.pem"


def _figures(title: str, folder: Path, environment: dict[str, str], rounds: int) -> list[Figure]:
    own = [*READER_PROCESS, str(folder)]
    with subprocess.Popen(
        own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=clean(environment)
    ) as process:
        told = _answer(process)
        server = _Server(told["server"], told["token"], told["page"], folder)
        curl, size = _curl(server)
        kubectl = _kubectl(server)
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(rounds):
            ours.append(_answer(process, "look")["cpu"])
            theirs.append(_children(curl))
        grown = _answer(process, "end")["grown"]
    models = subprocess.run(
        [*own, "--models"], check=True, capture_output=True, text=True, cwd=ROOT, env=clean(environment)
    )
    base = statistics.median(theirs)
    figures = [
        Figure(f"{title}: bytes of pods and events", size / 1e6, "MB"),
        Figure(f"{title}: curl", base, "s of CPU"),
        at_most(f"{title}: reading and judging", statistics.median(ours) / base, MAX_OF_CURL, "of curl"),
        at_most(f"{title}: memory over idle", grown, MAX_MB, "MB"),
        Figure(f"{title}: the client's own decoding, pods", json.loads(models.stdout)["cpu"] / base, "of curl"),
    ]
    if kubectl is not None:
        figures.append(Figure(f"{title}: kubectl get pods -A", _children(kubectl) / base, "of curl"))
    return figures


def _answer(process: subprocess.Popen[str], word: str = "") -> dict[str, Any]:
    """What the measured process says, after it was told a word."""
    assert process.stdin is not None and process.stdout is not None
    if word:
        print(word, file=process.stdin, flush=True)
    line = process.stdout.readline()
    if not line:
        raise Failed("the measured process ended early; what it printed stands above")
    document: dict[str, Any] = json.loads(line)
    return document


def _children(run: Callable[[], object]) -> float:
    """CPU seconds of the child processes that a call starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _curl(server: _Server) -> tuple[Callable[[], object], int]:
    """One curl, one connection: the pages of pods, then the pages of events, whose tokens it is given beforehand; and
    how many bytes they are."""
    header = f"Authorization: Bearer {server.token}"
    # Under its own name it would be sent indented JSON, twice the bytes: the API server takes it for a person.
    base = ["curl", "-sS", "--fail", "--compressed", "-A", "benchmark", "--cacert", str(server.ca), "-H", header]
    urls: list[str] = []
    size = 0
    for path in ("/api/v1/pods?", f"/api/v1/events?fieldSelector={quote(EVENTS)}&"):
        following = ""
        while True:
            urls.append(f"{server.url}{path}limit={server.page}{f'&continue={following}' if following else ''}")
            done = subprocess.run([*base, urls[-1]], capture_output=True, check=True)
            size += len(done.stdout)
            following = quote(str(json.loads(done.stdout)["metadata"].get("continue") or ""))
            if not following:
                break
    config = server.folder / "curl.config"
    config.write_text("\n".join(f'url = "{url}"\noutput = "{server.folder}/curl.out"' for url in urls))
    return (lambda: subprocess.run([*base, "--config", str(config)], check=True)), size


def _kubectl(server: _Server) -> Callable[[], object] | None:
    """`kubectl get pods -A`, where there is a kubectl."""
    if shutil.which("kubectl") is None:
        return None
    options = [f"--server={server.url}", f"--certificate-authority={server.ca}", f"--token={server.token}"]
    environment = {**os.environ, "KUBECONFIG": str(server.folder / "none"), "HOME": str(server.folder)}

    def run() -> None:
        command = ["kubectl", *options, "get", "pods", "-A"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    run()  # fills its discovery cache
    return run
