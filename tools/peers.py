"""The real Azure CLI and the real kubectl against the simulator: what they answer is checked, not only that they do.

    python tools/peers.py            the clients, the cases of azure_cli/cases.py, Pullwatch's fixes run through az
    python tools/peers.py --docs     only writes docs/azure-cli-differences.md from the cases

Makes .peers (a virtual environment with azure-cli, kept for the next time), tenants in a temporary folder, serves them
on loopback and asks. One line for each check, at the end `N passed, N failed, N skipped`; exit code 1 if one failed.
Nothing leaves the machine once azure-cli is installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]  # the tool is run by its path

import yaml  # noqa: E402 - after the path is set
from azure_cli import cases, compare, documented, granted  # noqa: E402
from azure_cli.program import SECONDS, Az, Missing, Tally, Wrong, environment, install, register_cloud  # noqa: E402

from simulator import Simulator, running  # noqa: E402
from simulator.fleet.generator import generate  # noqa: E402
from simulator.fleet.model import Cluster, Fleet, Registry, Wanted  # noqa: E402

ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
PAGE = ROOT / "docs" / "azure-cli-differences.md"


def login(az: Az, fleet: Fleet) -> str:
    subscriptions = {account["id"] for account in az("login", "--identity")}
    if subscriptions != set(fleet.subscriptions):
        raise Wrong(f"subscriptions {sorted(subscriptions)}, not {sorted(fleet.subscriptions)}")
    return f"{len(subscriptions)} subscriptions seen by the managed identity"


def show_cluster(az: Az, cluster: Cluster) -> str:
    shown = az("aks", "show", "-g", cluster.group, "-n", cluster.name, "--subscription", cluster.subscription)
    identity = shown["identityProfile"]["kubeletidentity"]
    if (identity["objectId"], identity["clientId"]) != (cluster.principal, cluster.client):
        raise Wrong(f"kubelet identity {identity}")
    return f"{shown['name']} pulls as {identity['clientId']}"


def list_clusters(az: Az, fleet: Fleet) -> str:
    clusters = {c["name"] for s in fleet.subscriptions for c in az("aks", "list", "--subscription", s)}
    if clusters != {cluster.name for cluster in fleet.clusters}:
        raise Wrong(f"clusters {sorted(clusters)}")
    return f"{len(clusters)} clusters, page by page"


def assignments(az: Az, cluster: Cluster) -> str:
    """By client id: az turns it into an object id through Graph, or it would find nothing."""
    registry = cluster.registries[0]
    result = az(
        *("role", "assignment", "list", "--assignee", cluster.client, "--all"),
        *("--subscription", registry.subscription),
    )
    pulls = [a for a in result if a["roleDefinitionId"].endswith(ACR_PULL)]
    if not any(a["scope"] == registry.id and a["principalId"] == cluster.principal for a in pulls):
        raise Wrong(f"no AcrPull on {registry.id} in {result}")
    if pulls[0]["roleDefinitionName"] != "AcrPull":
        raise Wrong(f"role is called {pulls[0]['roleDefinitionName']}")
    return f"AcrPull on {registry.name} found by client id"


def show_registry(az: Az, registry: Registry) -> str:
    shown = az("acr", "show", "-n", registry.name, "--subscription", registry.subscription)
    if shown["loginServer"] != registry.login_server or shown["sku"]["name"] != registry.sku:
        raise Wrong(f"{shown['loginServer']}, {shown['sku']}")
    return f"{shown['loginServer']}, {shown['sku']['name']}"


def usage(az: Az, registry: Registry) -> str:
    rows = az("acr", "show-usage", "-n", registry.name, "--subscription", registry.subscription)["value"]
    sizes = [row["limit"] for row in rows if row["name"] == "Size"]
    if sizes != [(500 if registry.sku == "Premium" else 100) * 1024**3]:
        raise Wrong(f"Size {sizes}")
    return f"Size limit {sizes[0]} bytes"


def without_graph(az: Az, sim: Simulator, cluster: Cluster) -> str:
    """Where Graph refuses, az takes the client id for an object id and finds nothing: that is not "no role"."""
    path = sim.tenant_dir / "authorization" / "caller.json"
    before = path.read_bytes()
    path.write_text(json.dumps({**json.loads(before), "graph": "denied"}), encoding="utf-8")
    try:
        subscription = cluster.registries[0].subscription
        result = az(
            *("role", "assignment", "list", "--assignee", cluster.client, "--all", "--subscription", subscription)
        )
    finally:
        path.write_bytes(before)
    if result:
        raise Wrong(f"{result}")
    return "nothing is found by client id"


def assign_and_remove(az: Az, cluster: Cluster, registry: Registry) -> str:
    """AcrPush for the kubelet identity: made, seen, taken away again."""
    options = ("--role", "AcrPush", "--scope", registry.id, "--subscription", registry.subscription)
    made = az("role", "assignment", "create", "--assignee", cluster.client, *options)
    listed = az("role", "assignment", "list", "--assignee", cluster.client, *options)
    if [a["name"] for a in listed] != [made["name"]]:
        raise Wrong(f"after creating it: {listed}")
    az("role", "assignment", "delete", "--assignee", cluster.client, *options)
    left = az("role", "assignment", "list", "--assignee", cluster.client, *options)
    if left:
        raise Wrong(f"after deleting it: {left}")
    return "made, listed and removed"


def credentials(az: Az, cluster: Cluster, folder: Path) -> str:
    path = folder / "from-az"
    az(
        *("aks", "get-credentials", "-g", cluster.group, "-n", cluster.name, "--file", str(path)),
        *("--subscription", cluster.subscription, "--format", "exec"),
    )
    user = yaml.safe_load(path.read_text(encoding="utf-8"))["users"][0]["user"]
    if user["exec"]["command"] != "kubelogin":
        raise Wrong(f"user {user}")
    return "a kubeconfig that asks kubelogin for a token"


def command(az: Az, cluster: Cluster, pods: set[str]) -> str:
    shown = az(
        *("aks", "command", "invoke", "-g", cluster.group, "-n", cluster.name),
        *("--subscription", cluster.subscription, "--command", "kubectl get pods -A -o json"),
    )
    listed = [item["metadata"] for item in json.loads(shown["logs"])["items"]]
    results = {item["name"] for item in listed if item["namespace"] != "aks-command"}
    own = len(listed) - len(results)
    if shown["exitCode"] != 0 or results != pods or own != 1:
        raise Wrong(f"exit {shown['exitCode']}, {len(results)} pods instead of {len(pods)}, {own} of Run Command's own")
    return f"{len(results)} pods by Run Command, and its own"


def kubectl(sim: Simulator, cluster_id: str, folder: Path, pods: set[str], *options: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise Missing("kubectl is not on PATH")
    config = folder / "kubeconfig"
    config.write_text(yaml.safe_dump(sim.kubeconfig(cluster_id)), encoding="utf-8")
    done = subprocess.run(
        [program, "--kubeconfig", str(config), "get", "pods", "-A", "--no-headers", *options],
        env={**environment(sim, folder)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise Wrong(done.stderr.strip()[-600:])
    rows = [line.split() for line in done.stdout.splitlines()]
    if {row[1] for row in rows} != pods or {row[3] for row in rows} != {"Running"}:
        raise Wrong(f"{len(rows)} rows instead of {len(pods)}: {done.stdout[:300]}")
    return f"{len(rows)} pods, all Running"


def clients(tally: Tally, az_program: Path, folder: Path) -> None:
    """Each client does what it does with Azure."""
    fleet = generate(folder / "tenant", Wanted(subscriptions=2, clusters=5, registries=2, pods=8))
    with running(folder / "tenant", page_size=2) as sim:
        az = Az(az_program, environment(sim, folder))
        cluster, registry = fleet.clusters[0], fleet.registries[0]
        objects = json.loads((folder / "tenant" / "kubernetes" / cluster.name / "objects.json").read_text())["items"]
        pods = {item["metadata"]["name"] for item in objects if item["kind"] == "Pod"}
        cluster_id = (
            f"/subscriptions/{cluster.subscription}/resourceGroups/{cluster.group}"
            f"/providers/Microsoft.ContainerService/managedClusters/{cluster.name}"
        )
        tally.check("az cloud register", lambda: register_cloud(az, sim))
        tally.check("az login --identity", lambda: login(az, fleet))
        tally.check("az aks list", lambda: list_clusters(az, fleet))
        tally.check("az aks show", lambda: show_cluster(az, cluster))
        tally.check("az role assignment list --assignee CLIENT_ID --all", lambda: assignments(az, cluster))
        tally.check("the same where Graph refuses", lambda: without_graph(az, sim, cluster))
        tally.check("az role assignment create, delete", lambda: assign_and_remove(az, cluster, registry))
        tally.check("az acr show", lambda: show_registry(az, registry))
        tally.check("az acr show-usage", lambda: usage(az, registry))
        tally.check("az aks get-credentials", lambda: credentials(az, cluster, folder))
        tally.check("az aks command invoke", lambda: command(az, cluster, pods))
        tally.check("kubectl get pods -A", lambda: kubectl(sim, cluster_id, folder, pods))
        in_pages = "--chunk-size=3"
        tally.check("kubectl get pods -A, in pages", lambda: kubectl(sim, cluster_id, folder, pods, in_pages))


def main(arguments: list[str]) -> int:
    """0 where all that was checked holds, else 1."""
    if "--docs" in arguments:
        PAGE.write_text(cases.document(), encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
        return 0
    try:
        program = install()
    except Missing as missing:
        print(f"FAIL  azure-cli: {missing}\n0 passed, 1 failed, 0 skipped")
        return 1
    tally = Tally()
    for section in (clients, compare.run, documented.run, granted.run):
        with tempfile.TemporaryDirectory(prefix="peers-") as folder:
            section(tally, program, Path(folder))
    print(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
