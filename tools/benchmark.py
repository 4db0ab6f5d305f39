"""`python tools/benchmark.py`: what reading and judging a cluster costs, beside curl and kubectl.

All three ask the same API server. Two are measured, one after the other: the simulated one with 5,000 pods, which sends
pre-serialised bytes, and a real kube-apiserver with 2,000, where there is one (KUBEBUILDER_ASSETS or PATH;
CONTRIBUTING.md says how to get it). The pods are about as long as real ones, 6 kB each: defaults, token volume,
tolerations, conditions, managedFields. All three ask for answers packed with gzip and unpack them: kubectl and
Pullwatch always do, curl is told to (`--compressed`).

Figures are client CPU seconds (user and system), the median of several rounds; memory is the growth of the peak
resident size over the idle process. Limits: at most 1.5 times curl for the same bytes (pods and events), less than
`kubectl get pods -A`, less than 100 MB. A whole scan asks Azure Resource Manager and the registries besides, which curl
does not: its figure has no limit. The exit code is 1 where a limit is missed. Figures count only where nothing else
runs: the load of the machine is printed beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import structs

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SIMULATOR = [sys.executable, "-m", "simulator"]
MAX_OF_CURL = 1.5
MAX_MB = 100


def main() -> int:
    """Prints the figures; 0 where all limits hold."""
    parser = _parser()
    options = parser.parse_args()
    if options.measure is not None:
        asyncio.run(_ours(options.measure))
        return 0
    if shutil.which("curl") is None:
        parser.error("no curl, which the limit is measured by")
    held: list[bool] = []
    if options.server != "real":
        held += _simulated(options.pods, options.rounds)
    if options.server != "simulated":
        measured = _real(options.real_pods, options.rounds)
        held += [False] if measured is None and options.server == "real" else measured or []
    print(f"{sum(held)} passed, {len(held) - sum(held)} failed")
    return 0 if all(held) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", choices=("both", "simulated", "real"), default="both", help="which to measure on")
    parser.add_argument("--pods", type=int, default=5000, help="on the simulated server (default: %(default)s)")
    parser.add_argument("--real-pods", type=int, default=2000, help="on the real server (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="of which the median is taken (default: %(default)s)")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return parser


def _simulated(pods: int, rounds: int) -> list[bool]:
    """Whether each limit holds on the simulated API server."""
    with tempfile.TemporaryDirectory() as folder:
        tenant = _generated(Path(folder), pods)
        with served(tenant):
            return _measure("simulated API server", Path(folder), rounds)


def _real(pods: int, rounds: int) -> list[bool] | None:
    """The same on a real API server, whose address the simulated Azure Resource Manager gives; None where none is."""
    from tests.support.real_kubernetes import programs
    from tests.support.real_kubernetes.nodes import load_many
    from tests.support.real_kubernetes.roles import READER
    from tests.support.real_kubernetes.server import kube_apiserver
    from tests.support.real_kubernetes.tenant import APP, kubeconfig_rule

    if missing := programs.what_is_missing():
        print(f"kube-apiserver: not measured, {missing}\n")
        return None
    with tempfile.TemporaryDirectory() as folder, kube_apiserver() as server:
        tenant = _generated(Path(folder), pods)
        (cluster,) = (tenant / "kubernetes").iterdir()
        before = time.monotonic()
        for file in cluster.glob("*.json"):
            load_many(server, file)
        print(f"kube-apiserver: loaded in {time.monotonic() - before:.0f} s")
        server.grant(READER, APP)
        (tenant / "faults.json").write_text(json.dumps([kubeconfig_rule(server, cluster.name)]))
        with served(tenant):
            return _measure("kube-apiserver", Path(folder), rounds)


def _generated(folder: Path, pods: int) -> Path:
    """The folder of a tenant with one cluster."""
    tenant = folder / "tenant"
    sizes = {"subscriptions": 1, "clusters": 1, "registries": 2, "pods": pods, "seed": 3}
    words = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    subprocess.run([*SIMULATOR, "generate", str(tenant), *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return tenant


@contextmanager
def served(tenant: Path) -> Iterator[None]:
    """Serves a tenant, to which this process's environment then points."""
    exports = tenant.parent / "exports"
    command = [*SIMULATOR, str(tenant), "--export-file", str(exports)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            while "ready" not in (line := server.stdout.readline()):
                if not line:
                    raise RuntimeError("the simulator did not start")
            os.environ.update(_exported(exports))
            yield
        finally:
            server.terminate()


def _exported(file: Path) -> dict[str, str]:
    """The variables of the simulator's export lines."""
    done = subprocess.run(["sh", "-c", f". {file}; env -0"], capture_output=True, text=True, check=True)
    pairs = [line.partition("=") for line in done.stdout.split("\0") if "=" in line]
    return {name: value for name, _, value in pairs}


def _measure(title: str, folder: Path, rounds: int) -> list[bool]:
    """Prints the figures on one server; whether each limit holds.

    Ours and curl in turns, so that whatever else the machine does meets both; ours in a process of its own, whose
    memory nothing else has touched.
    """
    own = [sys.executable, __file__, "--measure", str(folder)]
    with subprocess.Popen(own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        measured = _answer(process)
        ca = folder / "ca.pem"
        curl, size = _curl(folder, ca, measured["server"], measured["token"], measured["page"])
        kubectl = _kubectl(folder, ca, measured["server"], measured["token"])
        spent: dict[str, list[float]] = {"ours": [], "look": [], "curl": [], "kubectl": []}
        for _ in range(rounds):
            answer = _answer(process, "look")
            spent["ours"].append(answer["cpu"])
            spent["look"].append(answer["look"])
            spent["curl"].append(_children(curl))
        if kubectl is not None:
            spent["kubectl"] = [_children(kubectl) for _ in range(rounds)]
        measured |= _answer(process, "end")
    print(f"{title}: {measured['sizes']}, {size / 1e6:.1f} MB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return _print(measured, {name: statistics.median(seconds) for name, seconds in spent.items() if seconds})


def _answer(process: subprocess.Popen[str], word: str = "") -> dict[str, Any]:
    """What the measured process says, after it was told a word."""
    assert process.stdin is not None and process.stdout is not None
    if word:
        print(word, file=process.stdin, flush=True)
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the measured process ended early; what it printed stands above")
    document: dict[str, Any] = json.loads(line)
    return document


async def _ours(folder: Path) -> None:
    """Reads and judges once for each line it is given: CPU seconds of that look; at the end, by how much the peak
    memory grew over the idle process."""
    from checks import settings
    from checks.collect import cluster
    from checks.collect.arm import inventory, reads
    from checks.collect.arm.client import open_azure
    from checks.collect.kubernetes import api as kubernetes
    from checks.collect.kubernetes import lists
    from checks.collect.kubernetes.kubeconfig import read
    from checks.jobs import scan_cluster
    from checks.jobs.choosing.scope import clusters_of
    from checks.report.cluster_report import build_report
    from checks.rules.azure.clouds import AKS_SERVER_APPLICATION
    from checks.rules.pull.pull_times import measure_pull_times

    async with open_azure(settings.load(os.environ)) as azure:
        visible = await scan_cluster.visible(azure)
        ours = await inventory.read(azure, visible)
        (target,) = clusters_of(ours, visible[0].id)
        kubeconfig = read(await reads.user_kubeconfig(azure, target))
        token = await azure.token(f"{AKS_SERVER_APPLICATION}/.default")
        (folder / "ca.pem").write_text(kubeconfig.ca_pem)
        idle = _peak()

        async def whole() -> float:
            before = time.process_time()
            report = await scan_cluster.scan_cluster(azure, ours, target, ())
            assert report.findings
            return time.process_time() - before

        async def once() -> float:
            before = time.process_time()
            pods = await kubernetes.pods_and_events(azure, target, kubeconfig)
            uses, _ = cluster.in_use(azure, ours, target, known.principal, pods)
            pulls = measure_pull_times(pods.value, target.pools)
            report = build_report(structs.replace(known, workloads=pods, uses=uses, pull_times=pulls))
            assert report.findings
            return time.process_time() - before

        first = await whole()
        known = await cluster.gather(azure, ours, target)
        _report(first=first, server=kubeconfig.server, token=token, page=lists.PAGE)
        while sys.stdin.readline().strip() == "look":
            _report(cpu=await once(), look=await whole())
        grown = _peak() - idle
        _report(grown=grown, sizes=await _sizes(azure, target, kubernetes))


def _report(**words: Any) -> None:
    print(json.dumps(words), flush=True)


def _peak() -> float:
    """The peak resident size of this process in MB (getrusage would count the parent's, from before exec)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def _sizes(azure: Any, target: Any, kubernetes: Any) -> str:
    seen = await kubernetes.workloads(azure, target)
    return f"{seen.value.pods} pods and {len(seen.value.events.value)} events"


def _children(run: Callable[[], object]) -> float:
    """CPU seconds of the child processes that a call starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def _curl(folder: Path, ca: Path, server: str, token: str, page: int) -> tuple[Callable[[], object], int]:
    """One curl, one connection: the pages of pods, then the pages of events, whose tokens it is given beforehand; and
    how many bytes they are."""
    from checks.collect.kubernetes.objects import EVENTS

    header = f"Authorization: Bearer {token}"
    # Under its own name it would be sent indented JSON, twice the bytes: the API server takes it for a person.
    base = ["curl", "-sS", "--fail", "--compressed", "-A", "benchmark", "--cacert", str(ca), "-H", header]
    urls: list[str] = []
    size = 0
    for path in ("/api/v1/pods?", f"/api/v1/events?fieldSelector={quote(EVENTS)}&"):
        following = ""
        while True:
            urls.append(f"{server}{path}limit={page}{f'&continue={following}' if following else ''}")
            done = subprocess.run([*base, urls[-1]], capture_output=True, check=True)
            size += len(done.stdout)
            following = _continue(done.stdout)
            if not following:
                break
    config = Path(folder, "curl.config")
    config.write_text("\n".join(f'url = "{url}"\noutput = "{folder}/curl.out"' for url in urls))
    return (lambda: subprocess.run([*base, "--config", str(config)], check=True)), size


def _continue(body: bytes) -> str:
    return quote(str(json.loads(body)["metadata"].get("continue") or ""))


def _kubectl(folder: Path, ca: Path, server: str, token: str) -> Callable[[], object] | None:
    """`kubectl get pods -A`, where there is a kubectl."""
    if shutil.which("kubectl") is None:
        return None
    command = [
        "kubectl",
        f"--server={server}",
        f"--certificate-authority={ca}",
        f"--token={token}",
        "get",
        "pods",
        "-A",
    ]
    environment = {**os.environ, "KUBECONFIG": str(folder / "none"), "HOME": str(folder)}

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    run()  # fills its discovery cache
    return run


def _print(measured: dict[str, Any], spent: dict[str, float]) -> list[bool]:
    """The table, with what each limit says."""
    ours, curl, kubectl = spent["ours"], spent["curl"], spent.get("kubectl")
    held = [ours <= MAX_OF_CURL * curl, measured["grown"] < MAX_MB]
    rows = [
        ("read and judge", f"{ours:.3f}", f"{ours / curl:.2f}", f"at most {MAX_OF_CURL} times curl: {_word(held[0])}"),
        ("curl", f"{curl:.3f}", "1.00", ""),
    ]
    if kubectl is None:
        rows.append(("kubectl get pods -A", "-", "", "not installed"))
    else:
        held.append(ours < kubectl)
        below = f"more than read and judge: {_word(held[-1])}"
        rows.append(("kubectl get pods -A", f"{kubectl:.3f}", f"{kubectl / curl:.2f}", below))
    rows.append(("a whole scan", f"{spent['look']:.3f}", f"{spent['look'] / curl:.2f}", ""))
    rows.append(("the first whole scan", f"{measured['first']:.3f}", f"{measured['first'] / curl:.2f}", "with imports"))
    print(f"  {'':20}  {'CPU s':>7}  {'of curl':>7}  limit")
    for name, seconds, ratio, limit in rows:
        print(f"  {name:20}  {seconds:>7}  {ratio:>7}  {limit}".rstrip())
    print(f"  {'peak memory':20}  {measured['grown']:+7.1f}  {'MB':7}  less than {MAX_MB} MB: {_word(held[1])}\n")
    return held


def _word(holds: bool) -> str:
    return "holds" if holds else "missed"


if __name__ == "__main__":
    sys.exit(main())
