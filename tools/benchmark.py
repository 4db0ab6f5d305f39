"""`python tools/benchmark.py`: what reading and judging a cluster of 5,000 pods costs, beside curl and kubectl.

All three fetch from the same simulated API server, which sends pre-serialised bytes. Figures are client CPU seconds
(user and system), the median of several rounds; memory is the growth of the peak resident size over the idle process.
Limits: at most 1.5 times curl for the same bytes (pods and events), less than `kubectl get pods -A`, less than 100 MB.
A whole look asks Azure Resource Manager and the registries besides, which curl does not: its figure has no limit.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import structs

# Names as they stand in the managed fields of a pod.
_FIELDS = (
    *("generateName", "labels", "app", "pod-template-hash", "ownerReferences", "containers", "image", "env", "ports"),
    *("imagePullPolicy", "livenessProbe", "readinessProbe", "resources", "limits", "requests", "securityContext"),
    *("terminationMessagePath", "terminationMessagePolicy", "volumeMounts", "dnsPolicy", "enableServiceLinks"),
    *("restartPolicy", "schedulerName", "serviceAccountName", "terminationGracePeriodSeconds", "volumes"),
)
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> int:
    """Prints the figures; 0 where all limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        asyncio.run(_ours(options.measure))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        tenant = Path(folder, "tenant")
        sizes = {"subscriptions": 1, "clusters": 1, "registries": 2, "pods": options.pods, "seed": 3}
        words = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
        simulator = [sys.executable, "-m", "simulator"]
        subprocess.run([*simulator, "generate", str(tenant), *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        for file in tenant.glob("kubernetes/*/*.json"):
            _fill_out(file)
        exports = Path(folder, "exports")
        with subprocess.Popen(
            [*simulator, str(tenant), "--export-file", str(exports)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stdout is not None
                while "ready" not in server.stdout.readline():
                    pass
                os.environ.update(_exported(exports))
                return _measure(Path(folder), options.rounds)
            finally:
                server.terminate()


def _fill_out(file: Path) -> None:
    """Gives generated pods what real ones carry besides: managed fields, volumes, variables, tolerations, probes."""
    content = json.loads(file.read_text())
    for item in (item for item in content["items"] if item["kind"] == "Pod"):
        fields: dict[str, Any] = {f"f:{name}": {".": {}, f'k:{{"name":"{name}"}}': {}} for name in _FIELDS}
        stamp = {"apiVersion": "v1", "fieldsType": "FieldsV1", "operation": "Update", "time": "2026-11-01T10:00:00Z"}
        item["metadata"]["managedFields"] = [
            {**stamp, "manager": "kube-controller-manager", "fieldsV1": {"f:metadata": fields, "f:spec": fields}},
            {**stamp, "manager": "kubelet", "subresource": "status", "fieldsV1": {"f:status": fields}},
        ]
        item["spec"]["volumes"] = [{"name": f"v{n}", "configMap": {"name": f"settings-{n}"}} for n in range(4)]
        item["spec"]["tolerations"] = [
            {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for name in ("not-ready", "unreachable")
        ]
        for container in item["spec"]["containers"]:
            container["env"] = [{"name": f"VARIABLE_{n}", "value": f"https://service-{n}.example"} for n in range(15)]
            container["volumeMounts"] = [{"name": f"v{n}", "mountPath": f"/etc/settings/{n}"} for n in range(4)]
            container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 10}
    file.write_text(json.dumps(content))


def _exported(file: Path) -> dict[str, str]:
    """The variables of the simulator's export lines."""
    done = subprocess.run(["sh", "-c", f". {file}; env -0"], capture_output=True, text=True, check=True)
    pairs = [line.partition("=") for line in done.stdout.split("\0") if "=" in line]
    return {name: value for name, _, value in pairs}


def _measure(folder: Path, rounds: int) -> int:
    """Ours and curl in turns, so that whatever else the machine does meets both; ours in a process of its own, whose
    memory nothing else has touched."""
    own = [sys.executable, __file__, "--measure", str(folder)]
    with subprocess.Popen(own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        measured = _answer(process)
        ca = folder / "ca.pem"
        curl = _curl(folder, ca, measured["server"], measured["token"], measured["page"])
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
    return _print(measured, {name: statistics.median(seconds) for name, seconds in spent.items() if seconds})


def _answer(process: subprocess.Popen[str], word: str = "") -> dict[str, Any]:
    """What the measured process says, after it was told a word."""
    assert process.stdin is not None and process.stdout is not None
    if word:
        print(word, file=process.stdin, flush=True)
    document: dict[str, Any] = json.loads(process.stdout.readline())
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
    from checks.report.cluster_report import build_report
    from checks.rules.azure.clouds import AKS_SERVER_APPLICATION
    from checks.rules.pull.pull_times import measure_pull_times

    async with open_azure(settings.load(os.environ)) as azure:
        visible = await scan_cluster.visible(azure)
        ours = await inventory.read(azure, visible)
        (target,) = scan_cluster.clusters_of(ours, visible[0].id)
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
            uses = cluster.in_use(azure, ours, target, known.principal, pods)
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


def _curl(folder: Path, ca: Path, server: str, token: str, page: int) -> Callable[[], object]:
    """One curl, one connection: the pages of pods, then the pages of events, whose tokens it is given beforehand."""
    from checks.collect.kubernetes.objects import EVENTS

    header = f"Authorization: Bearer {token}"
    base = ["curl", "-sS", "--fail", "--cacert", str(ca), "-H", header]
    urls: list[str] = []
    for path in ("/api/v1/pods?", f"/api/v1/events?fieldSelector={quote(EVENTS)}&"):
        following = ""
        while True:
            urls.append(f"{server}{path}limit={page}{f'&continue={following}' if following else ''}")
            done = subprocess.run([*base, urls[-1]], capture_output=True, check=True)
            following = _continue(done.stdout)
            if not following:
                break
    config = Path(folder, "curl.config")
    config.write_text("\n".join(f'url = "{url}"\noutput = "{folder}/curl.out"' for url in urls))
    return lambda: subprocess.run([*base, "--config", str(config)], check=True)


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


def _print(measured: dict[str, Any], spent: dict[str, float]) -> int:
    ours, curl, kubectl = spent["ours"], spent["curl"], spent.get("kubectl")
    held = [ours <= 1.5 * curl, kubectl is None or ours < kubectl, measured["grown"] < 100]
    print(measured["sizes"])
    print(f"read and judge   {ours:7.3f} CPU s")
    print(f"curl             {curl:7.3f} CPU s   ratio {ours / curl:.2f}, limit 1.5")
    print(
        f"a whole scan     {spent['look']:7.3f} CPU s   (the first one, late imports and all: {measured['first']:.3f})"
    )
    print(f"kubectl get pods {kubectl:7.3f} CPU s" if kubectl is not None else "kubectl          not installed")
    print(f"peak memory     +{measured['grown']:6.1f} MB      limit 100")
    print(f"{sum(held)} passed, {len(held) - sum(held)} failed")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
